"""A published file written by hand from the contract, as a run would leave it.

`PublishedHome` writes literal rows only; nothing here scores. The default `published_home`
holds two days and, on the later one, an account with everything, one without a campaign, and
one of which nothing but its rank is known.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

EARLIER = date(2026, 6, 13)
AS_OF = date(2026, 6, 14)
PRIOR = 0.002

EVIDENCE_LIST = "STRUCT(signal VARCHAR, bits DOUBLE, statement VARCHAR)[]"
TABLES: Mapping[str, Mapping[str, str]] = {
    "suspected_extraction_accounts": {
        "as_of_date": "DATE",
        "rank": "INTEGER",
        "account_id": "VARCHAR",
        "org_id": "VARCHAR",
        "score": "DOUBLE",
        "evidence_bits": "DOUBLE",
        "campaign_id": "VARCHAR",
        "campaign_size": "INTEGER",
        "reasons": EVIDENCE_LIST,
        "exculpatory": EVIDENCE_LIST,
        "not_checked": "VARCHAR[]",
        "first_seen": "TIMESTAMP",
        "last_seen": "TIMESTAMP",
        "requests_28d": "BIGINT",
        "output_tokens_28d": "BIGINT",
        "list_price_usd_28d": "DOUBLE",
        "review_status": "VARCHAR",
    },
    "suspected_campaigns": {
        "as_of_date": "DATE",
        "campaign_id": "VARCHAR",
        "size": "INTEGER",
        "score": "DOUBLE",
        "shared_evidence": "VARCHAR[]",
        "requests_28d": "BIGINT",
        "output_tokens_28d": "BIGINT",
        "first_seen": "TIMESTAMP",
        "last_seen": "TIMESTAMP",
        "members_added_7d": "INTEGER",
    },
    "account_signals": {
        "as_of_date": "DATE",
        "account_id": "VARCHAR",
        "signal_name": "VARCHAR",
        "family": "VARCHAR",
        "level_name": "VARCHAR",
        "bits": "DOUBLE",
        "raw_bits": "DOUBLE",
        "statement": "VARCHAR",
        "is_checked": "BOOLEAN",
    },
    "account_features": {"as_of_date": "DATE", "account_id": "VARCHAR", "requests_28d": "BIGINT"},
    "data_quality_results": {
        "day": "DATE",
        "suite": "VARCHAR",
        "table_name": "VARCHAR",
        "expectation": "VARCHAR",
        "column_name": "VARCHAR",
        "severity": "VARCHAR",
        "outcome": "VARCHAR",
        "element_count": "BIGINT",
        "unexpected_count": "BIGINT",
        "observed": "VARCHAR",
        "promise": "VARCHAR",
        "remedy": "VARCHAR",
    },
    "ingested_files": {
        "table_name": "VARCHAR",
        "delivery_date": "DATE",
        "file": "VARCHAR",
        "rows_in": "BIGINT",
        "rows_kept": "BIGINT",
        "rows_rejected": "BIGINT",
        "rows_duplicate": "BIGINT",
        "read_by": "VARCHAR",
        "note": "VARCHAR",
    },
    "rejected_rows": {
        "table_name": "VARCHAR",
        "delivery_date": "DATE",
        "file": "VARCHAR",
        "line": "BIGINT",
        "reason": "VARCHAR",
        "bytes": "BIGINT",
    },
    "scoring_settings": {"name": "VARCHAR", "number": "DOUBLE", "meaning": "VARCHAR"},
}


@dataclass(frozen=True)
class PublishedHome:
    """A home whose published file a test fills with literal rows."""

    path: Path

    def create_tables(self, tables: Iterable[str] = TABLES) -> PublishedHome:
        with self._connect() as connection:
            for name in tables:
                columns = ", ".join(f"{column} {kind}" for column, kind in TABLES[name].items())
                connection.execute(f"create table {name} ({columns})")
        return self

    def add(self, table: str, *rows: Mapping[str, Any]) -> PublishedHome:
        with self._connect() as connection:
            for row in rows:
                marks = ", ".join(f"?::{TABLES[table][column]}" for column in row)
                connection.execute(
                    f"insert into {table} ({', '.join(row)}) values ({marks})", list(row.values())
                )
        return self

    def run(self, statement: str) -> PublishedHome:
        with self._connect() as connection:
            connection.execute(statement)
        return self

    def _connect(self) -> duckdb.DuckDBPyConnection:
        folder = self.path / "published"
        folder.mkdir(parents=True, exist_ok=True)
        return duckdb.connect(str(folder / "extraction_watch.duckdb"))


def score_of(evidence_bits: float) -> float:
    """Return the score that a run publishes for a sum of bits, from the formula in the contract."""
    return 1 / (1 + 2 ** -(math.log2(PRIOR / (1 - PRIOR)) + evidence_bits))


def evidence(signal: str, bits: float, statement: str) -> dict[str, Any]:
    return {"signal": signal, "bits": bits, "statement": statement}


FULL_ACCOUNT = {
    "as_of_date": AS_OF,
    "rank": 1,
    "account_id": "acct_full",
    "org_id": "org_9",
    "score": score_of(14.1),
    "evidence_bits": 14.1,
    "campaign_id": "c-7f3a",
    "campaign_size": 212,
    "reasons": [
        evidence("sig_shared_rare_template", 8.4, "212 accounts send the same rare instruction."),
        evidence("sig_reasoning_elicitation", 4.2, "61 % of 480 prompts ask for the reasoning."),
        evidence("sig_release_pivot", 3.0, "52 % of traffic moved to a new model within 24 hours."),
    ],
    "exculpatory": [
        evidence("sig_long_history", -1.5, "The account has paid for 14 months without a break.")
    ],
    "not_checked": ["sig_tls_sharing", "sig_signup_burst"],
    "first_seen": datetime(2026, 5, 30, 4, 10),
    "last_seen": datetime(2026, 6, 14, 23, 59),
    "requests_28d": 480,
    "output_tokens_28d": 1_240_000,
    "list_price_usd_28d": 93.5,
    "review_status": "new",
}
LONE_ACCOUNT = {
    **FULL_ACCOUNT,
    "rank": 2,
    "account_id": "acct_lone",
    "org_id": None,
    "score": score_of(2.0),
    "evidence_bits": 2.0,
    "campaign_id": None,
    "campaign_size": None,
    "reasons": [evidence("sig_round_the_clock", 2.0, "Active in 97 % of 10-minute windows.")],
    "exculpatory": [],
    "not_checked": [],
    "review_status": "dismissed",
}
NULL_ACCOUNT = {"as_of_date": AS_OF, "rank": 3, "account_id": "acct_null"}

CAMPAIGN = {
    "as_of_date": AS_OF,
    "campaign_id": "c-7f3a",
    "size": 212,
    "score": 0.97,
    "shared_evidence": [
        "212 accounts send one instruction that no other account sends.",
        "188 of them use one rare set of parameters.",
    ],
    "requests_28d": 101_760,
    "output_tokens_28d": 262_000_000,
    "first_seen": datetime(2026, 5, 30, 4, 10),
    "last_seen": datetime(2026, 6, 14, 23, 59),
    "members_added_7d": 18,
}


@pytest.fixture(scope="session")
def _empty_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return PublishedHome(tmp_path_factory.mktemp("empty")).create_tables().path


@pytest.fixture(scope="session")
def _published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(PublishedHome(tmp_path_factory.mktemp("published")).create_tables()).path


@pytest.fixture
def empty_home(_empty_once: Path, tmp_path: Path) -> PublishedHome:
    """A home with every published table and no row."""
    return PublishedHome(shutil.copytree(_empty_once, tmp_path / "home"))


@pytest.fixture
def published_home(_published_once: Path, tmp_path: Path) -> PublishedHome:
    """A home with two ranked days; see the module docstring."""
    return PublishedHome(shutil.copytree(_published_once, tmp_path / "home"))


def fill(empty_home: PublishedHome) -> PublishedHome:
    empty_home.add(
        "suspected_extraction_accounts",
        {**FULL_ACCOUNT, "as_of_date": EARLIER, "rank": 4},
        {**LONE_ACCOUNT, "as_of_date": EARLIER, "rank": 1, "account_id": "acct_gone"},
        FULL_ACCOUNT,
        LONE_ACCOUNT,
        NULL_ACCOUNT,
    )
    empty_home.add("suspected_campaigns", CAMPAIGN)
    signal = {"as_of_date": AS_OF, "account_id": "acct_full", "family": "content"}
    empty_home.add(
        "account_signals",
        {
            **signal,
            "signal_name": "sig_reasoning_elicitation",
            "bits": 4.2,
            "raw_bits": 6.0,
            "is_checked": True,
        },
        {**signal, "signal_name": "sig_logit_probe", "bits": 0, "raw_bits": 0, "is_checked": True},
        {**signal, "signal_name": "sig_tls_sharing", "bits": 0, "raw_bits": 0, "is_checked": False},
    )
    empty_home.add(
        "account_features",
        *[
            {"as_of_date": AS_OF, "account_id": account_id}
            for account_id in ("acct_full", "acct_lone", "acct_null", "acct_quiet")
        ],
    )
    check = {"day": AS_OF, "suite": "requests", "table_name": "requests", "severity": "critical"}
    empty_home.add(
        "data_quality_results",
        {**check, "outcome": "passed", "promise": "Every request names an account."},
        {
            **check,
            "outcome": "failed",
            "column_name": "output_tokens",
            "promise": "Output tokens are never negative.",
            "element_count": 1000,
            "unexpected_count": 7,
            "observed": "-1",
            "remedy": "Ask the gateway's owner for a corrected export.",
        },
    )
    empty_home.add(
        "ingested_files",
        {
            "table_name": "requests",
            "delivery_date": AS_OF,
            "file": "requests-00.jsonl.gz",
            "rows_in": 1010,
            "rows_kept": 1000,
            "rows_rejected": 7,
            "rows_duplicate": 3,
            "read_by": "native",
        },
    )
    empty_home.add(
        "rejected_rows",
        *[
            {
                "table_name": "requests",
                "delivery_date": AS_OF,
                "line": line,
                "reason": "account_id is missing",
            }
            for line in range(7)
        ],
    )
    return empty_home.add(
        "scoring_settings",
        {
            "name": "prior_probability",
            "number": PRIOR,
            "meaning": "Share of accounts assumed to extract before any evidence.",
        },
    )
