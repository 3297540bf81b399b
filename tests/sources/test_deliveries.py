"""Which days and which files are a delivery, and what is said when there is none."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.errors import UserError
from pipelines.sources import LITELLM_PAYLOAD, NATIVE
from pipelines.sources.deliveries import files_of, list_deliveries

DAY = date(2026, 11, 10)


def touch(exports: Path, *names: str) -> None:
    for name in names:
        (exports / name).parent.mkdir(parents=True, exist_ok=True)
        (exports / name).write_text("x")


def test_native_days_and_files(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "requests/2026-11-10/b.jsonl",
        "requests/2026-11-10/a.jsonl",
        "requests/2026-11-10/hour=1/c.jsonl",
        "requests/2026-11-10/_SUCCESS",
        "requests/2026-11-10/.a.jsonl.crc",
        "requests/2026-11-09/a.jsonl",
        "requests/notes/a.txt",
        "accounts/2026-11-10/a.csv",
    )
    (tmp_path / "requests" / "2026-11-11").mkdir()
    assert list_deliveries(tmp_path, NATIVE) == (date(2026, 11, 9), DAY, date(2026, 11, 11))
    assert [
        (file.name, file.size_bytes) for file in files_of(tmp_path, NATIVE, "requests", DAY)
    ] == [
        ("requests/2026-11-10/a.jsonl", 1),
        ("requests/2026-11-10/b.jsonl", 1),
        ("requests/2026-11-10/hour=1/c.jsonl", 1),
    ]
    assert files_of(tmp_path, NATIVE, "requests", date(2026, 11, 11)) == ()
    assert [file.name for file in files_of(tmp_path, NATIVE, "accounts", DAY)] == [
        "accounts/2026-11-10/a.csv"
    ]
    assert files_of(tmp_path, NATIVE, "accounts", date(2026, 11, 9)) == ()
    assert files_of(tmp_path, NATIVE, "usage_counters", DAY) == ()


def test_a_day_at_any_depth(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "2026-11-10/batch.ndjson",
        "team-a/key-1/2026-11-10/07/time-07-00-00_x.json",
        "team-a/key-1/2026-11-09/y.json",
        "team-a/key-1/index.html",
    )
    assert list_deliveries(tmp_path, LITELLM_PAYLOAD) == (date(2026, 11, 9), DAY)
    assert [file.name for file in files_of(tmp_path, LITELLM_PAYLOAD, "requests", DAY)] == [
        "2026-11-10/batch.ndjson",
        "team-a/key-1/2026-11-10/07/time-07-00-00_x.json",
    ]
    assert files_of(tmp_path, LITELLM_PAYLOAD, "accounts", DAY) == ()


@pytest.mark.parametrize("name", ["2026-02-30", "2026-1-5", "20261110", "2026_11_10"])
def test_a_folder_that_is_nearly_a_day_is_an_error(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "requests/2026-11-09/a.jsonl", f"requests/{name}/a.jsonl")
    with pytest.raises(UserError, match=f"{name} is not named for a day: YYYY-MM-DD"):
        list_deliveries(tmp_path, NATIVE)


def test_missing_and_empty_folders_say_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist or is no folder"):
        list_deliveries(tmp_path / "nowhere", NATIVE)
    with pytest.raises(UserError, match=r"expected requests/YYYY-MM-DD/ .*, found an empty folder"):
        list_deliveries(tmp_path, NATIVE)
    with pytest.raises(UserError, match=r"expected folders named for a day .* an empty folder"):
        list_deliveries(tmp_path, LITELLM_PAYLOAD)
    touch(tmp_path, "requests/latest/a.jsonl")
    with pytest.raises(UserError, match=r"found latest; give the folder that holds requests/"):
        list_deliveries(tmp_path, NATIVE)
    with pytest.raises(UserError, match="no delivery of 2026-11-10"):
        files_of(tmp_path, NATIVE, "requests", DAY)
