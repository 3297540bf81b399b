"""What an adapter makes of a few records: rows with their texts, or a delivery into a lake."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from pipelines.sources import Adapter
from pipelines.sources.adapter import canonical_sql
from pipelines.sources.readers import fast_relation_sql, shape_of
from pipelines.sources.tables import REQUESTS
from tests.lake.conftest import Workshop


def canonical_rows(
    adapter: Adapter, records: Sequence[Mapping[str, Any]] | bytes, folder: Path
) -> list[dict[str, Any]]:
    """The rows that records (or the bytes of a file) become, in their order."""
    source = adapter.tables["requests"]
    path = folder / "records"
    if isinstance(records, bytes):
        path.write_bytes(records)
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    shape = shape_of(path, frozenset(source.columns))
    relation = f"({fast_relation_sql((str(path),), shape, source.columns, source.spellings)})"
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        found = connection.execute(canonical_sql(source, REQUESTS, relation))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def workshop_for(adapter: Adapter, folder: Path) -> Workshop:
    """A workshop whose deliveries are of the adapter's format."""
    exports = folder / "exports"
    exports.mkdir()
    return Workshop(exports, folder / "home", adapter)
