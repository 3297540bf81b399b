"""What a gate does with faults, empty frames and hidden exceptions; and what it derives."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from pipelines.errors import RunError
from pipelines.quality import (
    NO_HISTORY,
    ExpectationResult,
    QualityError,
    arrival_profile,
    leaving_frames,
    validate,
)
from tests.quality import frames as examples

REPOSITORY = Path(__file__).resolve().parents[2]


def broken(results: tuple[ExpectationResult, ...]) -> dict[tuple[str, str | None], str]:
    return {
        (result.table_name, result.column_name): result.severity
        for result in results
        if result.outcome == "failed"
    }


def trial(folder: Path, kind: str, **kwargs: object) -> Path:
    entry = {
        "type": kind,
        "kwargs": kwargs,
        "severity": "warning",
        "meta": {"promise": "It holds.", "remedy": "Look."},
    }
    content = {"suite": "trial", "about": "A trial.", "tables": {"t": [entry]}}
    (folder / "trial.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_a_hidden_exception_is_an_error_and_not_a_broken_promise(tmp_path: Path) -> None:
    """Regression: a metric that raised comes back as success=False with an empty result."""
    folder = trial(tmp_path, "expect_column_values_to_be_between", column="a", min_value=0)
    frame = pd.DataFrame({"a": ["one", "two"]})
    with pytest.raises(QualityError, match="must either be None or of the same type") as raised:
        validate({"t": frame}, suite="trial", day=examples.DAY, folder=folder)
    assert isinstance(raised.value, RunError)
    assert "Suite trial of 2026-11-10" in str(raised.value)
    assert "t.expect_column_values_to_be_between(a) warning" in str(raised.value)


def test_an_absent_column_fails_its_promises_and_says_so(tmp_path: Path) -> None:
    folder = trial(tmp_path, "expect_column_values_to_not_be_null", column="b")
    (result,) = validate(
        {"t": pd.DataFrame({"a": [1, 2]})}, suite="trial", day=examples.DAY, folder=folder
    )
    assert (result.outcome, result.observed) == ("failed", "absent from the table: b")
    assert (result.element_count, result.unexpected_count) == (2, None)


def test_frames_must_be_those_of_the_suite() -> None:
    with pytest.raises(QualityError, match="expected frames for requests, files, profile"):
        validate({"requests": examples.good_requests()}, suite="arrival", day=examples.DAY)


def test_an_empty_delivery_is_a_warning_where_there_is_nothing_to_compare_it_with() -> None:
    frames = examples.arrival_frames(
        requests=examples.good_requests().iloc[:0],
        files=examples.good_files().iloc[:0],
        history=NO_HISTORY,
    )
    results = validate(frames, suite="arrival", day=examples.DAY)
    assert broken(results) == {("requests", None): "warning", ("files", None): "warning"}
    of_rows = {result.observed for result in results if result.column_name == "account_id"}
    assert of_rows == {"no rows"}
    unmeasured = [result for result in results if result.column_name == "rejected_share"]
    assert {result.observed for result in unmeasured} == {"not measured: no rows"}


def test_an_empty_list_is_a_warning_and_nothing_else() -> None:
    frames = {name: frame.iloc[:0] for name, frame in examples.leaving_input().items()}
    results = validate(frames, suite="leaving", day=examples.DAY)
    assert broken(results) == {("suspected_extraction_accounts", None): "warning"}


def test_a_file_set_aside_is_one_line_that_says_which_and_why() -> None:
    files = examples.put("read_by", "set_aside", row=2)(examples.good_files())
    files = examples.put("note", "unexpected end of gzip stream", row=2)(files)
    results = validate(examples.arrival_frames(files=files), suite="arrival", day=examples.DAY)
    assert broken(results) == {("profile", "set_aside_files"): "warning"}
    (result,) = (result for result in results if result.outcome == "failed")
    assert result.observed == "1 of 3 files: accounts.csv (unexpected end of gzip stream)"


def test_all_accounts_null_is_critical() -> None:
    requests = examples.good_requests().assign(account_id=None)
    results = validate(
        examples.arrival_frames(requests=requests), suite="arrival", day=examples.DAY
    )
    assert {result.severity for result in results if result.outcome == "failed"} == {
        "critical",
        "warning",
    }


def test_the_profile_counts_what_it_says() -> None:
    requests = examples.good_requests(10)
    first, last = pd.Timestamp(examples.DAY), pd.Timestamp(examples.DAY) + timedelta(days=2)
    requests["started_at"] = [
        first - timedelta(days=7),
        first - timedelta(days=7, microseconds=1),
        last - timedelta(microseconds=1),
        last,
        pd.Timestamp(1970, 1, 1),
        *[pd.Timestamp(examples.NOON)] * 4,
        pd.NaT,
    ]
    requests["request_id"] = ["a", "a", "a", "b", None, None, "c", "d", "e", "f"]
    files = examples.good_files(10).assign(rows_rejected=[2, 1, 0], uncast_values=[1, 0, 7])
    profile = arrival_profile(files, requests, examples.DAY).iloc[0]
    assert profile["delivered_rows"] == 20
    assert profile["kept_rows"] == 10
    assert profile["rejected_share"] == pytest.approx(3 / 20)
    assert profile["duplicate_share"] == pytest.approx(10 / 20)
    assert profile["unaccounted_share"] == pytest.approx(3 / 20)
    assert profile["uncast_per_row"] == pytest.approx(1 / 10)
    assert profile["outside_window_share"] == pytest.approx(3 / 9)
    assert profile["future_share"] == pytest.approx(1 / 9)
    assert profile["implausible_time_share"] == pytest.approx(1 / 9)
    assert profile["missing_request_id_share"] == pytest.approx(2 / 10)
    assert profile["dominant_request_id_share"] == pytest.approx(2 / 10)
    # The first request failed, and failures have no tokens to report.
    assert profile["missing_token_share"] == 0


def test_the_profile_names_the_columns_it_misses() -> None:
    with pytest.raises(QualityError, match=r"files: .* rows_rejected missing"):
        arrival_profile(
            examples.good_files().drop(columns="rows_rejected"),
            examples.good_requests(),
            examples.DAY,
        )


def test_frames_that_duckdb_hands_over_are_judged_alike() -> None:
    arrival, leaving = {}, {}
    with duckdb.connect() as connection:
        for suite, frames, taken in (
            ("arrival", examples.arrival_frames(), arrival),
            ("leaving", examples.leaving_input(), leaving),
        ):
            for name, frame in frames.items():
                connection.register(name, frame)
                taken[name] = connection.table(name).df()
            assert broken(validate(taken, suite=suite, day=examples.DAY)) == {}


def test_a_list_cut_by_rank_keeps_its_promises() -> None:
    frames = examples.leaving_input()
    frames["suspected_extraction_accounts"] = frames["suspected_extraction_accounts"].iloc[:1]
    assert broken(validate(frames, suite="leaving", day=examples.DAY)) == {}


def test_several_as_of_dates_are_ranked_each_for_itself() -> None:
    today = examples.leaving_input()
    yesterday = {
        name: frame.assign(as_of_date=examples.DAY - timedelta(days=1))
        for name, frame in today.items()
    }
    both = {name: pd.concat([yesterday[name], today[name]]) for name in today}
    assert broken(validate(both, suite="leaving", day=examples.DAY)) == {}


def test_a_receipt_line_without_bits_does_not_add_up() -> None:
    """Null breaks no promise in Great Expectations, so the gap must not be null."""
    frames = examples.leaving_input()
    frames["suspected_extraction_accounts"] = examples.put("reasons", [examples.line("x", None)])(
        frames["suspected_extraction_accounts"]
    )
    derived = leaving_frames(frames, examples.DAY)["suspected_extraction_accounts"]
    assert derived["receipt_gap_bits"].tolist() == [float("inf"), 0, 0, 0, 0]


def test_a_receipt_of_another_shape_is_an_error() -> None:
    frames = examples.leaving_input()
    frames["suspected_extraction_accounts"] = examples.put("reasons", "bulk: 4 bits")(
        frames["suspected_extraction_accounts"]
    )
    with pytest.raises(QualityError, match=r"reasons: expected a list of struct"):
        validate(frames, suite="leaving", day=examples.DAY)


def test_no_progress_bar_reaches_the_run_log(capfd: pytest.CaptureFixture[str]) -> None:
    validate(examples.leaving_input(), suite="leaving", day=examples.DAY)
    printed = capfd.readouterr()
    assert "Calculating" not in printed.out + printed.err


def test_loading_definitions_does_not_import_great_expectations() -> None:
    program = (
        "import sys; from pipelines.quality import asset_check_specs; "
        "asset_check_specs('arrival', 'x'); print('great_expectations' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("usual_rows", "weeks", "usual_share"),
    [
        (800, 4, 0.5),
        (400, 3, 1.0),
        (400, 2, None),
        (0, 4, None),
    ],
)
def test_quiet_is_told_against_three_equal_weekdays_or_not_at_all(
    usual_rows: int, weeks: int, usual_share: float | None
) -> None:
    history = examples.good_history().assign(kept_rows=usual_rows).head(weeks + 1)
    profile = examples.arrival_frames(history=history)["profile"]
    found = profile["usual_share"].iloc[0]
    assert found == usual_share if usual_share is not None else pd.isna(found)


def test_a_source_that_falls_silent_is_held_back() -> None:
    frames = examples.arrival_frames(
        requests=examples.good_requests().iloc[:0], files=examples.good_files().iloc[:0]
    )
    results = validate(frames, suite="arrival", day=examples.DAY)
    assert ("profile", "usual_share") in {
        (result.table_name, result.column_name)
        for result in results
        if (result.outcome, result.severity) == ("failed", "critical")
    }


def test_quiet_knows_neither_later_days_nor_other_weekdays() -> None:
    history = examples.good_history()
    moved = pd.concat(
        [
            history.assign(delivery_date=history["delivery_date"] + pd.Timedelta(weeks=8)),
            history.assign(delivery_date=history["delivery_date"] - pd.Timedelta(days=1)),
        ]
    )
    assert examples.arrival_frames(history=moved)["profile"]["usual_share"].isna().all()


def test_a_gap_to_the_gateways_count_is_a_share_and_more_than_counted_is_none() -> None:
    history = examples.good_history()
    missing = examples.arrival_frames(history=history.assign(counted_requests=500.0))["profile"]
    assert missing["uncounted_share"].iloc[0] == pytest.approx(0.2)
    more = examples.arrival_frames(history=history.assign(counted_requests=300.0))["profile"]
    assert more["uncounted_share"].iloc[0] == 0
    unknown = examples.arrival_frames(history=history.assign(counted_requests=float("nan")))
    assert unknown["profile"]["uncounted_share"].isna().all()
