"""The key is made once, kept private, and never silently another; the SQL does what Python does."""

import stat
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.errors import UserError
from pipelines.pseudonyms import (
    KEY_VARIABLE,
    PseudonymKey,
    ip_network_sql,
    load_or_create_key,
    pseudonym_sql,
    record_key_of_lake,
)

KEY = PseudonymKey("0123456789abcdef" * 4)


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    key = load_or_create_key(tmp_path, {})
    path = tmp_path / "pseudonym.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().strip()) == 64
    assert load_or_create_key(tmp_path, {}) == key
    assert [entry.name for entry in tmp_path.iterdir()] == ["pseudonym.key"]


def test_the_key_of_the_environment_comes_first_and_is_not_stored(tmp_path: Path) -> None:
    assert load_or_create_key(tmp_path, {KEY_VARIABLE: "AB" * 32}).hex_digits == "ab" * 32
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["ab" * 31, "xy" * 32, "ab" * 32 + "a"])
def test_a_malformed_key_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="is no pseudonym key") as caught:
        load_or_create_key(tmp_path, {KEY_VARIABLE: text})
    assert text not in str(caught.value)


def test_another_key_for_an_existing_lake_is_an_error(tmp_path: Path) -> None:
    record_key_of_lake(tmp_path, KEY)
    record_key_of_lake(tmp_path, KEY)
    with pytest.raises(UserError, match="another pseudonym key"):
        load_or_create_key(tmp_path, {KEY_VARIABLE: "ab" * 32})
    with pytest.raises(UserError, match="another pseudonym key"):
        record_key_of_lake(tmp_path, PseudonymKey("ab" * 32))


def test_a_lost_key_is_not_replaced_by_a_new_one(tmp_path: Path) -> None:
    record_key_of_lake(tmp_path, load_or_create_key(tmp_path, {}))
    (tmp_path / "pseudonym.key").unlink()
    with pytest.raises(UserError, match="is gone"):
        load_or_create_key(tmp_path, {})
    assert not (tmp_path / "pseudonym.key").exists()


def test_ingestion_with_another_key_changes_nothing(workshop: Any) -> None:
    workshop.deliver("a.jsonl", [{"account_id": "a", "started_at": 1794308087, "model": "m"}])
    workshop.ingest()
    before = workshop.path().read_bytes()
    with pytest.raises(UserError, match="another pseudonym key"):
        workshop.ingest(key=PseudonymKey("ab" * 32))
    assert workshop.path().read_bytes() == before


def test_the_representation_does_not_show_the_key() -> None:
    assert KEY.hex_digits not in repr(KEY)


def test_sql_and_python_agree_and_kinds_are_kept_apart() -> None:
    session, person = (pseudonym_sql("value", kind, KEY) for kind in ("session", "end_user"))
    row = duckdb.sql(
        f"select {session}, {person} from (values ('7'), (null), ('ü')) t(value)"
    ).fetchall()
    assert row == [
        (KEY.pseudonym("7", "session"), KEY.pseudonym("7", "end_user")),
        (None, None),
        (KEY.pseudonym("ü", "session"), KEY.pseudonym("ü", "end_user")),
    ]
    assert KEY.pseudonym("7", "session") != KEY.pseudonym("7", "end_user")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("203.0.113.7:5431", "203.0.113.0/24"),
        ("203.0.113.7, 10.0.0.1", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:7:1::5", "2001:db8:7::/48"),
        ("2001:0DB8:0007:0001:0:0:0:5", "2001:db8:7::/48"),
        ("2001:db8::1", "2001:db8:0::/48"),
        ("2001::1", "2001:0:0::/48"),
        ("2001::7:1:2:3:4:5", "2001:0:7::/48"),
        ("::1", "0:0:0::/48"),
        ("[2001:db8:7::1]:443", "2001:db8:7::/48"),
        ("unknown", None),
        ("", None),
        (None, None),
    ],
)
def test_network_of_an_address(address: str | None, network: str | None) -> None:
    value = "null::varchar" if address is None else f"'{address}'"
    sql = f"select {ip_network_sql('address')} from (select {value} as address)"
    assert duckdb.sql(sql).fetchall() == [(network,)]
