"""One run over simulated deliveries: what it prints, publishes and leaves behind."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from tests.flow.conftest import ROOT, Command, query

Simulated = tuple[Path, Path, subprocess.CompletedProcess[str]]

CONTRACT_COLUMNS = {
    "as_of_date": "DATE",
    "rank": "INTEGER",
    "account_id": "VARCHAR",
    "org_id": "VARCHAR",
    "score": "DOUBLE",
    "evidence_bits": "DOUBLE",
    "campaign_id": "VARCHAR",
    "campaign_size": "INTEGER",
    "reasons": 'STRUCT(signal VARCHAR, bits DOUBLE, "statement" VARCHAR)[]',
    "exculpatory": 'STRUCT(signal VARCHAR, bits DOUBLE, "statement" VARCHAR)[]',
    "not_checked": "VARCHAR[]",
    "first_seen": "TIMESTAMP",
    "last_seen": "TIMESTAMP",
    "requests_28d": "BIGINT",
    "output_tokens_28d": "BIGINT",
    "list_price_usd_28d": "DOUBLE",
    "review_status": "VARCHAR",
}


def test_a_run_ends_with_the_list_and_the_path_of_the_report(simulated: Simulated) -> None:
    _, home, ran = simulated
    assert "Rank" in ran.stdout
    report = Path(ran.stdout.strip().splitlines()[-1].removeprefix("Report: "))
    assert report.parent == home / "reports"
    assert "<html" in report.read_text(encoding="utf-8")


def test_a_second_run_finds_nothing_new_and_shows_the_same_list(
    simulated: Simulated, extraction_watch: Command
) -> None:
    exports, home, ran = simulated
    again = extraction_watch("run", "--exports", exports, "--home", home)
    assert again.returncode == 0
    assert "Nothing new" in again.stdout
    assert again.stdout.splitlines()[-1] == ran.stdout.splitlines()[-1]


def test_the_published_list_has_the_columns_of_the_contract(simulated: Simulated) -> None:
    _, home, _ = simulated
    described = query(home, "describe suspected_extraction_accounts")
    found = {name: kind for name, kind, *_ in described}
    assert {name: found.get(name) for name in CONTRACT_COLUMNS} == CONTRACT_COLUMNS


def test_the_published_file_is_in_a_format_that_duckdb_1_4_reads(simulated: Simulated) -> None:
    """Regression: the default of DuckDB 2 is unreadable for the analysts' 1.4 (knows 64 to 67)."""
    header = (simulated[1] / "published" / "extraction_watch.duckdb").read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert 64 <= int.from_bytes(header[12:20], "little") <= 67


def test_every_published_table_is_there_as_parquet_too(simulated: Simulated) -> None:
    _, home, _ = simulated
    names = {name for (name,) in query(home, "select table_name from duckdb_tables()")}
    assert {
        "suspected_extraction_accounts",
        "suspected_campaigns",
        "account_features",
        "account_signals",
        "data_quality_results",
        "ingested_files",
        "rejected_rows",
    } <= names
    for name in names:
        (count,) = query(home, f"select count(*) from {name}")[0]
        assert parquet.read_metadata(home / "published" / f"{name}.parquet").num_rows == count


def test_every_account_and_signal_meet_in_one_row(simulated: Simulated) -> None:
    """Not measured is a row, never an absence."""
    _, home, _ = simulated
    (accounts,) = query(home, "select count(*) from account_features")[0]
    (signals,) = query(home, "select count(distinct signal_name) from account_signals")[0]
    (rows,) = query(home, "select count(*) from account_signals")[0]
    assert rows == accounts * signals > 0


def test_every_receipt_can_be_added_up_by_hand(simulated: Simulated) -> None:
    _, home, _ = simulated
    wrong = query(
        home,
        """
        select account_id from suspected_extraction_accounts
        where abs(
            coalesce(list_sum(list_transform(reasons, lambda one: one.bits)), 0)
            + coalesce(list_sum(list_transform(exculpatory, lambda one: one.bits)), 0)
            - evidence_bits
        ) > 1e-6
        or abs(score - 1 / (1 + pow(2, -(log2(0.01 / 0.99) + evidence_bits)))) > 1e-9
        """,
    )
    assert wrong == []


def test_every_reason_and_every_exculpation_has_a_sentence(simulated: Simulated) -> None:
    _, home, _ = simulated
    silent = query(
        home,
        "select distinct signal_name, level_name from account_signals "
        "where bits <> 0 and coalesce(trim(statement), '') = ''",
    )
    assert silent == []


def test_no_family_passes_its_cap(simulated: Simulated) -> None:
    _, home, _ = simulated
    caps = dict(
        line.split(",")[:2]
        for line in (ROOT / "dbt_project" / "signals" / "families.csv").read_text().splitlines()[1:]
    )
    sums = query(
        home,
        "select family, max(bits_for) from (select family, sum(greatest(bits, 0)) as bits_for "
        "from account_signals group by as_of_date, account_id, family) group by family",
    )
    for family, most in sums:
        # A cent of a bit is lost where each line of the receipt is rounded.
        assert most <= float(caps[family]) + 0.03, family


