"""Reads the published tables into plain values: the one door for everything an analyst is shown.

Here belong the queries on `<home>/published/extraction_watch.duckdb` and the values that they
fill. How a list, a receipt or a page looks belongs to `pipelines.terminal` and
`pipelines.report`; what the numbers mean is decided in `dbt_project/`. Nothing here writes,
scores or ranks.

The file is opened read-only, read within one connection (so that all values come from one
night, also when the next run replaces the file meanwhile) and closed before anything is shown.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from pipelines.errors import UserError

log = logging.getLogger(__name__)

PUBLISHED_FILE = Path("published") / "extraction_watch.duckdb"
PRIOR_SETTING = "prior_probability"

ACCOUNT_COLUMNS: tuple[str, ...] = (
    "as_of_date",
    "rank",
    "account_id",
    "org_id",
    "score",
    "evidence_bits",
    "campaign_id",
    "campaign_size",
    "reasons",
    "exculpatory",
    "not_checked",
    "first_seen",
    "last_seen",
    "requests_28d",
    "output_tokens_28d",
    "list_price_usd_28d",
    "review_status",
)
"""The columns of `suspected_extraction_accounts`, in the order of the contract."""

CAMPAIGN_COLUMNS: tuple[str, ...] = (
    "as_of_date",
    "campaign_id",
    "size",
    "score",
    "shared_evidence",
    "requests_28d",
    "output_tokens_28d",
    "first_seen",
    "last_seen",
    "members_added_7d",
)
"""The columns of `suspected_campaigns`, in the order of the contract."""

# A day counts as ranked once any of these speaks of it: the list itself may be empty.
RANKED_TABLES = (
    "suspected_extraction_accounts",
    "suspected_campaigns",
    "account_features",
    "account_signals",
)
DELIVERY_DAYS = (("ingested_files", "delivery_date"), ("data_quality_results", "day"))


@dataclass(frozen=True)
class Evidence:
    """One signal's contribution; `bits` is log2 of a Bayes factor, None when not published."""

    signal: str
    bits: float | None
    statement: str


@dataclass(frozen=True)
class RankedAccount:
    """One row of `suspected_extraction_accounts`. None means "not known", never 0."""

    as_of_date: date
    rank: int
    account_id: str
    org_id: str | None
    score: float | None
    evidence_bits: float | None
    campaign_id: str | None
    campaign_size: int | None
    reasons: tuple[Evidence, ...]
    exculpatory: tuple[Evidence, ...]
    not_checked: tuple[str, ...]
    first_seen: datetime | None
    last_seen: datetime | None
    requests_28d: int | None
    output_tokens_28d: int | None
    list_price_usd_28d: float | None
    review_status: str | None


@dataclass(frozen=True)
class Campaign:
    """One row of `suspected_campaigns`."""

    as_of_date: date
    campaign_id: str
    size: int | None
    score: float | None
    shared_evidence: tuple[str, ...]
    requests_28d: int | None
    output_tokens_28d: int | None
    first_seen: datetime | None
    last_seen: datetime | None
    members_added_7d: int | None


@dataclass(frozen=True)
class SignalReading:
    """One row of `account_signals`: what a signal said of an account, also when it said nothing.

    `bits` is after the cap of the signal's family, `raw_bits` before it.
    """

    signal_name: str
    family: str | None
    level_name: str | None
    bits: float | None
    raw_bits: float | None
    statement: str | None
    is_checked: bool | None


@dataclass(frozen=True)
class Ranking:
    """The list of one as-of date.

    `accounts` are in rank order and may be only the first of the `account_count` on the list.
    `previous_ranks` holds, for the accounts shown, their rank on `previous_as_of`.
    """

    as_of_date: date
    newest_as_of: date
    accounts: tuple[RankedAccount, ...]
    account_count: int
    campaigns: tuple[Campaign, ...]
    prior_probability: float | None
    previous_as_of: date | None
    previous_ranks: Mapping[str, int]


@dataclass(frozen=True)
class AccountCase:
    """Everything published about one account on one as-of date.

    `signals` is empty when `account_signals` is not published; otherwise it holds every signal,
    the neutral and the unchecked ones too.
    """

    account: RankedAccount
    account_count: int
    campaign: Campaign | None
    signals: tuple[SignalReading, ...]
    prior_probability: float | None


