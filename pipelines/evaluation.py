"""How good a ranked list is, measured against labels.

Reads a list and labels as frames and returns figures. It decides nothing, changes no list, and
knows nothing of how scores are made; labels reach no other part of the product.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import UserError

LABEL_COLUMNS = ("account_id", "label", "scenario", "campaign", "pool")
RANKED_COLUMNS = ("as_of_date", "rank", "account_id", "score", "requests_28d")
EXTRACTION, BENIGN = "extraction", "benign"
# Benign accounts of this scenario are the background, not a class of look-alikes.
ORDINARY = "ordinary"
BUDGETS = (10, 25, 50, 100)
CALIBRATION_BINS = 10
# The header is line 1 of a label file.
FIRST_ROW = 2


@dataclass(frozen=True)
class CampaignResult:
    """What became of one campaign: its active members, and how many the analyst would meet."""

    campaign: str
    scenario: str
    members: int
    active: int
    reached: int

    @property
    def is_found(self) -> bool:
        """True if at least half of the active members were reached."""
        return self.active > 0 and 2 * self.reached >= self.active


@dataclass(frozen=True)
class LookAlikeResult:
    """How many benign accounts of a class fall within the budget."""

    scenario: str
    accounts: int
    flagged: int

    @property
    def false_positive_rate(self) -> float:
        return self.flagged / self.accounts


@dataclass(frozen=True)
class CalibrationBin:
    """Listed accounts whose score lies in [low, high): their mean score and true share."""

    low: float
    high: float
    accounts: int
    mean_score: float
    extraction_share: float


@dataclass(frozen=True)
class Evaluation:
    """The figures of one list; shares and rates are from 0 to 1.

    `budget` is the number of labelled extraction accounts. `worst_look_alike` is None without a
    class of look-alikes; `brier` and `calibration_error` are None where the list has no scores.
    """

    as_of_date: str
    accounts: int
    budget: int
    listed: int
    unlabelled: int
    prevalence: float
    average_precision: float
    precision_at: Mapping[int, float]
    recall_at_budget: float
    campaign_recall: float | None
    campaigns: tuple[CampaignResult, ...]
    look_alikes: tuple[LookAlikeResult, ...]
    worst_look_alike: LookAlikeResult | None
    false_positive_rate: float
    brier: float | None
    calibration_error: float | None
    calibration: tuple[CalibrationBin, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the figures that are single numbers or words, by name, in reading order."""
        worst = self.worst_look_alike
        return {
            "as_of_date": self.as_of_date,
            "accounts": self.accounts,
            "extraction_accounts": self.budget,
            "listed_accounts": self.listed,
            "unlabelled_accounts": self.unlabelled,
            "prevalence": self.prevalence,
            "average_precision": self.average_precision,
            **{f"precision_at_{k}": share for k, share in self.precision_at.items()},
            "recall_at_budget": self.recall_at_budget,
            "campaign_recall": self.campaign_recall,
            "false_positive_rate": self.false_positive_rate,
            "worst_look_alike": worst.scenario if worst else None,
            "worst_look_alike_false_positive_rate": worst.false_positive_rate if worst else None,
            "brier": self.brier,
            "calibration_error": self.calibration_error,
        }

    def to_frames(self) -> dict[str, pd.DataFrame]:
        """Return printable tables: summary, campaigns, look_alikes, calibration."""
        return {
            "summary": pd.DataFrame(self.to_dict().items(), columns=["measure", "figure"]),
            "campaigns": pd.DataFrame(
                [
                    (c.campaign, c.scenario, c.members, c.active, c.reached, c.is_found)
                    for c in self.campaigns
                ],
                columns=["campaign", "scenario", "members", "active", "reached", "is_found"],
            ),
            "look_alikes": pd.DataFrame(
                [
                    (c.scenario, c.accounts, c.flagged, c.false_positive_rate)
                    for c in self.look_alikes
                ],
                columns=["scenario", "accounts", "flagged", "false_positive_rate"],
            ),
            "calibration": pd.DataFrame(
                [
                    (b.low, b.high, b.accounts, b.mean_score, b.extraction_share)
                    for b in self.calibration
                ],
                columns=["low", "high", "accounts", "mean_score", "extraction_share"],
            ),
        }


