"""The command `evaluate`: a published list held against labels, as tables for the screen.

The measures themselves are in `pipelines.evaluation`; here a list is read and figures get words.
"""

from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
from rich.table import Table

from pipelines.errors import UserError
from pipelines.evaluation import Evaluation, evaluate, rank_by_volume, read_labels
from pipelines.reading import read_ranking


def evaluation_tables(home: Path, labels_path: Path, as_of: date | None) -> list[Table]:
    """Tables of every measure for one list, beside what ranking by volume would reach.

    Raises `UserError` when there is no list, or the labels cannot be read.
    """
    if not labels_path.is_file():
        raise UserError(f"the labels file {labels_path} does not exist")
    day = read_ranking(home, as_of, top=1).as_of_date
    ranked = _ranked(home, day)
    labels = read_labels(labels_path)
    ours = evaluate(ranked, labels)
    by_volume = evaluate(rank_by_volume(ranked), labels)
    return [_summary(ours, by_volume, day), _campaigns(ours), _look_alikes(ours, by_volume)]


def _ranked(home: Path, day: date) -> pd.DataFrame:
    database = home / "published" / "extraction_watch.duckdb"
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(
            "select as_of_date, rank, account_id, score, requests_28d "
            "from suspected_extraction_accounts where as_of_date = ? order by rank",
            [day],
        ).df()


def _summary(ours: Evaluation, by_volume: Evaluation, day: date) -> Table:
    table = Table(
        title=f"The list of {day} against {ours.accounts:,} labelled accounts, "
        f"{ours.budget:,} of them extraction",
        title_justify="left",
    )
    table.add_column("measure")
    table.add_column("this list", justify="right")
    table.add_column("ranked by volume", justify="right")
    pairs: list[tuple[str, float | None, float | None]] = [
        ("average precision", ours.average_precision, by_volume.average_precision),
        *(
            (f"precision at {k}", share, by_volume.precision_at[k])
            for k, share in ours.precision_at.items()
        ),
        (
            "recall at a budget of all true accounts",
            ours.recall_at_budget,
            by_volume.recall_at_budget,
        ),
        ("campaign recall", ours.campaign_recall, by_volume.campaign_recall),
        ("false positive rate", ours.false_positive_rate, by_volume.false_positive_rate),
        ("Brier score", ours.brier, None),
        ("expected calibration error", ours.calibration_error, None),
    ]
    for words, mine, other in pairs:
        table.add_row(words, _figure(mine), _figure(other))
    return table


def _campaigns(ours: Evaluation) -> Table:
    table = Table(title="Campaigns: members among the first 2 x N", title_justify="left")
    for words in ("campaign", "scenario", "active", "reached", "found"):
        table.add_column(words, justify="left" if words in ("campaign", "scenario") else "right")
    for one in ours.campaigns:
        found = "yes" if one.is_found else "no"
        table.add_row(one.campaign, one.scenario, f"{one.active:,}", f"{one.reached:,}", found)
    return table


def _look_alikes(ours: Evaluation, by_volume: Evaluation) -> Table:
    table = Table(
        title="Honest look-alikes: false positive rate at that budget, the worst first",
        title_justify="left",
    )
    for words in ("look-alike", "accounts", "flagged", "rate", "by volume"):
        table.add_column(words, justify="left" if words == "look-alike" else "right")
    others = {one.scenario: one.false_positive_rate for one in by_volume.look_alikes}
    for one in sorted(ours.look_alikes, key=lambda one: (-one.false_positive_rate, one.scenario)):
        table.add_row(
            one.scenario,
            f"{one.accounts:,}",
            f"{one.flagged:,}",
            _figure(one.false_positive_rate),
            _figure(others[one.scenario]),
        )
    return table


def _figure(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.3f}"
