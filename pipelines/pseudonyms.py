"""The keyed hash that stands for identifiers in the lake, and the key it needs.

Addresses, user agents, devices, cards and people are only ever compared, so a pseudonym serves as
well as the value. Without the key nobody can try values out; with another key nothing of before
can be linked to what comes. Loss or change of the key is therefore an error and never silent.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.errors import UserError

KEY_VARIABLE = "EXTRACTION_WATCH_PSEUDONYM_KEY"
PSEUDONYM_DIGITS = 20
_KEY_BYTES = 32


@dataclass(frozen=True)
class PseudonymKey:
    """A key of 32 bytes or more, in hex. Its text never appears in a representation."""

    hex_digits: str = field(repr=False)

    @property
    def check_value(self) -> str:
        """Tells two keys apart and gives neither away."""
        return hashlib.sha256(f"{self.hex_digits}check".encode()).hexdigest()[:PSEUDONYM_DIGITS]

    def pseudonym(self, value: str, kind: str) -> str:
        """What `pseudonym_sql` gives for this value."""
        digest = hashlib.sha256(f"{self.hex_digits}{kind}{value}".encode())
        return digest.hexdigest()[:PSEUDONYM_DIGITS]


def load_or_create_key(home: Path, env: Mapping[str, str]) -> PseudonymKey:
    """The key from the environment, else from `<home>/pseudonym.key`, which is made if need be.

    Raises `UserError` if the key is malformed, if the home folder has a lake whose key is gone, or
    if the key is not the one that the lake was made with.
    """
    given = env.get(KEY_VARIABLE, "").strip()
    if given:
        key = _parsed(given, KEY_VARIABLE)
        require_key_of_lake(home, key)
        return key
    path = home / "pseudonym.key"
    if path.exists():
        key = _parsed(path.read_text(encoding="ascii", errors="replace").strip(), str(path))
        require_key_of_lake(home, key)
        return key
    if _check_path(home).exists():
        raise UserError(
            f"the pseudonym key of the lake in {home} is gone: neither {KEY_VARIABLE} is set nor "
            f"does {path} exist. Put the key back; or, if it is lost, delete {home / 'lake'} and "
            "run again over the exports that are still there"
        )
    return _created(path)


def require_key_of_lake(home: Path, key: PseudonymKey) -> None:
    """Raises `UserError` if the lake below `home` was made with another key."""
    path = _check_path(home)
    if path.exists() and path.read_text(encoding="ascii").strip() != key.check_value:
        raise UserError(
            f"the lake in {home} was made with another pseudonym key, so nothing new could be "
            f"linked to it. Put the earlier key back ({KEY_VARIABLE} or "
            f"{home / 'pseudonym.key'}); or, if the key was changed on purpose, delete "
            f"{home / 'lake'} and run again over the exports, or use a new --home"
        )


def record_key_of_lake(home: Path, key: PseudonymKey) -> None:
    """Binds the lake below `home` to `key`, unless it is bound already; `UserError` as above."""
    require_key_of_lake(home, key)
    path = _check_path(home)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_text(key.check_value + "\n", encoding="ascii")
        unfinished.replace(path)


def pseudonym_sql(column: str, kind: str, key: PseudonymKey) -> str:
    """The first 20 hex digits of sha256(key || kind || value); null stays null.

    `kind` keeps equal values of different things apart ("7" the session, "7" the end user).
    """
    return f"left(sha256('{key.hex_digits}{kind}' || ({column})), {PSEUDONYM_DIGITS})"


def readable_id_sql(column: str, kind: str, key: PseudonymKey) -> str:
    """An identifier that analysts act on: as it is, unless it is somebody's e-mail address."""
    return (
        f"case when contains({column}, '@') then {pseudonym_sql(column, kind, key)} "
        f"else {column} end"
    )


def ip_network_sql(column: str) -> str:
    """The /24 of an IPv4 address, the /48 of an IPv6 address, as text; null for anything else.

    A port, the addresses of further proxies after a comma, and IPv4 written as IPv6 are understood.
    """
    first = f"lower(trim(split_part({column}, ',', 1)))"
    octet = "[0-9]{1,3}"
    ipv4 = (
        f"regexp_extract({first}, "
        f"'^(?:::ffff:)?({octet}[.]{octet}[.]{octet})[.]{octet}(?::[0-9]+)?$', 1)"
    )
    bare = f"regexp_extract({first}, '^\\[?([0-9a-f:]+)', 1)"
    head = f"list_filter(string_split(split_part({bare}, '::', 1), ':'), lambda part: part <> '')"
    tail = f"list_filter(string_split(split_part({bare}, '::', 2), ':'), lambda part: part <> '')"
    zeros = f"list_resize([]::varchar[], greatest(8 - len({head}) - len({tail}), 0), '0')"
    groups = f"(({head} || {zeros} || {tail})[1:3])"
    trimmed = f"list_transform({groups}, lambda part: coalesce(nullif(ltrim(part, '0'), ''), '0'))"
    return (
        f"case when {ipv4} <> '' then {ipv4} || '.0/24' "
        f"when contains({column}, ':') and contains({bare}, ':') "
        f"then array_to_string({trimmed}, ':') || '::/48' end"
    )


def _check_path(home: Path) -> Path:
    return home / "lake" / "pseudonym.check"


def _parsed(text: str, where: str) -> PseudonymKey:
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text) or len(text) < 2 * _KEY_BYTES:
        raise UserError(
            f"{where} is no pseudonym key: {2 * _KEY_BYTES} hex digits or more were expected, "
            f"found {len(text)} characters; make one with `openssl rand -hex {_KEY_BYTES}`"
        )
    return PseudonymKey(text.lower())


def _created(path: Path) -> PseudonymKey:
    path.parent.mkdir(parents=True, exist_ok=True)
    key = PseudonymKey(secrets.token_hex(_KEY_BYTES))
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.hex_digits + "\n")
    try:
        # A link, because unlike a rename it fails where another process was first.
        os.link(unfinished, path)
    except FileExistsError:
        return _parsed(path.read_text(encoding="ascii").strip(), str(path))
    finally:
        unfinished.unlink()
    return key
