"""Which deliveries wait to be processed, and in what state each delivery is.

Nothing is read here but the names, sizes and times of files.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.errors import UserError
from pipelines.publication import published_digests
from pipelines.settings import Settings
from pipelines.sources import adapter_named, recognise
from pipelines.sources.adapter import Adapter
from pipelines.sources.deliveries import files_of, list_deliveries


@dataclass(frozen=True)
class Source:
    """An exports folder and the adapter that reads it."""

    exports: Path
    adapter: Adapter


@dataclass(frozen=True)
class Plan:
    """The days of a run. delivered: those that the exports hold. waiting: not published yet."""

    first: date
    last: date
    delivered: tuple[date, ...]
    waiting: tuple[date, ...]


def source_of(settings: Settings) -> Source:
    """The exports that the settings name, with their adapter.

    Raises `UserError` when no exports are named, the folder is missing, or its format is unknown or
    ambiguous.
    """
    if settings.exports is None:
        raise UserError(
            "no exports are named: give --exports FOLDER or set EXTRACTION_WATCH_EXPORTS"
        )
    if not settings.exports.is_dir():
        raise UserError(
            f"the exports folder {settings.exports} does not exist; --exports takes a folder that "
            "holds one folder a delivery day"
        )
    adapter = (
        adapter_named(settings.format_name) if settings.format_name else recognise(settings.exports)
    )
    return Source(settings.exports, adapter)


def plan_run(
    source: Source, home: Path, *, first: date | None = None, last: date | None = None
) -> Plan | None:
    """The days to run: from `first` to `last`, or every delivery that the published tables lack.

    None when nothing waits and no day was asked for. Raises `UserError` when the range is
    backwards or holds no delivery.
    """
    days = list_deliveries(source.exports, source.adapter)
    published = published_digests(home)
    waiting = tuple(day for day in days if published.get(day) != delivery_digest(source, day))
    if first is None and last is None:
        if not waiting:
            return None
        first, last = waiting[0], waiting[-1]
    first = first or days[0]
    last = last or days[-1]
    if first > last:
        raise UserError(f"--from {first} lies after --to {last}; exchange them")
    delivered = tuple(day for day in days if first <= day <= last)
    if not delivered:
        raise UserError(
            f"no delivery lies between {first} and {last}; {source.exports} holds deliveries from "
            f"{days[0]} to {days[-1]}"
        )
    return Plan(
        delivered[0], delivered[-1], delivered, tuple(day for day in waiting if day in delivered)
    )


def delivery_digest(source: Source, day: date) -> str:
    """Changes when a file of the delivery is added, taken away, resized or written again."""
    state = hashlib.sha256(source.adapter.name.encode())
    for table in ("requests", "accounts", "usage_counters"):
        for file in files_of(source.exports, source.adapter, table, day):
            state.update(
                f"{file.name}\0{file.size_bytes}\0{file.path.stat().st_mtime_ns}\n".encode()
            )
    for name in ("model_releases.csv", "declared_parties.csv"):
        path = source.exports / name
        if path.exists():
            state.update(f"{name}\0{path.stat().st_size}\0{path.stat().st_mtime_ns}\n".encode())
    return state.hexdigest()[:16]


def delivery_digests(source: Source, days: Iterable[date]) -> dict[date, str]:
    """The digest of each of `days`."""
    return {day: delivery_digest(source, day) for day in days}
