"""Text to types, one row per way of writing a value."""

from datetime import date, datetime
from typing import Any

import duckdb
import pytest

from pipelines.sources.casts import cast_sql, identifier_sql

NOON = datetime(2026, 11, 10, 12, 0, 0)


def value_of(expression: str, text: str | None) -> Any:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        (row,) = connection.execute(f"select {expression} from (select ? as t)", [text]).fetchall()
    return row[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-10T12:00:00Z", NOON),
        ("2026-11-10t12:00:00z", NOON),
        ("2026-11-10T12:00:00", NOON),
        ("2026-11-10 12:00:00", NOON),
        ("2026-11-10T14:00:00+02:00", NOON),
        ("2026-11-10T06:30:00-05:30", NOON),
        ("2026-11-10 12:00:00.123456789", NOON.replace(microsecond=123456)),
        ("2026-11-10T11:59:60Z", NOON.replace(hour=11, minute=59, second=59)),
        ("2026-11-10", datetime(2026, 11, 10)),
        ("1794312000", NOON),
        ("1794312000.25", NOON.replace(microsecond=250000)),
        ("1794312000000", NOON),
        ("1794312000000000", NOON),
        ("1794312000000000000", NOON),
        ("1794312000000000999", NOON),
        ("1.794312e+09", NOON),
        (" 1794312000 ", NOON),
        ("infinity", None),
        ("epoch", None),
        ("yesterday", None),
        ("2026-13-01T00:00:00Z", None),
        ("-5", None),
        ("99999999999999999999999", None),
        ("", None),
        (None, None),
    ],
)
def test_timestamps(text: str | None, expected: datetime | None) -> None:
    assert value_of(cast_sql("t", "TIMESTAMP"), text) == expected


def test_dates_are_utc_days() -> None:
    assert value_of(cast_sql("t", "DATE"), "2026-11-10T23:30:00-01:00") == date(2026, 11, 11)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", 12),
        ("12.0", 12),
        (" 12 ", 12),
        ("-3", -3),
        ("1e3", 1000),
        ("9007199254740993", 9007199254740993),
        ("12.5", None),
        ("many", None),
        ("NaN", None),
        ("Infinity", None),
        ("9223372036854775808", None),
        ("", None),
        (None, None),
    ],
)
def test_integers(text: str | None, expected: int | None) -> None:
    assert value_of(cast_sql("t", "BIGINT"), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.7", 0.7), ("1", 1.0), ("NaN", None), ("-Infinity", None), ("hot", None), (None, None)],
)
def test_doubles(text: str | None, expected: float | None) -> None:
    assert value_of(cast_sql("t", "DOUBLE"), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("True", True),
        ("1", True),
        ("1.0", True),
        ("yes", True),
        ("FALSE", False),
        ("0", False),
        ("no", False),
        ("2", None),
        ("", None),
        (None, None),
    ],
)
def test_booleans(text: str | None, expected: bool | None) -> None:
    assert value_of(cast_sql("t", "BOOLEAN"), text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("abc", "abc"), (" abc ", "abc"), ("None", None), ("null", None), ("", None), (None, None)],
)
def test_identifiers(text: str | None, expected: str | None) -> None:
    assert value_of(identifier_sql("t"), text) == expected


def test_a_type_without_a_cast_is_a_fault_of_the_program() -> None:
    with pytest.raises(ValueError, match="no cast to BLOB"):
        cast_sql("t", "BLOB")
