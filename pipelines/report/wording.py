"""Turns published values into the words and figures that a person reads.

Pure functions on single values. What is not known is said in words, never printed as 0, and
no character of a customer's identifier can act on the page or the terminal that shows it.
"""

from __future__ import annotations

import shlex
import unicodedata
from datetime import date, datetime

UNKNOWN = "not known"

# Not from `calendar`, which follows the machine's locale: the page must not.
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

# Control, format (bidirectional overrides, zero-width), surrogate, private use, separators.
ACTING_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str) -> str:
    """Return `text` with every invisible or acting character written as an escape.

    An account id may be chosen by the suspect: an escape sequence, a newline or a
    right-to-left override in it must be seen, not obeyed.
    """
    return "".join(
        character
        if unicodedata.category(character) not in ACTING_CATEGORIES
        else character.encode("unicode_escape").decode("ascii")
        if not 0xD800 <= ord(character) <= 0xDFFF
        else f"\\u{ord(character):04x}"
        for character in text
    )


def shell_word(text: str) -> str:
    """Quote `text` as one word that a POSIX shell passes on unchanged, with nothing invisible.

    Characters that would act become escapes within $'...', which bash, zsh and ksh read.
    """
    shown = visible(text)
    if shown == text:
        return shlex.quote(text)
    # Backslash and quote first: the escapes that follow must keep their own backslash.
    return "$'" + visible(text.replace("\\", "\\\\").replace("'", "\\'")) + "'"


def percent(probability: float | None) -> str:
    """Print a probability: 0.42 is "42 %", 0.987 is "98.7 %"; never a certain 0 or 100."""
    if probability is None:
        return UNKNOWN
    if probability > 0.999:
        return "> 99.9 %"
    if probability < 0.001:
        return "< 0.1 %"
    if 0.1 <= probability <= 0.9:
        return f"{probability * 100:.0f} %"
    return f"{probability * 100:.1f} %"


def count(number: int | None) -> str:
    """Print a count with separators: 28800000 is "28,800,000"."""
    return UNKNOWN if number is None else f"{number:,}"


def short_count(number: int | None) -> str:
    """Print a count in at most three digits and a unit: 28800000 is "28.8 M"."""
    if number is None:
        return UNKNOWN
    size = float(number)
    # The step is taken where rounding would print four digits: 999,950 is 1.00 M.
    for unit in ("", " k", " M", " G"):
        if abs(size) < 999.5:
            if unit == "":
                return f"{number}"
            digits = 2 if abs(size) < 9.995 else 1 if abs(size) < 99.95 else 0
            return f"{size:.{digits}f}{unit}"
        size /= 1000
    return f"{size:,.1f} T"


def usd(amount: float | None) -> str:
    """Print an amount in US dollars: cents below 100, whole dollars above."""
    if amount is None:
        return UNKNOWN
    return f"${amount:,.2f}" if abs(amount) < 100 else f"${amount:,.0f}"


def bits(number: float | None) -> str:
    """Print bits of evidence with their sign and a true minus."""
    return UNKNOWN if number is None else f"{number:+.2f}".replace("-", "\N{MINUS SIGN}")


def instant(moment: datetime | None) -> str:
    """Print a UTC instant to the minute."""
    return UNKNOWN if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def long_day(day: date) -> str:
    """Print a day for a heading: "Sunday 14 June 2026", whatever the machine's language."""
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]} {day.year}"


def plural(number: int, one: str, many: str) -> str:
    """Print a count with its noun: "1 account", "2,000 accounts"."""
    return f"{number:,} {one if number == 1 else many}"


def say_movement(rank: int, previous_rank: int | None, *, has_previous_list: bool) -> str:
    """Say how a rank moved since the previous list; empty when there is nothing to compare."""
    if not has_previous_list:
        return ""
    if previous_rank is None:
        return "new"
    if previous_rank == rank:
        return "="
    return f"was {previous_rank:,}"
