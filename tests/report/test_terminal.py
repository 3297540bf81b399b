"""The terminal views at 100 columns, and the list for machines."""

import csv
import io
import json

from rich.console import Console, RenderableType

from pipelines.reading import ACCOUNT_COLUMNS, read_account, read_campaign, read_ranking
from pipelines.terminal import (
    account_receipt,
    campaign_members,
    ranking_csv,
    ranking_json,
    ranking_table,
)

from .conftest import AS_OF, FULL_ACCOUNT, PRIOR, PublishedHome, evidence


def show(renderable: RenderableType, *, color: bool = False) -> str:
    console = Console(
        width=100, file=io.StringIO(), force_terminal=color, color_system="standard", record=True
    )
    console.print(renderable)
    return console.export_text(styles=color)


def test_the_list_shows_rank_score_campaign_and_first_reason(published_home: PublishedHome) -> None:
    shown = show(ranking_table(read_ranking(published_home.path, None), top=2))

    assert "as of 2026-06-14 (UTC): 2 of 3" in shown
    row = next(line for line in shown.splitlines() if "acct_full" in line)
    assert row.split()[0] == "1"
    assert "97.2 %" in row
    assert "c-7f3a (212)" in row
    assert "212 accounts send the same" in row
    assert "acct_null" not in shown
    assert "1 in 500" in shown
    assert max(len(line) for line in shown.splitlines()) <= 100


def test_an_empty_list_is_not_an_acquittal(empty_home: PublishedHome) -> None:
    empty_home.add("account_features", {"as_of_date": AS_OF, "account_id": "a"})

    assert "not a finding" in show(ranking_table(read_ranking(empty_home.path, None), top=5))


def test_the_receipt_reads_from_prior_to_total(published_home: PublishedHome) -> None:
    shown = show(account_receipt(read_account(published_home.path, "acct_full", AS_OF)))

    bits = [
        line.split()[0]
        for line in shown.splitlines()
        if line.strip().startswith(("+", "\N{MINUS SIGN}"))
    ]
    assert bits == [
        sign.replace("-", "\N{MINUS SIGN}")
        for sign in ("-8.96", "+8.40", "+4.20", "+3.00", "-1.50", "+5.14")
    ]
    assert "97.2 %" in shown
    assert "sig_tls_sharing, sig_signup_burst" in shown
    assert "paid for 14 months" in shown
    assert "188 of them use one rare set of parameters." in shown
    assert "Review: new" in shown


def test_the_receipt_of_nothing_says_what_is_missing(published_home: PublishedHome) -> None:
    shown = show(account_receipt(read_account(published_home.path, "acct_null", AS_OF)))

    assert "score not known" in shown
    assert "No score is published" in shown
    assert "not linked to other accounts" in shown


def test_a_campaign_shows_its_members(published_home: PublishedHome) -> None:
    shown = show(campaign_members(read_campaign(published_home.path, "c-7f3a", AS_OF), top=10))

    assert "18 added in 7 days" in shown
    assert "acct_full" in shown


def test_hostile_text_neither_acts_nor_is_taken_for_markup(empty_home: PublishedHome) -> None:
    """Regression: an escape sequence in an id would repaint the analyst's terminal."""
    hostile = "[red]x\x1b]0;owned\x07[/red]"
    empty_home.add(
        "suspected_extraction_accounts",
        {
            **FULL_ACCOUNT,
            "account_id": hostile,
            "campaign_id": None,
            "reasons": [evidence("sig_\x1b[2J", 1.0, "said \x1b[2J this [bold]")],
        },
    )

    listed = show(ranking_table(read_ranking(empty_home.path, None), top=5))
    receipt = show(account_receipt(read_account(empty_home.path, hostile, AS_OF)))

    for shown in (listed, receipt):
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert "[bold]" in shown
    assert "[red]x\\x1b]0;owned\\x07[/red]" in receipt


def test_json_holds_every_contract_column_and_null_for_the_unknown(
    published_home: PublishedHome,
) -> None:
    published_home.add(
        "suspected_extraction_accounts",
        {**FULL_ACCOUNT, "rank": 4, "account_id": "acct_nan", "score": float("nan")},
    )

    text = ranking_json(read_ranking(published_home.path, None))

    assert "NaN" not in text
    rows = json.loads(text)
    assert [tuple(row) for row in rows] == [ACCOUNT_COLUMNS] * 4
    assert rows[0]["reasons"][0] == FULL_ACCOUNT["reasons"][0]
    assert rows[0]["first_seen"] == "2026-05-30T04:10:00Z"
    assert rows[0]["as_of_date"] == "2026-06-14"
    assert rows[2]["score"] is None
    assert rows[3]["score"] is None


def test_csv_reads_back(published_home: PublishedHome) -> None:
    rows = list(csv.DictReader(io.StringIO(ranking_csv(read_ranking(published_home.path), top=2))))

    assert [row["account_id"] for row in rows] == ["acct_full", "acct_lone"]
    assert tuple(rows[0]) == ACCOUNT_COLUMNS
    assert json.loads(rows[0]["reasons"]) == FULL_ACCOUNT["reasons"]
    assert rows[1]["campaign_id"] == ""
    assert 0 < float(rows[1]["score"]) < 2 * PRIOR * 4


def test_an_empty_list_is_valid_for_machines(empty_home: PublishedHome) -> None:
    empty_home.add("account_features", {"as_of_date": AS_OF, "account_id": "a"})
    ranking = read_ranking(empty_home.path)

    assert json.loads(ranking_json(ranking)) == []
    assert ranking_csv(ranking).strip() == ",".join(ACCOUNT_COLUMNS)
