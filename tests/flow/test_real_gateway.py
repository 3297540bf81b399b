"""The log of a real gateway, written by real clients: the flow copes, and kinds of work part."""

import csv
import subprocess
from pathlib import Path

import pytest

from tests.flow.conftest import SHARED, Command, query

LOG = SHARED / "realdata" / "litellm"

pytestmark = pytest.mark.skipif(
    not LOG.is_dir(),
    reason="the real gateway log lies beside the repository only where it is built",
)

# The tools that chat and code; evaluation harnesses and a load test are the hard cases between.
CHAT_AND_CODE = ("chatapp-sharegpt-replay", "llm", "shell-gpt", "aider", "mini-swe-agent")


@pytest.fixture(scope="module")
def home(extraction_watch: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "home"
    done = extraction_watch("run", "--exports", LOG / "payload", "--home", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def ranks(home: Path) -> dict[str, int]:
    return dict(
        query(
            home,
            "select account_id, rank from suspected_extraction_accounts where as_of_date = "
            "(select max(as_of_date) from suspected_extraction_accounts)",
        )
    )


def labelled() -> dict[str, tuple[str, str]]:
    with (LOG / "labels.csv").open(encoding="utf-8", newline="") as file:
        return {row["account_id"]: (row["label"], row["tool"]) for row in csv.DictReader(file)}


def test_generation_and_judging_stand_above_chat_and_code(home: Path) -> None:
    found = ranks(home)
    labels = labelled()
    harvesters = {name for name, (label, _) in labels.items() if label == "extraction"}
    people = {name for name, (_, tool) in labels.items() if tool in CHAT_AND_CODE}
    assert len(harvesters) == 12 and len(people) == 8
    lowest = max(harvesters, key=lambda name: found[name])
    highest = min(people, key=lambda name: found[name])
    assert found[lowest] < found[highest], (lowest, found[lowest], highest, found[highest])


def test_failed_rows_without_a_user_make_no_phantom_account(home: Path) -> None:
    """Regression: grouped by user alone, 405 failed rows form an account of their own."""
    assert set(ranks(home)) == set(labelled())


def test_nothing_of_the_log_is_lost(home: Path) -> None:
    (rows_in, kept, rejected, duplicate) = query(
        home,
        "select sum(rows_in), sum(rows_kept), sum(rows_rejected), sum(rows_duplicate) "
        "from ingested_files",
    )[0]
    assert rows_in == kept + rejected + duplicate == 7_567


def test_no_address_text_or_key_of_the_log_is_below_the_home_folder(home: Path) -> None:
    """What every record holds must be in no file that a run leaves behind."""
    telling = [
        b"@example.test",
        b"127.0.0.1",
        b"AsyncOpenAI",
        b"Write one hard exam question about finance",
        b"735fc5a16cfb267736aced514d9fe77a2441851bb97265a5dfe661710c04146c",
    ]
    for text in telling:
        grep = subprocess.run(
            ["grep", "-rlaF", text.decode(), str(home)], capture_output=True, text=True, check=False
        )
        assert grep.returncode == 1, (text, grep.stdout)
