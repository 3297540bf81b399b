"""One record per shape in which Helicone's requests are had, and the row it becomes."""

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources import ADAPTERS
from pipelines.sources.helicone import HELICONE
from tests.sources.canonical import canonical_rows, workshop_for

API: dict[str, Any] = {
    "request_id": "req-1",
    "response_id": "res-1",
    "request_created_at": "2026-11-10T00:06:52.266Z",
    "response_created_at": "2026-11-10T00:06:54.011Z",
    "response_status": 200,
    "request_model": "gpt-4o",
    "response_model": "gpt-4o-2024-08-06",
    "provider": "OPENAI",
    "request_path": "https://api.openai.com/v1/chat/completions",
    "request_user_id": "cust_9",
    "request_properties": {"team": "t_7", "Helicone-Session-Id": "sess-1"},
    "helicone_user": "u_42",
    "delay_ms": 1745,
    "time_to_first_token": 610,
    "total_tokens": 1332,
    "prompt_tokens": 1244,
    "completion_tokens": 88,
    "country_code": "DE",
    "costUSD": 0.00312,
    "signed_body_url": "https://example.org/body",
    "request_body": {
        "model": "gpt-4o",
        "temperature": 0.7,
        "n": 4,
        "logprobs": True,
        "top_logprobs": 5,
        "max_completion_tokens": 2048,
        "stream": True,
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "response_format": {"type": "json_schema"},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "First"},
            {"role": "assistant", "content": "Yes"},
            {"role": "user", "content": [{"type": "text", "text": "Second"}, {"type": "image"}]},
        ],
    },
    "response_body": {
        "choices": [{"finish_reason": "stop", "message": {"content": "An answer."}}],
        "usage": {
            "prompt_tokens_details": {"cached_tokens": 12},
            "completion_tokens_details": {"reasoning_tokens": 30},
        },
    },
}

# ClickHouse writes 64-bit integers as strings and times without a zone.
TABLE: dict[str, Any] = {
    "request_id": "req-2",
    "response_id": "res-2",
    "request_created_at": "2026-11-10 00:06:52.266",
    "response_created_at": "2026-11-10 00:06:54.011",
    "latency": "1745",
    "status": "200",
    "prompt_tokens": "1244",
    "completion_tokens": "88",
    "model": "claude-haiku-4-5",
    "provider": "ANTHROPIC",
    "user_id": "cust_9",
    "organization_id": "org-own",
    "proxy_key_id": "key-3",
    "threat": None,
    "time_to_first_token": "610",
    "target_url": "https://api.anthropic.com/v1/messages",
    "country_code": "DE",
    "properties": {"Helicone-Session-Id": "sess-2"},
    "scores": {},
    "cost": "3120000",
    "request_body": json.dumps(
        {
            "system": [{"type": "text", "text": "Be kind."}],
            "max_tokens": 100,
            "messages": [
                {"role": "user", "content": "Weigh it"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "1"}]},
                {"role": "user", "content": [{"type": "tool_result", "content": "3 kg"}]},
            ],
        }
    ),
    "response_body": json.dumps(
        {"content": [{"type": "text", "text": "Three."}], "stop_reason": "end_turn"}
    ),
    "updated_at": "2026-11-10 00:07:00",
}

RECORDS = (API, TABLE)


def rows(tmp_path: Path, *records: dict[str, Any]) -> list[dict[str, Any]]:
    return canonical_rows(HELICONE, records, tmp_path)


def row(tmp_path: Path, record: dict[str, Any] = API, **changes: Any) -> dict[str, Any]:
    (only,) = rows(tmp_path, {**record, **changes})
    return only


