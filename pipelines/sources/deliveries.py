"""Finds what was delivered: days and files below an exports folder.

Nothing is opened here. What a file holds is the business of `pipelines.sources.readers`.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.errors import UserError
from pipelines.sources.adapter import Adapter

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# Close enough to a day that somebody meant one.
_NEARLY_A_DAY = re.compile(r"\d{4}[-_.]?\d{1,2}[-_.]?\d{1,2}")
# Markers and working files of the programs that write exports (Spark's _SUCCESS, .crc, .tmp).
_NOT_DATA_PREFIXES = (".", "_")


@dataclass(frozen=True)
class DeliveredFile:
    """One file of a delivery. name: its path relative to the exports folder, with '/'."""

    path: Path
    name: str
    size_bytes: int


def list_deliveries(exports: Path, adapter: Adapter) -> tuple[date, ...]:
    """The days for which requests were delivered, in order; an empty day folder counts.

    Raises `UserError` if the exports folder is missing, holds no day folder, or holds a folder
    that is nearly a day but none (2026-02-30, 20261110).
    """
    root = _requests_root(exports, adapter)
    days = {day for day, _ in _day_folders(root, adapter)}
    if not days:
        raise UserError(
            f"expected folders named for a day (YYYY-MM-DD) in {root}, found {_seen(root)}; "
            f"give the folder that holds {_layout(adapter)}, or another format with --format"
        )
    return tuple(sorted(days))


def files_of(exports: Path, adapter: Adapter, table: str, day: date) -> tuple[DeliveredFile, ...]:
    """The files delivered for `table` on `day`, by name; empty if the day folder is empty.

    A table that the adapter does not fill, or an optional table that was not delivered that day,
    has no files. Raises `UserError` if requests were not delivered that day at all.
    """
    if table not in adapter.tables:
        return ()
    root = exports / table
    if table == "requests":
        root = _requests_root(exports, adapter)
    elif not root.is_dir():
        return ()
    folders = [folder for found, folder in _day_folders(root, adapter) if found == day]
    if not folders and table == "requests":
        raise UserError(
            f"no delivery of {day} in {root}: a folder {day} was expected and is not there; an "
            "empty folder says that there were no requests"
        )
    return tuple(
        sorted(
            (file for folder in folders for file in _files_below(folder, exports)),
            key=lambda file: file.name,
        )
    )


def _requests_root(exports: Path, adapter: Adapter) -> Path:
    if not exports.is_dir():
        raise UserError(
            f"the exports folder {exports} does not exist or is no folder; "
            "check --exports or EXTRACTION_WATCH_EXPORTS"
        )
    if adapter.layout == "day_anywhere":
        return exports
    root = exports / "requests"
    if not root.is_dir():
        raise UserError(
            f"expected {_layout(adapter)} in {exports}, found {_seen(exports)}; "
            "give the folder above `requests`, or another format with --format"
        )
    return root


def _layout(adapter: Adapter) -> str:
    if adapter.layout == "day_anywhere":
        return f"folders named YYYY-MM-DD, at any depth ({adapter.title})"
    return f"requests/YYYY-MM-DD/ ({adapter.title})"


def _seen(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    if not names:
        return "an empty folder"
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _day_folders(root: Path, adapter: Adapter) -> Iterator[tuple[date, Path]]:
    """Day folders, without looking inside them: a day may hold a million files."""
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        if not entry.is_dir() or entry.name.startswith(_NOT_DATA_PREFIXES):
            continue
        folder = root / entry.name
        day = _day_named(folder)
        if day is not None:
            yield day, folder
        elif adapter.layout == "day_anywhere":
            yield from _day_folders(folder, adapter)


def _day_named(folder: Path) -> date | None:
    if not _NEARLY_A_DAY.fullmatch(folder.name):
        return None
    try:
        if _DAY.fullmatch(folder.name):
            return date.fromisoformat(folder.name)
    except ValueError:
        pass
    raise UserError(
        f"the folder {folder} is not named for a day: YYYY-MM-DD was expected; "
        "rename it, or move it out of the exports folder"
    )


def _files_below(folder: Path, exports: Path) -> Iterator[DeliveredFile]:
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(_NOT_DATA_PREFIXES)]
        for name in names:
            if name.startswith(_NOT_DATA_PREFIXES):
                continue
            path = Path(parent, name)
            yield DeliveredFile(path, path.relative_to(exports).as_posix(), path.stat().st_size)
