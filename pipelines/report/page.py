"""Fills the report of one as-of date and writes it in place of the former one.

Here belong the choice of what is shown and the atomic write. Markup, style and script are in
`report.html.j2`; queries in `pipelines.reading`. The page depends on the published tables
alone, never on the clock or the machine, so that the report of a day can be made again.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import jinja2

from pipelines.reading import (
    Campaign,
    DayRecord,
    QualityResult,
    RankedAccount,
    ReportContent,
    read_report_content,
)
from pipelines.report import wording
from pipelines.report.receipt import (
    Receipt,
    ReceiptLine,
    log2_odds,
    probability_from_log2_odds,
    say_one_in,
    write_receipt,
)

log = logging.getLogger(__name__)

ACCOUNTS_SHOWN = 200
CAMPAIGNS_SHOWN = 40
ROWS_SHOWN = 60
"""Of files, rejection reasons, checks: more than that is a table to query, not to read."""

PASSED_OUTCOME = "passed"
GRAVE_SEVERITIES = frozenset({"critical", "error"})
SETTLED_STATUSES = frozenset({"dismissed", "allowlisted"})


@dataclass(frozen=True)
class Bar:
    """Where a line of the waterfall is drawn, in per cent of the drawing's width."""

    left: float
    width: float
    is_for: bool


@dataclass(frozen=True)
class Scale:
    """Maps running totals in bits to per cent of the width; one scale serves the whole page."""

    low: float
    high: float

    def position(self, bits: float) -> float:
        """Return where `bits` lies, in per cent from the left."""
        return (bits - self.low) / (self.high - self.low) * 100

    def bar(self, line: ReceiptLine) -> Bar:
        """Return the bar from a line's running total before to the one after."""
        return self._span(line.before, line.after)

    def total_bar(self, receipt: Receipt) -> Bar:
        """Return the bar from even odds (0 bits) to the receipt's total."""
        return self._span(0.0, receipt.total_bits)

    def _span(self, start: float, end: float) -> Bar:
        left, right = sorted((self.position(start), self.position(end)))
        return Bar(left=left, width=right - left, is_for=end >= start)


@dataclass(frozen=True)
class AccountEntry:
    """A row of the list with its receipt."""

    account: RankedAccount
    receipt: Receipt
    movement: str
    is_settled: bool
    explain_command: str
    verdict_command: str

    @property
    def search_text(self) -> str:
        """What the filter looks in: lower-cased account, organisation and campaign."""
        parts = (self.account.account_id, self.account.org_id, self.account.campaign_id)
        return "\n".join(wording.visible(part).lower() for part in parts if part)


@dataclass(frozen=True)
class CampaignEntry:
    """A campaign with how many of its members the page lists."""

    campaign: Campaign
    members_shown: int


@dataclass(frozen=True)
class SetAside:
    """What last night's delivery lost on the way in; None where it is not published."""

    rows_in: int | None
    rows_kept: int | None
    rows_rejected: int | None
    rows_duplicate: int | None


def write_report(home: Path, as_of: date | None = None) -> Path:
    """Write `<home>/reports/<as_of>.html` (None: the newest list) and return its path.

    A reader sees the former page or the new one, never a part.

    Raises:
        UserError: nothing is published for that day.
    """
    content = read_report_content(home, as_of, top=ACCOUNTS_SHOWN)
    path = home / "reports" / f"{content.ranking.as_of_date}.html"
    _replace_file(path, render_report(content))
    log.info("wrote the report of %s to %s", content.ranking.as_of_date, path)
    return path


