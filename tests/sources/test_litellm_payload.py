"""One payload per shape that LiteLLM writes, and the canonical row it becomes."""

import json
from datetime import datetime
from typing import Any

import duckdb
import pytest

from pipelines.sources import LITELLM_PAYLOAD
from pipelines.sources.adapter import canonical_sql
from pipelines.sources.tables import REQUESTS

PAYLOAD: dict[str, Any] = {
    "id": "chatcmpl-1",
    "call_type": "acompletion",
    "status": "success",
    "startTime": 1794308087.477017,
    "endTime": 1794308099.640775,
    "response_time": 12.163758,
    "model": "deepseek/deepseek-reasoner",
    "model_group": "deepseek-reasoner",
    "prompt_tokens": 3,
    "completion_tokens": 641,
    "response_cost": 0.00027,
    "session_id": "",
    "stream": None,
    "end_user": None,
    "requester_ip_address": "203.0.113.7",
    "user_agent": "python-requests/2.34",
    "metadata": {
        "user_api_key_hash": "key-hash",
        "user_api_key_user_id": "u-1",
        "user_api_key_team_id": "team-1",
        "user_api_key_org_id": None,
        "user_api_key_end_user_id": "end-1",
        "user_api_key_request_route": "/v1/chat/completions",
        "usage_object": {
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 371},
        },
    },
    "messages": [{"role": "user", "content": "How do tides work?"}],
    "response": {"choices": [{"finish_reason": "stop", "message": {"content": "The moon pulls."}}]},
    "model_parameters": {"temperature": 0.7, "max_tokens": 1024, "stream": False},
    "error_information": {"error_code": "", "error_class": ""},
}


def row(**changes: Any) -> dict[str, Any]:
    """The canonical row of the payload with these top-level changes."""
    payload = {**PAYLOAD, **changes}
    source = LITELLM_PAYLOAD.tables["requests"]
    values = []
    for name, kind in source.columns.items():
        value = payload.get(name)
        text = value if isinstance(value, str) and kind == "VARCHAR" else json.dumps(value)
        literal = "null" if value is None else "'" + text.replace("'", "''") + "'"
        values.append(f'{literal}::{kind} as "{name}"')
    raw = f"(select 'f' as source_file, 1 as source_line, 1 as source_bytes, {', '.join(values)})"
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        found = connection.execute(canonical_sql(source, REQUESTS, raw))
        names = [column[0] for column in found.description]
        (only,) = found.fetchall()
    return dict(zip(names, only, strict=True))


def test_a_chat_completion() -> None:
    found = row()
    expected = {
        "request_id": "chatcmpl-1",
        "account_id": "u-1",
        "account_fallback": "key-hash",
        "org_id": "team-1",
        "api_key_id": "key-hash",
        "end_user_id": "end-1",
        "started_at": datetime(2026, 11, 10, 10, 54, 47, 477017),
        "model": "deepseek-reasoner",
        "input_tokens": 3,
        "output_tokens": 641,
        "cached_tokens": 2,
        "reasoning_tokens": 371,
        "pathway": "api",
        "endpoint": "chat",
        "duration_ms": 12164,
        "stream": False,
        "batch": None,
        "cost_usd": 0.00027,
        "http_status": 200,
        "stop_reason": "stop",
        "temperature": 0.7,
        "top_p": None,
        "max_tokens": 1024,
        "logprobs": None,
        "tools_count": None,
        "logit_bias_count": None,
        "session_id": None,
        "turn": 1,
        "ip": "203.0.113.7",
        "ip_type": None,
        "user_agent": "python-requests/2.34",
        "system_prompt": None,
        "prompt": "How do tides work?",
        "previous_prompt": None,
        "response": "The moon pulls.",
        "prompt_state_hint": None,
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected


SAID = {
    "string": ("Hello", "Hello", None, None, 1),
    "null": (None, None, None, None, None),
    "one message": ({"role": "user", "content": "Hello"}, "Hello", None, None, 1),
    "conversation": (
        [
            {"role": "system", "content": "Be kind."},
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": "First"},
            {"role": "assistant", "content": "Yes"},
            {"role": "user", "content": "Second"},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "tool", "content": "result", "tool_call_id": "1"},
        ],
        "Second",
        "First",
        "Be kind.\nBe brief.",
        2,
    ),
    "parts": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is"},
                    {"type": "image_url", "image_url": {"url": "data:"}},
                    {"type": "text", "text": "this?"},
                ],
            }
        ],
        "What is\nthis?",
        None,
        None,
        1,
    ),
    "image only": ([{"role": "user", "content": [{"type": "image_url"}]}], None, None, None, 1),
    "oddities": ([None, "text", {"role": "user", "content": "x"}], "x", None, None, 1),
    "nobody": ([], None, None, None, 1),
}


