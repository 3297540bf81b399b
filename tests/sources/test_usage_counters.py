"""One report per dialect of counters, and what the lake holds of it."""

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources import ADAPTERS, adapter_named
from pipelines.sources.deliveries import list_deliveries
from tests.lake.conftest import Workshop

REAL = Path(__file__).resolve().parents[2] / ".." / "shared" / "realdata" / "litellm" / "dims"
DAY = date(2026, 11, 10)
NEXT_DAY = date(2026, 11, 11)

NATIVE = {
    "account_id": "acct-1",
    "usage_date": "2026-11-10",
    "request_count": 4,
    "input_tokens": 1244,
    "output_tokens": 88,
}
LITELLM_USER = {
    "id": "0b18b7ae",
    "user_id": "u-1",
    "date": "2026-11-10",
    "api_key": "key-1",
    "model": "openai/gpt-4o",
    "model_group": "gpt-4o",
    "custom_llm_provider": "openai",
    "prompt_tokens": 1000,
    "completion_tokens": 60,
    "spend": 0.000535,
    "api_requests": 3,
    "successful_requests": 2,
    "failed_requests": 1,
    "mcp_namespaced_tool_name": "",
    "endpoint": "/chat/completions",
}
OPENAI_RESULT = {
    "object": "organization.usage.completions.result",
    "input_tokens": 1000,
    "input_cached_tokens": 200,
    "output_tokens": 60,
    "num_model_requests": 3,
    "project_id": "proj_1",
    "user_id": None,
    "api_key_id": None,
    "model": "gpt-4o-2024-08-06",
    "batch": False,
    "service_tier": None,
}
OPENAI_BUCKET = {
    "object": "bucket",
    "start_time": 1794268800,
    "end_time": 1794355200,
    "results": [
        OPENAI_RESULT,
        {**OPENAI_RESULT, "model": "o3", "input_tokens": 244, "output_tokens": 28}
        | {"num_model_requests": 1},
    ],
}
OPENAI_PAGE = {
    "object": "page",
    "data": [OPENAI_BUCKET, {**OPENAI_BUCKET, "start_time": 1794355200, "end_time": 1794441600}],
    "has_more": False,
    "next_page": None,
}
ANTHROPIC_RESULT = {
    "api_key_id": "apikey_01",
    "workspace_id": None,
    "model": "claude-sonnet-5",
    "service_tier": "standard",
    "context_window": "0-200k",
    "uncached_input_tokens": 1000,
    "cache_read_input_tokens": 200,
    "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 4},
    "output_tokens": 88,
    "server_tool_use": {"web_search_requests": 0},
}
ANTHROPIC_REPORT = {
    "data": [
        {
            "starting_at": "2026-11-10T00:00:00Z",
            "ending_at": "2026-11-11T00:00:00Z",
            "results": [ANTHROPIC_RESULT],
        }
    ],
    "has_more": False,
    "next_page": None,
}
ANTHROPIC_ANALYTICS = {
    "data": [
        {
            "starting_at": "2026-11-10T00:00:00Z",
            "ending_at": "2026-11-11T00:00:00Z",
            "group": {"api_key_id": "apikey_01", "model": "claude-sonnet-5"},
            "usage": {
                "request_count": 4,
                "uncached_input_tokens": 1000,
                "cache_read_input_tokens": 200,
                "cache_creation": {"ephemeral_5m_input_tokens": 44},
                "output_tokens": 88,
            },
        }
    ],
    "has_more": False,
    "next_page": None,
}

RECORDS: tuple[Mapping[str, Any], ...] = (
    NATIVE,
    LITELLM_USER,
    OPENAI_PAGE,
    OPENAI_BUCKET,
    ANTHROPIC_REPORT,
    ANTHROPIC_ANALYTICS,
)


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    exports = tmp_path / "exports"
    exports.mkdir()
    return Workshop(exports, tmp_path / "home", table="usage_counters")


def counters(shop: Workshop) -> list[tuple[Any, ...]]:
    return sorted(shop.rows(columns="* exclude (delivery_date)"), key=repr)


