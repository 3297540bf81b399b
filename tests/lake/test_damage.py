"""Files as they really arrive: cut off, mislabelled, half garbage. No row is lost or invented."""

import decimal
import gzip
import io
import json
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GOOD = {
    "request_id": "req-1",
    "account_id": "acct-1",
    "started_at": "2026-11-10T12:00:00Z",
    "model": "large-1",
    "prompt": "Explain how tides work.",
}


def line(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode() + b"\n"


def lines(count: int) -> bytes:
    return b"".join(line(request_id=f"req-{i}") for i in range(count))


def files(workshop: Any) -> list[tuple[Any, ...]]:
    return workshop.rows("files", "read_by, file_kind, rows_in, rows_kept, rows_rejected, note")


@pytest.mark.parametrize("cut", [4, 8, 9, 200])
def test_a_gzip_stream_that_ends_early_is_set_aside_whole(workshop: Any, cut: int) -> None:
    workshop.deliver("good.jsonl", line())
    whole = gzip.compress(lines(20_000))
    workshop.deliver("cut.jsonl.gz", whole[:-cut])
    summary = workshop.ingest()
    assert (summary.files_set_aside, summary.rows_in, summary.rows_kept) == (1, 1, 1)
    assert workshop.rows("rejected", "file, line, reason, bytes") == [
        (
            "requests/2026-11-10/cut.jsonl.gz",
            None,
            "the gzip stream ends early",
            len(whole) - cut,
        )
    ]


@pytest.mark.parametrize(
    ("name", "content", "kind", "note"),
    [
        ("plain.jsonl.gz", lines(3), "jsonl", "named .gz and not compressed"),
        ("packed.jsonl", gzip.compress(lines(3)), "jsonl.gz", "compressed and not named .gz"),
        (
            "twice.jsonl.gz",
            gzip.compress(gzip.compress(lines(3))),
            "jsonl.gz.gz",
            "compressed twice or more",
        ),
        (
            "members.jsonl.gz",
            gzip.compress(lines(1)) + gzip.compress(lines(3)[len(lines(1)) :]),
            "jsonl.gz",
            None,
        ),
        ("lines.csv", lines(3), "jsonl", None),
        ("bom.jsonl", b"\xef\xbb\xbf" + lines(3), "jsonl", None),
        ("crlf.jsonl", lines(3).replace(b"\n", b"\r\n"), "jsonl", None),
        (
            "old-mac.csv",
            b"account_id,started_at,model\ra,2026-11-10,m\rb,2026-11-10,m\rc,2026-11-10,m\r",
            "csv",
            None,
        ),
        ("blank-lines.jsonl", lines(3).replace(b"\n", b"\n\n"), "jsonl", None),
    ],
)
def test_a_file_is_read_as_what_it_is(
    workshop: Any, name: str, content: bytes, kind: str, note: str | None
) -> None:
    workshop.deliver(name, content)
    workshop.ingest()
    (found,) = workshop.rows("files", "file_kind, rows_in, rows_kept, note")
    assert found == (kind, 3, 3, note)


@pytest.mark.parametrize("name", ["zero.jsonl.gz", "zero.jsonl", "zero.csv", "zero.parquet"])
def test_a_file_of_no_bytes_has_no_rows(workshop: Any, name: str) -> None:
    workshop.deliver(name, b"")
    workshop.deliver("packed.gz", gzip.compress(b""))
    summary = workshop.ingest()
    assert (summary.files, summary.files_set_aside, summary.rows_in) == (2, 0, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PAR1 and then nothing", "a Parquet file that is cut off or damaged"),
        (b"\x28\xb5\x2f\xfdxxxx", "the content is zstd; UTF-8 text, gzip or Parquet was expected"),
        (
            "account_id,model".encode("utf-16"),
            "the content is UTF-16; UTF-8 text, gzip or Parquet was expected",
        ),
        (
            b"hello there, this is a note",
            "neither JSON nor Parquet, and no known column in the first line",
        ),
        (b"account_id,model\na,b\n", "the required columns started_at are not in it"),
        (b"account_id,account_id\na,b\n", "the header has a column twice, or one without a name"),
        (
            b'account_id,started_at,model\na,2026-11-10,"m\nb,2026-11-10,m\n',
            "a quoted field opens in line 2 and never ends",
        ),
        (b'[{"account_id": "a"},\n {"account_id":', "the JSON document is damaged from line 2 on"),
        (b'[{"account_id": "a"}', "the JSON array has no end"),
    ],
)
def test_what_cannot_be_trusted_is_set_aside_with_its_reason(
    workshop: Any, content: bytes, reason: str
) -> None:
    workshop.deliver("odd", content)
    workshop.deliver("good.jsonl", line())
    summary = workshop.ingest()
    assert (summary.files_set_aside, summary.rows_kept) == (1, 1)
    assert workshop.rows("rejected", "line, reason, bytes") == [(None, reason, len(content))]


