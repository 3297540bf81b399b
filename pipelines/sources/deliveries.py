"""Finds what was delivered: days and files below an exports folder.

Nothing is opened here. What a file holds is the business of `pipelines.sources.readers`.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from pipelines.errors import UserError
from pipelines.sources.adapter import Adapter

# Tables beside the requests are no export of the source: their days have one name everywhere.
_DAY_FOLDER = "%Y-%m-%d"
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
    days = {day for day, _ in _request_folders(root, adapter)}
    if not days:
        raise UserError(
            f"expected folders named for a day ({_spelt(adapter.day_folder)}) in {root}, "
            f"found {_seen(root)}; "
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
    not_data: tuple[str, ...] = ()
    if table == "requests":
        root, not_data = _requests_root(exports, adapter), adapter.not_data
        found = list(_request_folders(root, adapter))
    elif root.is_dir():
        found = list(_day_folders(root, adapter, _DAY_FOLDER))
    else:
        return ()
    folders = [folder for named, folder in found if named == day]
    if not folders and table == "requests":
        raise UserError(
            f"no delivery of {day} in {root}: a folder {day.strftime(adapter.day_folder)} was "
            "expected and is not there; an empty folder says that there were no requests"
        )
    return tuple(
        sorted(
            (file for folder in folders for file in _files_below(folder, exports, not_data)),
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
        return f"folders named {_spelt(adapter.day_folder)}, at any depth ({adapter.title})"
    return f"requests/{_spelt(adapter.day_folder)}/ ({adapter.title})"


def _spelt(day_folder: str) -> str:
    """How the folder of a day is named, for people."""
    return day_folder.replace("%Y", "YYYY").replace("%m", "MM").replace("%d", "DD")


def _seen(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    if not names:
        return "an empty folder"
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _request_folders(root: Path, adapter: Adapter) -> Iterator[tuple[date, Path]]:
    """Day folders of requests; where these lie at any depth, other tables may lie beside them."""
    beside = frozenset(adapter.tables) if adapter.layout == "day_anywhere" else frozenset()
    return _day_folders(root, adapter, adapter.day_folder, passed_over=beside - {"requests"})


def _day_folders(
    root: Path,
    adapter: Adapter,
    day_folder: str,
    passed_over: frozenset[str] = frozenset(),
    above: tuple[str, ...] = (),
) -> Iterator[tuple[date, Path]]:
    """Day folders, without looking inside them: a day may hold a million files.

    `above` are the names of the folders from where the search began down to `root`.
    """
    for name in sorted(entry.name for entry in os.scandir(root) if entry.is_dir()):
        if name.startswith(_NOT_DATA_PREFIXES) or name in passed_over:
            continue
        folder, names = root / name, (*above, name)
        day = _day_named(folder, names, day_folder)
        if day is not None:
            yield day, folder
        elif adapter.layout == "day_anywhere" or len(names) <= day_folder.count("/"):
            yield from _day_folders(folder, adapter, day_folder, above=names)


def _day_named(folder: Path, names: tuple[str, ...], day_folder: str) -> date | None:
    """The day for which the last of the `names` that lead to the folder stand."""
    exactly, nearly = _patterns(day_folder)
    named = "/".join(names[-1 - day_folder.count("/") :])
    if not nearly.fullmatch(named):
        return None
    found = exactly.fullmatch(named)
    try:
        if found:
            return date(int(found["Y"]), int(found["m"]), int(found["d"]))
    except ValueError:
        pass
    raise UserError(
        f"the folder {folder} is not named for a day: {_spelt(day_folder)} was expected; "
        "rename it, or move it out of the exports folder"
    )


@cache
def _patterns(day_folder: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What a day looks like, and what is close enough to it that somebody meant one."""
    exactly = nearly = ""
    for part in re.findall(r"%[Ymd]|[^%]", day_folder):
        digits = 4 if part == "%Y" else 2
        if part.startswith("%"):
            exactly += rf"(?P<{part[1]}>[0-9]{{{digits}}})"
            nearly += rf"[0-9]{{{4 if digits == 4 else '1,2'}}}"
        else:
            exactly += re.escape(part)
            nearly += "[-_.]?" if part in "-_." else re.escape(part)
    return re.compile(exactly), re.compile(nearly)


def _files_below(folder: Path, exports: Path, not_data: tuple[str, ...]) -> Iterator[DeliveredFile]:
    def is_data(name: str) -> bool:
        is_other = any(fnmatchcase(name, pattern) for pattern in not_data)
        return not is_other and not name.startswith(_NOT_DATA_PREFIXES)

    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = filter(is_data, folders)
        for name in filter(is_data, names):
            path = Path(parent, name)
            yield DeliveredFile(path, path.relative_to(exports).as_posix(), path.stat().st_size)
