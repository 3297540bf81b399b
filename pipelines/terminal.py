"""What an analyst sees in a terminal, and the same list for machines.

Pure functions from the values of `pipelines.reading` to Rich renderables or text. Nothing
here reads a file or prints; the command line does both. The words and the addition are those
of the HTML report (`pipelines.report.wording`, `pipelines.report.receipt`).
"""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.reading import (
    ACCOUNT_COLUMNS,
    AccountCase,
    Campaign,
    CampaignCase,
    Evidence,
    RankedAccount,
    Ranking,
)
from pipelines.report import wording
from pipelines.report.receipt import (
    LineKind,
    Receipt,
    probability_from_log2_odds,
    say_one_in,
    write_receipt,
)

REASON_WIDTH = 88
LINE_STYLES = {
    LineKind.PRIOR: "dim",
    LineKind.REASON: "",
    LineKind.EXCULPATORY: "cyan",
    LineKind.REMAINDER: "dim",
}


def ranking_table(ranking: Ranking, top: int) -> RenderableType:
    """Return the first `top` accounts as a table that reads at 100 columns."""
    shown = ranking.accounts[:top]
    heading = Text.assemble(
        ("Accounts to review", "bold"),
        f", as of {ranking.as_of_date} (UTC): {len(shown):,} of {ranking.account_count:,}",
    )
    if not shown:
        return Group(
            heading,
            Text(
                "No account is on this list. That is not a finding that nobody extracts: look at "
                "what was delivered and rejected in the report before you rely on it."
            ),
        )
    return Group(heading, _accounts_table(shown), _say_scale(ranking.prior_probability))


def account_receipt(case: AccountCase) -> RenderableType:
    """Return the receipt of one account: the addends, their sum, and what speaks against it."""
    account = case.account
    receipt = write_receipt(account, prior_probability=case.prior_probability, signals=case.signals)
    head = Text.assemble(
        (wording.visible(account.account_id), "bold"),
        f"  score {wording.percent(account.score)}, rank {account.rank:,} of "
        f"{case.account_count:,}, as of {account.as_of_date} (UTC)",
    )
    return Group(
        head,
        _facts(account),
        Text(""),
        _addition(receipt),
        *[Text(caveat, style="red") for caveat in receipt.caveats],
        Text(""),
        Text("The case for innocence", style="bold"),
        *[_item(sentence) for sentence in _innocence(account, receipt)],
        Text(""),
        Text("Not checked", style="bold"),
        *[_item(sentence) for sentence in _blind_spots(account, receipt)],
        Text(""),
        Text("Campaign", style="bold"),
        *[_item(sentence) for sentence in _campaign_sentences(account, case.campaign)],
        Text(""),
        Text(f"Review: {wording.visible(account.review_status or 'not stated')}"),
        _say_scale(case.prior_probability),
    )


def campaign_members(case: CampaignCase, top: int) -> RenderableType:
    """Return a campaign's shared evidence and its first `top` members."""
    campaign = case.campaign
    head = Text.assemble(
        ("Campaign ", "bold"),
        (wording.visible(campaign.campaign_id), "bold"),
        f"  score {wording.percent(campaign.score)}, as of {campaign.as_of_date} (UTC)",
    )
    return Group(
        head,
        *[_item(sentence) for sentence in _describe_campaign(campaign)],
        _accounts_table(case.members[:top]),
        _say_scale(case.prior_probability),
    )


def ranking_csv(ranking: Ranking, top: int | None = None) -> str:
    """Return the list as CSV (RFC 4180): the contract's columns, one row per account.

    Lists are JSON inside their cell, instants RFC 3339 in UTC, what is not known is empty.
    Values are exact, hence not defused for spreadsheets: open an untrusted list there as text.
    """
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(ACCOUNT_COLUMNS)
    for account in ranking.accounts[:top]:
        row = _as_plain(account)
        writer.writerow(
            json.dumps(cell, ensure_ascii=False, allow_nan=False)
            if isinstance(cell, list)
            else cell
            for cell in row.values()
        )
    return target.getvalue()


def ranking_json(ranking: Ranking, top: int | None = None) -> str:
    """Return the list as a JSON array of one object per account with the contract's columns.

    What is not known, NaN included, is null; instants are RFC 3339 in UTC.
    """
    rows = [_as_plain(account) for account in ranking.accounts[:top]]
    return json.dumps(rows, ensure_ascii=False, allow_nan=False, indent=2)


def _accounts_table(accounts: Sequence[RankedAccount]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1), pad_edge=False)
    table.add_column("Rank", justify="right", no_wrap=True)
    table.add_column("Account", overflow="fold", ratio=3, min_width=14)
    table.add_column("Score", justify="right", no_wrap=True)
    table.add_column("Campaign", overflow="fold", ratio=3, min_width=10)
    table.add_column("First reason", overflow="fold", ratio=8, min_width=30)
    for account in accounts:
        campaign = Text("none", style="dim")
        if account.campaign_id is not None:
            campaign = Text(wording.visible(account.campaign_id))
            if account.campaign_size is not None:
                campaign.append(f" ({account.campaign_size:,})", style="dim")
        table.add_row(
            f"{account.rank:,}",
            Text(wording.visible(account.account_id), style="bold"),
            wording.percent(account.score),
            campaign,
            Text(_shorten(account.reasons[0].statement))
            if account.reasons
            else Text("no reason published", style="dim"),
        )
    return table


