"""Writes a day's rows as a gateway would deliver them: several file kinds, small faults.

Late and repeated rows, ids that are missing, columns that a file lacks, lines that are cut off.
Nothing here knows what an account is for. Equal rows give equal bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Collection, Sequence
from datetime import date, datetime
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.simulation.traffic import Request

COLUMNS = Request._fields
TEXTS = (
    "request_id", "account_id", "model", "org_id", "api_key_id", "end_user_id", "pathway",
    "endpoint", "stop_reason", "stop_category", "tools_hash", "response_format", "session_id",
    "reasoning_signature", "ip", "user_agent", "tls_fingerprint", "ip_type", "system_prompt",
    "prompt", "response",
)  # fmt: skip
BOOLEANS = ("stream", "batch", "logprobs")
DECIMALS = ("cost_usd", "temperature", "top_p")
SCHEMA = pa.schema(
    [
        (
            column,
            pa.timestamp("ms")
            if column == "started_at"
            else pa.string()
            if column in TEXTS
            else pa.bool_()
            if column in BOOLEANS
            else pa.float64()
            if column in DECIMALS
            else pa.int64(),
        )
        for column in COLUMNS
    ]
)
# Mostly gzipped lines; every kind is met within the first week.
KINDS: tuple[tuple[str, ...], ...] = (
    ("jsonl.gz", "jsonl.gz"),
    ("csv.gz",),
    ("jsonl.gz",),
    ("parquet",),
    ("jsonl",),
    ("jsonl.gz", "jsonl.gz"),
    ("csv",),
    ("jsonl.gz", "parquet"),
)
FAULTY_DELIVERY = 2
TO_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# What the gateway's second exporter does not know.
LACKING = ("tls_fingerprint", "ip_type", "cached_tokens")
LATE_SHARE = 0.015
REPEATED_SHARE = 0.003
NAMELESS_SHARE = 0.001


def split_late(
    rng: Random, rows: Sequence[Request], day: date
) -> tuple[list[Request], list[Request]]:
    """Return (delivered today, delivered later); rows of tomorrow are later, and some of today."""
    today: list[Request] = []
    later: list[Request] = []
    for row in rows:
        chance = rng.random()
        if row.started_at.date() > day or (row.started_at.date() == day and chance < LATE_SHARE):
            later.append(row)
        else:
            today.append(row)
    return today, later


def with_faults(rng: Random, rows: Sequence[Request]) -> list[Request]:
    """Return the rows in order of time, a few of them twice, a few without a usable id."""
    delivered: list[Request] = []
    for row in rows:
        chance = rng.random()
        if chance < NAMELESS_SHARE:
            delivered.append(row._replace(request_id="None" if chance < NAMELESS_SHARE / 2 else ""))
        else:
            delivered.append(row)
            if chance < NAMELESS_SHARE + REPEATED_SHARE:
                delivered.append(row)
    delivered.sort(key=lambda row: (row.started_at, row.account_id, row.request_id))
    return delivered


def write_requests(folder: Path, index: int, rows: Sequence[Request]) -> None:
    """Write the rows of delivery number `index` into `folder`."""
    folder.mkdir(parents=True)
    kinds = KINDS[index % len(KINDS)]
    step = -(-len(rows) // len(kinds)) or 1
    for part, kind in enumerate(kinds):
        share = rows[part * step : (part + 1) * step]
        columns = [name for name in COLUMNS if part == 0 or name not in LACKING]
        path = folder / f"requests-{part:03}.{kind}"
        if kind == "parquet":
            _write_parquet(path, share, columns)
        elif kind.startswith("csv"):
            _write_bytes(path, _as_csv(columns, share))
        else:
            wanted = frozenset(columns)
            lines = [_as_json(row, wanted) for row in share]
            if index == FAULTY_DELIVERY and part == 0:
                lines = _spoil(lines, share, wanted)
            _write_bytes(path, "".join(line + "\n" for line in lines).encode())


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a small table as CSV; None is an empty field, instants are UTC."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_as_csv(columns, rows, instants_with_zone=True))


def _spoil(lines: list[str], rows: Sequence[Request], columns: Collection[str]) -> list[str]:
    """Return the lines with a few bad ones among them, at fixed places."""
    if not lines:
        return lines
    middle = len(lines) // 2
    row = rows[middle]
    bad = [
        lines[middle][: len(lines[middle]) // 2],
        "{not json at all",
        _as_json(row._replace(account_id="", request_id="req_without_account"), columns),
        _as_json(row._replace(request_id="req_without_time"), columns).replace(
            f'"started_at":"{_instant(row.started_at)}Z"', '"started_at":"yesterday evening"'
        ),
    ]
    return [*lines[:middle], *bad[:2], *lines[middle:], *bad[2:]]


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _as_json(row: Request, columns: Collection[str]) -> str:
    fields = {
        name: value
        for name, value in zip(COLUMNS, row, strict=True)
        if value is not None and name in columns
    }
    fields["started_at"] = _instant(row.started_at) + "Z"
    return TO_JSON.encode(fields)


def _as_csv(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, instants_with_zone: bool = False
) -> bytes:
    """Return CSV bytes; rows are tuples of `columns`, or requests of which these are wanted."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    zone = "Z" if instants_with_zone else ""
    for row in rows:
        values = [getattr(row, name) for name in columns] if isinstance(row, Request) else list(row)
        writer.writerow([_field(value, zone) for value in values])
    return text.getvalue().encode()


def _field(value: object, zone: str) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _instant(value) + zone
    return value


def _write_parquet(path: Path, rows: Sequence[Request], columns: Sequence[str]) -> None:
    places = {name: COLUMNS.index(name) for name in columns}
    schema = pa.schema([SCHEMA.field(name) for name in columns])
    table = pa.table(
        {name: [row[place] for row in rows] for name, place in places.items()}, schema=schema
    )
    pq.write_table(table, path, compression="zstd")


def _write_bytes(path: Path, content: bytes) -> None:
    if path.suffix == ".gz":
        # The time in a gzip header would make two equal runs differ.
        content = gzip.compress(content, compresslevel=5, mtime=0)
    path.write_bytes(content)