def test_a_record_of_the_api(tmp_path: Path) -> None:
    found = row(tmp_path)
    expected = {
        "request_id": "req-1",
        "account_id": "u_42",
        "account_fallback": None,
        "org_id": None,
        "end_user_id": "cust_9",
        "started_at": datetime(2026, 11, 10, 0, 6, 52, 266000),
        "model": "gpt-4o",
        "input_tokens": 1244,
        "output_tokens": 88,
        "cached_tokens": 12,
        "reasoning_tokens": 30,
        "pathway": "api",
        "endpoint": "chat",
        "duration_ms": 1745,
        "stream": True,
        "cost_usd": 0.00312,
        "http_status": 200,
        "stop_reason": "stop",
        "temperature": 0.7,
        "n": 4,
        "logprobs": True,
        "top_logprobs": 5,
        "max_tokens": 2048,
        "tools_count": 1,
        "response_format": "json_schema",
        "session_id": "sess-1",
        "turn": 2,
        "system_prompt": "Be brief.",
        "prompt": "Second",
        "previous_prompt": "First",
        "response": "An answer.",
        "prompt_state_hint": None,
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected


def test_a_row_of_the_table(tmp_path: Path) -> None:
    found = row(tmp_path, TABLE)
    expected = {
        "request_id": "req-2",
        "account_id": "key-3",
        "account_fallback": "org-own",
        # The organisation is the operator's own: as an owner it would make all accounts one.
        "org_id": None,
        "api_key_id": "key-3",
        "end_user_id": "cust_9",
        "started_at": datetime(2026, 11, 10, 0, 6, 52, 266000),
        "model": "claude-haiku-4-5",
        "input_tokens": 1244,
        "output_tokens": 88,
        "endpoint": "chat",
        "duration_ms": 1745,
        "cost_usd": 0.00312,
        "http_status": 200,
        "stop_reason": "end_turn",
        "max_tokens": 100,
        "session_id": "sess-2",
        "turn": 1,
        "system_prompt": "Be kind.",
        "prompt": "Weigh it",
        "response": "Three.",
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("changes", "account", "fallback", "end_user"),
    [
        ({}, "u_42", None, "cust_9"),
        ({"helicone_user": None}, "cust_9", None, None),
        ({"helicone_user": "", "request_user_id": "None"}, None, None, None),
        ({"helicone_user": None, "request_user_id": "", "organization_id": "o"}, None, "o", None),
    ],
)
def test_the_account(
    tmp_path: Path, changes: dict[str, Any], account: object, fallback: object, end_user: object
) -> None:
    found = row(tmp_path, **changes)
    assert (found["account_id"], found["account_fallback"], found["end_user_id"]) == (
        account,
        fallback,
        end_user,
    )


@pytest.mark.parametrize(
    ("body", "prompt", "hint"),
    [
        ({"helicone_message": "fetching body from signed_url... contact"}, True, "pointer"),
        ({"helicone_message": "request body omitted by header"}, True, "redacted"),
        ({}, False, None),
        (None, False, None),
        ("no JSON", False, None),
    ],
)
def test_bodies_that_were_not_fetched(
    tmp_path: Path, body: object, prompt: bool, hint: str | None
) -> None:
    found = row(tmp_path, request_body=body, response_body=body)
    assert (found["prompt"] is not None, found["prompt_state_hint"]) == (prompt, hint)
    assert found["response"] is None
    assert found["turn"] is None


@pytest.mark.parametrize(
    ("status", "tokens", "expected"),
    [
        (200, (0, 0), (200, None, None)),
        (200, (12, 0), (200, 12, 0)),
        (429, (0, 0), (429, 0, 0)),
        (-3, (0, 0), (None, 0, 0)),
        (None, (None, None), (None, None, None)),
    ],
)
def test_zero_tokens_and_codes(
    tmp_path: Path, status: int | None, tokens: tuple[Any, Any], expected: tuple[Any, ...]
) -> None:
    found = row(
        tmp_path, response_status=status, prompt_tokens=tokens[0], completion_tokens=tokens[1]
    )
    assert (found["http_status"], found["input_tokens"], found["output_tokens"]) == expected


@pytest.mark.parametrize(
    ("path", "body", "endpoint", "prompt"),
    [
        ("/v1/responses", {"input": "Why?", "instructions": "Be kind."}, "responses", "Why?"),
        (
            "/v1/responses",
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Why?"}]}]},
            "responses",
            "Why?",
        ),
        ("/v1/completions", {"prompt": "Once", "logprobs": 5}, "completion", "Once"),
        ("/v1/embeddings", {"input": ["a", "b"]}, "embedding", None),
        (
            "/v1beta/models/gemini:generateContent",
            {"contents": [{"role": "user", "parts": [{"text": "Why?"}]}]},
            "chat",
            "Why?",
        ),
        ("/v1/images", {}, "other", None),
    ],
)
def test_dialects_of_bodies(
    tmp_path: Path, path: str, body: dict[str, Any], endpoint: str, prompt: str | None
) -> None:
    found = row(tmp_path, request_path=path, request_body=body)
    assert (found["endpoint"], found["prompt"]) == (endpoint, prompt)
    if "logprobs" in body:
        assert (found["logprobs"], found["top_logprobs"]) == (True, 5)
    if "instructions" in body:
        assert found["system_prompt"] == "Be kind."


def test_a_user_may_speak_beside_the_outcome_of_a_tool(tmp_path: Path) -> None:
    outcome = {"type": "tool_result", "content": "3 kg"}
    said = [{"role": "user", "content": [outcome, {"type": "text", "text": "And in pounds?"}]}]
    found = row(tmp_path, request_body={"messages": said})
    assert (found["prompt"], found["turn"]) == ("And in pounds?", 1)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"output": [{"type": "reasoning"}, {"content": [{"text": "responses"}]}]}, "responses"),
        ({"choices": [{"text": "completion"}]}, "completion"),
        ({"candidates": [{"content": {"parts": [{"text": "gemini"}]}}]}, "gemini"),
        ({"error": {"message": "overloaded"}}, None),
    ],
)
def test_dialects_of_answers(tmp_path: Path, body: dict[str, Any], text: str | None) -> None:
    assert row(tmp_path, response_body=body)["response"] == text