def read_labels(path: Path) -> pd.DataFrame:
    """Return a label file (CSV, columns as in `LABEL_COLUMNS`); empty fields are null.

    Raises `UserError`, naming file, column and row, if the file is absent or not as promised.
    """
    if not path.is_file():
        raise UserError(f"expected a label file, found none at {path}; name an existing one")
    try:
        labels = pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected CSV with a header, found: {error}") from error
    check_labels(labels, where=str(path))
    return labels


def check_labels(labels: pd.DataFrame, *, where: str = "labels") -> None:
    """Raise `UserError` unless `labels` has every column, known words and each account once.

    Rows are counted as lines of a file whose header is line 1.
    """
    missing = [column for column in LABEL_COLUMNS if column not in labels.columns]
    if missing:
        raise UserError(
            f"{where}: expected the columns {', '.join(LABEL_COLUMNS)}, missing: "
            f"{', '.join(missing)}; found: {', '.join(map(str, labels.columns))}"
        )
    nameless = np.flatnonzero(labels.account_id.isna())
    if nameless.size:
        raise UserError(
            f"{where}: column account_id, row {nameless[0] + FIRST_ROW}: expected an account, "
            "found nothing; complete or remove the row"
        )
    strange = np.flatnonzero(~labels.label.isin([EXTRACTION, BENIGN]))
    if strange.size:
        found = labels.label.iloc[strange[0]]
        raise UserError(
            f"{where}: column label, row {strange[0] + FIRST_ROW}: expected {EXTRACTION} or "
            f"{BENIGN}, found {found!r}; leave accounts out of which the truth is not known"
        )
    again = np.flatnonzero(labels.account_id.duplicated())
    if again.size:
        account_id = labels.account_id.iloc[again[0]]
        first = int(np.flatnonzero(labels.account_id == account_id)[0])
        raise UserError(
            f"{where}: column account_id, row {again[0] + FIRST_ROW}: {account_id!r} already "
            f"stands in row {first + FIRST_ROW}; keep one of them"
        )
    if not (labels.label == EXTRACTION).any():
        raise UserError(
            f"{where}: column label: expected at least one {EXTRACTION} account, found none in "
            f"{len(labels)} rows; without one nothing can be measured"
        )


def evaluate(
    ranked: pd.DataFrame, labels: pd.DataFrame, *, active: Collection[str] | None = None
) -> Evaluation:
    """Return how good one day's list is.

    `ranked` is `suspected_extraction_accounts` for a single as_of_date, `labels` as read by
    `read_labels`. The order is `rank`, ties broken by account_id; labelled accounts that are not
    listed come last, and count as missed. Listed accounts without a label are left out and
    counted. A campaign is found if at least half of its active members stand within the first
    2 x N places, N being the number of labelled extraction accounts; false positives are those
    within the first N. Active are the accounts in `active`, or, without it, those listed;
    campaigns without a listed member then count as missed. Brier score and calibration error
    (ten bins of equal width) are taken over listed accounts.

    Raises `UserError` for labels as in `check_labels`, and for a list that lacks a column,
    repeats an account or covers several dates.
    """
    check_labels(labels)
    as_of_date = _check_ranked(ranked)
    order = _order(ranked, labels)
    truth = order.is_extraction.to_numpy(dtype=bool)
    budget = int(truth.sum())
    campaigns = _judge_campaigns(order, 2 * budget, active)
    look_alikes = _judge_look_alikes(order, budget)
    classes = [result for result in look_alikes if result.scenario != ORDINARY]
    listed = order[order.is_listed]
    brier, calibration_error, calibration = _calibrate(listed)
    flagged = int((~truth[:budget]).sum())
    return Evaluation(
        as_of_date=as_of_date,
        accounts=len(order),
        budget=budget,
        listed=len(listed),
        unlabelled=int((~ranked.account_id.isin(labels.account_id)).sum()),
        prevalence=budget / len(order),
        average_precision=average_precision(truth),
        precision_at={k: float(truth[:k].mean()) for k in BUDGETS if k <= len(order)},
        recall_at_budget=float(truth[:budget].sum() / budget),
        campaign_recall=(
            sum(campaign.is_found for campaign in campaigns) / len(campaigns) if campaigns else None
        ),
        campaigns=campaigns,
        look_alikes=look_alikes,
        worst_look_alike=max(
            classes, key=lambda result: (result.false_positive_rate, result.flagged), default=None
        ),
        false_positive_rate=flagged / (len(order) - budget) if budget < len(order) else 0.0,
        brier=brier,
        calibration_error=calibration_error,
        calibration=calibration,
    )


