"""Every promise of both suites holds on good frames, and is seen to break on a bad one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest

from pipelines.quality import (
    SUITES,
    Entry,
    ExpectationResult,
    judge_table,
    leaving_frames,
    load_suite,
    results_frame,
    validate,
)
from tests.quality import frames as examples

EXAMPLES = {"arrival": examples.ARRIVAL_EXAMPLES, "leaving": examples.LEAVING_EXAMPLES}
ENTRIES = [
    pytest.param(suite, entry, id=f"{suite}: {entry.name}")
    for suite in SUITES
    for entry in load_suite(suite).entries
]


@cache
def good_frames(suite: str) -> Mapping[str, pd.DataFrame]:
    return examples.arrival_frames() if suite == "arrival" else examples.leaving_input()


@cache
def results_on_good_frames(suite: str) -> tuple[ExpectationResult, ...]:
    return validate(good_frames(suite), suite=suite, day=examples.DAY)


def results_on_spoiled_frame(suite: str, entry: Entry) -> tuple[ExpectationResult, ...]:
    spoiled_table, spoil = EXAMPLES[suite][entry.name]
    frames = dict(good_frames(suite))
    if entry.table_name == "profile":
        computed_from = {**frames, "history": examples.good_history()}
        del computed_from["profile"]
        computed_from[spoiled_table] = spoil(computed_from[spoiled_table])
        frames = examples.arrival_frames(**computed_from)
    else:
        frames[spoiled_table] = spoil(frames[spoiled_table])
    if suite == "leaving":
        frames = leaving_frames(frames, examples.DAY)
    return judge_table(
        frames[entry.table_name],
        suite=replace(load_suite(suite), entries=(entry,)),
        table_name=entry.table_name,
        day=examples.DAY,
    )


def result_of(entry: Entry, results: tuple[ExpectationResult, ...]) -> ExpectationResult:
    (found,) = (
        result
        for result in results
        if (result.table_name, result.promise) == (entry.table_name, entry.promise)
        and result.expectation == entry.expectation
        and result.column_name == (", ".join(entry.columns) or None)
        and result.severity == entry.severity
    )
    return found


@pytest.mark.parametrize("suite", SUITES)
def test_promises_and_failing_examples_are_one_set(suite: str) -> None:
    assert {entry.name for entry in load_suite(suite).entries} == set(EXAMPLES[suite])


@pytest.mark.parametrize(("suite", "entry"), ENTRIES)
def test_each_promise_holds_on_good_frames_and_breaks_on_its_bad_one(
    suite: str, entry: Entry
) -> None:
    good = result_of(entry, results_on_good_frames(suite))
    assert (good.outcome, good.unexpected_count) in {("passed", 0), ("passed", None)}, good.observed

    results = results_on_spoiled_frame(suite, entry)
    bad = result_of(entry, results)
    assert bad.outcome == "failed"
    assert bad.promise == entry.promise
    assert bad.remedy == entry.remedy

    recorded = results_frame(results).to_csv()
    assert not [secret for secret in examples.SECRETS if secret in recorded]


def test_a_warning_does_not_turn_critical_just_above_its_bound() -> None:
    """9 of 219 delivered rows rejected is a warning; the critical promise stands at a fifth."""
    files = examples.put("rows_rejected", 9)(examples.good_files())
    results = validate(examples.arrival_frames(files=files), suite="arrival", day=examples.DAY)
    of_rejected = {
        result.severity: result.outcome
        for result in results
        if result.column_name == "rejected_share"
    }
    assert of_rejected == {"critical": "passed", "warning": "failed"}
