"""Results become a table keyed by day, and Dagster checks of which only ERROR blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pandas as pd
import pytest

from pipelines.quality import (
    RESULT_SCHEMA,
    ExpectationResult,
    QualityError,
    asset_check_results,
    asset_check_specs,
    load_suite,
    read_results,
    results_frame,
    validate,
    write_results,
)
from tests.quality import frames as examples

GOOD = ExpectationResult(
    day=examples.DAY,
    suite="leaving",
    table_name="suspected_campaigns",
    expectation="expect_column_values_to_not_be_null",
    column_name="size",
    severity="critical",
    outcome="passed",
    element_count=3,
    unexpected_count=0,
    observed="0 of 3 rows break it (0.00%)",
    promise="Every campaign has its size.",
    remedy="Build it again.",
)
OF_THE_TABLE = replace(GOOD, column_name=None, unexpected_count=None)


def test_what_is_written_is_read_again_with_its_types(tmp_path: Path) -> None:
    results = (GOOD, OF_THE_TABLE, replace(GOOD, suite="arrival", outcome="failed"))
    write_results(tmp_path, results)
    read = read_results(tmp_path)
    assert list(read.columns) == RESULT_SCHEMA.names
    expected = results_frame((results[2], results[0], results[1]))
    pd.testing.assert_frame_equal(read, expected)
    assert read["day"].tolist() == [examples.DAY] * 3
    with duckdb.connect() as connection:
        connection.register("recorded", read)
        types = connection.sql("select day, element_count, unexpected_count from recorded").types
    assert [str(each) for each in types] == ["DATE", "BIGINT", "BIGINT"]


def test_a_day_judged_again_is_replaced_whole(tmp_path: Path) -> None:
    (path,) = write_results(tmp_path, (GOOD, OF_THE_TABLE))
    write_results(tmp_path, (replace(GOOD, day=date(2026, 11, 9)),))
    assert write_results(tmp_path, (replace(GOOD, outcome="failed"),)) == (path,)
    assert path == tmp_path / "quality" / "leaving" / "2026-11-10.parquet"
    assert read_results(tmp_path)["outcome"].tolist() == ["passed", "failed"]
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "2026-11-09.parquet",
        "2026-11-10.parquet",
    ]


def test_nothing_recorded_is_an_empty_table_of_the_same_columns(tmp_path: Path) -> None:
    read = read_results(tmp_path)
    assert read.empty
    assert read.dtypes.to_dict() == results_frame((GOOD,)).dtypes.to_dict()
    with pytest.raises(QualityError, match="found none"):
        write_results(tmp_path, ())


@pytest.mark.parametrize("suite", ["arrival", "leaving"])
def test_specs_are_one_blocking_check_per_table(suite: str) -> None:
    specs = asset_check_specs(suite, "ranked")
    assert [spec.name for spec in specs] == [
        f"{suite}_{table_name}" for table_name in load_suite(suite).tables
    ]
    assert all(spec.blocking for spec in specs)


@pytest.mark.parametrize(
    ("broken", "passed", "severity"),
    [
        ((), True, dg.AssetCheckSeverity.ERROR),
        (("warning",), False, dg.AssetCheckSeverity.WARN),
        (("critical",), False, dg.AssetCheckSeverity.ERROR),
        (("warning", "critical"), False, dg.AssetCheckSeverity.ERROR),
    ],
)
def test_the_worst_broken_promise_sets_the_severity(
    broken: tuple[str, ...], passed: bool, severity: dg.AssetCheckSeverity
) -> None:
    results = [
        GOOD,
        *(replace(GOOD, severity=each, outcome="failed") for each in broken),  # type: ignore[arg-type]
    ]
    (check,) = asset_check_results(results, "ranked")
    assert (check.passed, check.severity) == (passed, severity)


def test_metadata_hold_every_promise_once_and_the_last_broken_day() -> None:
    """A range run reports all its days in one check, since a check forgets the partition."""
    days = [examples.DAY + timedelta(days=number) for number in range(3)]
    results = [
        replace(GOOD, day=day, outcome="failed" if number < 2 else "passed", observed=f"case {day}")
        for number, day in enumerate(days)
    ] + [replace(OF_THE_TABLE, day=day) for day in days]
    (check,) = asset_check_results(results, "ranked")
    promises = check.metadata["promises"].value
    assert isinstance(promises, str)
    _, _, first, second = promises.splitlines()
    assert first.startswith("| failed | critical |")
    assert "| case 2026-11-11 | 2026-11-11 | 2 |" in first
    assert second.startswith("| passed | critical |")
    assert check.metadata["days"].value == "2026-11-10, 2026-11-11, 2026-11-12"


def test_results_of_several_suites_are_not_mixed() -> None:
    with pytest.raises(QualityError, match="arrival, leaving"):
        list(asset_check_results([GOOD, replace(GOOD, suite="arrival")], "ranked"))


def run_with_gate(campaigns: pd.DataFrame) -> dg.ExecuteInProcessResult:
    """An asset, the leaving gate on it, and a publication that must not see a broken list."""

    @dg.asset
    def ranked() -> None:
        return None

    @dg.multi_asset_check(specs=asset_check_specs("leaving", "ranked"))
    def gate() -> Iterator[dg.AssetCheckResult]:
        frames = {**examples.leaving_input(), "suspected_campaigns": campaigns}
        results = validate(frames, suite="leaving", day=examples.DAY)
        yield from asset_check_results(results, "ranked")

    @dg.asset(deps=[ranked])
    def publication() -> None:
        return None

    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.Definitions(
            assets=[ranked, publication],
            asset_checks=[gate],
            jobs=[dg.define_asset_job("night", selection=dg.AssetSelection.all())],
        ).resolve_job_def("night")
        return job.execute_in_process(instance=instance, raise_on_error=False)


def has_published(run: dg.ExecuteInProcessResult) -> bool:
    return any(
        event.asset_key == dg.AssetKey("publication")
        for event in run.get_asset_materialization_events()
    )


def test_a_broken_critical_promise_stops_what_is_downstream() -> None:
    run = run_with_gate(examples.good_campaigns().assign(size=float("nan")))
    assert not run.success
    assert not has_published(run)


def test_a_broken_warning_lets_the_night_go_on() -> None:
    run = run_with_gate(examples.good_campaigns().assign(score=float("nan")))
    assert run.success
    assert has_published(run)
    outcomes = {
        evaluation.check_name: (evaluation.passed, evaluation.severity)
        for evaluation in run.get_asset_check_evaluations()
    }
    assert outcomes["leaving_suspected_campaigns"] == (False, dg.AssetCheckSeverity.WARN)
    assert outcomes["leaving_suspected_extraction_accounts"][0] is True