@pytest.mark.parametrize("case", SAID)
def test_messages_of_every_shape(case: str) -> None:
    messages, prompt, previous, system, turn = SAID[case]
    found = row(messages=messages)
    assert (
        found["prompt"],
        found["previous_prompt"],
        found["system_prompt"],
        found["turn"],
    ) == (prompt, previous, system, turn)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("redacted-by-litellm", "redacted"),
        ("default-message-value", "placeholder"),
        ("A long text ... (litellm_truncated skipped 312 chars) ... end", "truncated"),
        ("An ordinary text", None),
    ],
)
@pytest.mark.parametrize("as_list", [True, False])
def test_the_state_of_the_prompt(text: str, hint: str | None, as_list: bool) -> None:
    messages = [{"role": "user", "content": text}] if as_list else text
    assert row(messages=messages)["prompt_state_hint"] == hint


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ({"choices": [{"message": {"content": "chat"}}, {"message": {"content": "2"}}]}, "chat"),
        ({"choices": [{"text": "completion"}]}, "completion"),
        ({"output": [{"content": [{"text": "responses"}]}]}, "responses"),
        ({"choices": [{"message": {"content": None}}]}, None),
        ({"choices": [{"message": {"content": "redacted-by-litellm"}}]}, None),
        ("a bare string", "a bare string"),
        ("redacted-by-litellm", None),
        ({}, None),
        (None, None),
    ],
)
def test_responses_of_every_shape(response: object, text: str | None) -> None:
    assert row(response=response)["response"] == text


def test_parameters() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    found = row(
        model_parameters={
            "n": 4,
            "seed": 1234,
            "logprobs": True,
            "top_logprobs": 5,
            "max_completion_tokens": 7,
            "logit_bias": {"50256": -100, "11": 5},
            "tools": tools,
            "response_format": {"type": "json_schema", "json_schema": {}},
            "stream": True,
        }
    )
    assert found["n"] == 4
    assert found["seed"] == 1234
    assert found["logprobs"] is True
    assert found["top_logprobs"] == 5
    assert found["max_tokens"] == 7
    assert found["logit_bias_count"] == 2
    assert found["tools_count"] == 1
    assert len(found["tools_hash"]) == 32
    assert found["response_format"] == "json_schema"
    assert found["stream"] is True
    assert row(model_parameters={"tools": "redacted-by-litellm"})["tools_count"] is None
    assert row(model_parameters="odd")["temperature"] is None


@pytest.mark.parametrize(
    ("status", "tokens", "expected"),
    [
        ("success", (0, 0), (None, None)),
        ("success", (12, 0), (12, 0)),
        ("success", (None, None), (None, None)),
        ("failure", (0, 0), (0, 0)),
    ],
)
def test_zero_tokens_of_a_success_were_not_reported(
    status: str, tokens: tuple[Any, Any], expected: tuple[Any, Any]
) -> None:
    found = row(status=status, prompt_tokens=tokens[0], completion_tokens=tokens[1])
    assert (found["input_tokens"], found["output_tokens"]) == expected


@pytest.mark.parametrize(
    ("code", "expected"), [("429", 429), (499, 499), ("", None), ("Timeout", None), (None, None)]
)
def test_status_of_a_failure(code: object, expected: int | None) -> None:
    assert row(status="failure", error_information={"error_code": code})["http_status"] == expected


def test_a_failure_without_a_user_is_filed_under_its_key() -> None:
    found = row(metadata={**PAYLOAD["metadata"], "user_api_key_user_id": ""})
    assert (found["account_id"], found["account_fallback"]) == (None, "key-hash")


@pytest.mark.parametrize(
    ("call_type", "route", "expected"),
    [
        ("aembedding", "/v1/embeddings", "embedding"),
        ("aresponses", "/v1/responses", "responses"),
        ("atext_completion", "/v1/completions", "completion"),
        ("anthropic_messages", "/v1/messages", "chat"),
        ("aimage_generation", "/v1/images", "other"),
        (None, None, None),
    ],
)
def test_endpoints(call_type: str | None, route: str | None, expected: str | None) -> None:
    metadata = {**PAYLOAD["metadata"], "user_api_key_request_route": route}
    assert row(call_type=call_type, metadata=metadata)["endpoint"] == expected


def test_a_reasoning_block_sent_back_is_known_by_its_signature() -> None:
    thinking = [{"type": "thinking", "thinking": "...", "signature": "sig-1"}]
    for message in (
        {"role": "assistant", "content": "x", "thinking_blocks": thinking},
        {"role": "assistant", "content": thinking},
    ):
        found = row(messages=[message, {"role": "user", "content": "go on"}])
        assert found["reasoning_signature"] == "sig-1"
    assert row()["reasoning_signature"] is None


def test_the_fields_of_older_releases_may_be_missing() -> None:
    for name in ("session_id", "user_agent", "model_group", "response_time", "end_user"):
        payload = {key: value for key, value in PAYLOAD.items() if key != name}
        assert row(**{**payload, name: None})["account_id"] == "u-1"
    assert row(model_group=None)["model"] == "deepseek/deepseek-reasoner"
    assert row(response_time=None)["duration_ms"] == 12164
