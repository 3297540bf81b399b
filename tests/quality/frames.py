"""Small frames that keep every promise, and for every promise a way to break it.

A spoiler takes a good frame and returns one that breaks the promise it is named for. The names
are those of `pipelines.quality.Entry.name`; a promise without a spoiler fails the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from pipelines.quality import arrival_profile

DAY = date(2026, 11, 10)
NOON = datetime(2026, 11, 10, 12)
ROWS = 400
PSEUDONYM = "0123456789abcdef0123"
SECRETS = ("ada@example.org", "203.0.113.77", "acct-secret", "campaign-secret", "sentence-secret")

Spoiler = Callable[[pd.DataFrame], pd.DataFrame]


def good_requests(rows: int = ROWS) -> pd.DataFrame:
    """Requests as the lake has them, with nulls where a source says nothing."""
    return pd.DataFrame(
        {
            "delivery_date": [DAY] * rows,
            "source": "native",
            "request_key": pd.Series(range(1, rows + 1), dtype="uint64"),
            "request_id": [f"req-{number}" for number in range(rows)],
            "account_id": [f"acct-secret-{number % 20}" for number in range(rows)],
            "org_id": [None if number % 2 else "org-1" for number in range(rows)],
            "api_key_id": PSEUDONYM,
            "end_user_id": pd.Series([None] * rows, dtype="object"),
            "started_at": [NOON + timedelta(seconds=number) for number in range(rows)],
            "model": "large-1",
            "input_tokens": [None if number % 10 == 0 else 120.0 for number in range(rows)],
            "output_tokens": [0.0 if number % 10 == 0 else 480.0 for number in range(rows)],
            "pathway": "api",
            "endpoint": "chat",
            "duration_ms": 900,
            "stream": True,
            "batch": False,
            "cached_tokens": 0,
            "reasoning_tokens": 0,
            "cost_usd": 0.01,
            "http_status": [429.0 if number % 50 == 0 else 200.0 for number in range(rows)],
            "stop_reason": "stop",
            "stop_category": None,
            "temperature": 0.7,
            "top_p": None,
            "n": 1,
            "max_tokens": 1024,
            "seed": None,
            "top_logprobs": None,
            "logit_bias_count": 0,
            "tools_count": 0,
            "logprobs": False,
            "tools_hash": None,
            "response_format": "text",
            "session_id": PSEUDONYM,
            "turn": 1,
            "reasoning_signature": pd.Series([None] * rows, dtype="object"),
            "ip": PSEUDONYM,
            "ip_network": PSEUDONYM,
            "user_agent": PSEUDONYM,
            "tls_fingerprint": PSEUDONYM,
            "ip_type": "datacenter",
            "prompt_state": "full",
            "prompt_chars": 300,
        }
    )


def good_files(rows: int = ROWS) -> pd.DataFrame:
    """Two files of requests, of which some rows were duplicates, and one of accounts."""
    half = rows // 2
    return pd.DataFrame(
        {
            "table_name": ["requests", "requests", "accounts"],
            "delivery_date": [DAY] * 3,
            "file": ["part-1.jsonl.gz", "part-2.jsonl.gz", "accounts.csv"],
            "size_bytes": [40_000, 40_000, 1_000],
            "sha256": ["a" * 64, "b" * 64, "c" * 64],
            "file_kind": ["jsonl.gz", "jsonl.gz", "csv"],
            "read_by": ["fast", "careful", "fast"],
            "rows_in": [half + 10, rows - half, 20],
            "rows_kept": [half, rows - half, 20],
            "rows_rejected": [0, 0, 0],
            "rows_duplicate": [10, 0, 0],
            "rows_account_from_key": [0, 0, 0],
            "rows_account_unresolved": [1, 0, 0],
            "unknown_columns": [[], [], ["region"]],
            "uncast_values": [0, 0, 0],
            "note": pd.Series([None] * 3, dtype="object"),
        }
    )


def good_history() -> pd.DataFrame:
    """Deliveries of five equal weekdays, the last of them that of the day, and its counters."""
    return pd.DataFrame(
        {
            "delivery_date": [pd.Timestamp(DAY) - pd.Timedelta(weeks=weeks) for weeks in range(5)],
            "kept_rows": [ROWS] * 5,
            "same_day_rows": [ROWS] * 5,
            "counted_requests": [float(ROWS)] * 5,
        }
    )


def arrival_frames(
    requests: pd.DataFrame | None = None,
    files: pd.DataFrame | None = None,
    history: pd.DataFrame | None = None,
) -> dict[str, pd.DataFrame]:
    requests = good_requests() if requests is None else requests
    files = good_files() if files is None else files
    history = good_history() if history is None else history
    return {
        "requests": requests,
        "files": files,
        "profile": arrival_profile(files, requests, DAY, history),
    }


def line(signal: str, bits: float | None, statement: str | None = None) -> dict[str, Any]:
    return {
        "signal": signal,
        "bits": bits,
        "statement": statement or f"sentence-secret of {signal}.",
    }


def good_accounts() -> pd.DataFrame:
    """Five ranked accounts: a campaign of two, a tie, one without any evidence."""
    return pd.DataFrame(
        {
            "as_of_date": [DAY] * 5,
            "rank": [1, 2, 3, 4, 5],
            "account_id": [f"acct-secret-{letter}" for letter in "adbce"],
            "org_id": ["org-1", None, None, None, None],
            "score": [0.9, 0.9, 0.2, 0.2, 0.001],
            "evidence_bits": [9.5, 9.0, 4.0, 4.0, 0.0],
            "campaign_id": ["campaign-secret", "campaign-secret", None, None, None],
            "campaign_size": [2.0, 2.0, None, 1.0, 0.0],
            "reasons": [
                [line("shared_rare_template", 8.0), line("bulk", 3.0)],
                [line("shared_rare_template", 9.0)],
                [line("bulk", 4.0)],
                [line("bulk", 4.0)],
                [],
            ],
            "exculpatory": [[line("long_history", -1.5)], [], [], [], []],
            "not_checked": [["prompts"], [], [], [], []],
            "first_seen": [NOON - timedelta(days=3)] * 5,
            "last_seen": [NOON] * 5,
            "requests_28d": [700, 650, 40, 30, 2],
            "output_tokens_28d": [90_000.0, 80_000.0, 900.0, None, 0.0],
            "list_price_usd_28d": [4.5, 4.0, None, 0.0, 0.0],
            "review_status": ["new", "open", "confirmed", "dismissed", "allowlisted"],
        }
    )


def good_campaigns() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "as_of_date": [DAY],
            "campaign_id": ["campaign-secret"],
            "size": [2],
            "score": [0.95],
            "first_seen": [NOON - timedelta(days=3)],
            "last_seen": [NOON],
        }
    )


def leaving_input() -> dict[str, pd.DataFrame]:
    return {
        "suspected_extraction_accounts": good_accounts(),
        "suspected_campaigns": good_campaigns(),
    }


def put(column: str, content: Any, *, row: int = 0, rows: int = 1) -> Spoiler:
    """Writes `content` into `rows` rows of `column`, from `row` on."""

    def spoil(frame: pd.DataFrame) -> pd.DataFrame:
        cells = frame[column].astype("object").tolist()
        cells[row : row + rows] = [content] * rows
        dtype = frame[column].dtype
        is_same_kind = content is not None and dtype.kind in "iufM" and not isinstance(content, str)
        return frame.assign(**{column: pd.Series(cells, dtype=dtype if is_same_kind else "object")})

    return spoil


def drop(column: str) -> Spoiler:
    return lambda frame: frame.drop(columns=column)


def nobody(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[:0]


def first_twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[:1]], ignore_index=True)


NOT_NULL = "expect_column_values_to_not_be_null"
UNIQUE = "expect_column_values_to_be_unique"
IN_SET = "expect_column_values_to_be_in_set"
BETWEEN = "expect_column_values_to_be_between"
MATCH = "expect_column_values_to_match_regex"
NOT_MATCH = "expect_column_values_to_not_match_regex"
PAIR = "expect_column_pair_values_a_to_be_greater_than_b"
COMPOUND = "expect_compound_columns_to_be_unique"
COLUMNS = "expect_table_columns_to_match_set"
ROW_COUNT = "expect_table_row_count_to_be_between"

# Frame to spoil, spoiler; for the profile, the frame that it is computed from.
Example = tuple[str, Spoiler]

ARRIVAL_EXAMPLES: dict[str, Example] = {
    f"requests.{COLUMNS}() critical": ("requests", drop("temperature")),
    f"requests.{ROW_COUNT}() warning": ("requests", nobody),
    f"requests.{NOT_NULL}(account_id) critical": (
        "requests",
        put("account_id", None, rows=ROWS),
    ),
    f"requests.{NOT_NULL}(account_id) warning": ("requests", put("account_id", None, rows=9)),
    f"requests.{NOT_NULL}(request_key) critical": ("requests", put("request_key", None)),
    f"requests.{UNIQUE}(request_key) warning": ("requests", put("request_key", 2)),
    f"requests.{NOT_NULL}(started_at) critical": ("requests", put("started_at", pd.NaT)),
    f"requests.{NOT_NULL}(model) warning": ("requests", put("model", None, rows=9)),
    f"requests.{BETWEEN}(input_tokens) critical": ("requests", put("input_tokens", -5, rows=9)),
    f"requests.{BETWEEN}(input_tokens) warning": ("requests", put("input_tokens", -5)),
    f"requests.{BETWEEN}(output_tokens) critical": (
        "requests",
        put("output_tokens", 1e12, rows=9),
    ),
    f"requests.{BETWEEN}(output_tokens) warning": ("requests", put("output_tokens", -1)),
    f"requests.{BETWEEN}(http_status) warning": ("requests", put("http_status", 20)),
    f"requests.{BETWEEN}(duration_ms) warning": ("requests", put("duration_ms", -1)),
    f"requests.{BETWEEN}(turn) warning": ("requests", put("turn", 0)),
    f"requests.{IN_SET}(prompt_state) critical": ("requests", put("prompt_state", "shortened")),
    f"requests.{NOT_NULL}(prompt_state) critical": ("requests", put("prompt_state", None)),
    f"requests.{NOT_MATCH}(account_id) critical": ("requests", put("account_id", SECRETS[0])),
    f"requests.{NOT_MATCH}(org_id) critical": ("requests", put("org_id", SECRETS[0])),
    **{
        f"requests.{MATCH}({column}) critical": ("requests", put(column, SECRETS[1]))
        for column in (
            "api_key_id",
            "end_user_id",
            "session_id",
            "reasoning_signature",
            "ip",
            "ip_network",
            "user_agent",
            "tls_fingerprint",
        )
    },
    f"files.{COLUMNS}() critical": ("files", drop("file_kind")),
    f"files.{ROW_COUNT}() warning": ("files", nobody),
    f"files.{IN_SET}(table_name) critical": ("files", put("table_name", "prompts", row=2)),
    f"files.{NOT_NULL}(file) critical": ("files", put("file", None)),
    f"files.{COMPOUND}(table_name, file) critical": ("files", first_twice),
    f"files.{IN_SET}(read_by) critical": ("files", put("read_by", "guessed")),
    f"files.{NOT_NULL}(read_by) critical": ("files", put("read_by", None)),
    f"files.{NOT_NULL}(sha256) warning": ("files", put("sha256", None)),
    f"files.{UNIQUE}(sha256) warning": ("files", put("sha256", "b" * 64)),
    f"files.{BETWEEN}(size_bytes) warning": ("files", put("size_bytes", 0)),
    f"profile.{BETWEEN}(rejected_share) critical": ("files", put("rows_rejected", 90)),
    f"profile.{BETWEEN}(rejected_share) warning": ("files", put("rows_rejected", 9)),
    f"profile.{BETWEEN}(duplicate_share) warning": ("files", put("rows_duplicate", 150)),
    f"profile.{BETWEEN}(unaccounted_share) critical": ("files", put("rows_in", 260)),
    f"profile.{BETWEEN}(unaccounted_share) warning": ("files", put("rows_in", 211)),
    f"profile.{BETWEEN}(uncast_per_row) warning": ("files", put("uncast_values", 9)),
    f"profile.{BETWEEN}(unresolved_account_share) warning": (
        "files",
        put("rows_account_unresolved", 21),
    ),
    f"profile.{BETWEEN}(other_day_rows) critical": (
        "requests",
        put("delivery_date", DAY - timedelta(days=1)),
    ),
    f"profile.{BETWEEN}(sample_surplus_rows) critical": ("requests", nobody),
    f"profile.{BETWEEN}(set_aside_share) critical": ("files", put("read_by", "set_aside", rows=2)),
    f"profile.{BETWEEN}(set_aside_files) warning": ("files", put("read_by", "set_aside", row=2)),
    f"profile.{BETWEEN}(future_share) critical": (
        "requests",
        put("started_at", pd.Timestamp(DAY) + timedelta(days=2), rows=9),
    ),
    f"profile.{BETWEEN}(implausible_time_share) critical": (
        "requests",
        put("started_at", pd.Timestamp(1970, 1, 21), rows=9),
    ),
    f"profile.{BETWEEN}(outside_window_share) warning": (
        "requests",
        put("started_at", pd.Timestamp(DAY) - timedelta(days=8), rows=41),
    ),
    f"profile.{BETWEEN}(missing_token_share) warning": (
        "requests",
        put("output_tokens", None, rows=300),
    ),
    f"profile.{BETWEEN}(missing_request_id_share) warning": (
        "requests",
        put("request_id", None, rows=300),
    ),
    f"profile.{BETWEEN}(usual_share) critical": ("history", put("kept_rows", 60 * ROWS, rows=5)),
    f"profile.{BETWEEN}(usual_share) warning": ("history", put("kept_rows", 4 * ROWS, rows=5)),
    f"profile.{BETWEEN}(uncounted_share) warning": ("history", put("counted_requests", 9e9)),
    f"profile.{BETWEEN}(dominant_request_id_share) warning": (
        "requests",
        put("request_id", "chatcmpl-213", rows=41),
    ),
}

ACCOUNTS, CAMPAIGNS = "suspected_extraction_accounts", "suspected_campaigns"
LEAVING_EXAMPLES: dict[str, Example] = {
    f"{ACCOUNTS}.{COLUMNS}() critical": (ACCOUNTS, drop("list_price_usd_28d")),
    f"{ACCOUNTS}.{ROW_COUNT}() warning": (ACCOUNTS, nobody),
    **{
        f"{ACCOUNTS}.{NOT_NULL}({column}) critical": (ACCOUNTS, put(column, None))
        for column in (
            "as_of_date",
            "account_id",
            "reasons",
            "exculpatory",
            "not_checked",
            "first_seen",
            "last_seen",
            "review_status",
        )
    },
    **{
        f"{ACCOUNTS}.{NOT_NULL}({column}) critical": (
            ACCOUNTS,
            lambda frame, column=column: frame.assign(
                **{column: frame[column].astype("float64").where(frame["rank"] != 1)}
            ),
        )
        for column in ("rank", "score", "evidence_bits", "requests_28d")
    },
    f"{ACCOUNTS}.{COMPOUND}(as_of_date, account_id) critical": (
        ACCOUNTS,
        put("account_id", "acct-secret-a", row=4),
    ),
    f"{ACCOUNTS}.{COMPOUND}(as_of_date, rank) critical": (ACCOUNTS, put("rank", 1, row=1)),
    f"{ACCOUNTS}.{BETWEEN}(rank_gap) critical": (ACCOUNTS, put("rank", 6, row=4)),
    f"{ACCOUNTS}.{BETWEEN}(lead_days) critical": (
        ACCOUNTS,
        put("as_of_date", DAY + timedelta(days=1)),
    ),
    f"{ACCOUNTS}.{BETWEEN}(score) critical": (ACCOUNTS, put("score", 1.01)),
    f"{ACCOUNTS}.{BETWEEN}(score_rise) critical": (ACCOUNTS, put("score", 0.5, row=4)),
    f"{ACCOUNTS}.{IN_SET}(is_tie_out_of_order) warning": (
        ACCOUNTS,
        put("account_id", "acct-secret-zz", row=2),
    ),
    f"{ACCOUNTS}.{BETWEEN}(receipt_gap_bits) critical": (ACCOUNTS, put("evidence_bits", 9.52)),
    f"{ACCOUNTS}.{BETWEEN}(unexplained_bits) critical": (ACCOUNTS, put("reasons", [], row=2)),
    f"{ACCOUNTS}.{BETWEEN}(misfiled_line_count) warning": (
        ACCOUNTS,
        put("reasons", [line("bulk", 5.0), line("long_history", -1.0)], row=2),
    ),
    f"{ACCOUNTS}.{BETWEEN}(disordered_line_count) warning": (
        ACCOUNTS,
        put("reasons", [line("bulk", 1.0), line("pairs", 3.0)], row=2),
    ),
    f"{ACCOUNTS}.{BETWEEN}(blank_statement_count) warning": (
        ACCOUNTS,
        put("reasons", [{"signal": "bulk", "bits": 4.0, "statement": None}], row=2),
    ),
    f"{ACCOUNTS}.{BETWEEN}(campaign_size_gap) critical": (ACCOUNTS, put("campaign_size", 1)),
    f"{ACCOUNTS}.{BETWEEN}(campaign_record_gap) critical": (CAMPAIGNS, put("size", 3)),
    f"{ACCOUNTS}.{PAIR}(last_seen, first_seen) warning": (
        ACCOUNTS,
        put("last_seen", pd.Timestamp(2026, 11, 1)),
    ),
    f"{ACCOUNTS}.{BETWEEN}(requests_28d) critical": (ACCOUNTS, put("requests_28d", -1)),
    f"{ACCOUNTS}.{BETWEEN}(output_tokens_28d) critical": (ACCOUNTS, put("output_tokens_28d", -1)),
    f"{ACCOUNTS}.{BETWEEN}(list_price_usd_28d) warning": (
        ACCOUNTS,
        put("list_price_usd_28d", -0.01),
    ),
    f"{ACCOUNTS}.{IN_SET}(review_status) critical": (ACCOUNTS, put("review_status", "guilty")),
    f"{CAMPAIGNS}.{COLUMNS}() critical": (CAMPAIGNS, drop("last_seen")),
    f"{CAMPAIGNS}.{NOT_NULL}(as_of_date) critical": (CAMPAIGNS, put("as_of_date", None)),
    f"{CAMPAIGNS}.{NOT_NULL}(campaign_id) critical": (CAMPAIGNS, put("campaign_id", None)),
    f"{CAMPAIGNS}.{NOT_NULL}(size) critical": (
        CAMPAIGNS,
        lambda frame: frame.assign(size=float("nan")),
    ),
    f"{CAMPAIGNS}.{NOT_NULL}(score) warning": (
        CAMPAIGNS,
        lambda frame: frame.assign(score=float("nan")),
    ),
    f"{CAMPAIGNS}.{COMPOUND}(as_of_date, campaign_id) critical": (CAMPAIGNS, first_twice),
    f"{CAMPAIGNS}.{BETWEEN}(score) critical": (CAMPAIGNS, put("score", -0.1)),
    f"{CAMPAIGNS}.{BETWEEN}(size) warning": (CAMPAIGNS, put("size", 1)),
    f"{CAMPAIGNS}.{BETWEEN}(surplus_member_count) critical": (CAMPAIGNS, put("size", 1)),
}
