"""Whole runs, through the command line, Dagster, dbt and Great Expectations."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def extraction_watch() -> Command:
    """Call the command line as a user would, in a process of its own."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith(("EXTRACTION_WATCH_", "DAGSTER_"))
        }
        return subprocess.run(
            [sys.executable, "-m", "pipelines.cli", *map(str, arguments)],
            cwd=ROOT,
            env={**environment, "COLUMNS": "160"},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


@pytest.fixture(scope="session")
def simulated(
    extraction_watch: Command, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, subprocess.CompletedProcess[str]]:
    """The exports and home of one run over a small simulation, and what the run printed."""
    base = tmp_path_factory.mktemp("simulated")
    exports, home = base / "exports", base / "home"
    made = extraction_watch(
        "simulate", "--out", exports, "--seed", 11, "--accounts", 250, "--days", 6
    )
    assert made.returncode == 0, made.stderr
    ran = extraction_watch("run", "--exports", exports, "--home", home)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return exports, home, ran


def query(home: Path, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Ask the published file, as an analyst does."""
    database = home / "published" / "extraction_watch.duckdb"
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(sql, list(parameters)).fetchall()


def tables_of(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every published table, as rows in their published order."""
    names = [name for (name,) in query(home, "select table_name from duckdb_tables() order by 1")]
    return {name: query(home, f"select * from {name}") for name in names}


def deliver(exports: Path, day: date, requests: Sequence[Mapping[str, object]]) -> None:
    """Write one day's requests as a JSON-lines delivery; no rows make an empty folder."""
    folder = exports / "requests" / day.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    if requests:
        write_lines(folder / "part.jsonl", (json.dumps(request) for request in requests))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """A text file of these lines."""
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
