"""The state depends on the set of deliveries, not on their order nor on how often each was run."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.flow.conftest import Command, deliver, query, tables_of

DAYS = [date(2026, 9, 1), date(2026, 9, 2), date(2026, 9, 3)]

Request = dict[str, object]


def request(account: str, at: datetime, number: int) -> Request:
    """One request under a template that strangers share, with ever new items."""
    return {
        "request_id": f"{account}-{number}",
        "account_id": account,
        "started_at": at.isoformat(),
        "model": "m-large",
        "input_tokens": 80 + number,
        "output_tokens": 300 + number,
        "http_status": 200,
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 1024,
        "prompt": f"Generate one question and answer pair on harbour number {number} of {account}.",
    }


def requests_of(day: date) -> list[Request]:
    """Six accounts, eight requests each, spread over the day."""
    begin = datetime.combine(day, datetime.min.time())
    return [
        request(f"acct-{account}", begin + timedelta(minutes=97 * (number % 10) + account), number)
        for account in range(6)
        for number in range(day.day * 10, day.day * 10 + 8)
    ]


def deliveries() -> dict[date, list[Request]]:
    """Three days; the third also holds two late rows of the first, one of them seen before."""
    made = {day: requests_of(day) for day in DAYS}
    unseen = request("acct-1", datetime(2026, 9, 1, 22, 10), 999)
    return {**made, DAYS[2]: [*made[DAYS[2]], made[DAYS[0]][3], unseen]}


def write(exports: Path, contents: dict[date, list[Request]]) -> None:
    for day, rows in contents.items():
        deliver(exports, day, rows)


def run(command: Command, exports: Path, home: Path, first: date, last: date) -> None:
    done = command("run", "--exports", exports, "--home", home, "--from", first, "--to", last)
    assert done.returncode == 0, done.stdout + done.stderr


def comparable(home: Path) -> dict[str, Sequence[tuple[Any, ...]]]:
    """The published tables without the record of when files were written."""
    return {name: rows for name, rows in tables_of(home).items() if name != "published_deliveries"}


@pytest.fixture(scope="module")
def in_order(extraction_watch: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home after one run over all three deliveries."""
    base = tmp_path_factory.mktemp("in_order")
    write(base / "exports", deliveries())
    run(extraction_watch, base / "exports", base / "home", DAYS[0], DAYS[2])
    return base / "home"


def test_any_order_and_repetition_give_the_same_tables(
    extraction_watch: Command, in_order: Path, tmp_path: Path
) -> None:
    write(tmp_path / "exports", deliveries())
    for day in (DAYS[2], DAYS[0], DAYS[1], DAYS[0]):
        run(extraction_watch, tmp_path / "exports", tmp_path / "home", day, day)
    expected, found = comparable(in_order), comparable(tmp_path / "home")
    for name in expected:
        assert found[name] == expected[name], name


def test_a_late_row_counts_on_its_day_and_only_for_lists_that_had_it(in_order: Path) -> None:
    """A row that was delivered twice counts once; one that came late changes no earlier list."""
    counted = dict(
        query(
            in_order,
            "select as_of_date, requests_28d from suspected_extraction_accounts "
            "where account_id = 'acct-1'",
        )
    )
    assert counted == {DAYS[0]: 8, DAYS[1]: 16, DAYS[2]: 25}
    doubled = query(
        in_order,
        "select requests_28d from suspected_extraction_accounts "
        "where account_id = 'acct-0' and as_of_date = ?",
        DAYS[2],
    )
    assert doubled == [(24,)]


def test_a_delivery_that_came_back_empty_leaves_nothing_of_the_old_one(
    extraction_watch: Command, tmp_path: Path
) -> None:
    """Regression: elsewhere, a day pulled again that came back empty leaves the old rows."""
    write(tmp_path / "exports", deliveries())
    run(extraction_watch, tmp_path / "exports", tmp_path / "home", DAYS[0], DAYS[2])
    emptied = {**deliveries(), DAYS[1]: []}
    write(tmp_path / "exports", emptied)
    # No day is named: the run finds out by itself which deliveries are not as they were.
    done = extraction_watch("run", "--exports", tmp_path / "exports", "--home", tmp_path / "home")
    assert done.returncode == 0, done.stdout + done.stderr
    write(tmp_path / "other", emptied)
    run(extraction_watch, tmp_path / "other", tmp_path / "fresh", DAYS[0], DAYS[2])
    expected, found = comparable(tmp_path / "fresh"), comparable(tmp_path / "home")
    for name in expected:
        assert found[name] == expected[name], name
    seen = query(
        tmp_path / "home",
        "select requests_28d from suspected_extraction_accounts "
        "where account_id = 'acct-0' and as_of_date = ?",
        DAYS[2],
    )
    assert seen == [(16,)]
