"""No single raw column gives extraction away: a detector must not win by reading one field.

Every column is turned into a number per account: for numbers the mean, the largest and how many
there are, for texts the mean length and how many differ, for every common value of a category
(and for null) its share of the account's rows. Each of these is scored by its area under the ROC
curve, either way, and by the best F1 of any threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from tests.simulation.conftest import Export

HIGHEST_AUC = 0.9
# Below this no threshold or value has both high precision and high recall.
HIGHEST_F1 = 0.65

MOST_VALUES = 40
FEWEST_ACCOUNTS_WITH_VALUE = 3


def test_no_column_of_requests_separates(export: Export) -> None:
    best = separators(export.requests.drop(columns="delivered"), truth_of(export))
    assert best.auc.max() < HIGHEST_AUC, best.head(5)
    assert best.f1.max() < HIGHEST_F1, best.sort_values("f1").tail(5)


def test_no_column_of_accounts_separates(export: Export) -> None:
    best = separators(export.accounts, truth_of(export))
    assert best.auc.max() < HIGHEST_AUC, best.head(5)
    assert best.f1.max() < HIGHEST_F1, best.sort_values("f1").tail(5)


def test_a_column_that_did_separate_would_be_seen() -> None:
    rows = pd.DataFrame({"account_id": list("aabbccdd"), "tool": list("xxyyyyyy"), "size": 1.0})
    truth = pd.Series([True, False, False, False], index=list("abcd"))
    best = separators(pd.concat([rows] * 3), truth)
    assert best.column[0] == "tool"
    assert (best.auc[0], best.f1[0]) == (1, 1)


def truth_of(export: Export) -> pd.Series:
    return export.labels.set_index("account_id").label.eq("extraction")


def separators(rows: pd.DataFrame, is_extraction: pd.Series) -> pd.DataFrame:
    """Return column, statistic, auc and f1, the best first; `is_extraction` by account_id."""
    truth = is_extraction.astype(bool)
    found = []
    for column in rows.columns.drop("account_id"):
        for statistic, values in _statistics(rows, column):
            aligned = values.reindex(truth.index).fillna(-1).astype(float)
            found.append((column, statistic, *judge(aligned.to_numpy(), truth.to_numpy())))
    frame = pd.DataFrame(found, columns=["column", "statistic", "auc", "f1"])
    return frame.sort_values("auc", ascending=False, ignore_index=True)


def judge(values: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return (AUC, best F1 of a threshold), each for the better of the two directions."""
    ranks = pd.Series(values).rank().to_numpy()
    positives = int(truth.sum())
    wins = ranks[truth].sum() - positives * (positives + 1) / 2
    auc = wins / (positives * (len(truth) - positives))
    return max(auc, 1 - auc), max(_best_f1(values, truth), _best_f1(-values, truth))


def _best_f1(values: np.ndarray, truth: np.ndarray) -> float:
    order = np.argsort(-values, kind="stable")
    hits, taken = np.cumsum(truth[order]), np.arange(1, len(truth) + 1)
    # A threshold cannot cut between equal values.
    last_of_tie = np.append(np.diff(values[order]) != 0, True)
    return float((2 * hits / (taken + truth.sum()))[last_of_tie].max())


def _statistics(rows: pd.DataFrame, column: str) -> Iterator[tuple[str, pd.Series]]:
    values, account = rows[column], rows.account_id
    yield "share null", values.isna().groupby(account).mean()
    numbers = _as_numbers(values)
    if numbers is not None:
        yield "mean", numbers.groupby(account).mean()
        yield "largest", numbers.groupby(account).max()
        yield "count", numbers.groupby(account).count()
    if numbers is None or values.nunique() <= MOST_VALUES:
        texts = values.astype("str").where(values.notna())
        if numbers is None:
            yield "mean length", texts.str.len().astype(float).groupby(account).mean()
            yield "distinct", texts.groupby(account).nunique()
        holders = pd.DataFrame({"value": texts, "account": account}).dropna().drop_duplicates()
        common = holders.value.value_counts()
        for value in common[common >= FEWEST_ACCOUNTS_WITH_VALUE].index[:MOST_VALUES]:
            yield f"share {value[:40]!r}", (texts == value).groupby(account).mean()


def _as_numbers(values: pd.Series) -> pd.Series | None:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.astype("int64").astype(float).where(values.notna())
    if pd.api.types.is_bool_dtype(values):
        return values.astype(float)
    if pd.api.types.is_numeric_dtype(values):
        return values.astype(float)
    return None