def test_one_bad_line_costs_one_row(workshop: Any) -> None:
    bad = b'{"request_id": "half\n'
    workshop.deliver("a.jsonl", line(request_id="1") + bad + line(request_id="2"))
    workshop.deliver("b.jsonl", lines(5))
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept, summary.rows_rejected) == (8, 7, 1)
    assert workshop.rows("rejected", "file, line, reason, bytes") == [
        ("requests/2026-11-10/a.jsonl", 2, "the line is no JSON", len(bad) - 1)
    ]
    assert workshop.rows("files", "read_by") == [("careful",), ("fast",)]


def test_rows_without_what_they_need_are_rejected_by_line(workshop: Any) -> None:
    workshop.deliver(
        "a.jsonl.gz",
        gzip.compress(
            line(request_id="1")
            + line(account_id=None)
            + line(account_id="None")
            + line(started_at="yesterday")
            + b"null\n[1]\n7\n"
            + line(model="")
        ),
    )
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept, summary.rows_rejected) == (8, 1, 7)
    assert workshop.rows("rejected", "line, reason") == [
        (2, "account_id is missing"),
        (3, "account_id is missing"),
        (4, "started_at is missing or no timestamp"),
        (5, "the line is JSON and no object"),
        (6, "the line is JSON and no object"),
        (7, "the line is JSON and no object"),
        (8, "model is missing"),
    ]


def test_damaged_text_is_mended_and_the_row_is_kept(workshop: Any) -> None:
    """Regression: DuckDB told to ignore errors makes an all-null row of a single odd byte."""
    workshop.deliver(
        "a.jsonl",
        b"\0\0\0"
        + line(request_id="after-nul-run")
        + line(request_id="latin").replace(b"tides", b"t\xefdes")
        + line(request_id="surrogate", prompt="\ud83d alone")
        + line(request_id="nul").replace(b"tides", b"ti\0des")
        + line(request_id="tab").replace(b"tides", b"ti\tdes")
        + line(request_id="twice").replace(
            b'"model": "large-1"', b'"model": "x", "model": "large-1"'
        )
        + line(request_id="escaped-nul", prompt="a\0b"),
    )
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept) == (7, 7)
    assert workshop.rows(columns="distinct model, started_at") == [
        ("large-1", datetime(2026, 11, 10, 12))
    ]


def test_csv_lines_with_too_many_or_too_few_fields(workshop: Any) -> None:
    workshop.deliver(
        "a.csv",
        b"account_id,started_at,model,prompt\r\n"
        b'a,2026-11-10,m,"two\r\nlines"\r\n'
        b"b,2026-11-10,m\r\n"
        b"c,2026-11-10,m,p,q\r\n"
        b"d,2026-11-10,m,ok\n",
    )
    summary = workshop.ingest()
    assert workshop.rows("rejected", "line, reason") == [
        (4, "the line has 3 fields, the header has 4"),
        (5, "the line has 5 fields, the header has 4"),
    ]
    assert (summary.rows_in, summary.rows_kept) == (4, 2)


def test_a_csv_prompt_that_holds_json_is_no_json_file(workshop: Any) -> None:
    """Regression: a line of a prompt that began with '{' made a CSV file a damaged JSON file."""
    workshop.deliver(
        "a.csv", b'account_id,started_at,model,prompt\na,2026-11-10,m,"Explain\n{""a"": 1}\nnow"\n'
    )
    assert workshop.ingest().rows_kept == 1
    assert workshop.rows("files", "file_kind, read_by") == [("csv", "fast")]


def test_csv_rows_without_what_they_need_are_rejected_by_line(workshop: Any) -> None:
    workshop.deliver("a.csv", b"account_id;started_at;model\na;2026-11-10;m\n;2026-11-10;m\n")
    workshop.ingest()
    assert workshop.rows("rejected", "line, reason, bytes") == [(3, "account_id is missing", 13)]


def test_parquet_rows_without_what_they_need_are_rejected_by_number(workshop: Any) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([GOOD, {**GOOD, "model": None}]), sink)
    workshop.deliver("a.parquet", sink.getvalue())
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept, summary.rows_rejected) == (2, 1, 1)
    assert workshop.rows("rejected", "line, reason") == [(2, "model is missing")]


def test_pretty_objects_one_a_file(workshop: Any) -> None:
    for number in range(5):
        body = json.dumps({**GOOD, "request_id": str(number)}, indent=2).encode()
        workshop.deliver(f"hour={number}/{number}.json", body)
    workshop.deliver("one-line.json", line().strip())
    summary = workshop.ingest()
    assert (summary.files, summary.rows_kept) == (6, 6)


def test_one_bad_file_among_many_is_found(workshop: Any) -> None:
    for number in range(60):
        workshop.deliver(f"{number:03}.json", line(request_id=str(number)).strip())
    workshop.deliver("017.json", b'{"request_id": "cut')
    summary = workshop.ingest()
    assert (summary.rows_kept, summary.rows_rejected) == (59, 1)
    assert workshop.rows("files", "count(*) filter (where read_by = 'careful')") == [(1,)]