@dataclass(frozen=True)
class CampaignCase:
    """One campaign on one as-of date with its members in rank order."""

    campaign: Campaign
    members: tuple[RankedAccount, ...]
    prior_probability: float | None


@dataclass(frozen=True)
class QualityResult:
    """One row of `data_quality_results`."""

    suite: str | None
    table_name: str | None
    expectation: str | None
    column_name: str | None
    severity: str | None
    outcome: str | None
    element_count: int | None
    unexpected_count: int | None
    observed: str | None
    promise: str | None
    remedy: str | None


@dataclass(frozen=True)
class IngestedFile:
    """One row of `ingested_files`: a delivered file and what became of its rows."""

    table_name: str | None
    file: str | None
    rows_in: int | None
    rows_kept: int | None
    rows_rejected: int | None
    rows_duplicate: int | None
    read_by: str | None
    note: str | None


@dataclass(frozen=True)
class RejectedReason:
    """How many rows of a day's delivery were set aside for one reason."""

    table_name: str | None
    reason: str | None
    row_count: int


@dataclass(frozen=True)
class Setting:
    """One row of `scoring_settings`."""

    name: str
    number: float | None
    meaning: str | None


@dataclass(frozen=True)
class ListTotals:
    """Counts over the whole list of a day, also over what is not shown.

    `accounts_seen` and `expected_extractors` (the sum of the scores) are None when not known.
    """

    accounts_seen: int | None
    accounts_at_even_odds: int
    expected_extractors: float | None
    accounts_by_status: Mapping[str, int]


@dataclass(frozen=True)
class DayRecord:
    """What arrived for a day and how it was judged; a table that is not published is None."""

    quality_results: tuple[QualityResult, ...] | None
    ingested_files: tuple[IngestedFile, ...] | None
    rejected_reasons: tuple[RejectedReason, ...] | None
    unranked_deliveries: tuple[date, ...]


@dataclass(frozen=True)
class ReportContent:
    """All that the HTML report of one as-of date shows, read in one go."""

    ranking: Ranking
    totals: ListTotals
    day: DayRecord
    settings: tuple[Setting, ...] | None
    signals: Mapping[str, tuple[SignalReading, ...]]


def read_ranking(home: Path, as_of: date | None = None, *, top: int | None = None) -> Ranking:
    """Return the list of `as_of` (None: the newest), in rank order, at most `top` accounts long.

    Raises:
        UserError: nothing is published, or nothing for `as_of`; the message names the remedy.
    """
    with _open(home) as published:
        return published.ranking(published.resolve_day(as_of), top)


def read_account(home: Path, account_id: str, as_of: date | None = None) -> AccountCase:
    """Return what is published about one account on `as_of` (None: the newest).

    Raises:
        UserError: as `read_ranking`; or the account is not on that day's list, in which case
            the message says whether other days know it.
    """
    with _open(home) as published:
        day = published.resolve_day(as_of)
        account = published.account(account_id, day)
        campaign = (
            None
            if account.campaign_id is None
            else next(iter(published.campaigns(day, account.campaign_id)), None)
        )
        return AccountCase(
            account=account,
            account_count=published.account_count(day),
            campaign=campaign,
            signals=published.signals(day, [account_id]).get(account_id, ()),
            prior_probability=published.prior_probability(),
        )


def read_campaign(home: Path, campaign_id: str, as_of: date | None = None) -> CampaignCase:
    """Return one campaign and its members on `as_of` (None: the newest).

    Raises:
        UserError: as `read_ranking`; or the campaign is not published for that day.
    """
    with _open(home) as published:
        day = published.resolve_day(as_of)
        found = published.campaigns(day, campaign_id)
        if not found:
            raise UserError(
                f"Expected a campaign {campaign_id!r} on {day}, found none. "
                + published.say_other_days("suspected_campaigns", "campaign_id", campaign_id, day)
            )
        return CampaignCase(
            campaign=found[0],
            members=published.accounts(day, where="campaign_id = ?", parameters=[campaign_id]),
            prior_probability=published.prior_probability(),
        )


def read_report_content(home: Path, as_of: date | None = None, *, top: int) -> ReportContent:
    """Return everything that the report of `as_of` (None: the newest) shows.

    Raises:
        UserError: as `read_ranking`.
    """
    with _open(home) as published:
        day = published.resolve_day(as_of)
        ranking = published.ranking(day, top)
        return ReportContent(
            ranking=ranking,
            totals=published.totals(day),
            day=published.day_record(day),
            settings=published.settings(),
            signals=published.signals(day, [row.account_id for row in ranking.accounts]),
        )