def test_rows_in_are_kept_rejected_or_duplicate(simulated: Simulated) -> None:
    _, home, _ = simulated
    (rows_in, out, set_aside) = query(
        home,
        "select sum(rows_in), sum(rows_kept + rows_rejected + rows_duplicate), "
        "count_if(read_by = 'set_aside') from ingested_files",
    )[0]
    assert rows_in == out > 0
    (rejected,) = query(home, "select count(*) from rejected_rows where line is not null")[0]
    assert rejected == query(home, "select sum(rows_rejected) from ingested_files")[0][0]
    assert set_aside == 0


def test_both_gates_left_their_results(simulated: Simulated) -> None:
    _, home, _ = simulated
    suites = dict(
        query(home, "select suite, count(distinct day) from data_quality_results group by 1")
    )
    (days,) = query(home, "select count(distinct as_of_date) from suspected_extraction_accounts")[0]
    assert suites == {"arrival": days, "leaving": days}


def test_the_list_can_be_had_as_csv_and_json(
    simulated: Simulated, extraction_watch: Command
) -> None:
    _, home, _ = simulated
    as_json = extraction_watch("rank", "--home", home, "--top", 5, "--format", "json")
    listed = json.loads(as_json.stdout)
    assert [row["rank"] for row in listed] == [1, 2, 3, 4, 5]
    assert set(CONTRACT_COLUMNS) <= set(listed[0])
    as_csv = extraction_watch("rank", "--home", home, "--top", 5, "--format", "csv").stdout
    assert as_csv.splitlines()[0].split(",")[:3] == ["as_of_date", "rank", "account_id"]


def test_explain_tells_the_receipt_of_an_account_and_the_members_of_a_campaign(
    simulated: Simulated, extraction_watch: Command
) -> None:
    _, home, _ = simulated
    account_id, campaign_id = query(
        home,
        "select account_id, campaign_id from suspected_extraction_accounts "
        "where campaign_id is not null order by as_of_date desc, rank limit 1",
    )[0]
    told = extraction_watch("explain", "--home", home, account_id)
    assert told.returncode == 0, told.stderr
    assert account_id in told.stdout and "bits" in told.stdout
    assert account_id in extraction_watch("explain", "--home", home, campaign_id).stdout


def test_evaluate_reports_the_measures(simulated: Simulated, extraction_watch: Command) -> None:
    exports, home, _ = simulated
    told = extraction_watch("evaluate", "--home", home, "--labels", exports / "labels.csv")
    assert told.returncode == 0, told.stderr
    for words in ("average precision", "precision at", "campaign recall", "false positive"):
        assert words in told.stdout.lower(), words


def test_labels_are_never_read_by_a_run(simulated: Simulated) -> None:
    exports, home, _ = simulated
    files = {name for (name,) in query(home, "select distinct file from ingested_files")}
    assert (exports / "labels.csv").exists()
    assert not any("labels" in name for name in files)


def test_doctor_finds_nothing_to_mend(simulated: Simulated, extraction_watch: Command) -> None:
    _, home, _ = simulated
    looked = extraction_watch("doctor", "--home", home)
    assert looked.returncode == 0, looked.stdout
    assert "none stuck" in looked.stdout


def test_a_verdict_changes_the_list_that_is_made_again_and_no_score(
    simulated: Simulated, extraction_watch: Command
) -> None:
    exports, home, _ = simulated
    day, account_id, score = query(
        home,
        "select as_of_date, account_id, score from suspected_extraction_accounts "
        "order by as_of_date desc, rank limit 1",
    )[0]
    said = extraction_watch("verdict", "--home", home, account_id, "benign", "--note", "a test set")
    assert said.returncode == 0, said.stderr
    again = extraction_watch(
        "run", "--exports", exports, "--home", home, "--from", day, "--to", day
    )
    assert again.returncode == 0, again.stdout + again.stderr
    found = query(
        home,
        "select score, review_status from suspected_extraction_accounts "
        "where as_of_date = ? and account_id = ?",
        day,
        account_id,
    )
    assert found == [(score, "dismissed")]


def test_the_models_unit_tests_pass(simulated: Simulated) -> None:
    """dbt unit tests need the tables' columns, so they run against a home that has been built."""
    _, home, _ = simulated
    project = ROOT / "dbt_project"
    tested = subprocess.run(
        [
            str(Path(sys.executable).parent / "dbt"),
            "--no-use-colors",
            "test",
            "--select",
            "test_type:unit",
            "--profiles-dir",
            str(project),
            "--target-path",
            str(home / "unit_tests"),
            "--log-path",
            str(home / "unit_tests"),
        ],
        cwd=project,
        env={"EXTRACTION_WATCH_HOME": str(home), "DO_NOT_TRACK": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout
    assert "Completed successfully" in tested.stdout


def test_the_workspace_loads() -> None:
    validated = subprocess.run(
        [
            str(Path(sys.executable).parent / "dagster"),
            "definitions",
            "validate",
            "-w",
            "workspace.yaml",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert validated.returncode == 0, validated.stdout + validated.stderr


@pytest.mark.parametrize("table", ["suspected_extraction_accounts", "suspected_campaigns"])
def test_keys_are_unique(simulated: Simulated, table: str) -> None:
    _, home, _ = simulated
    key = "account_id" if table == "suspected_extraction_accounts" else "campaign_id"
    doubled = query(home, f"select as_of_date, {key} from {table} group by all having count(*) > 1")
    assert doubled == []