def _shorten(statement: str) -> str:
    """Cut a sentence to about two lines of the list; `explain` shows it whole."""
    return textwrap.shorten(
        wording.visible(statement), REASON_WIDTH, placeholder=" \N{HORIZONTAL ELLIPSIS}"
    )


def _addition(receipt: Receipt) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1), pad_edge=False)
    table.show_footer = True
    makes = "" if receipt.probability is None else wording.percent(receipt.probability)
    total = "Total" if receipt.probability is None else "Total, and the probability it makes"
    table.add_column("Bits", wording.bits(float(receipt.printed_total)), justify="right")
    table.add_column("Makes", makes, justify="right", no_wrap=True)
    table.add_column("Evidence", total, overflow="fold", ratio=1)
    for line in receipt.lines:
        evidence = Text(wording.visible(line.statement))
        aside = ", ".join(part for part in (line.signal, line.note) if part)
        if aside:
            evidence.append(f"  [{wording.visible(aside)}]", style="dim")
        table.add_row(
            wording.bits(None if line.printed_bits is None else float(line.printed_bits)),
            ""
            if receipt.probability is None
            else wording.percent(probability_from_log2_odds(line.after)),
            evidence,
            style=LINE_STYLES[line.kind],
        )
    return table


def _facts(account: RankedAccount) -> Text:
    organisation = wording.visible(account.org_id) if account.org_id else wording.UNKNOWN
    return Text(
        f"Organisation {organisation}; in 28 days {wording.count(account.requests_28d)} requests, "
        f"{wording.count(account.output_tokens_28d)} output tokens, list price "
        f"{wording.usd(account.list_price_usd_28d)}; first seen "
        f"{wording.instant(account.first_seen)}, last seen {wording.instant(account.last_seen)}.",
        style="dim",
    )


def _innocence(account: RankedAccount, receipt: Receipt) -> list[str]:
    sentences = [f"{one.statement} ({wording.bits(one.bits)} bits)" for one in account.exculpatory]
    if not sentences:
        sentences.append(
            "No signal speaks for a benign reading. That is missing evidence, not evidence "
            "against the account."
        )
    if account.score is not None:
        sentences.append(
            f"If the weights and the prior are right, {wording.percent(1 - account.score)} of the "
            "accounts with this score are benign."
        )
    if receipt.without_strongest_reason is not None:
        sentences.append(
            "Without its strongest reason alone the score would be "
            f"{wording.percent(receipt.without_strongest_reason)}."
        )
    return sentences


def _blind_spots(account: RankedAccount, receipt: Receipt) -> list[str]:
    sentences = ["No signal is marked as impossible to check."]
    if account.not_checked:
        sentences = [
            f"This account's data cannot support: {', '.join(account.not_checked)}. "
            "Each adds 0 bits; none counts as innocent."
        ]
    if receipt.neutral_signals:
        sentences.append(f"Checked, and neutral: {', '.join(receipt.neutral_signals)}.")
    return sentences


def _campaign_sentences(account: RankedAccount, campaign: Campaign | None) -> list[str]:
    if account.campaign_id is None:
        return ["None: not linked to other accounts."]
    if campaign is None:
        return [
            f"{account.campaign_id}, {wording.count(account.campaign_size)} accounts; its own row "
            "is not published."
        ]
    return [
        f"{campaign.campaign_id}, score {wording.percent(campaign.score)}",
        *_describe_campaign(campaign),
    ]


def _describe_campaign(campaign: Campaign) -> list[str]:
    return [
        f"{wording.count(campaign.size)} accounts, {wording.count(campaign.members_added_7d)} "
        f"added in 7 days; {wording.short_count(campaign.requests_28d)} requests and "
        f"{wording.short_count(campaign.output_tokens_28d)} output tokens in 28 days; active "
        f"{wording.instant(campaign.first_seen)} to {wording.instant(campaign.last_seen)}",
        *(campaign.shared_evidence or ("No shared evidence is published for it.",)),
    ]


def _item(sentence: str) -> RenderableType:
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row("-", Text(wording.visible(sentence)))
    return row


def _say_scale(prior_probability: float | None) -> Text:
    if prior_probability is None:
        return Text(
            "A queue for review, not a finding. The prior is not published: read the scores as an "
            "order.",
            style="dim",
        )
    return Text(
        "A queue for review, not a finding: the score is a probability under a prior of "
        f"{say_one_in(prior_probability)}.",
        style="dim",
    )


def _as_plain(account: RankedAccount) -> dict[str, Any]:
    """Return the account as the contract's columns with values that JSON knows."""
    return {column: _plain(getattr(account, column)) for column in ACCOUNT_COLUMNS}


def _plain(content: object) -> object:
    if isinstance(content, Evidence):
        return asdict(content)
    if isinstance(content, tuple):
        return [_plain(entry) for entry in content]
    if isinstance(content, datetime):
        return content.isoformat().replace("+00:00", "Z")
    if isinstance(content, date):
        return content.isoformat()
    return content
