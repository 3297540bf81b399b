"""A suite's file is checked word by word: a misspelt promise would hold nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.errors import UserError
from pipelines.fingerprints import FINGERPRINT_TYPES
from pipelines.quality import SUITES, load_suite, validate
from tests.quality import frames as examples

GOOD_ENTRY = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "a", "min_value": 0},
    "severity": "critical",
    "meta": {"promise": "No a is negative.", "remedy": "Look at a."},
}


def write_suite(folder: Path, *entries: dict[str, Any], **other: Any) -> Path:
    path = folder / "trial.json"
    content = {"suite": "trial", "about": "A trial.", "tables": {"t": list(entries)}, **other}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"type": "expect_column_values_to_be_nice"}, "expect_column_values_to_be_nice"),
        ({"severity": "info"}, "'info'"),
        ({"kwargs": {"column": "a", "minimum": 0}}, "minimum"),
        ({"kwargs": {"min_value": 0}}, "column"),
        ({"note": "x"}, "note"),
        ({"meta": {"promise": "No a is negative."}}, "remedy"),
        ({"meta": {"promise": " ", "remedy": "Look at a."}}, "promise"),
        ({"meta": {"promise": "It holds.", "remedy": "Look.", "owner": "x"}}, "owner"),
        ({"meta": {"promise": "It holds.", "remedy": "Look.", "show": "a"}}, "meta.show"),
    ],
)
def test_a_faulty_entry_is_refused_by_file_and_place(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    path = write_suite(tmp_path, GOOD_ENTRY, {**GOOD_ENTRY, **change})
    with pytest.raises(UserError) as refused:
        load_suite("trial", folder=tmp_path)
    assert f"{path}: tables.t[1]" in str(refused.value)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda path: path.unlink(), "found no such file"),
        (lambda path: path.write_text("{", encoding="utf-8"), "expected JSON"),
        (lambda path: path.write_text("[]", encoding="utf-8"), "expected an object"),
        (lambda path: write_suite(path.parent, GOOD_ENTRY, suite="arrival"), "arrival"),
        (lambda path: write_suite(path.parent, GOOD_ENTRY, owner="x"), "unknown key owner"),
        (lambda path: write_suite(path.parent, GOOD_ENTRY, GOOD_ENTRY), "twice"),
        (lambda path: write_suite(path.parent), "at least one expectation"),
    ],
)
def test_a_faulty_file_is_refused_by_name(
    tmp_path: Path, spoil: Callable[[Path], object], expected: str
) -> None:
    path = write_suite(tmp_path, GOOD_ENTRY)
    spoil(path)
    with pytest.raises(UserError, match=expected) as refused:
        load_suite("trial", folder=tmp_path)
    assert str(path) in str(refused.value)


def test_kwargs_that_great_expectations_refuses_are_named(tmp_path: Path) -> None:
    path = write_suite(tmp_path, {**GOOD_ENTRY, "kwargs": {"column": "a", "mostly": 7}})
    with pytest.raises(UserError, match="refuses the kwargs") as refused:
        validate({"t": pd.DataFrame({"a": [1]})}, suite="trial", day=examples.DAY, folder=tmp_path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("suite", SUITES)
def test_promises_and_remedies_are_sentences(suite: str) -> None:
    for entry in load_suite(suite).entries:
        for sentence in (entry.promise, entry.remedy):
            assert sentence[0].isupper(), entry.name
            assert sentence.endswith("."), entry.name


def test_the_arrival_suite_knows_the_fingerprint_columns_it_names() -> None:
    """What the suite calls fingerprint columns is what the fingerprints supply."""
    columns = load_suite("arrival").of_table("requests")[0].kwargs["column_set"]
    assert {"prompt_state", "prompt_chars"} <= set(columns) & set(FINGERPRINT_TYPES)
