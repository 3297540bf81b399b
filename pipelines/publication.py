"""Publishing: what analysts read, replaced in one move.

The warehouse is dbt's own file and is locked while a run writes it. Readers get another file, in
the oldest storage format that the contract promises (DuckDB 1.4), and the same tables as Parquet.
Each is written beside its place and moved there, so that a reader that holds the old file keeps it
and a new one sees the new.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from pipelines.errors import RunError

STORAGE_VERSION = "v1.4.0"

# Published table: the relation it is made of (w = the warehouse) and its order. A table that is
# ordered by its key is the same file whoever wrote it.
WAREHOUSE_TABLES: dict[str, tuple[str, str]] = {
    "suspected_extraction_accounts": ("w.main.ranked_accounts", "as_of_date, rank"),
    "suspected_campaigns": ("w.main.suspected_campaigns", "as_of_date, campaign_id"),
    "account_campaigns": ("w.main.account_campaigns", "as_of_date, account_id"),
    "account_features": ("w.main.account_features", "as_of_date, account_id"),
    "account_signals": ("w.main.account_signals", "as_of_date, account_id, signal_name"),
    "scoring_settings": ("w.main.scoring_settings", "name"),
    "signal_weights": ("w.main.signal_weights", "signal_name, level_name"),
}


@dataclass(frozen=True)
class Publication:
    """What a publication wrote: the database file, and the rows of each table."""

    database: Path
    rows: Mapping[str, int]


def publish(
    *, home: Path, quality_results: pd.DataFrame, delivery_digests: Mapping[date, str]
) -> Publication:
    """Write `<home>/published/extraction_watch.duckdb` and a Parquet file a table.

    `quality_results` has the columns of `data_quality_results`; `delivery_digests` says which state
    of each delivery the tables were made from, and is kept in `published_deliveries`. Raises
    `RunError` when the warehouse lacks a table; then nothing is replaced.
    """
    published = home / "published"
    staging = home / "published.next"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    database = staging / "extraction_watch.duckdb"
    connection = duckdb.connect()
    try:
        connection.execute(f"attach '{home / 'warehouse.duckdb'}' as w (read_only)")
        connection.execute(f"attach '{database}' as p (storage_version '{STORAGE_VERSION}')")
        known = _known_digests(connection, published)
        known.update(delivery_digests)
        digests = pd.DataFrame(
            {"delivery_date": sorted(known), "digest": [known[day] for day in sorted(known)]}
        )
        connection.register("digests", digests)
        connection.register("quality_results", quality_results)
        lake = home / "lake"
        relations = {
            **WAREHOUSE_TABLES,
            "data_quality_results": ("quality_results", "day, suite, table_name, expectation"),
            "ingested_files": (
                f"read_parquet('{lake}/*/*/files.parquet', union_by_name = true)",
                "delivery_date, table_name, file",
            ),
            "rejected_rows": (
                f"read_parquet('{lake}/*/*/rejected.parquet', union_by_name = true)",
                "delivery_date, table_name, file, line",
            ),
            "published_deliveries": (
                "(select cast(delivery_date as date) as delivery_date, "
                "cast(digest as varchar) as digest from digests)",
                "delivery_date",
            ),
        }
        rows = {
            name: _write_table(connection, name, relation, order, staging)
            for name, (relation, order) in relations.items()
        }
    except duckdb.Error as error:
        raise RunError(
            f"publishing failed and the tables of before stand unchanged: {error}"
        ) from error
    finally:
        connection.close()
    published.mkdir(parents=True, exist_ok=True)
    for path in sorted(staging.iterdir(), key=lambda path: path.suffix == ".duckdb"):
        path.replace(published / path.name)
    staging.rmdir()
    return Publication(published / database.name, rows)


def published_digests(home: Path) -> dict[date, str]:
    """Which state of each delivery the published tables were made from; empty before the first."""
    with duckdb.connect() as connection:
        return _known_digests(connection, home / "published")


def _known_digests(connection: duckdb.DuckDBPyConnection, published: Path) -> dict[date, str]:
    path = published / "published_deliveries.parquet"
    if not path.exists():
        return {}
    known = connection.execute(f"select delivery_date, digest from read_parquet('{path}')")
    return dict(known.fetchall())


def _write_table(
    connection: duckdb.DuckDBPyConnection, name: str, relation: str, order: str, folder: Path
) -> int:
    connection.execute(f"create table p.{name} as select * from {relation} order by {order}")
    connection.execute(
        f"copy (select * from p.{name} order by {order}) "
        f"to '{folder / name}.parquet' (format parquet, compression zstd)"
    )
    row = connection.execute(f"select count(*) from p.{name}").fetchone()
    assert row is not None
    return int(row[0])