def render_report(content: ReportContent) -> str:
    """Return the page as text; the same content always gives the same text."""
    ranking, day = content.ranking, content.day
    entries = [_enter(account, content) for account in ranking.accounts]
    members_shown = Counter(account.campaign_id for account in ranking.accounts)
    prior = ranking.prior_probability
    failed, passed = _split_quality(day.quality_results or ())
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            ranking=ranking,
            totals=content.totals,
            settings=content.settings,
            entries=entries,
            new_count=sum(entry.movement == "new" for entry in entries),
            campaigns=[
                CampaignEntry(campaign, members_shown[campaign.campaign_id])
                for campaign in ranking.campaigns[:CAMPAIGNS_SHOWN]
            ],
            scale=_scale([entry.receipt for entry in entries]),
            prior_bits=None if prior is None else log2_odds(prior),
            day=day,
            set_aside=_set_aside(day),
            failed_checks=failed,
            passed_checks=passed,
            critical_count=sum(one.severity in GRAVE_SEVERITIES for one in failed),
            late_deliveries=[
                delivery for delivery in day.unranked_deliveries if delivery > ranking.as_of_date
            ],
            rows_shown=ROWS_SHOWN,
            list_command=f"extraction-watch rank --as-of {ranking.as_of_date}"
            f" --top {max(ranking.account_count, 1)} --format csv",
        )
    )


def _enter(account: RankedAccount, content: ReportContent) -> AccountEntry:
    ranking = content.ranking
    quoted = wording.shell_word(account.account_id)
    if account.account_id.startswith("-"):
        quoted = f"-- {quoted}"  # else the command line takes the id for an option
    return AccountEntry(
        account=account,
        receipt=write_receipt(
            account,
            prior_probability=ranking.prior_probability,
            signals=content.signals.get(account.account_id, ()),
        ),
        movement=wording.say_movement(
            account.rank,
            ranking.previous_ranks.get(account.account_id),
            has_previous_list=ranking.previous_as_of is not None,
        ),
        is_settled=account.review_status in SETTLED_STATUSES,
        explain_command=f"extraction-watch explain --as-of {ranking.as_of_date} {quoted}",
        verdict_command=f"extraction-watch verdict --note 'why' {quoted} benign",
    )


def _scale(receipts: Sequence[Receipt]) -> Scale:
    """Return the scale that holds every running total, with even odds (0 bits) always inside."""
    ends = [line.after for receipt in receipts for line in receipt.lines]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    margin = max(high - low, 1.0) * 0.02
    return Scale(low - margin, high + margin)


def _split_quality(
    results: Sequence[QualityResult],
) -> tuple[list[QualityResult], list[QualityResult]]:
    """Return the checks that did not pass, errors first, and those that did."""
    passed = [one for one in results if one.outcome == PASSED_OUTCOME]
    failed = [one for one in results if one.outcome != PASSED_OUTCOME]
    return sorted(failed, key=lambda one: one.severity not in GRAVE_SEVERITIES), passed


def _set_aside(day: DayRecord) -> SetAside | None:
    """Sum the day's files; None when no file is recorded for it."""
    if not day.ingested_files:
        return None
    files = [file for file in day.ingested_files if file.table_name in (None, "requests")]
    return SetAside(
        rows_in=_sum_known([file.rows_in for file in files]),
        rows_kept=_sum_known([file.rows_kept for file in files]),
        rows_rejected=_sum_known([file.rows_rejected for file in files]),
        rows_duplicate=_sum_known([file.rows_duplicate for file in files]),
    )


def _sum_known(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        visible=wording.visible,
        percent=wording.percent,
        count=wording.count,
        short_count=wording.short_count,
        usd=wording.usd,
        bits=wording.bits,
        instant=wording.instant,
        long_day=wording.long_day,
        one_in=say_one_in,
        odds=probability_from_log2_odds,
        script_hash=_script_hash,
    )
    environment.globals["plural"] = wording.plural
    return environment


def _script_hash(script: str) -> str:
    """Return the content security policy's name for the page's one script.

    With it the browser runs that script and no other, so that a hostile account id stays text
    even if an escape were ever forgotten.
    """
    digest = hashlib.sha256(str(script).encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _replace_file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A hidden neighbour: a rename is atomic only within one file system.
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
