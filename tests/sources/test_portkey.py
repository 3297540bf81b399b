"""One record per shape of Portkey's log export, and the row it becomes."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources import ADAPTERS
from pipelines.sources.portkey import PORTKEY
from tests.sources.canonical import canonical_rows, workshop_for

REQUEST: dict[str, Any] = {
    "model": "gpt-4o",
    "user": "person-5",
    "temperature": 1,
    "top_p": 0.9,
    "seed": 7,
    "logit_bias": {"50256": -100},
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "How do tides work?"},
    ],
}
RESPONSE: dict[str, Any] = {
    "choices": [{"finish_reason": "length", "message": {"content": "The moon pulls."}}]
}
LOG: dict[str, Any] = {
    "id": "0f3a",
    "trace_id": "t1",
    "created_at": "2026-11-10T00:06:52Z",
    "request": REQUEST,
    "response": RESPONSE,
    "is_success": True,
    "ai_org": "openai",
    "ai_model": "gpt-4o-2024-08-06",
    "req_units": 1244,
    "res_units": 88,
    "total_units": 1332,
    "request_url": "https://api.openai.com/v1/chat/completions",
    "cost": 0.312,
    "cost_currency": "cents",
    "response_time": 1745,
    "response_status_code": 200,
    "mode": "single",
    "config": None,
    "prompt_slug": None,
    "metadata": {"_user": "cust_9", "_organisation": "acme"},
}
# Before jobs could be made in the app: bodies under dotted names, numbers for truth.
OLDER: dict[str, Any] = {
    "created_at": "2026-11-10 00:06:52.000",
    "request.body": json.dumps(REQUEST),
    "response.body": json.dumps(RESPONSE),
    "is_success": 1,
    "ai_org": "openai",
    "ai_model": "gpt-4o-2024-08-06",
    "req_units": 1244,
    "res_units": 88,
    "total_units": 1332,
    "cost": 0.312,
    "cost_currency": "USD",
    "request_url": "https://api.openai.com/v1/chat/completions",
    "request_method": "POST",
    "response_status_code": 200,
    "response_time": 1745,
    "cache_status": "MISS",
    "cache_type": "SIMPLE",
    "stream_mode": "FALSE",
    "retry_success_count": 0,
    "metadata": json.dumps({"_user": "cust_9", "_organisation": "acme"}),
}
RECORDS = (LOG, OLDER)


def row(tmp_path: Path, record: dict[str, Any] = LOG, **changes: Any) -> dict[str, Any]:
    (only,) = canonical_rows(PORTKEY, [{**record, **changes}], tmp_path)
    return only


@pytest.mark.parametrize("record", RECORDS)
def test_a_log(tmp_path: Path, record: dict[str, Any]) -> None:
    found = row(tmp_path, record)
    expected = {
        "request_id": record.get("id"),
        "account_id": "cust_9",
        "org_id": "acme",
        "end_user_id": "person-5",
        "started_at": datetime(2026, 11, 10, 0, 6, 52),
        "model": "gpt-4o-2024-08-06",
        "input_tokens": 1244,
        "output_tokens": 88,
        "pathway": "api",
        "endpoint": "chat",
        "duration_ms": 1745,
        "cost_usd": pytest.approx(0.00312),
        "http_status": 200,
        "stop_reason": "length",
        "temperature": 1.0,
        "top_p": 0.9,
        "n": None,
        "seed": 7,
        "logit_bias_count": 1,
        "logprobs": None,
        "tools_count": None,
        "turn": 1,
        "system_prompt": "Be brief.",
        "prompt": "How do tides work?",
        "previous_prompt": None,
        "response": "The moon pulls.",
        "prompt_state_hint": None,
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected
    assert found["stream"] is (False if "stream_mode" in record else None)


def test_bodies_inside_bodies(tmp_path: Path) -> None:
    found = row(
        tmp_path, request={"body": REQUEST, "url": "x"}, response=json.dumps({"body": RESPONSE})
    )
    assert (found["prompt"], found["response"]) == ("How do tides work?", "The moon pulls.")


@pytest.mark.parametrize(
    ("cost", "currency", "expected"),
    [
        (50, "cents", 0.5),
        (50, "USD", 0.5),
        (-3, "cents", -0.03),
        (50, "EUR", None),
        (50, None, None),
        (None, "cents", None),
    ],
)
def test_cost_is_in_cents(
    tmp_path: Path, cost: object, currency: str | None, expected: float | None
) -> None:
    assert row(tmp_path, cost=cost, cost_currency=currency)["cost_usd"] == expected


@pytest.mark.parametrize(
    ("success", "units", "expected"),
    [
        (True, (0, 0), (None, None)),
        (1, (0, None), (None, None)),
        (True, (12, 0), (12, 0)),
        (False, (0, 0), (0, 0)),
        (None, (0, 0), (0, 0)),
    ],
)
def test_zero_units_of_a_success_were_not_counted(
    tmp_path: Path, success: object, units: tuple[Any, Any], expected: tuple[Any, Any]
) -> None:
    found = row(tmp_path, is_success=success, req_units=units[0], res_units=units[1])
    assert (found["input_tokens"], found["output_tokens"]) == expected


def test_fields_that_the_job_did_not_ask_for_are_not_known(tmp_path: Path) -> None:
    asked = ("created_at", "request", "req_units", "is_success", "metadata")
    (found,) = canonical_rows(PORTKEY, [{name: LOG[name] for name in asked}], tmp_path)
    assert found["model"] == "gpt-4o"
    assert (found["input_tokens"], found["output_tokens"]) == (1244, None)
    assert (found["http_status"], found["endpoint"], found["cost_usd"]) == (200, None, None)
    assert (found["stop_reason"], found["response"], found["request_id"]) == (None, None, None)


@pytest.mark.parametrize(
    ("metadata", "account", "fallback"),
    [
        ({"_user": "cust_9"}, "cust_9", "space"),
        ({"_user": "", "_organisation": "acme"}, None, "acme"),
        ({"_user": None}, None, "space"),
        (None, None, "space"),
        ("no JSON", None, "space"),
    ],
)
def test_the_account(tmp_path: Path, metadata: object, account: str | None, fallback: str) -> None:
    found = row(tmp_path, metadata=metadata, workspace_slug="space")
    assert (found["account_id"], found["account_fallback"]) == (account, fallback)


@pytest.mark.parametrize(
    ("code", "success", "expected"),
    [(429, False, 429), ("500", False, 500), (None, True, 200), (None, False, None)],
)
def test_status(tmp_path: Path, code: object, success: bool, expected: int | None) -> None:
    found = row(tmp_path, response_status_code=code, is_success=success)
    assert found["http_status"] == expected


def test_deliveries(tmp_path: Path) -> None:
    workshop = workshop_for(PORTKEY, tmp_path)
    nobody = {**LOG, "id": "0f3b", "metadata": {}}
    workshop.deliver("export-1.jsonl", [LOG, LOG, nobody])
    workshop.deliver("export-2.jsonl.gz", [OLDER])
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept) == (4, 2)
    assert (summary.rows_duplicate, summary.rows_rejected) == (1, 1)
    assert summary.unknown_columns == ()
    assert workshop.rows("rejected", "file, line, reason") == [
        ("2026-11-10/export-1.jsonl", 3, "account_id is missing")
    ]
    assert workshop.rows(columns="distinct account_id, org_id, prompt_state, source") == [
        ("cust_9", "acme", "full", "portkey")
    ]


def test_recognised() -> None:
    for record in (*RECORDS, {"created_at": "2026-11-10", "res_units": 1}):
        assert [adapter.name for adapter in ADAPTERS if adapter.recognises(record)] == ["portkey"]
