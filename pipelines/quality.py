"""The two gates: what arrives and what leaves is held against written promises.

Here belong reading the suites of `expectations/`, running them with Great Expectations on pandas
frames, and recording the outcome as a table and as Dagster asset checks. What is promised, and
whether a broken promise blocks, is written in the suites' JSON; tests inside the warehouse are
dbt's. Rows that were refused are kept by the lake, never here.

Great Expectations runs on pandas only: on DuckDB through SQLAlchemy it fails and hides the error
behind an empty result. It is imported when a frame is judged, since importing it takes seconds and
every process that loads the Dagster definitions would pay them. No result holds a raw value:
counts and shares, the names of columns, and for files set aside their name and why.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import RunError, UserError

log = logging.getLogger(__name__)

Severity = Literal["critical", "warning"]
Outcome = Literal["passed", "failed"]

EXPECTATIONS_FOLDER: Final = Path(__file__).resolve().parents[1] / "expectations"
SUITES: Final = ("arrival", "leaving")

SAMPLE_ROWS: Final = 200_000
"""At most this many requests of a delivery are handed to the arrival suite."""

EARLY_DAYS: Final = 7
# Quiet is told against the same weekday, of which fewer than three say little.
USUAL_WEEKS: Final = 4
USUAL_DAYS_NEEDED: Final = 3
"""Rows may be this many days older than their delivery and still count as on time."""

SET_ASIDE: Final = "set_aside"
"""What the register of files has in `read_by` for a file that could not be read."""

FIRST_PLAUSIBLE_INSTANT: Final = datetime(2020, 1, 1)
"""No language-model API was sold before: an earlier time is a unit misread, or a lost clock."""

RESULT_SCHEMA: Final = pa.schema(
    [
        ("day", pa.date32()),
        ("suite", pa.string()),
        ("table_name", pa.string()),
        ("expectation", pa.string()),
        ("column_name", pa.string()),
        ("severity", pa.string()),
        ("outcome", pa.string()),
        ("element_count", pa.int64()),
        ("unexpected_count", pa.int64()),
        ("observed", pa.string()),
        ("promise", pa.string()),
        ("remedy", pa.string()),
    ]
)
"""The columns of `data_quality_results`."""

# Only kinds whose result is known to say something on an empty or all-null frame, and whose
# counts can be reported without a value. Aggregates (max, mean) answer None there, as a failure.
KNOWN_EXPECTATIONS: Final[Mapping[str, frozenset[str]]] = {
    "expect_column_values_to_not_be_null": frozenset({"column", "mostly"}),
    "expect_column_values_to_be_unique": frozenset({"column", "mostly"}),
    "expect_column_values_to_be_in_set": frozenset({"column", "value_set", "mostly"}),
    "expect_column_values_to_be_between": frozenset(
        {"column", "min_value", "max_value", "strict_min", "strict_max", "mostly"}
    ),
    "expect_column_values_to_match_regex": frozenset({"column", "regex", "mostly"}),
    "expect_column_values_to_not_match_regex": frozenset({"column", "regex", "mostly"}),
    "expect_column_pair_values_a_to_be_greater_than_b": frozenset(
        {"column_A", "column_B", "or_equal", "mostly"}
    ),
    "expect_compound_columns_to_be_unique": frozenset({"column_list", "mostly"}),
    "expect_table_columns_to_match_set": frozenset({"column_set", "exact_match"}),
    "expect_table_row_count_to_be_between": frozenset({"min_value", "max_value"}),
}
"""The kinds of expectation that a suite may use, with the kwargs of each."""

_REQUIRED_KWARGS: Final = frozenset({"column", "column_A", "column_B", "column_list", "column_set"})


class QualityError(RunError):
    """A gate could not be judged, which is never the same as a broken promise."""


@dataclass(frozen=True)
class Entry:
    """One promise of a suite, as its file states it.

    `show` names the column of the profile whose content is reported instead of the judged one, so
    that "one file set aside" can say which.
    """

    table_name: str
    expectation: str
    kwargs: Mapping[str, Any]
    severity: Severity
    promise: str
    remedy: str
    show: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values are judged; empty where the table as a whole is."""
        single = [
            self.kwargs[key] for key in ("column", "column_A", "column_B") if key in self.kwargs
        ]
        return (*single, *self.kwargs.get("column_list", ()))

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns without which there is nothing to judge or to show."""
        return (*self.columns, self.show) if self.show else self.columns

    @property
    def name(self) -> str:
        """Unique in a suite: table, expectation, columns, severity."""
        return f"{self.table_name}.{self.expectation}({', '.join(self.columns)}) {self.severity}"


@dataclass(frozen=True)
class Suite:
    """The promises at one gate, in the order of the file."""

    name: str
    path: Path
    entries: tuple[Entry, ...]

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.table_name for entry in self.entries))

    def of_table(self, table_name: str) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.table_name == table_name)


@dataclass(frozen=True)
class ExpectationResult:
    """What one promise came to on one day. `observed` holds counts and shares, never a value.

    `element_count` is the number of rows of the frame, `unexpected_count` how many of them break
    the promise (None where the promise is about the table as a whole, or could not be counted
    because the column is absent).
    """

    day: date
    suite: str
    table_name: str
    expectation: str
    column_name: str | None
    severity: Severity
    outcome: Outcome
    element_count: int
    unexpected_count: int | None
    observed: str
    promise: str
    remedy: str


# --- The suites' files ---------------------------------------------------------------------------


def load_suite(name: str, *, folder: Path = EXPECTATIONS_FOLDER) -> Suite:
    """The suite `<folder>/<name>.json`, checked word by word.

    Raises UserError, naming file and entry, for a missing or broken file and for a key, kind of
    expectation, kwarg or severity that is not known: a misspelt promise would hold nothing.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        raise UserError(
            f"Expected the suite {name!r} in {path}, found no such file. "
            f"The suites are {', '.join(SUITES)}."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as broken:
        raise UserError(
            f"{path}: expected JSON, found a fault: {broken}. Mend the file."
        ) from broken
    _refuse_other_keys(content, known={"suite", "about", "tables"}, where=str(path))
    if content["suite"] != name:
        raise UserError(
            f'{path}: expected "suite": {name!r} as in the file\'s name, '
            f"found {content['suite']!r}."
        )
    entries = tuple(
        _entry(raw, table_name=table_name, where=f"{path}: tables.{table_name}[{position}]")
        for table_name, raws in content["tables"].items()
        for position, raw in enumerate(raws)
    )
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise UserError(f"{path}: {entry.name} stands there twice. Keep one of them.")
        seen.add(entry.name)
    if not entries:
        raise UserError(f"{path}: expected at least one expectation, found none.")
    return Suite(name=name, path=path, entries=entries)


def _entry(raw: Any, *, table_name: str, where: str) -> Entry:
    _refuse_other_keys(raw, known={"type", "kwargs", "severity", "meta"}, where=where)
    kind, kwargs, severity, meta = raw["type"], raw["kwargs"], raw["severity"], raw["meta"]
    if kind not in KNOWN_EXPECTATIONS:
        raise UserError(
            f"{where}: unknown type {kind!r}. Known are: {', '.join(KNOWN_EXPECTATIONS)}."
        )
    where = f"{where} ({kind})"
    if severity not in ("critical", "warning"):
        raise UserError(f"{where}: severity is critical or warning, found {severity!r}.")
    unknown = sorted(set(kwargs) - KNOWN_EXPECTATIONS[kind])
    if unknown:
        raise UserError(
            f"{where}: unknown kwargs {', '.join(unknown)}. "
            f"It takes {', '.join(sorted(KNOWN_EXPECTATIONS[kind]))}."
        )
    absent = sorted((KNOWN_EXPECTATIONS[kind] & _REQUIRED_KWARGS) - set(kwargs))
    if absent:
        raise UserError(f"{where}: the kwarg {', '.join(absent)} is missing: what is judged?")
    _refuse_other_keys(meta, known={"promise", "remedy"}, optional={"show"}, where=f"{where}, meta")
    for key in ("promise", "remedy"):
        if not isinstance(meta[key], str) or not meta[key].strip():
            raise UserError(f"{where}: meta.{key} is a plain sentence, found {meta[key]!r}.")
    if "show" in meta and table_name != "profile":
        raise UserError(
            f"{where}: meta.show is for the table profile alone, which holds counts and shares. "
            f"The content of {table_name} is never shown."
        )
    return Entry(
        table_name=table_name,
        expectation=kind,
        kwargs=kwargs,
        severity=severity,
        promise=meta["promise"],
        remedy=meta["remedy"],
        show=meta.get("show"),
    )


def _refuse_other_keys(
    found: Any, *, known: set[str], where: str, optional: frozenset[str] | set[str] = frozenset()
) -> None:
    if not isinstance(found, dict):
        raise UserError(f"{where}: expected an object, found {type(found).__name__}.")
    unknown, missing = sorted(set(found) - known - optional), sorted(known - set(found))
    if unknown:
        raise UserError(
            f"{where}: unknown key {', '.join(unknown)}. Known are {', '.join(sorted(known))}."
        )
    if missing:
        raise UserError(f"{where}: the key {', '.join(missing)} is missing.")


# --- The profile of a delivery -------------------------------------------------------------------


_PROFILED_FILE_COLUMNS: Final = (
    "table_name",
    "delivery_date",
    "file",
    "size_bytes",
    "read_by",
    "rows_in",
    "rows_kept",
    "rows_rejected",
    "rows_duplicate",
    "rows_account_unresolved",
    "uncast_values",
    "note",
)
_PROFILED_REQUEST_COLUMNS: Final = (
    "delivery_date",
    "request_id",
    "started_at",
    "input_tokens",
    "output_tokens",
    "http_status",
)


NO_HISTORY: Final = pd.DataFrame(
    {
        "delivery_date": pd.Series(dtype="datetime64[ns]"),
        "kept_rows": pd.Series(dtype="int64"),
        "same_day_rows": pd.Series(dtype="int64"),
        "counted_requests": pd.Series(dtype="float64"),
    }
)


def arrival_profile(
    files: pd.DataFrame, requests: pd.DataFrame, day: date, history: pd.DataFrame = NO_HISTORY
) -> pd.DataFrame:
    """One row of counts and shares that say how the delivery of `day` arrived.

    `files` is the delivery's `files.parquet`, of one table or of several; `requests` the sample of
    its lake requests. A share is null where there is nothing to divide by; null means "not
    measured" and breaks no promise.

    delivered_files, delivered_rows, kept_rows, sample_rows: counts; rows are those of requests.
    rejected_share, duplicate_share, unaccounted_share: of delivered_rows; unaccounted are rows that
    are neither kept, rejected nor duplicate. uncast_per_row: values that could not be read as their
    column's type, per kept row. unresolved_account_share: of kept_rows, those filed under their API
    key because no account is known for it. other_day_rows: files and requests that carry another
    delivery day. sample_surplus_rows: by how many rows the sample contradicts kept_rows (more rows
    than were kept; or none though some were). set_aside_files, set_aside_share (of bytes),
    set_aside_summary: files that no reader took (`read_by` is `set_aside` or null), with the note
    on each.
    outside_window_share: event times before `day` - 7 days or after the end of `day` + 1 day.
    future_share: after the end of `day` + 1 day. implausible_time_share: before 2020.
    missing_token_share: successful requests without input or output tokens.
    missing_request_id_share. dominant_request_id_share: requests that repeat the most frequent id,
    its first use not counted, so that distinct ids give 0.

    `history` has a row a delivery, that of `day` among them: delivery_date, kept_rows,
    same_day_rows (kept rows whose event lies on the delivery day), counted_requests (the gateway's
    own count of that day, null without counters). From it: usual_share, kept_rows over the median
    of the same weekday in the four weeks before, null with fewer than three of those;
    uncounted_share, the part of the gateway's count that was not delivered.

    Raises QualityError if a column that this needs is missing.
    """
    _need_columns(files, _PROFILED_FILE_COLUMNS, where="files")
    _need_columns(requests, _PROFILED_REQUEST_COLUMNS, where="requests")
    of_requests = files[files["table_name"] == "requests"]
    delivered, kept = _sum(of_requests["rows_in"]), _sum(of_requests["rows_kept"])
    rejected, duplicate = _sum(of_requests["rows_rejected"]), _sum(of_requests["rows_duplicate"])
    sampled = len(requests)

    set_aside = files[files["read_by"].isna() | (files["read_by"] == SET_ASIDE)]
    started = pd.to_datetime(requests["started_at"].dropna(), utc=True).dt.tz_localize(None)
    earliest = pd.Timestamp(day) - timedelta(days=EARLY_DAYS)
    end = pd.Timestamp(day) + timedelta(days=2)
    is_success = requests["http_status"].isna() | (requests["http_status"] < 400)
    successes = requests[is_success]
    ids = requests["request_id"].dropna()
    repeats = int(ids.value_counts().iloc[0]) - 1 if len(ids) else 0
    return pd.DataFrame(
        {
            "delivered_files": [len(files)],
            "delivered_rows": [delivered],
            "kept_rows": [kept],
            "sample_rows": [sampled],
            "sample_surplus_rows": [kept if sampled == 0 else max(sampled - kept, 0)],
            "rejected_share": [_share(rejected, delivered)],
            "duplicate_share": [_share(duplicate, delivered)],
            "unaccounted_share": [
                _share(abs(delivered - kept - rejected - duplicate), delivered),
            ],
            "uncast_per_row": [_share(_sum(of_requests["uncast_values"]), kept)],
            "unresolved_account_share": [
                _share(_sum(of_requests["rows_account_unresolved"]), kept)
            ],
            "other_day_rows": [
                _other_days(files["delivery_date"], day)
                + _other_days(requests["delivery_date"], day)
            ],
            "set_aside_files": [len(set_aside)],
            "set_aside_share": [_share(_sum(set_aside["size_bytes"]), _sum(files["size_bytes"]))],
            "set_aside_summary": [_set_aside_summary(set_aside, file_count=len(files))],
            "outside_window_share": [_mean((started < earliest) | (started >= end))],
            "future_share": [_mean(started >= end)],
            "implausible_time_share": [_mean(started < FIRST_PLAUSIBLE_INSTANT)],
            "missing_token_share": [
                _mean(successes["input_tokens"].isna() | successes["output_tokens"].isna())
            ],
            "missing_request_id_share": [_mean(requests["request_id"].isna())],
            "dominant_request_id_share": [_share(repeats, sampled)],
            "usual_share": [_usual_share(history, day, kept)],
            "uncounted_share": [_uncounted_share(history, day)],
        }
    )


def _usual_share(history: pd.DataFrame, day: date, kept: int) -> float:
    """Kept rows over those of the same weekday; NaN where there is too little to compare with."""
    days = pd.to_datetime(history["delivery_date"])
    before = pd.Timestamp(day) - days
    same_weekday = history[
        (days.dt.day_of_week == day.weekday())
        & (before > timedelta(0))
        & (before <= timedelta(weeks=USUAL_WEEKS))
    ]
    if len(same_weekday) < USUAL_DAYS_NEEDED:
        return float("nan")
    usual = float(same_weekday["kept_rows"].median())
    return kept / usual if usual > 0 else float("nan")


def _uncounted_share(history: pd.DataFrame, day: date) -> float:
    """The part of the gateway's own count that was not delivered; NaN without counters."""
    today = history[pd.to_datetime(history["delivery_date"]) == pd.Timestamp(day)]
    if today.empty or not today["counted_requests"].iloc[0] > 0:
        return float("nan")
    counted = float(today["counted_requests"].iloc[0])
    return max(1 - float(today["same_day_rows"].iloc[0]) / counted, 0.0)


def _set_aside_summary(set_aside: pd.DataFrame, *, file_count: int) -> str:
    """One line: how many files, and the first three by name with the reason noted for each."""
    if set_aside.empty:
        return f"0 of {file_count:,} files"
    named = [
        f"{Path(str(file)).name} ({'no reason noted' if pd.isna(note) else str(note)[:120]})"
        for file, note in zip(set_aside["file"][:3], set_aside["note"][:3], strict=True)
    ]
    more = f" and {len(set_aside) - len(named)} more" if len(set_aside) > len(named) else ""
    return f"{len(set_aside):,} of {file_count:,} files: {'; '.join(named)}{more}"


def _need_columns(frame: pd.DataFrame, columns: Sequence[str], *, where: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise QualityError(
            f"{where}: expected the columns {', '.join(columns)}; {', '.join(missing)} missing. "
            "Hand over the lake's own file, all columns of it."
        )


def _sum(counts: pd.Series) -> int:
    return int(pd.to_numeric(counts).sum())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _mean(flags: pd.Series) -> float:
    return float(flags.mean()) if len(flags) else float("nan")


def _other_days(dates: pd.Series, day: date) -> int:
    return int((pd.to_datetime(dates) != pd.Timestamp(day)).sum())


# --- Columns derived before the list leaves ------------------------------------------------------


def leaving_frames(frames: Mapping[str, pd.DataFrame], day: date) -> dict[str, pd.DataFrame]:
    """The frames about to be published, with the columns that the leaving suite judges added.

    On suspected_extraction_accounts: lead_days (as_of_date minus `day`), rank_gap (rank minus the
    row's place, counted from 1 in each as_of_date), score_rise (score minus that of the rank
    before), is_tie_out_of_order, receipt_gap_bits (|reasons + exculpatory - evidence_bits|;
    infinite where a line has no bits), unexplained_bits (positive evidence_bits of a row without
    reasons), misfiled_line_count (reasons below 0 bits, exculpatory lines above),
    disordered_line_count (lines stronger than the one above them), blank_statement_count,
    campaign_size_gap (members listed beyond campaign_size, plus disagreement on it),
    campaign_record_gap (against suspected_campaigns). On suspected_campaigns:
    surplus_member_count (members listed beyond its size).

    The accounts may be the head of a list that is cut by rank: nothing here counts on seeing all
    members of a campaign.

    A column whose sources are absent is left out: its promise then fails as "absent".
    """
    accounts = frames["suspected_extraction_accounts"].reset_index(drop=True)
    campaigns = frames["suspected_campaigns"].reset_index(drop=True)
    derived = dict(frames)
    derived["suspected_extraction_accounts"] = _with_columns(
        accounts,
        (
            (("as_of_date",), "lead_days", lambda rows: _lead_days(rows, day)),
            (("as_of_date", "rank"), "rank_gap", _rank_gap),
            (("as_of_date", "rank", "score"), "score_rise", _score_rise),
            (
                ("as_of_date", "rank", "score", "evidence_bits", "account_id"),
                "is_tie_out_of_order",
                _is_tie_out_of_order,
            ),
            (("reasons", "exculpatory", "evidence_bits"), "receipt_gap_bits", _receipt_gap_bits),
            (("reasons", "evidence_bits"), "unexplained_bits", _unexplained_bits),
            (("reasons", "exculpatory"), "misfiled_line_count", _misfiled_line_count),
            (("reasons", "exculpatory"), "disordered_line_count", _disordered_line_count),
            (("reasons", "exculpatory"), "blank_statement_count", _blank_statement_count),
            (("as_of_date", "campaign_id", "campaign_size"), "campaign_size_gap", _size_gap),
        ),
    )
    key, size = ["as_of_date", "campaign_id"], "campaign_size"
    if {*key, size} <= set(accounts.columns) and {*key, "size"} <= set(campaigns.columns):
        derived["suspected_extraction_accounts"]["campaign_record_gap"] = _record_gap(
            accounts, campaigns
        )
        derived["suspected_campaigns"] = campaigns.assign(
            surplus_member_count=_surplus_member_count(accounts, campaigns)
        )
    return derived


Derivation = tuple[tuple[str, ...], str, Callable[[pd.DataFrame], pd.Series]]


def _with_columns(frame: pd.DataFrame, derivations: Iterable[Derivation]) -> pd.DataFrame:
    return frame.assign(
        **{
            name: compute(frame)
            for sources, name, compute in derivations
            if set(sources) <= set(frame.columns)
        }
    )


def _lead_days(rows: pd.DataFrame, day: date) -> pd.Series:
    return (pd.to_datetime(rows["as_of_date"]) - pd.Timestamp(day)).dt.days


def _in_rank_order(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(["as_of_date", "rank"], kind="stable")


def _rank_gap(rows: pd.DataFrame) -> pd.Series:
    place = _in_rank_order(rows).groupby("as_of_date", dropna=False).cumcount() + 1
    return rows["rank"] - place.reindex(rows.index)


def _score_rise(rows: pd.DataFrame) -> pd.Series:
    rise = _in_rank_order(rows).groupby("as_of_date", dropna=False)["score"].diff()
    return rise.reindex(rows.index)


def _is_tie_out_of_order(rows: pd.DataFrame) -> pd.Series:
    ordered = _in_rank_order(rows)
    before = ordered.groupby("as_of_date", dropna=False)[["score", "evidence_bits"]].shift()
    is_tie = (ordered[["score", "evidence_bits"]] == before).all(axis="columns")
    names = ordered["account_id"].fillna("").astype("str")
    return (is_tie & (names < names.shift(fill_value=""))).reindex(rows.index)


def _lines(receipt: Any, *, column: str) -> list[tuple[float, str]]:
    """(bits, statement) of each line; bits not a number are NaN, an absent receipt is no line."""
    if receipt is None or (isinstance(receipt, float) and np.isnan(receipt)):
        return []
    if isinstance(receipt, str) or not all(
        isinstance(line, Mapping) and {"bits", "statement"} <= set(line) for line in receipt
    ):
        raise QualityError(
            f"suspected_extraction_accounts.{column}: expected a list of struct(signal, bits, "
            f"statement), found {type(receipt).__name__} of something else. "
            "Hand over the published columns as they are."
        )
    return [
        (float("nan") if line["bits"] is None else float(line["bits"]), line["statement"] or "")
        for line in receipt
    ]


def _per_receipt(
    rows: pd.DataFrame, column: str, measure: Callable[[list[tuple[float, str]]], float]
) -> pd.Series:
    # A loop per listed account, of which there are as many as accounts, not as requests.
    return pd.Series(
        [measure(_lines(receipt, column=column)) for receipt in rows[column]],
        index=rows.index,
        dtype="float64",
    )


def _receipt_gap_bits(rows: pd.DataFrame) -> pd.Series:
    total = sum(
        _per_receipt(rows, column, lambda lines: sum(bits for bits, _ in lines))
        for column in ("reasons", "exculpatory")
    )
    # Infinite and not null, since null breaks no promise and this receipt does not add up.
    return (total - rows["evidence_bits"]).abs().fillna(np.inf)


def _unexplained_bits(rows: pd.DataFrame) -> pd.Series:
    has_reason = _per_receipt(rows, "reasons", len) > 0
    return rows["evidence_bits"].clip(lower=0).where(~has_reason, 0.0)


def _misfiled_line_count(rows: pd.DataFrame) -> pd.Series:
    reasons = _per_receipt(rows, "reasons", lambda lines: sum(bits < 0 for bits, _ in lines))
    return reasons + _per_receipt(
        rows, "exculpatory", lambda lines: sum(bits > 0 for bits, _ in lines)
    )


def _disordered_line_count(rows: pd.DataFrame) -> pd.Series:
    def rises(lines: list[tuple[float, str]]) -> float:
        strengths = [abs(bits) for bits, _ in lines]
        return sum(after > before for before, after in pairwise(strengths))

    return _per_receipt(rows, "reasons", rises) + _per_receipt(rows, "exculpatory", rises)


def _blank_statement_count(rows: pd.DataFrame) -> pd.Series:
    def blanks(lines: list[tuple[float, str]]) -> float:
        return sum(not statement.strip() for _, statement in lines)

    return _per_receipt(rows, "reasons", blanks) + _per_receipt(rows, "exculpatory", blanks)


def _size_gap(rows: pd.DataFrame) -> pd.Series:
    in_campaign = rows["campaign_id"].notna()
    sizes = rows["campaign_size"].fillna(0)
    by_campaign = sizes.groupby([rows["as_of_date"], rows["campaign_id"]], dropna=False)
    listed, largest = by_campaign.transform("size"), by_campaign.transform("max")
    gap_of_members = (listed - sizes).clip(lower=0) + (largest - sizes)
    # An account alone may carry size null, 0 or 1.
    return gap_of_members.where(in_campaign, (sizes - 1).clip(lower=0))


def _record_gap(accounts: pd.DataFrame, campaigns: pd.DataFrame) -> pd.Series:
    recorded = pd.Series(campaigns["size"].to_numpy(), index=_campaign_keys(campaigns))
    recorded = recorded[~recorded.index.duplicated()]
    of_record = pd.Series(
        recorded.reindex(_campaign_keys(accounts)).to_numpy(), index=accounts.index
    )
    gap = (accounts["campaign_size"].fillna(0) - of_record.fillna(0)).abs()
    return gap.where(accounts["campaign_id"].notna(), 0)


def _surplus_member_count(accounts: pd.DataFrame, campaigns: pd.DataFrame) -> pd.Series:
    members = _campaign_keys(accounts[accounts["campaign_id"].notna()]).value_counts()
    listed = members.reindex(_campaign_keys(campaigns), fill_value=0).to_numpy()
    surplus: pd.Series = (listed - campaigns["size"]).clip(lower=0)
    return surplus


def _campaign_keys(rows: pd.DataFrame) -> pd.MultiIndex:
    # One table's dates may be of another type than the other's, and would then never meet.
    return pd.MultiIndex.from_arrays(
        [pd.to_datetime(rows["as_of_date"]), rows["campaign_id"].astype("object")]
    )


# --- Judging -------------------------------------------------------------------------------------


def validate(
    frames: Mapping[str, pd.DataFrame],
    *,
    suite: str,
    day: date,
    folder: Path = EXPECTATIONS_FOLDER,
) -> tuple[ExpectationResult, ...]:
    """Hold `frames` (by table name) against the suite; one result per entry, in its order.

    The arrival suite takes `requests`, `files` and `profile` (see `arrival_profile`), the leaving
    suite `suspected_extraction_accounts` and `suspected_campaigns`. On a frame without rows the
    promises about rows pass, with "no rows" as what was observed: whether emptiness itself is
    acceptable is a promise of its own. A column that is absent fails every promise about it.

    Raises QualityError if a frame is missing or not known, and if Great Expectations raised or
    answered without content; UserError if the suite's file is faulty.
    """
    loaded = load_suite(suite, folder=folder)
    if set(frames) != set(loaded.tables):
        raise QualityError(
            f"Suite {suite} of {day}: expected frames for {', '.join(loaded.tables)}, "
            f"found {', '.join(frames) or 'none'}. Hand over exactly those."
        )
    judged = leaving_frames(frames, day) if suite == "leaving" else frames
    results = tuple(
        result
        for table_name in loaded.tables
        for result in judge_table(judged[table_name], suite=loaded, table_name=table_name, day=day)
    )
    for result in results:
        if result.outcome == "failed":
            log.log(
                logging.ERROR if result.severity == "critical" else logging.WARNING,
                "%s %s, %s: promised: %s Found: %s. Remedy: %s",
                result.suite,
                result.day,
                result.table_name,
                result.promise,
                result.observed,
                result.remedy,
            )
    return results


def judge_table(
    frame: pd.DataFrame, *, suite: Suite, table_name: str, day: date
) -> tuple[ExpectationResult, ...]:
    """Hold one frame against the entries of one table; see `validate`.

    The frame must already hold derived columns.
    """
    entries = suite.of_table(table_name)
    present = {
        position: entry
        for position, entry in enumerate(entries)
        if set(entry.needs) <= set(frame.columns)
    }
    answers = _answers(frame, present, suite=suite, day=day)
    return tuple(
        _result(entry, answers.get(position), frame=frame, suite=suite.name, day=day)
        for position, entry in enumerate(entries)
    )


@dataclass(frozen=True)
class _Answer:
    """What Great Expectations said of one entry, without values."""

    success: bool
    unexpected_count: int | None
    missing_count: int


def _result(
    entry: Entry, answer: _Answer | None, *, frame: pd.DataFrame, suite: str, day: date
) -> ExpectationResult:
    absent = [column for column in entry.needs if column not in frame.columns]
    return ExpectationResult(
        day=day,
        suite=suite,
        table_name=entry.table_name,
        expectation=entry.expectation,
        column_name=", ".join(entry.columns) or None,
        severity=entry.severity,
        outcome="passed" if answer is not None and answer.success else "failed",
        element_count=len(frame),
        unexpected_count=answer.unexpected_count if answer is not None else None,
        observed=(
            f"absent from the table: {', '.join(absent)}"
            if answer is None
            else _observed(entry, answer, frame)
        ),
        promise=entry.promise,
        remedy=entry.remedy,
    )


def _observed(entry: Entry, answer: _Answer, frame: pd.DataFrame) -> str:
    """What was found, in counts and shares."""
    rows = len(frame)
    if entry.expectation == "expect_table_row_count_to_be_between":
        return f"{rows:,} rows"
    if entry.expectation == "expect_table_columns_to_match_set":
        missing = [name for name in entry.kwargs["column_set"] if name not in frame.columns]
        if missing:
            return f"absent from the table: {', '.join(missing)}"
        return f"{len(frame.columns):,} columns, all expected ones among them"
    if entry.table_name == "profile" and rows == 1:
        return _shown(entry.show or entry.columns[0], frame)
    if rows == 0:
        return "no rows"
    assert answer.unexpected_count is not None
    judged = rows - answer.missing_count
    if judged == 0:
        return f"all {rows:,} rows are null, nothing to judge"
    share = answer.unexpected_count / judged
    found = f"{answer.unexpected_count:,} of {judged:,} rows break it ({share:.2%})"
    return f"{found}; {answer.missing_count:,} null" if answer.missing_count else found


def _shown(column: str, profile: pd.DataFrame) -> str:
    """The content of a profile's column: a count, a share, or a line made for being shown."""
    content = profile[column].iloc[0]
    if isinstance(content, str):
        return content
    if pd.isna(content):
        return "not measured: no rows"
    return f"{content:.2%}" if column.endswith("_share") else f"{content:,.6g}"


def _answers(
    frame: pd.DataFrame, entries: Mapping[int, Entry], *, suite: Suite, day: date
) -> dict[int, _Answer]:
    """Run the entries on the frame; every entry has an answer with content, or QualityError."""
    if not entries:
        return {}
    table_name = next(iter(entries.values())).table_name
    gx = _great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas(suite.name)
        .add_dataframe_asset(table_name)
        .add_batch_definition_whole_dataframe("whole")
        .get_batch(batch_parameters={"dataframe": frame})
    )
    try:
        # BASIC with no examples: SUMMARY and COMPLETE copy values into the results.
        validation = batch.validate(
            expectation_suite(suite, entries),
            result_format={"result_format": "BASIC", "partial_unexpected_count": 0},
        )
    except gx.exceptions.GreatExpectationsError as raised:
        raise QualityError(
            f"Suite {suite.name} of {day}, {table_name}: Great Expectations gave up: {raised}. "
            f"Nothing was judged; check {suite.path}."
        ) from raised
    # Results come back in another order than asked for, those that raised first.
    answers: dict[int, _Answer] = {}
    for result in validation.results:
        position = int(result.expectation_config.meta["position"])
        answers[position] = _answer(result, entry=entries[position], suite=suite, day=day)
    unanswered = [entry.name for position, entry in entries.items() if position not in answers]
    if unanswered:
        raise QualityError(
            f"Suite {suite.name} of {day}: Great Expectations did not answer "
            f"{'; '.join(unanswered)}. Nothing was judged; check {suite.path}."
        )
    return answers


def _answer(result: Any, *, entry: Entry, suite: Suite, day: date) -> _Answer:
    where = f"Suite {suite.name} of {day}, {entry.name}"
    hidden = _hidden_exceptions(result.exception_info)
    if hidden:
        raise QualityError(
            f"{where}: Great Expectations hid an exception: {'; '.join(hidden)}. The promise was "
            "not judged. Check the column's type in the lake and the kwargs in the suite's file."
        )
    content = result.result
    is_of_rows = bool(entry.columns)
    has_content = "unexpected_count" in content if is_of_rows else content.get("observed_value")
    if has_content is None or has_content is False:
        raise QualityError(
            f"{where}: expected a result, Great Expectations answered with no content and no "
            "exception. The promise was not judged; use a kind of expectation that can be."
        )
    return _Answer(
        success=bool(result.success),
        unexpected_count=int(content["unexpected_count"]) if is_of_rows else None,
        missing_count=int(content.get("missing_count", 0)) if is_of_rows else 0,
    )


def _hidden_exceptions(info: Any) -> list[str]:
    """The messages in an `exception_info`, which is flat, or keyed by metric when one raised."""
    parts = [info] if "raised_exception" in info else list(info.values())
    return sorted({str(part["exception_message"]) for part in parts if part["raised_exception"]})


def expectation_suite(suite: Suite, entries: Mapping[int, Entry]) -> Any:
    """The entries as a Great Expectations `ExpectationSuite`; each one's key is in its meta.

    Raises UserError if Great Expectations refuses the kwargs of an entry.
    """
    gx = _great_expectations()
    from great_expectations.compatibility.pydantic import ValidationError
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.expectations.registry import get_expectation_impl

    built = []
    for position, entry in entries.items():
        try:
            built.append(
                get_expectation_impl(entry.expectation)(
                    **entry.kwargs,
                    severity=FailureSeverity(entry.severity),
                    meta={
                        "position": position,
                        "promise": entry.promise,
                        "remedy": entry.remedy,
                    },
                )
            )
        except (ValidationError, ValueError, TypeError) as refused:
            raise UserError(
                f"{suite.path}: {entry.name}: Great Expectations refuses the kwargs "
                f"{dict(entry.kwargs)}: {refused}"
            ) from refused
    return gx.ExpectationSuite(name=suite.name, expectations=built)


def _great_expectations() -> Any:
    # Releases before 1.24 phone home unless told otherwise before the first import.
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations

    return great_expectations


# --- The record ----------------------------------------------------------------------------------


def results_frame(results: Iterable[ExpectationResult]) -> pd.DataFrame:
    """The results as rows of `data_quality_results`, in their order; see `RESULT_SCHEMA`."""
    return _frame(_arrow(results))


def _arrow(results: Iterable[ExpectationResult]) -> pa.Table:
    return pa.Table.from_pylist([vars(result) for result in results], schema=RESULT_SCHEMA)


def _frame(table: pa.Table) -> pd.DataFrame:
    counts = dict.fromkeys(("element_count", "unexpected_count"), "Int64")
    frame: pd.DataFrame = table.to_pandas().astype(counts)
    return frame


def write_results(home: Path, results: Iterable[ExpectationResult]) -> tuple[Path, ...]:
    """Record each suite and day as `<home>/quality/<suite>/<day>.parquet`, replacing it whole.

    A reader sees the old file or the new one, never half of one. Returns the paths written.
    Raises QualityError if there is nothing to record.
    """
    grouped: dict[tuple[str, date], list[ExpectationResult]] = {}
    for result in results:
        grouped.setdefault((result.suite, result.day), []).append(result)
    if not grouped:
        raise QualityError("Expected results to record, found none. Record what validate returned.")
    paths = []
    for (suite, day), group in grouped.items():
        path = home / "quality" / suite / f"{day.isoformat()}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
        pq.write_table(_arrow(group), unfinished)
        unfinished.replace(path)
        paths.append(path)
    return tuple(paths)


def read_results(home: Path) -> pd.DataFrame:
    """All recorded results as `data_quality_results`, by suite and day; no rows if none are."""
    paths = sorted((home / "quality").glob("*/*.parquet"))
    tables = [pq.read_table(path, schema=RESULT_SCHEMA) for path in paths]
    return _frame(pa.concat_tables(tables) if tables else RESULT_SCHEMA.empty_table())


# --- Dagster's asset checks ----------------------------------------------------------------------

CoercibleKey = dg.AssetKey | str | Sequence[str]


def asset_check_specs(
    suite: str, asset_key: CoercibleKey, *, folder: Path = EXPECTATIONS_FOLDER
) -> list[dg.AssetCheckSpec]:
    """One blocking check per table of the suite, named `<suite>_<table>`.

    Blocking means: what depends on the asset does not run once a check fails with severity ERROR.
    """
    loaded = load_suite(suite, folder=folder)
    return [
        dg.AssetCheckSpec(
            name=_check_name(suite, table_name),
            asset=dg.AssetKey.from_coercible(asset_key),
            blocking=True,
            description=(
                f"{len(loaded.of_table(table_name))} promises on {table_name}, "
                f"see expectations/{suite}.json."
            ),
        )
        for table_name in loaded.tables
    ]


def asset_check_results(
    results: Sequence[ExpectationResult], asset_key: CoercibleKey
) -> Iterator[dg.AssetCheckResult]:
    """One check result per table, of one day or of the several days of a range run.

    A broken critical promise gives severity ERROR, which blocks; broken warnings alone give
    severity WARN, which does not: Dagster blocks on ERROR only. The metadata hold every promise
    as a table, broken ones first. Raises QualityError if the results are of several suites.
    """
    suites = sorted({result.suite for result in results})
    if len(suites) != 1:
        raise QualityError(
            f"Expected the results of one suite, found {', '.join(suites) or 'none'}. "
            "Report each suite on its own asset."
        )
    by_table: dict[str, list[ExpectationResult]] = {}
    for result in results:
        by_table.setdefault(result.table_name, []).append(result)
    for table_name, of_table in by_table.items():
        broken = [result for result in of_table if result.outcome == "failed"]
        critical = [result for result in broken if result.severity == "critical"]
        is_warning_only = bool(broken) and not critical
        yield dg.AssetCheckResult(
            asset_key=dg.AssetKey.from_coercible(asset_key),
            check_name=_check_name(suites[0], table_name),
            passed=not broken,
            severity=(
                dg.AssetCheckSeverity.WARN if is_warning_only else dg.AssetCheckSeverity.ERROR
            ),
            description=_in_short(broken),
            metadata={
                "days": ", ".join(sorted({result.day.isoformat() for result in of_table})),
                "promises": dg.MetadataValue.md(_promises_table(of_table)),
                "broken_critical": len(critical),
                "broken_warning": len(broken) - len(critical),
            },
        )


def _check_name(suite: str, table_name: str) -> str:
    return f"{suite}_{table_name}"


def _in_short(broken: Sequence[ExpectationResult]) -> str:
    """The worst broken promise in one line, and how many more there are."""
    if not broken:
        return "Every promise holds."
    worst = min(broken, key=lambda result: result.severity != "critical")
    more = f" {len(broken) - 1} more broken." if len(broken) > 1 else ""
    return f"Broken on {worst.day}: {worst.promise} Found: {worst.observed}.{more}"


def _promises_table(results: Sequence[ExpectationResult]) -> str:
    """Markdown, one line per promise: over several days, the last day on which it was broken."""
    worst: dict[tuple[str, str | None, Severity], ExpectationResult] = {}
    broken_days: dict[tuple[str, str | None, Severity], int] = {}
    for result in sorted(results, key=lambda result: result.day):
        key = (result.expectation, result.column_name, result.severity)
        is_broken = result.outcome == "failed"
        broken_days[key] = broken_days.get(key, 0) + is_broken
        if key not in worst or is_broken or worst[key].outcome == "passed":
            worst[key] = result
    ordered = sorted(
        worst.items(),
        key=lambda item: (item[1].outcome == "passed", item[1].severity != "critical"),
    )
    lines = [
        "| outcome | severity | promise | observed | day | days broken | expectation | remedy |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, result in ordered:
        cells = (
            result.outcome,
            result.severity,
            result.promise,
            result.observed,
            result.day.isoformat(),
            str(broken_days[key]),
            f"{result.expectation}({result.column_name or ''})",
            result.remedy if result.outcome == "failed" else "",
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
