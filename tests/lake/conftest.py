"""A small exports folder to write deliveries into, and the lake that comes of it."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.lake import IngestSummary, ingest
from pipelines.pseudonyms import PseudonymKey
from pipelines.sources import Adapter, adapter_named

DAY = date(2026, 11, 10)
KEY = PseudonymKey("0123456789abcdef" * 4)


def json_lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@dataclass
class Workshop:
    """An exports folder and a home folder. Bytes go in with `deliver`, rows come out of `rows`."""

    exports: Path
    home: Path
    adapter: Adapter = field(default_factory=lambda: adapter_named("native"))
    day: date = DAY
    table: str = "requests"

    def day_folder(self) -> Path:
        parts = [self.table] if self.adapter.layout == "table_then_day" else []
        folder = self.exports.joinpath(*parts, self.day.strftime(self.adapter.day_folder))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def deliver(self, name: str, content: bytes | Sequence[Mapping[str, Any]]) -> Path:
        body = content if isinstance(content, bytes) else json_lines(content)
        if not isinstance(content, bytes) and name.endswith(".gz"):
            body = gzip.compress(body, mtime=0)
        path = self.day_folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return path

    def ingest(self, key: PseudonymKey = KEY, threads: int = 1) -> IngestSummary:
        return ingest(
            exports=self.exports,
            home=self.home,
            adapter=self.adapter,
            table=self.table,
            day=self.day,
            key=key,
            threads=threads,
        )

    def path(self, part: str = "data") -> Path:
        return self.home / "lake" / self.table / self.day.isoformat() / f"{part}.parquet"

    def rows(self, part: str = "data", columns: str = "*") -> list[tuple[Any, ...]]:
        with duckdb.connect() as connection:
            return connection.execute(f"select {columns} from '{self.path(part)}'").fetchall()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    exports = tmp_path / "exports"
    exports.mkdir()
    return Workshop(exports, tmp_path / "home")