@contextmanager
def _open(home: Path) -> Iterator[_Published]:
    """Open the published file of `home` read-only for the length of the block."""
    path = home / PUBLISHED_FILE
    if not path.is_file():
        raise UserError(
            f"Expected published tables at {path}, found none: no run has succeeded under this "
            f"home yet. Run `extraction-watch run --exports URL --home {home}` first."
        )
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise UserError(
            f"Expected a readable DuckDB file at {path}, and it does not open: {error}. "
            f"Publish it again with `extraction-watch run --exports URL --home {home}`."
        ) from error
    try:
        yield _Published(connection, path)
    finally:
        connection.close()


class _Published:
    """Queries on one open snapshot of the published file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._tables = {
            str(row["table_name"])
            for row in self._rows(
                "select table_name from information_schema.tables where table_schema = 'main'"
            )
        }
        for needed in ("suspected_extraction_accounts", "suspected_campaigns"):
            if needed not in self._tables:
                raise UserError(
                    f"Expected the table {needed} in {path}, found "
                    f"{', '.join(sorted(self._tables)) or 'no table at all'}. The file was not "
                    "published by this program; run `extraction-watch run` to replace it."
                )

    def _rows(self, query: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        try:
            cursor = self._connection.execute(query, list(parameters))
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            # A column is missing: the file is older or newer than this program.
            raise UserError(
                f"The published tables at {self._path} lack what this version reads: {error}. "
                "Publish them again with `extraction-watch run`."
            ) from error
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def resolve_day(self, as_of: date | None) -> date:
        """Return the day to show, or raise a UserError that lists the nearest ones."""
        ranked, delivered = self._ranked_days, self._delivered_days
        known = ranked | delivered
        if not known:
            raise UserError(
                f"The published tables at {self._path} hold no day at all. "
                "Run `extraction-watch run --exports URL` for a delivery first."
            )
        if as_of is None:
            # A backfill ingests many days before it ranks them: prefer what is ranked.
            return max(ranked or delivered)
        if as_of in known:
            return as_of
        nearest = sorted(sorted(known, key=lambda day: (abs((day - as_of).days), day))[:3])
        raise UserError(
            f"Nothing is published for {as_of}. The nearest days are "
            f"{', '.join(map(str, nearest))} (published: {min(known)} to {max(known)}). "
            f"To make that list, run `extraction-watch run --exports URL --from {as_of} "
            f"--to {as_of}`."
        )

    @cached_property
    def _ranked_days(self) -> set[date]:
        return {
            row["day"]
            for table in RANKED_TABLES
            if table in self._tables
            for row in self._rows(f"select distinct as_of_date as day from {table}")
            if row["day"] is not None
        }

    @cached_property
    def _delivered_days(self) -> set[date]:
        return {
            row["day"]
            for table, column in DELIVERY_DAYS
            if table in self._tables
            for row in self._rows(f"select distinct cast({column} as date) as day from {table}")
            if row["day"] is not None
        }

    def ranking(self, day: date, top: int | None) -> Ranking:
        accounts = self.accounts(day, top=top)
        previous_as_of = max((other for other in self._ranked_days if other < day), default=None)
        previous_ranks = {
            str(row["account_id"]): int(row["rank"])
            for row in self._rows(
                """
                select account_id, rank from suspected_extraction_accounts
                where as_of_date = ? and account_id in (select unnest(?::varchar[]))
                """,
                [previous_as_of, [row.account_id for row in accounts]],
            )
        }
        return Ranking(
            as_of_date=day,
            newest_as_of=max(self._ranked_days | {day}),
            accounts=accounts,
            account_count=self.account_count(day),
            campaigns=self.campaigns(day),
            prior_probability=self.prior_probability(),
            previous_as_of=previous_as_of,
            previous_ranks=previous_ranks,
        )

    def accounts(
        self,
        day: date,
        *,
        where: str = "true",
        parameters: Sequence[object] = (),
        top: int | None = None,
    ) -> tuple[RankedAccount, ...]:
        rows = self._rows(
            f"""
            select {", ".join(ACCOUNT_COLUMNS)} from suspected_extraction_accounts
            where as_of_date = ? and {where} order by rank, account_id
            {"" if top is None else f"limit {int(top)}"}
            """,
            [day, *parameters],
        )
        return tuple(_as_account(row) for row in rows)

    def account(self, account_id: str, day: date) -> RankedAccount:
        found = self.accounts(day, where="account_id = ?", parameters=[account_id])
        if found:
            return found[0]
        seen = "account_features" in self._tables and self._rows(
            "select 1 from account_features where as_of_date = ? and account_id = ? limit 1",
            [day, account_id],
        )
        raise UserError(
            f"Account {account_id!r} is not on the list of {day}"
            + (", though it was seen that day. " if seen else ". ")
            + self.say_other_days("suspected_extraction_accounts", "account_id", account_id, day)
            + (
                " An id that contains '@' is pseudonymised when it is read: look for the "
                "pseudonym that the list shows."
                if "@" in account_id
                else ""
            )
        )

    def say_other_days(self, table: str, column: str, identifier: str, day: date) -> str:
        """Say in a sentence on which other days `table` knows `identifier`."""
        days = [
            row["day"]
            for row in self._rows(
                f"select distinct as_of_date as day from {table} where {column} = ?", [identifier]
            )
        ]
        if not days:
            return "No other published day knows it either; check the spelling (case counts)."
        nearest = sorted(sorted(days, key=lambda other: (abs((other - day).days), other))[:3])
        return (
            f"It is on the list of {', '.join(map(str, nearest))}"
            + (f" and {len(days) - len(nearest)} other days" if len(days) > len(nearest) else "")
            + f": add `--as-of {nearest[-1]}`."
        )

    def account_count(self, day: date) -> int:
        rows = self._rows(
            "select count(*) as n from suspected_extraction_accounts where as_of_date = ?", [day]
        )
        return int(rows[0]["n"])

    def campaigns(self, day: date, campaign_id: str | None = None) -> tuple[Campaign, ...]:
        rows = self._rows(
            f"""
            select {", ".join(CAMPAIGN_COLUMNS)} from suspected_campaigns
            where as_of_date = ? and (?::varchar is null or campaign_id = ?)
            order by score desc nulls last, size desc nulls last, campaign_id
            """,
            [day, campaign_id, campaign_id],
        )
        return tuple(_as_campaign(row) for row in rows)

    def signals(
        self, day: date, account_ids: Sequence[str]
    ) -> dict[str, tuple[SignalReading, ...]]:
        if "account_signals" not in self._tables:
            return {}
        grouped: dict[str, list[SignalReading]] = {}
        for row in self._rows(
            """
            select account_id, signal_name, family, level_name, bits, raw_bits, statement,
                is_checked
            from account_signals
            where as_of_date = ? and account_id in (select unnest(?::varchar[]))
            order by account_id, signal_name
            """,
            [day, list(account_ids)],
        ):
            reading = SignalReading(
                signal_name=str(row["signal_name"]),
                family=row["family"],
                level_name=row["level_name"],
                bits=_number(row["bits"]),
                raw_bits=_number(row["raw_bits"]),
                statement=row["statement"],
                is_checked=row["is_checked"],
            )
            grouped.setdefault(str(row["account_id"]), []).append(reading)
        return {account_id: tuple(readings) for account_id, readings in grouped.items()}

    def settings(self) -> tuple[Setting, ...] | None:
        if "scoring_settings" not in self._tables:
            return None
        return tuple(
            Setting(name=str(row["name"]), number=_number(row["number"]), meaning=row["meaning"])
            for row in self._rows("select name, number, meaning from scoring_settings order by 1")
        )

    def prior_probability(self) -> float | None:
        """Return the prior; None when it is not published or is not a probability."""
        for setting in self.settings() or ():
            if setting.name == PRIOR_SETTING and setting.number is not None:
                if 0 < setting.number < 1:
                    return setting.number
                log.warning("%s is %s, expected between 0 and 1", PRIOR_SETTING, setting.number)
        return None

    def totals(self, day: date) -> ListTotals:
        seen = None
        if "account_features" in self._tables:
            seen = int(
                self._rows(
                    "select count(distinct account_id) as n from account_features "
                    "where as_of_date = ?",
                    [day],
                )[0]["n"]
            )
        sums = self._rows(
            """
            select
                count(*) filter (where score >= 0.5 and not isnan(score)) as at_even_odds,
                sum(score) filter (where not isnan(score)) as expected
            from suspected_extraction_accounts where as_of_date = ?
            """,
            [day],
        )[0]
        by_status = self._rows(
            """
            select coalesce(review_status, 'not stated') as review_status, count(*) as n
            from suspected_extraction_accounts where as_of_date = ?
            group by all order by n desc, 1
            """,
            [day],
        )
        return ListTotals(
            accounts_seen=seen,
            accounts_at_even_odds=int(sums["at_even_odds"]),
            expected_extractors=_number(sums["expected"]),
            accounts_by_status={row["review_status"]: int(row["n"]) for row in by_status},
        )

    def day_record(self, day: date) -> DayRecord:
        quality = files = rejected = None
        if "data_quality_results" in self._tables:
            quality = tuple(
                QualityResult(**row)
                for row in self._rows(
                    """
                    select suite, table_name, expectation, column_name, severity, outcome,
                        element_count, unexpected_count, observed::varchar as observed,
                        promise, remedy
                    from data_quality_results where cast(day as date) = ?
                    order by suite, table_name, expectation, column_name
                    """,
                    [day],
                )
            )
        if "ingested_files" in self._tables:
            files = tuple(
                IngestedFile(**row)
                for row in self._rows(
                    """
                    select table_name, file, rows_in, rows_kept, rows_rejected, rows_duplicate,
                        read_by, note
                    from ingested_files where delivery_date = ? order by table_name, file
                    """,
                    [day],
                )
            )
        if "rejected_rows" in self._tables:
            rejected = tuple(
                RejectedReason(row["table_name"], row["reason"], int(row["n"]))
                for row in self._rows(
                    """
                    select table_name, reason, count(*) as n
                    from rejected_rows where delivery_date = ?
                    group by all order by n desc, table_name, reason
                    """,
                    [day],
                )
            )
        ranked = self._ranked_days
        return DayRecord(
            quality_results=quality,
            ingested_files=files,
            rejected_reasons=rejected,
            unranked_deliveries=tuple(sorted(self._delivered_days - ranked)),
        )


def _as_account(row: Mapping[str, Any]) -> RankedAccount:
    return RankedAccount(
        as_of_date=row["as_of_date"],
        rank=int(row["rank"]),
        account_id=str(row["account_id"]),
        org_id=row["org_id"],
        score=_number(row["score"]),
        evidence_bits=_number(row["evidence_bits"]),
        campaign_id=row["campaign_id"],
        campaign_size=row["campaign_size"],
        reasons=_as_evidence(row["reasons"]),
        exculpatory=_as_evidence(row["exculpatory"]),
        not_checked=_texts(row["not_checked"]),
        first_seen=_utc(row["first_seen"]),
        last_seen=_utc(row["last_seen"]),
        requests_28d=row["requests_28d"],
        output_tokens_28d=row["output_tokens_28d"],
        list_price_usd_28d=_number(row["list_price_usd_28d"]),
        review_status=row["review_status"],
    )


def _as_campaign(row: Mapping[str, Any]) -> Campaign:
    return Campaign(
        as_of_date=row["as_of_date"],
        campaign_id=str(row["campaign_id"]),
        size=row["size"],
        score=_number(row["score"]),
        shared_evidence=_texts(row["shared_evidence"]),
        requests_28d=row["requests_28d"],
        output_tokens_28d=row["output_tokens_28d"],
        first_seen=_utc(row["first_seen"]),
        last_seen=_utc(row["last_seen"]),
        members_added_7d=row["members_added_7d"],
    )


def _as_evidence(entries: Iterable[Mapping[str, Any] | None] | None) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            signal=entry["signal"] or "(unnamed signal)",
            bits=_number(entry["bits"]),
            statement=entry["statement"] or "(no statement was published)",
        )
        for entry in entries or ()
        if entry is not None
    )


def _texts(entries: Iterable[str | None] | None) -> tuple[str, ...]:
    return tuple(entry for entry in entries or () if entry is not None)


def _number(number: Any) -> float | None:
    """Return a finite float; NaN and the infinities are no measurement, hence None."""
    if number is None or not math.isfinite(number):
        return None
    return float(number)


def _utc(instant: datetime | None) -> datetime | None:
    """Return the instant as UTC: published timestamps carry no offset and are UTC."""
    if instant is None:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