EXPORTED = (
    "response_id",
    "response_created_at",
    "response_status",
    "request_created_at",
    "request_body",
    "request_properties",
    "request_user_id",
    "model",
    "prompt_tokens",
    "completion_tokens",
    "latency",
    "cost",
)


def exported_csv(record: dict[str, Any]) -> bytes:
    """As Helicone's export tool writes CSV: it doubles the quotes of JSON before it quotes."""
    cells = []
    for name in EXPORTED:
        value = record.get(name)
        if isinstance(value, dict):
            value = json.dumps(value).replace('"', '""')
        cells.append("" if value is None else '"' + str(value).replace('"', '""') + '"')
    return (",".join(EXPORTED) + "\n" + ",".join(cells) + "\n").encode()


def test_csv_of_the_export_tool(tmp_path: Path) -> None:
    (found,) = canonical_rows(HELICONE, exported_csv({**API, "model": "gpt-4o"}), tmp_path)
    expected = {
        "request_id": "res-1",
        "account_id": "cust_9",
        "model": "gpt-4o",
        "http_status": 200,
        "input_tokens": 1244,
        "duration_ms": None,
        "cost_usd": None,
        "session_id": "sess-1",
        "temperature": 0.7,
        "prompt": "Second",
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected


def test_csv_of_clickhouse(tmp_path: Path) -> None:
    target = io.StringIO()
    record = {**TABLE, "user_id": "\\N", "properties": "{'Helicone-Session-Id':'sess-2'}"}
    writer = csv.DictWriter(target, record, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerow(record)
    (found,) = canonical_rows(HELICONE, target.getvalue().encode(), tmp_path)
    assert found["account_id"] == "key-3"
    assert found["end_user_id"] is None
    assert found["session_id"] == "sess-2"
    assert found["prompt"] == "Weigh it"


def test_deliveries(tmp_path: Path) -> None:
    """Regression: pages by offset overlap while requests arrive, and JSON mode indents."""
    workshop = workshop_for(HELICONE, tmp_path)
    indented = ",\n".join(json.dumps(record, indent=2) for record in (API, TABLE, API))
    workshop.deliver("output.json", f"[\n{indented},\n]\n".encode())
    workshop.deliver("table.jsonl", [TABLE])
    workshop.deliver("output.csv", exported_csv({**API, "model": "gpt-4o"}))
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept, summary.rows_duplicate) == (5, 3, 2)
    assert summary.unknown_columns == ()
    assert sorted(workshop.rows(columns="account_id, prompt_state, source")) == [
        ("cust_9", "full", "helicone"),
        ("key-3", "full", "helicone"),
        ("u_42", "full", "helicone"),
    ]


def test_recognised() -> None:
    for record in RECORDS:
        assert [adapter.name for adapter in ADAPTERS if adapter.recognises(record)] == ["helicone"]
