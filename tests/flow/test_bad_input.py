"""Wrong arguments and bad deliveries: one clear sentence, the right status, nothing half-done."""

import gzip
from datetime import date
from pathlib import Path

import pytest

from tests.flow.conftest import Command, deliver, query, tables_of, write_lines
from tests.flow.test_deliveries import requests_of

DAY = date(2026, 9, 1)
NEXT_DAY = date(2026, 9, 2)


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """One good delivery."""
    folder = tmp_path / "exports"
    deliver(folder, DAY, requests_of(DAY))
    return folder


def one_sentence(text: str) -> str:
    """What was said to the user, without a traceback."""
    assert "Traceback" not in text
    assert text.startswith("error: ")
    return text.removeprefix("error: ").strip()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "2026-13-01"), "expected a day as YYYY-MM-DD"),
        (("--from", "yesterday"), "expected a day as YYYY-MM-DD"),
        (("--from", "2026-09-03", "--to", "2026-09-01"), "exchange them"),
        (("--from", "2025-02-01", "--to", "2025-02-02"), "no delivery lies between"),
        (("--format", "litelm"), "litellm_payload"),
    ],
)
def test_wrong_arguments_end_with_status_2_before_anything_ran(
    extraction_watch: Command,
    exports: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    done = extraction_watch("run", "--exports", exports, "--home", tmp_path / "home", *arguments)
    assert done.returncode == 2
    assert said in one_sentence(done.stderr)
    assert not (tmp_path / "home" / "published").exists()


def test_a_missing_folder_is_named(extraction_watch: Command, tmp_path: Path) -> None:
    done = extraction_watch("run", "--exports", tmp_path / "nowhere", "--home", tmp_path / "home")
    assert done.returncode == 2
    assert str(tmp_path / "nowhere") in one_sentence(done.stderr)


def test_a_folder_without_deliveries_is_told_apart(
    extraction_watch: Command, tmp_path: Path
) -> None:
    (tmp_path / "exports" / "requests").mkdir(parents=True)
    done = extraction_watch("run", "--exports", tmp_path / "exports", "--home", tmp_path / "home")
    assert done.returncode == 2
    assert "YYYY-MM-DD" in one_sentence(done.stderr)


def test_reading_before_the_first_run_says_what_to_do(
    extraction_watch: Command, tmp_path: Path
) -> None:
    for command in (("rank",), ("report",), ("explain", "acct-1")):
        done = extraction_watch(*command, "--home", tmp_path / "home")
        assert done.returncode == 2, command
        assert "extraction-watch run" in one_sentence(done.stderr)


def test_a_damaged_file_is_set_aside_and_the_night_goes_on(
    extraction_watch: Command, exports: Path, tmp_path: Path
) -> None:
    """Half a gzip file, a file that is not what its name says, and a bad line in a good file."""
    folder = exports / "requests" / DAY.isoformat()
    whole = gzip.compress(b'{"request_id": "x"}\n' * 500, mtime=0)
    (folder / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "picture.parquet").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    with (folder / "part.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"request_id": "broken", \n')
    home = tmp_path / "home"
    done = extraction_watch("run", "--exports", exports, "--home", home)
    assert done.returncode == 0, done.stdout + done.stderr
    notes = [line for line in done.stdout.splitlines() if line.startswith("Note")]
    assert any("set aside" in note and "cut.jsonl.gz" in note for note in notes), done.stdout
    aside = {
        Path(name).name
        for (name,) in query(home, "select file from ingested_files where read_by = 'set_aside'")
    }
    assert aside == {"cut.jsonl.gz", "picture.parquet"}
    rejected = query(home, "select file, line, reason from rejected_rows where line is not null")
    ((name, line, reason),) = rejected
    assert (Path(name).name, line) == ("part.jsonl", 49)
    assert reason
    (listed,) = query(home, "select count(*) from suspected_extraction_accounts")[0]
    assert listed == 6


def test_a_delivery_that_is_mostly_unreadable_is_held_back(
    extraction_watch: Command, exports: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    first = extraction_watch("run", "--exports", exports, "--home", home)
    assert first.returncode == 0, first.stdout + first.stderr
    before = tables_of(home)
    deliver(exports, NEXT_DAY, requests_of(NEXT_DAY))
    write_lines(exports / "requests" / NEXT_DAY.isoformat() / "more.jsonl", ["{oops"] * 100)
    held = extraction_watch("run", "--exports", exports, "--home", home)
    assert held.returncode == 1
    assert "nothing was published" in one_sentence(held.stderr)
    assert "20" in held.stderr
    assert tables_of(home) == before
    # Mended and delivered again, the day is taken up by the next night.
    (exports / "requests" / NEXT_DAY.isoformat() / "more.jsonl").unlink()
    mended = extraction_watch("run", "--exports", exports, "--home", home)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert query(home, "select max(as_of_date) from suspected_extraction_accounts") == [(NEXT_DAY,)]


def test_an_empty_day_is_published_as_such(
    extraction_watch: Command, exports: Path, tmp_path: Path
) -> None:
    deliver(exports, NEXT_DAY, [])
    home = tmp_path / "home"
    done = extraction_watch("run", "--exports", exports, "--home", home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(line.startswith("Note") for line in done.stdout.splitlines())
    days = query(home, "select distinct as_of_date from suspected_extraction_accounts order by 1")
    assert days == [(DAY,), (NEXT_DAY,)]
