"""What the lake promises when nothing is damaged: formats, accounting, idempotence, the swap."""

import csv
import gzip
import io
import json
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import lake
from pipelines.errors import RunError, UserError
from pipelines.fingerprints import FINGERPRINT_TYPES
from pipelines.lake import ingest_reference
from pipelines.pseudonyms import PseudonymKey
from pipelines.sources.tables import ACCOUNTS, USAGE_COUNTERS

KEY = PseudonymKey("0123456789abcdef" * 4)

ROWS: list[dict[str, Any]] = [
    {
        "request_id": "a",
        "account_id": "acct-1",
        "started_at": "2026-11-10T12:00:00+02:00",
        "model": "large-1",
        "input_tokens": "12",
        "output_tokens": "34",
        "stream": "True",
        "temperature": "0.7",
        "ip": "203.0.113.7",
        "session_id": "s1",
        "prompt": 'Write "two" lines,\nand a comma.',
    },
    {
        "request_id": "b",
        "account_id": "acct-2",
        "started_at": "2026-11-10T09:00:00",
        "model": "small-1",
        "input_tokens": "12.0",
        "output_tokens": "",
        "stream": "0",
        "temperature": "",
        "ip": "2001:db8:7::1",
        "session_id": "",
        "prompt": "Übersetze das bitte ins Englische, danke.",
    },
]


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


KINDS = {
    "requests.jsonl": as_jsonl(ROWS),
    "requests.jsonl.gz": gzip.compress(as_jsonl(ROWS)),
    "requests.csv": as_csv(ROWS),
    "requests.csv.gz": gzip.compress(as_csv(ROWS)),
    "requests.parquet": as_parquet(ROWS),
    "array.json": json.dumps(ROWS, indent=2).encode(),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_gives_the_same_rows(workshop: Any, name: str) -> None:
    workshop.deliver("requests.jsonl", KINDS["requests.jsonl"])
    workshop.ingest()
    expected = workshop.path().read_bytes()
    shutil.rmtree(workshop.exports)

    workshop.deliver(name, KINDS[name])
    summary = workshop.ingest()

    assert (summary.rows_in, summary.rows_kept) == (2, 2)
    assert workshop.path().read_bytes() == expected


def test_parquet_with_types_of_its_own_gives_the_same_rows(workshop: Any) -> None:
    workshop.deliver("requests.jsonl", KINDS["requests.jsonl"])
    workshop.ingest()
    columns = "account_id, started_at, input_tokens, output_tokens, stream, temperature"
    expected = workshop.rows(columns=columns)
    shutil.rmtree(workshop.exports)
    typed = pa.table(
        {
            "account_id": ["acct-1", "acct-2"],
            "model": ["large-1", "small-1"],
            "started_at": pa.array(
                [datetime(2026, 11, 10, 10), datetime(2026, 11, 10, 9)], pa.timestamp("ns", "UTC")
            ),
            "input_tokens": pa.array([12, 12], pa.int32()),
            "output_tokens": pa.array([34.0, None], pa.float64()),
            "stream": [True, False],
            "temperature": pa.array([0.7, None]),
        }
    )
    sink = io.BytesIO()
    pq.write_table(typed, sink)
    workshop.deliver("typed.parquet", sink.getvalue())
    workshop.ingest()
    assert workshop.rows(columns=columns) == expected


def test_values_and_types_of_the_lake(workshop: Any) -> None:
    workshop.deliver("requests.jsonl", ROWS)
    workshop.ingest()
    first, second = workshop.rows(
        columns="account_id, started_at, input_tokens, output_tokens, stream, temperature, "
        "session_id is null, prompt_chars, script"
    )
    assert first == ("acct-1", datetime(2026, 11, 10, 10), 12, 34, True, 0.7, False, 31, "latin")
    assert second == ("acct-2", datetime(2026, 11, 10, 9), 12, None, False, None, True, 41, "latin")


def test_columns_stand_in_the_documented_order(workshop: Any) -> None:
    workshop.deliver("requests.jsonl", ROWS)
    workshop.ingest()
    names = pq.read_schema(workshop.path()).names
    before_fingerprints = (
        "delivery_date source request_key request_id account_id org_id api_key_id end_user_id "
        "started_at model input_tokens output_tokens pathway endpoint duration_ms stream batch "
        "cached_tokens reasoning_tokens cost_usd http_status stop_reason stop_category temperature "
        "top_p n max_tokens seed top_logprobs logit_bias_count tools_count logprobs tools_hash "
        "response_format session_id turn reasoning_signature ip ip_network user_agent "
        "tls_fingerprint ip_type"
    )
    assert names == before_fingerprints.split() + list(FINGERPRINT_TYPES)


def test_missing_optional_columns_are_null_and_unknown_ones_are_reported(workshop: Any) -> None:
    workshop.deliver(
        "requests.jsonl",
        [
            {
                "account_id": "a",
                "started_at": 1794308087.477017,
                "model": "m",
                "shoe_size": 43,
                "colour": "red",
            }
        ],
    )
    summary = workshop.ingest()
    assert summary.unknown_columns == ("colour", "shoe_size")
    assert workshop.rows(columns="started_at, input_tokens, stream, ip, prompt_state") == [
        (datetime(2026, 11, 10, 10, 54, 47, 477017), None, None, None, "absent")
    ]


def test_a_value_of_another_type_becomes_null_and_is_counted(workshop: Any) -> None:
    rows = [{**ROWS[0], "request_id": str(i), "n": i} for i in range(50)]
    rows.append({**ROWS[0], "request_id": "odd", "n": "many", "temperature": {"value": 1}})
    workshop.deliver("requests.jsonl", rows)
    summary = workshop.ingest()
    assert (summary.rows_kept, summary.uncast_values) == (51, 2)
    assert workshop.rows(columns="count(n), count(temperature)") == [(50, 50)]


def test_a_doubled_row_goes_and_a_reused_id_stays(workshop: Any) -> None:
    row = ROWS[0]
    workshop.deliver("a.jsonl", [row, row])
    workshop.deliver("b.jsonl", [row, {**row, "prompt": "Another question."}])
    workshop.deliver("c.jsonl", [{**row, "started_at": "2026-11-10T10:00:01Z"}])
    workshop.deliver("d.jsonl", [{**row, "request_id": "None"}, {**row, "request_id": None}])
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept, summary.rows_duplicate) == (7, 4, 3)
    assert workshop.rows("files", "rows_in, rows_kept, rows_duplicate") == [
        (2, 1, 1),
        (2, 1, 1),
        (1, 1, 0),
        (2, 1, 1),
    ]