def test_many_small_files_give_the_rows_of_one_large_one(workshop: Any) -> None:
    workshop.deliver("a.jsonl", lines(30))
    workshop.ingest()
    expected = workshop.path().read_bytes()
    (workshop.day_folder() / "a.jsonl").unlink()
    for number in range(30):
        body = line(request_id=f"req-{number}").strip()
        workshop.deliver(f"{number:02}.json", b"\xef\xbb\xbf" + body if number == 3 else body)
    summary = workshop.ingest()
    assert (summary.files, summary.rows_kept) == (30, 30)
    assert workshop.path().read_bytes() == expected


def test_damage_among_many_small_files_is_judged_file_by_file(workshop: Any) -> None:
    for number in range(30):
        workshop.deliver(f"{number:02}.jsonl.gz", gzip.compress(line(request_id=str(number))))
    whole = gzip.compress(lines(50))
    workshop.deliver("03.jsonl.gz", whole[:-9])
    workshop.deliver("11.jsonl.gz", gzip.compress(b"null\n{}\n"))
    workshop.deliver("12.jsonl.gz", gzip.compress(b'{"__file__": "x", "__line__": 9}\n' + lines(1)))
    summary = workshop.ingest()
    assert (summary.files_set_aside, summary.rows_kept, summary.rows_rejected) == (1, 28, 3)
    assert workshop.rows("rejected", "file, line, reason") == [
        ("requests/2026-11-10/03.jsonl.gz", None, "the gzip stream ends early"),
        ("requests/2026-11-10/11.jsonl.gz", 1, "the line is JSON and no object"),
        ("requests/2026-11-10/11.jsonl.gz", 2, "account_id is missing"),
        ("requests/2026-11-10/12.jsonl.gz", 1, "account_id is missing"),
    ]


def test_a_first_line_cut_in_the_middle_costs_that_line_only(workshop: Any) -> None:
    workshop.deliver("a.jsonl", b'"prompt": "the rest of a line", \n' + lines(2))
    workshop.deliver("b.jsonl", b'{"request_id": "x",\n' + lines(2))
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_rejected, summary.files_set_aside) == (6, 2, 0)


def test_a_long_prompt_is_read(workshop: Any) -> None:
    workshop.deliver("a.jsonl", line(prompt="x" * 40_000_000) + line(request_id="2"))
    workshop.ingest()
    assert workshop.rows(columns="max(prompt_chars), count(*)") == [(40_000_000, 2)]
    assert workshop.rows("files", "read_by") == [("careful",)]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.lists(st.integers(0, 9), max_size=2),
)
RECORDS = st.fixed_dictionaries(
    {
        "account_id": st.sampled_from(["a", "b", "c@mail.test"]),
        "started_at": st.sampled_from(["2026-11-10T01:02:03Z", 1794308087.477017, 1794308087477]),
        "model": st.just("m"),
    },
    optional=dict.fromkeys(
        ("request_id", "input_tokens", "temperature", "stream", "prompt", "ip", "odd"), VALUES
    ),
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=st.lists(RECORDS, min_size=1, max_size=12))
def test_the_careful_way_gives_the_rows_of_the_fast_way(
    workshop: Any, records: list[dict[str, Any]]
) -> None:
    body = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    workshop.deliver("a.jsonl", body)
    workshop.ingest()
    fast = workshop.path().read_bytes()
    assert workshop.rows("files", "read_by") == [("fast",)]
    workshop.deliver("a.jsonl", body + b"not json\n")
    workshop.ingest()
    assert workshop.rows("files", "read_by, rows_rejected") == [("careful", 1)]
    assert workshop.path().read_bytes() == fast


def test_the_careful_way_gives_the_rows_of_the_fast_way_for_csv(workshop: Any) -> None:
    body = (
        b"account_id,started_at,model,prompt,stream,n\n"
        b'a,1794308087.477017,m,"She said ""go"",\nthen left",True,2\n'
        b'b,2026-11-10T01:02:03Z,m,,"",\n'
        b"c,2026-11-10,m,plain \xc3\xa9,0,3.0,\n"
    )
    workshop.deliver("a.csv", body)
    workshop.ingest()
    fast = workshop.path().read_bytes()
    assert workshop.rows("files", "read_by, rows_kept") == [("fast", 3)]
    workshop.deliver("a.csv", body + b"too,few\n")
    workshop.ingest()
    assert workshop.rows("files", "read_by, rows_kept") == [("careful", 3)]
    assert workshop.path().read_bytes() == fast


def test_parquet_columns_of_unusual_types_are_read(workshop: Any) -> None:
    table = pa.table(
        {
            "account_id": pa.array([b"a"], pa.binary()),
            "started_at": pa.array([datetime(2026, 11, 10)], pa.timestamp("ms")),
            "model": pa.array(["m"]).dictionary_encode(),
            "prompt": pa.array([["two", "parts"]]),
            "cost_usd": pa.array([decimal.Decimal("0.25")], pa.decimal128(9, 4)),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    workshop.deliver("a.parquet", sink.getvalue())
    workshop.ingest()
    assert workshop.rows(columns="account_id, started_at, model, prompt_state, cost_usd") == [
        ("a", datetime(2026, 11, 10), "m", "full", 0.25)
    ]