def changed(record: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {**record, **changes}


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def pretty(page: Mapping[str, Any]) -> bytes:
    return json.dumps(page, indent=2).encode()


LITELLM_MODELS = [
    LITELLM_USER,
    changed(LITELLM_USER, model="o3", api_requests=1, prompt_tokens=244, completion_tokens=28),
]
KEY_DAY = [("apikey_01", DAY, None, 1244, 88)]
PROJECT_DAY = [("proj_1", DAY, 4, 1244, 88)]
FILES: Mapping[str, tuple[bytes, list[tuple[Any, ...]]]] = {
    "native.csv": (as_csv([NATIVE]), [("acct-1", DAY, 4, 1244, 88)]),
    "litellm.jsonl": (
        b"\n".join(json.dumps(row).encode() for row in LITELLM_MODELS),
        [("u-1", DAY, 4, 1244, 88)],
    ),
    "litellm.csv": (as_csv(LITELLM_MODELS), [("u-1", DAY, 4, 1244, 88)]),
    "team.jsonl": (
        json.dumps(
            {"team_id": "t-1"} | {k: v for k, v in LITELLM_USER.items() if k != "user_id"}
        ).encode(),
        [("t-1", DAY, 3, 1000, 60)],
    ),
    "page.json": (pretty(OPENAI_PAGE), [*PROJECT_DAY, ("proj_1", NEXT_DAY, 4, 1244, 88)]),
    "page.jsonl": (
        json.dumps(OPENAI_PAGE).encode(),
        [*PROJECT_DAY, ("proj_1", NEXT_DAY, 4, 1244, 88)],
    ),
    "buckets.jsonl": (json.dumps(OPENAI_BUCKET).encode(), PROJECT_DAY),
    "buckets.json.gz": (gzip.compress(json.dumps([OPENAI_BUCKET]).encode()), PROJECT_DAY),
    "report.json": (pretty(ANTHROPIC_REPORT), KEY_DAY),
    "report_bucket.jsonl": (json.dumps(ANTHROPIC_REPORT["data"][0]).encode(), KEY_DAY),
    "analytics.json": (pretty(ANTHROPIC_ANALYTICS), [("apikey_01", DAY, 4, 1244, 88)]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_report_of_every_kind(shop: Workshop, name: str) -> None:
    body, expected = FILES[name]
    shop.deliver(name, body)
    summary = shop.ingest()
    assert counters(shop) == expected
    assert (summary.rows_rejected, summary.files_set_aside, summary.uncast_values) == (0, 0, 0)
    assert summary.unknown_columns == ()


def test_counters_lie_beside_the_requests_of_any_adapter(shop: Workshop) -> None:
    """Regression: where requests lie at any depth, counters were read as requests."""
    shop.adapter = adapter_named("litellm_payload")
    folder = shop.exports / "usage_counters" / DAY.isoformat()
    folder.mkdir(parents=True)
    (folder / "page.json").write_bytes(pretty(OPENAI_PAGE))
    (shop.exports / NEXT_DAY.isoformat()).mkdir()
    assert list_deliveries(shop.exports, shop.adapter) == (NEXT_DAY,)
    shop.ingest()
    assert len(counters(shop)) == 2
    assert all("usage_counters" in adapter.tables for adapter in ADAPTERS)


def test_a_counter_that_was_read_twice_counts_once_and_the_greater_stands(shop: Workshop) -> None:
    """Regression: a page fetched before the day was over and again after it would add up."""
    early = changed(OPENAI_RESULT, num_model_requests=1, input_tokens=10, output_tokens=1)
    shop.deliver("early.json", pretty(changed(OPENAI_BUCKET, results=[early])))
    shop.deliver("late.json", pretty(OPENAI_BUCKET))
    shop.deliver("again.json", pretty(OPENAI_PAGE))
    summary = shop.ingest()
    assert counters(shop) == [*PROJECT_DAY, ("proj_1", NEXT_DAY, 4, 1244, 88)]
    assert (summary.rows_in, summary.rows_kept, summary.rows_duplicate) == (7, 4, 3)


def test_models_with_equal_counts_are_two_counters(shop: Workshop) -> None:
    """Regression: rows that are equal in account, day and counts were taken for one row twice."""
    shop.deliver("a.jsonl", [LITELLM_USER, changed(LITELLM_USER, model="o3", id="other")])
    shop.ingest()
    assert counters(shop) == [("u-1", DAY, 6, 2000, 120)]


def test_two_reports_on_the_same_account_are_not_added_up(shop: Workshop) -> None:
    """The one that counts requests stands: here the newer of Anthropic's two."""
    shop.deliver("old.json", pretty(ANTHROPIC_REPORT))
    shop.deliver("new.json", pretty(ANTHROPIC_ANALYTICS))
    summary = shop.ingest()
    assert counters(shop) == [("apikey_01", DAY, 4, 1244, 88)]
    assert (summary.rows_kept, summary.rows_duplicate) == (1, 1)


def test_hours_make_a_day(shop: Workshop) -> None:
    hours = [
        changed(OPENAI_BUCKET, start_time=start, end_time=start + 3600, results=[OPENAI_RESULT])
        for start in (1794268800, 1794351600, 1794355200)
    ]
    shop.deliver("hours.jsonl", hours)
    shop.ingest()
    assert counters(shop) == [("proj_1", DAY, 6, 2000, 120), ("proj_1", NEXT_DAY, 3, 1000, 60)]


def test_embeddings_of_the_same_project_count_as_well(shop: Workshop) -> None:
    kind = "organization.usage.embeddings.result"
    embeddings = {key: value for key, value in OPENAI_RESULT.items() if key != "output_tokens"}
    result = changed(embeddings, object=kind, num_model_requests=7, input_tokens=5)
    shop.deliver("completions.json", pretty(OPENAI_BUCKET))
    shop.deliver("embeddings.json", pretty(changed(OPENAI_BUCKET, results=[result])))
    shop.ingest()
    assert counters(shop) == [("proj_1", DAY, 11, 1249, 88)]


@pytest.mark.parametrize(
    ("ids", "account"),
    [
        ({"user_id": "user-1", "project_id": "proj_1", "api_key_id": "key_1"}, "user-1"),
        ({"user_id": None, "project_id": None, "api_key_id": "key_1"}, "key_1"),
        ({"user_id": None, "project_id": None, "api_key_id": None}, None),
    ],
)
def test_the_account_is_whatever_the_report_is_grouped_by(
    shop: Workshop, ids: dict[str, str | None], account: str | None
) -> None:
    shop.deliver("a.json", pretty(changed(OPENAI_BUCKET, results=[{**OPENAI_RESULT, **ids}])))
    summary = shop.ingest()
    assert [row[0] for row in counters(shop)] == ([account] if account else [])
    assert summary.rows_rejected == (0 if account else 1)


def test_what_counts_nothing_is_no_row_and_no_fault(shop: Workshop) -> None:
    shop.deliver("page.json", pretty(changed(OPENAI_PAGE, data=[])))
    shop.deliver("bucket.jsonl", [changed(OPENAI_BUCKET, results=[])])
    shop.deliver(
        "buckets.json", pretty(changed(OPENAI_PAGE, data=[{**OPENAI_BUCKET, "results": []}]))
    )
    summary = shop.ingest()
    assert (summary.rows_in, summary.files_set_aside) == (0, 0)


COSTS = {"object": "organization.costs.result", "amount": {"value": 0.06}, "project_id": "proj_1"}


@pytest.mark.parametrize(
    "record",
    [
        changed({k: v for k, v in LITELLM_USER.items() if k != "user_id"}, tag="User-Agent: curl"),
        changed({k: v for k, v in LITELLM_USER.items() if k != "user_id"}, end_user_id="e-1"),
        changed(OPENAI_PAGE, data=[changed(OPENAI_BUCKET, results=[COSTS])]),
        {"error": {"message": "rate limited"}},
    ],
)
def test_other_reports_are_refused(shop: Workshop, record: dict[str, Any]) -> None:
    """A request has several tags, an end user is not billed, and costs are no counts."""
    shop.deliver("a.json", json.dumps(record).encode())
    summary = shop.ingest()
    assert counters(shop) == []
    assert summary.rows_rejected + summary.files_set_aside == 1


@pytest.mark.parametrize("is_csv", [True, False])
def test_failures_without_a_user_go_to_the_user_of_their_key(shop: Workshop, is_csv: bool) -> None:
    rows = [
        LITELLM_USER,
        changed(LITELLM_USER, user_id="", model="", api_requests=5)
        | {"prompt_tokens": 0, "completion_tokens": 0},
        changed(LITELLM_USER, user_id="", api_key="key-nobody-uses"),
    ]
    shop.deliver("a", as_csv(rows) if is_csv else rows)
    shop.ingest()
    assert counters(shop) == [("key-nobody-uses", DAY, 3, 1000, 60), ("u-1", DAY, 8, 1000, 60)]


def test_an_unknown_count_makes_the_sum_unknown(shop: Workshop) -> None:
    shop.deliver("a.jsonl", [NATIVE, changed(NATIVE, request_count=None, input_tokens=1)])
    shop.ingest()
    assert counters(shop) == [("acct-1", DAY, None, 1245, 176)]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real gateway log is not beside the repository")
def test_real_roll_ups_agree_with_plain_python(shop: Workshop) -> None:
    def rows_of(name: str) -> list[dict[str, Any]]:
        with gzip.open(REAL / f"LiteLLM_{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    daily = rows_of("DailyUserSpend")
    users = {row["token"]: row["user_id"] for row in rows_of("VerificationToken")}
    expected: dict[tuple[str, date], list[int]] = {}
    for row in daily:
        key = (row["user_id"] or users[row["api_key"]], date.fromisoformat(row["date"]))
        total = expected.setdefault(key, [0, 0, 0])
        for place, name in enumerate(("api_requests", "prompt_tokens", "completion_tokens")):
            total[place] += row[name]
    shop.deliver("user.jsonl.gz", daily)
    summary = replace(shop).ingest()
    assert (summary.rows_in, summary.rows_kept) == (len(daily), len(daily))
    assert counters(shop) == sorted(((*key, *total) for key, total in expected.items()), key=repr)
