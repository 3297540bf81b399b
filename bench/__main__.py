"""Ingestion as a multiple of reading: both measured in one run, on files made for it.

The floor is the time that DuckDB needs to read the same files once and hash every column. Absolute
seconds say more about the machine than about the project; the ratio is what is kept an eye on.
"""

import argparse
import resource
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median

import duckdb

from pipelines.lake import ingest
from pipelines.pseudonyms import PseudonymKey
from pipelines.sources import adapter_named

DAY = date(2026, 9, 1)
WORDS = (
    "harbour lantern copper willow ledger granite meadow signal anchor velvet orchard tunnel "
    "barley compass thunder quarry ribbon salmon timber walnut"
)


def main() -> None:
    """Print a line a file kind: seconds to read, seconds to ingest, and their ratio."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    print(f"{options.rows:,} requests, {options.threads} threads, {options.rounds} rounds, medians")
    print(f"{'files':<10}{'MB':>8}{'read and hash':>16}{'ingest':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory(prefix="extraction-watch-bench-") as folder:
        for kind in ("jsonl.gz", "parquet"):
            line(Path(folder) / kind.replace(".", "_"), kind, options)
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(f"peak memory {peak:,.0f} MB, the making of the files included")


def line(base: Path, kind: str, options: argparse.Namespace) -> None:
    """Make the files of one kind, measure both, print."""
    path = base / "exports" / "requests" / DAY.isoformat() / f"part.{kind}"
    path.parent.mkdir(parents=True)
    make_requests(path, kind, options.rows)
    reads, ingests = [], []
    for turn in range(options.rounds):
        reads.append(seconds(partial(read_and_hash, path, kind, options.threads)))
        home = base / f"home-{turn}"
        key = PseudonymKey(secrets.token_hex(32))
        work = partial(ingest_once, base / "exports", home, key, options.threads)
        ingests.append(seconds(work))
    read, ingested = median(reads), median(ingests)
    print(
        f"{kind:<10}{path.stat().st_size / 1e6:>8.0f}{read:>14.2f} s{ingested:>8.2f} s"
        f"{ingested / read:>8.1f}"
    )


def ingest_once(exports: Path, home: Path, key: PseudonymKey, threads: int) -> None:
    """One ingestion into an empty home."""
    ingest(
        exports=exports,
        home=home,
        adapter=adapter_named("native"),
        table="requests",
        day=DAY,
        key=key,
        threads=threads,
    )


def read_and_hash(path: Path, kind: str, threads: int) -> None:
    """Read every column once and hash it: the least that any ingestion must do."""
    reader = "read_parquet" if kind == "parquet" else "read_json"
    with duckdb.connect() as connection:
        connection.execute(f"set threads = {threads}")
        relation = f"{reader}('{path}')"
        connection.execute(f"select bit_xor(hash(columns(*))) from {relation}").fetchall()


def seconds(work: Callable[[], None]) -> float:
    """Wall-clock seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def make_requests(path: Path, kind: str, rows: int) -> None:
    """Requests of two thousand accounts with prompts of about 300 characters."""
    words = ", ".join(f"'{word}'" for word in WORDS.split())
    text = (
        "array_to_string(list_transform(range(0, 42), lambda place: "
        f"list_extract([{words}], 1 + (hash(i * 64 + place) % {len(WORDS.split())})::int)), ' ')"
    )
    sql = f"""
        select
            'r' || i as request_id,
            'acct-' || (hash(i) % 2000) as account_id,
            'org-' || (hash(i) % 400) as org_id,
            timestamp '{DAY}' + to_seconds(i % 86000) as started_at,
            ['m-large', 'm-small'][1 + i % 2] as model,
            80 + i % 100 as input_tokens,
            200 + i % 500 as output_tokens,
            200 as http_status,
            0.7 as temperature,
            1024 as max_tokens,
            '203.0.' || (hash(i) % 250) || '.' || (i % 250) as ip,
            'client/' || (i % 7) as user_agent,
            's' || (i // 5) as session_id,
            1 + i % 5 as turn,
            'You answer in plain words.' as system_prompt,
            {text} as prompt
        from range({rows}) as numbers(i)
    """
    options = "format parquet" if kind == "parquet" else "format json, compression gzip"
    with duckdb.connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        connection.execute(f"copy ({sql}) to '{path}' ({options})")


if __name__ == "__main__":
    main()
