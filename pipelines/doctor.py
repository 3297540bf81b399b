"""The doctor: what a person checks when a night did not do what it should.

It looks and says; it changes nothing.
"""

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

import duckdb

from pipelines.errors import UserError
from pipelines.planning import plan_run, source_of
from pipelines.settings import Settings

CHECKED_VERSIONS = {
    "dagster": "1.13.27",
    "dbt-core": "1.11.",
    "dbt-duckdb": "1.11.1",
    "duckdb": "2.0.1",
    "great-expectations": "1.24.1",
    "pandas": "3.1.1",
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at. sentence: what was found and, where it is not well, what to do."""

    subject: str
    is_well: bool
    sentence: str


def examine(settings: Settings) -> list[Finding]:
    """Versions, the warehouse's lock, missing and waiting days, slots held by dead runs."""
    return [
        *_versions(),
        _lock(settings.warehouse),
        *_days(settings),
        _slots(settings.dagster_home),
    ]


def _versions() -> Iterator[Finding]:
    for package, tested in CHECKED_VERSIONS.items():
        found = version(package)
        is_well = found.startswith(tested)
        remedy = "" if is_well else f"; tested with {tested}: run `make setup` in a fresh checkout"
        yield Finding(package, is_well, f"{found}{remedy}")


def _lock(warehouse: Path) -> Finding:
    if not warehouse.exists():
        return Finding("warehouse", True, "not made yet")
    try:
        duckdb.connect(str(warehouse), read_only=True).close()
    except duckdb.Error as error:
        return Finding(
            "warehouse", False, f"cannot be opened; end the process that holds it: {error}"
        )
    return Finding("warehouse", True, f"{warehouse.stat().st_size / 1e6:.0f} MB, not locked")


def _days(settings: Settings) -> Iterator[Finding]:
    known = _days_below(settings.lake / "requests")
    if not known:
        yield Finding("lake", True, "holds no delivery yet")
    else:
        span = {known[0] + timedelta(days=n) for n in range((known[-1] - known[0]).days + 1)}
        missing = sorted(span - set(known))
        words = ", ".join(day.isoformat() for day in missing[:10])
        yield Finding(
            "lake",
            not missing,
            f"{len(known)} days, {known[0]} to {known[-1]}"
            + (f"; no delivery of {words}: ask the exporter, then run again" if missing else ""),
        )
    if settings.exports is None:
        yield Finding("exports", True, "not named; set EXTRACTION_WATCH_EXPORTS to check them")
        return
    try:
        plan = plan_run(source_of(settings), settings.home)
    except UserError as error:
        yield Finding("exports", False, str(error))
        return
    yield Finding(
        "exports",
        plan is None,
        "everything delivered is published"
        if plan is None
        else f"{len(plan.waiting)} deliveries wait, {plan.waiting[0]} to {plan.waiting[-1]}; "
        "run `extraction-watch run`",
    )


def _days_below(folder: Path) -> list[date]:
    return sorted(date.fromisoformat(path.name) for path in folder.glob("????-??-??"))


def _slots(dagster_home: Path) -> Finding:
    """Slots of the writer's pool that a run holds which is no longer running."""
    if not (dagster_home / "history").exists():
        return Finding("slots", True, "no run has been recorded")
    os.environ.setdefault("DAGSTER_HOME", str(dagster_home))
    import dagster as dg

    try:
        with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
            storage = instance.event_log_storage
            held = [
                (key, slot.run_id)
                for key in storage.get_concurrency_keys()
                for slot in storage.get_concurrency_info(key).claimed_slots
            ]
            stuck = [
                (key, run_id)
                for key, run_id in held
                if (run := instance.get_run_by_id(run_id)) is None or run.is_finished
            ]
    except sqlite3.Error as error:
        return Finding("slots", False, f"Dagster's storage in {dagster_home} fails: {error}")
    if stuck:
        words = ", ".join(f"{key} by run {run_id}" for key, run_id in stuck)
        return Finding(
            "slots",
            False,
            f"held by runs that ended: {words}; free them in the UI under Deployment, Concurrency",
        )
    return Finding("slots", True, f"{len(held)} in use, none stuck")
