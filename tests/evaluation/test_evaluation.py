"""The figures of an evaluation, on lists small enough to be worked out by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import UserError
from pipelines.evaluation import (
    average_precision,
    evaluate,
    rank_by_volume,
    read_labels,
)


def make_labels(*rows: tuple[str, str, str, str | None]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["account_id", "label", "scenario", "campaign"])
    return frame.assign(pool=None)


def make_ranked(*account_ids: str, scores: list[float] | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "as_of_date": date(2026, 9, 14),
            "rank": range(1, len(account_ids) + 1),
            "account_id": account_ids,
            "score": scores or [1 - place / 10 for place in range(len(account_ids))],
            "requests_28d": range(100, 100 + len(account_ids)),
        }
    )


LABELS = make_labels(
    ("a", "extraction", "C01", "C01-1"),
    ("b", "extraction", "C01", "C01-1"),
    ("c", "extraction", "C02", "C02-1"),
    ("v", "benign", "B01", None),
    ("w", "benign", "B01", None),
    ("x", "benign", "B02", None),
    ("y", "benign", "ordinary", None),
    ("z", "benign", "ordinary", None),
)


def test_figures_of_a_list_worked_out_by_hand() -> None:
    result = evaluate(make_ranked("a", "v", "c", "y", "x", "w", "z", "b"), LABELS)
    assert result.budget == 3
    assert result.prevalence == 3 / 8
    assert result.average_precision == pytest.approx((1 / 1 + 2 / 3 + 3 / 8) / 3)
    assert result.recall_at_budget == pytest.approx(2 / 3)
    assert result.false_positive_rate == pytest.approx(1 / 5)
    # Half of C01 (a of a, b) is within the first six, and all of C02.
    assert [(c.campaign, c.reached, c.is_found) for c in result.campaigns] == [
        ("C01-1", 1, True),
        ("C02-1", 1, True),
    ]
    rates = {one.scenario: one.false_positive_rate for one in result.look_alikes}
    assert rates == {"B01": 0.5, "B02": 0.0, "ordinary": 0.0}
    assert result.worst_look_alike is not None
    assert result.worst_look_alike.scenario == "B01"


def test_precision_is_stated_only_for_budgets_that_the_accounts_reach() -> None:
    labels = make_labels(
        *[(f"x{n:02}", "extraction" if n < 5 else "benign", "s", None) for n in range(30)]
    )
    result = evaluate(make_ranked(*labels.account_id), labels)
    assert dict(result.precision_at) == {10: 0.5, 25: 0.2}


def test_labelled_accounts_that_are_not_listed_come_last_and_count_as_missed() -> None:
    result = evaluate(make_ranked("v", "w", "x"), LABELS)
    assert result.accounts == 8
    assert result.listed == 3
    # Of the unlisted, in order of account_id, a, b and c stand in places 4 to 6.
    assert result.average_precision == pytest.approx((1 / 4 + 2 / 5 + 3 / 6) / 3)
    assert result.recall_at_budget == 0
    assert result.campaign_recall == 0


def test_only_active_members_count_for_a_campaign() -> None:
    ranked = make_ranked("a", "v", "w", "x", "y", "z", "b")
    assert evaluate(ranked, LABELS).campaign_recall == 0.5
    told = evaluate(ranked, LABELS, active={"a", "b", "v"})
    assert [(c.campaign, c.active) for c in told.campaigns] == [("C01-1", 2)]
    assert told.campaign_recall == 1


def test_listed_accounts_without_a_label_are_left_out_and_counted() -> None:
    with_strangers = evaluate(make_ranked("s1", "a", "s2", "b", "c"), LABELS)
    assert with_strangers.unlabelled == 2
    assert with_strangers.average_precision == 1


def test_ties_of_rank_break_on_the_account() -> None:
    ranked = make_ranked("z", "y", "c", "b", "a").assign(rank=1)
    assert evaluate(ranked, LABELS).average_precision == 1


def test_brier_and_calibration_error_by_hand() -> None:
    ranked = make_ranked("a", "v", "b", "w", scores=[0.95, 0.95, 0.25, 0.25])
    result = evaluate(ranked, LABELS)
    assert result.brier == pytest.approx((0.05**2 + 0.95**2 + 0.75**2 + 0.25**2) / 4)
    assert result.calibration_error == pytest.approx((0.45 + 0.25) / 2)
    assert [(b.low, b.accounts) for b in result.calibration] == [(0.2, 2), (0.9, 2)]


def test_a_score_of_one_belongs_to_the_last_bin() -> None:
    result = evaluate(make_ranked("a", scores=[1.0]), LABELS)
    assert [(b.low, b.high) for b in result.calibration] == [(0.9, 1.0)]


def test_the_volume_baseline_puts_the_busiest_first_and_has_no_scores() -> None:
    ranked = make_ranked("c", "b", "a").assign(requests_28d=[5, 9, 9])
    baseline = rank_by_volume(ranked)
    assert baseline.account_id.tolist() == ["a", "b", "c"]
    assert baseline["rank"].tolist() == [1, 2, 3]
    assert evaluate(baseline, LABELS).brier is None


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 6)), min_size=1, max_size=40).filter(
        lambda rows: any(is_extraction for is_extraction, _ in rows)
    )
)
def test_average_precision_equals_a_brute_force_count(rows: list[tuple[bool, int]]) -> None:
    labels = make_labels(
        *[
            (f"x{n:02}", "extraction" if true else "benign", "s", None)
            for n, (true, _) in enumerate(rows)
        ]
    )
    ranked = make_ranked(*labels.account_id).assign(rank=[rank for _, rank in rows], score=0.5)
    assert evaluate(ranked, labels).average_precision == pytest.approx(brute_force(rows))


def brute_force(rows: list[tuple[bool, int]]) -> float:
    """For each true account: of those not behind it, which share is true? The mean of that."""
    shares = []
    for place, (true, rank) in enumerate(rows):
        if not true:
            continue
        ahead = [
            other_true
            for other, (other_true, other_rank) in enumerate(rows)
            if other_rank < rank or (other_rank == rank and other <= place)
        ]
        shares.append(sum(ahead) / len(ahead))
    return sum(shares) / len(shares)


@given(st.lists(st.booleans(), min_size=1, max_size=30).filter(any))
def test_average_precision_is_one_only_for_a_perfect_order(truth: list[bool]) -> None:
    perfect = truth == sorted(truth, reverse=True)
    assert (average_precision(np.array(truth)) == pytest.approx(1)) == perfect


def test_every_figure_can_be_printed() -> None:
    frames = evaluate(make_ranked("a", "v", "c"), LABELS).to_frames()
    assert list(frames) == ["summary", "campaigns", "look_alikes", "calibration"]
    measures = dict(frames["summary"].itertuples(index=False))
    assert measures["extraction_accounts"] == 3
    assert measures["worst_look_alike"] == "B01"
    assert frames["campaigns"].columns.tolist()[-1] == "is_found"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("account_id,label\na,benign\n", "missing: scenario, campaign, pool"),
        (
            "account_id,label,scenario,campaign,pool\na,benign,,,\nb,guilty,,,\n",
            "column label, row 3: expected extraction or benign, found 'guilty'",
        ),
        (
            "account_id,label,scenario,campaign,pool\na,extraction,,,\nb,benign,,,\na,benign,,,\n",
            "column account_id, row 4: 'a' already stands in row 2",
        ),
        (
            "account_id,label,scenario,campaign,pool\n,extraction,,,\n",
            "column account_id, row 2: expected an account",
        ),
        ("account_id,label,scenario,campaign,pool\na,benign,,,\n", "at least one extraction"),
        ("", "expected CSV with a header"),
    ],
)
def test_a_faulty_label_file_is_named_with_column_and_row(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as raised:
        read_labels(path)
    assert str(path) in str(raised.value)
    assert expected in str(raised.value)


def test_an_absent_label_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"found none at .*nowhere\.csv"):
        read_labels(tmp_path / "nowhere.csv")


def test_an_account_named_na_is_an_account(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("account_id,label,scenario,campaign,pool\nNA,extraction,C01,,\n")
    assert read_labels(path).account_id.tolist() == ["NA"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda list_: list_.drop(columns="rank"), "missing: rank"),
        (lambda list_: list_.assign(as_of_date=["2026-09-13", "2026-09-14"]), "found 2"),
        (lambda list_: list_.head(0), "the list is empty"),
        (lambda list_: list_.assign(account_id="a"), "'a' several times"),
    ],
)
def test_a_list_that_is_not_one_list_is_refused(change, expected: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=expected):
        evaluate(change(make_ranked("a", "b")), LABELS)