def test_which_of_two_duplicates_stays_does_not_depend_on_the_files(workshop: Any) -> None:
    row, other = ROWS[0], {**ROWS[0], "duration_ms": 7}
    workshop.deliver("a.jsonl", [row])
    workshop.deliver("b.jsonl", [other])
    workshop.ingest()
    expected = workshop.path().read_bytes()
    shutil.rmtree(workshop.exports)
    workshop.deliver("a.jsonl", [other, row])
    workshop.ingest()
    assert workshop.path().read_bytes() == expected


def test_the_same_files_give_the_same_bytes(workshop: Any) -> None:
    rows = [{**ROWS[i % 2], "request_id": f"r{i}", "turn": i % 7} for i in range(3000)]
    workshop.deliver("a.jsonl.gz", rows[:1000])
    workshop.deliver("b.jsonl", rows[1000:])
    workshop.ingest(threads=1)
    first = workshop.path().read_bytes()
    again = replace(workshop, home=workshop.home.with_name("home-2"))
    again.ingest(threads=2)
    assert again.path().read_bytes() == first


def test_an_unchanged_delivery_is_skipped(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop.deliver("a.jsonl", ROWS)
    first = workshop.ingest()
    before = workshop.path().stat().st_mtime_ns
    second = workshop.ingest()
    assert (first.skipped, second.skipped) == (False, True)
    assert replace(second, skipped=False) == first
    assert workshop.path().stat().st_mtime_ns == before
    monkeypatch.setattr(lake, "LAKE_FORMAT", lake.LAKE_FORMAT + 1)
    assert not workshop.ingest().skipped


def test_a_delivery_that_shrank_is_replaced_whole(workshop: Any) -> None:
    workshop.deliver("a.jsonl", ROWS)
    extra = workshop.deliver("b.jsonl", [{**ROWS[0], "request_id": "c"}])
    assert workshop.ingest().rows_kept == 3
    extra.unlink()
    workshop.deliver("a.jsonl", ROWS[:1])
    assert workshop.ingest().rows_kept == 1
    assert workshop.rows(columns="account_id") == [("acct-1",)]
    (workshop.day_folder() / "a.jsonl").unlink()
    assert workshop.ingest().rows_kept == 0
    assert workshop.rows() == []


def test_an_empty_day_is_a_delivery_of_no_rows(workshop: Any) -> None:
    workshop.day_folder()
    summary = workshop.ingest()
    assert (summary.files, summary.rows_in, summary.skipped) == (0, 0, False)
    assert pq.read_schema(workshop.path()).field("started_at").type == pa.timestamp("us")
    assert workshop.ingest().skipped


def test_a_day_that_was_not_delivered_is_an_error(workshop: Any) -> None:
    (workshop.exports / "requests" / "2026-11-09").mkdir(parents=True)
    with pytest.raises(UserError, match="no delivery of 2026-11-10"):
        workshop.ingest()


def test_optional_tables_that_were_not_delivered_are_empty_and_typed(workshop: Any) -> None:
    workshop.day_folder()
    for table, columns in (
        ("accounts", ACCOUNTS.lake_columns()),
        ("usage_counters", USAGE_COUNTERS.lake_columns()),
    ):
        shop = replace(workshop, table=table)
        assert shop.ingest().rows_in == 0
        assert pq.read_schema(shop.path()).names == ["delivery_date", *columns]


def test_accounts_are_protected_and_typed(workshop: Any) -> None:
    shop = replace(workshop, table="accounts")
    shop.deliver(
        "accounts.csv",
        b"account_id,created_at,org_id,monthly_fee_usd,virtual_card,signup_ip,email_domain\n"
        b"acct-1,2026-01-02T03:04:05Z,org-1,20.0,true,203.0.113.7,mail.test\n"
        b"jo@mail.test,1767323045,,,,,\n"
        b"acct-1,2026-01-02T03:04:05Z,org-1,20.0,true,203.0.113.7,mail.test\n",
    )
    summary = shop.ingest()
    assert (summary.rows_in, summary.rows_kept, summary.rows_duplicate) == (3, 2, 1)
    columns = "account_id, created_at, monthly_fee_usd, virtual_card, signup_ip, signup_network"
    rows = {account: rest for account, *rest in shop.rows(columns=columns)}
    assert rows["acct-1"] == [
        datetime(2026, 1, 2, 3, 4, 5),
        20.0,
        True,
        KEY.pseudonym("203.0.113.7", "ip"),
        KEY.pseudonym("203.0.113.0/24", "ip_network"),
    ]
    assert rows[KEY.pseudonym("jo@mail.test", "account")][0] == datetime(2026, 1, 2, 3, 4, 5)


def test_identifiers_are_the_same_pseudonym_wherever_they_appear(workshop: Any) -> None:
    workshop.deliver("a.jsonl", [{**ROWS[0], "account_id": "jo@mail.test", "ip": "203.0.113.7"}])
    workshop.ingest()
    assert workshop.rows(columns="account_id, ip, ip_network, session_id") == [
        (
            KEY.pseudonym("jo@mail.test", "account"),
            KEY.pseudonym("203.0.113.7", "ip"),
            KEY.pseudonym("203.0.113.0/24", "ip_network"),
            KEY.pseudonym("s1", "session"),
        )
    ]


def test_reference_files(workshop: Any) -> None:
    (workshop.exports / "model_releases.csv").write_text(
        "model,released_at,tier\nlarge-1,2026-10-01T00:00:00Z,frontier\n"
    )
    ingest_reference(exports=workshop.exports, home=workshop.home, key=KEY)
    reference = workshop.home / "lake" / "reference"
    assert pq.read_table(reference / "model_releases.parquet").to_pylist() == [
        {"model": "large-1", "released_at": datetime(2026, 10, 1), "tier": "frontier"}
    ]
    parties = pq.read_table(reference / "declared_parties.parquet")
    assert parties.num_rows == 0
    assert parties.column_names == ["account_id", "org_id", "kind", "reason", "expires_on"]


def test_a_reference_file_with_a_bad_line_names_it(workshop: Any) -> None:
    (workshop.exports / "model_releases.csv").write_text(
        "model,released_at,tier\nlarge-1,2026-10-01,frontier\nlarge-2,soon,frontier\n"
    )
    with pytest.raises(UserError, match=r"model_releases.csv line 3: released_at is missing or no"):
        ingest_reference(exports=workshop.exports, home=workshop.home, key=KEY)


@pytest.mark.parametrize("is_halfway", [False, True])
def test_a_run_that_fails_publishes_nothing_and_leaves_nothing(
    workshop: Any, is_halfway: bool
) -> None:
    workshop.deliver("a.jsonl", ROWS)
    workshop.ingest()
    before = workshop.path().read_bytes()
    root, day = workshop.home / "lake", workshop.path().parent
    with (
        pytest.raises(KeyboardInterrupt),
        lake._sole_writer(root, "requests-2026-11-10", day) as staging,
    ):
        (staging / "clean-0.jsonl").write_text("raw text")
        if is_halfway:
            day.rename(staging / "replaced")
        raise KeyboardInterrupt
    assert workshop.path().read_bytes() == before
    assert list((root / ".staging").iterdir()) == []


def test_leftovers_of_a_killed_run_are_cleared_by_the_next(workshop: Any) -> None:
    staging = workshop.home / "lake" / ".staging"
    for name in ("requests-2026-11-10", "requests-2026-11-01"):
        (staging / name).mkdir(parents=True)
        (staging / name / "clean-0.jsonl").write_text("raw text")
        (staging / f"{name}.lock").touch()
    workshop.deliver("a.jsonl", ROWS)
    workshop.ingest()
    assert list(staging.iterdir()) == []


def test_a_swap_that_was_killed_halfway_is_undone(workshop: Any) -> None:
    workshop.deliver("a.jsonl", ROWS)
    workshop.ingest()
    before = workshop.path().read_bytes()
    day = workshop.path().parent
    staging = workshop.home / "lake" / ".staging" / "requests-2026-11-10"
    staging.mkdir()
    day.rename(staging / "replaced")
    other = replace(workshop, table="accounts")
    other.ingest()
    assert (staging / "replaced").exists()
    assert workshop.ingest().skipped
    assert workshop.path().read_bytes() == before


def test_two_writers_of_one_day_do_not_meet(workshop: Any) -> None:
    workshop.deliver("a.jsonl", ROWS)
    staging = workshop.home / "lake" / ".staging"
    staging.mkdir(parents=True)
    with lake._locked(staging / "requests-2026-11-10.lock") as is_ours:
        assert is_ours
        with pytest.raises(RunError, match="another process is writing"):
            workshop.ingest()
    assert workshop.ingest().rows_kept == 2


def test_a_reader_who_has_the_old_day_open_keeps_it(workshop: Any) -> None:
    workshop.deliver("a.jsonl", ROWS)
    workshop.ingest()
    with workshop.path().open("rb") as held:
        workshop.deliver("a.jsonl", ROWS[:1])
        workshop.ingest()
        assert pq.ParquetFile(held).metadata.num_rows == 2
    assert len(workshop.rows()) == 1


def test_names_with_pattern_characters_are_read_as_they_are(workshop: Any) -> None:
    workshop.deliver("part[1]*?.jsonl", ROWS[:1])
    workshop.deliver("part1.jsonl", ROWS[1:])
    assert workshop.ingest().rows_kept == 2
    assert workshop.rows("files", "file, rows_in") == [
        ("requests/2026-11-10/part1.jsonl", 1),
        ("requests/2026-11-10/part[1]*?.jsonl", 1),
    ]


def test_unknown_tables_are_refused(workshop: Any) -> None:
    with pytest.raises(UserError, match="unknown table"):
        replace(workshop, table="invoices").ingest()


def test_the_lake_is_found_by_a_pattern_that_meets_no_working_folder(workshop: Any) -> None:
    workshop.deliver("a.jsonl", ROWS)
    workshop.ingest()
    pattern: Path = workshop.home / "lake" / "requests" / "*" / "data.parquet"
    assert duckdb.sql(f"select count(*) from '{pattern}'").fetchall() == [(2,)]