def average_precision(truth: npt.NDArray[np.bool_]) -> float:
    """Return the mean, over the true places of a ranking, of the precision at that place.

    `truth` is in order of rank and holds at least one True. This is the area under the
    precision-recall curve by steps, without interpolation.
    """
    hits = np.cumsum(truth)
    places = np.arange(1, len(truth) + 1)
    return float((hits / places)[truth].mean())


def rank_by_volume(ranked: pd.DataFrame) -> pd.DataFrame:
    """Return the list as it would be if the busiest came first: the baseline to beat.

    Orders by requests_28d (most first, unknown last), ties broken by account_id, and drops the
    scores, since a volume is no probability.
    """
    ordered = ranked.sort_values("account_id", kind="stable").sort_values(
        "requests_28d", ascending=False, kind="stable", na_position="last", ignore_index=True
    )
    return ordered.assign(rank=np.arange(1, len(ordered) + 1), score=np.nan)


def _check_ranked(ranked: pd.DataFrame) -> str:
    """Return the list's date; raise `UserError` unless it is one list of distinct accounts."""
    missing = [column for column in RANKED_COLUMNS if column not in ranked.columns]
    if missing:
        raise UserError(
            f"ranked list: expected the columns {', '.join(RANKED_COLUMNS)}, missing: "
            f"{', '.join(missing)}"
        )
    dates = sorted({str(value)[:10] for value in ranked.as_of_date})
    if len(dates) != 1:
        raise UserError(
            f"ranked list: expected one as_of_date, found {len(dates)} "
            f"({', '.join(dates[:3]) or 'the list is empty'}); choose one"
        )
    again = ranked.account_id[ranked.account_id.duplicated()]
    if len(again):
        raise UserError(
            f"ranked list: expected each account once, found {again.iloc[0]!r} several times"
        )
    return dates[0]


def _order(ranked: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the labelled accounts from first to last place, with score and is_listed."""
    places = ranked[["account_id", "rank", "score"]]
    order = labels[list(LABEL_COLUMNS)].merge(
        places, how="left", on="account_id", indicator="found_in"
    )
    order = order.sort_values(["rank", "account_id"], na_position="last", ignore_index=True)
    return order.assign(
        is_listed=order.found_in == "both", is_extraction=order.label == EXTRACTION
    ).drop(columns="found_in")


def _judge_campaigns(
    order: pd.DataFrame, reach: int, active: Collection[str] | None
) -> tuple[CampaignResult, ...]:
    members = order[order.is_extraction & order.campaign.notna()]
    is_active = members.is_listed if active is None else members.account_id.isin(list(active))
    judged = members.assign(is_active=is_active, is_reached=is_active & (members.index < reach))
    results = []
    for campaign, group in judged.groupby("campaign", sort=True):
        if active is not None and not group.is_active.any():
            continue
        scenarios = group.scenario.dropna()
        results.append(
            CampaignResult(
                campaign=str(campaign),
                scenario=str(scenarios.iloc[0]) if len(scenarios) else "",
                members=len(group),
                active=int(group.is_active.sum()),
                reached=int(group.is_reached.sum()),
            )
        )
    return tuple(results)


def _judge_look_alikes(order: pd.DataFrame, budget: int) -> tuple[LookAlikeResult, ...]:
    benign = order[~order.is_extraction & order.scenario.notna()]
    judged = benign.assign(is_flagged=benign.index < budget)
    return tuple(
        LookAlikeResult(str(scenario), len(group), int(group.is_flagged.sum()))
        for scenario, group in judged.groupby("scenario", sort=True)
    )


def _calibrate(
    listed: pd.DataFrame,
) -> tuple[float | None, float | None, tuple[CalibrationBin, ...]]:
    scored = listed[listed.score.notna()]
    if scored.empty:
        return None, None, ()
    scores = scored.score.to_numpy(dtype=float)
    truth = scored.is_extraction.to_numpy(dtype=float)
    numbers = np.minimum((scores * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins = tuple(
        CalibrationBin(
            low=number / CALIBRATION_BINS,
            high=(number + 1) / CALIBRATION_BINS,
            accounts=int((numbers == number).sum()),
            mean_score=float(scores[numbers == number].mean()),
            extraction_share=float(truth[numbers == number].mean()),
        )
        for number in np.unique(numbers).tolist()
    )
    error = sum(one.accounts * abs(one.mean_score - one.extraction_share) for one in bins) / len(
        scored
    )
    return float(((scores - truth) ** 2).mean()), float(error), bins
