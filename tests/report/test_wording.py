"""Figures and identifiers as a person reads them."""

import shlex
import shutil
import subprocess
import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.report import wording


@given(st.text(st.characters()))
def test_nothing_invisible_or_acting_survives(text: str) -> None:
    shown = wording.visible(text)

    assert all(unicodedata.category(one) not in wording.ACTING_CATEGORIES for one in shown)
    shown.encode("utf-8")


def test_ordinary_text_is_left_alone() -> None:
    assert wording.visible("acct_12 Ünïcödé 日本 97\N{NO-BREAK SPACE}%") == (
        "acct_12 Ünïcödé 日本 97\N{NO-BREAK SPACE}%"
    )


def test_escapes_are_spelled_out() -> None:
    assert wording.visible("a\x1b[31m\n\u202eb") == "a\\x1b[31m\\n\\u202eb"


@given(st.text(st.characters(exclude_categories=wording.ACTING_CATEGORIES)))
def test_a_shell_word_is_one_word(text: str) -> None:
    assert shlex.split(wording.shell_word(text)) == [text]


@pytest.mark.parametrize("text", ["a\x1b[31mb", "a'\nb\\n", "evil\u202egpj", "$(id)\t`id`"])
def test_a_shell_passes_acting_characters_on_unchanged(text: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not on PATH: the quoting of control characters is its own")

    done = subprocess.run(
        [bash, "-c", f"printf %s {wording.shell_word(text)}"],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8"},
    )

    assert done.stdout.decode("utf-8") == text


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (None, "not known"),
        (0.0, "< 0.1 %"),
        (0.0158, "1.6 %"),
        (0.42, "42 %"),
        (0.9876, "98.8 %"),
        (1.0, "> 99.9 %"),
    ],
)
def test_a_probability_is_never_printed_as_certain(probability: float | None, words: str) -> None:
    assert wording.percent(probability) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (None, "not known"),
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (999_499, "999 k"),
        (999_950, "1.00 M"),
        (28_800_000, "28.8 M"),
        (7_000_000_000_000, "7.0 T"),
    ],
)
def test_a_short_count_has_three_digits(number: int | None, words: str) -> None:
    assert wording.short_count(number) == words


def test_bits_carry_a_sign_and_a_true_minus() -> None:
    assert wording.bits(-1.5) == "\N{MINUS SIGN}1.50"
    assert wording.bits(2) == "+2.00"
    assert wording.bits(None) == "not known"


def test_a_day_is_spelled_out_in_english() -> None:
    assert wording.long_day(date(2026, 6, 14)) == "Sunday 14 June 2026"


@pytest.mark.parametrize(
    ("previous", "has_list", "words"),
    [(None, False, ""), (None, True, "new"), (5, True, "="), (1200, True, "was 1,200")],
)
def test_movement(previous: int | None, has_list: bool, words: str) -> None:
    assert wording.say_movement(5, previous, has_previous_list=has_list) == words
