"""One export batch per dialect of OpenTelemetry's GenAI spans, and the rows it becomes."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import UserError
from pipelines.sources import ADAPTERS, recognise
from pipelines.sources.otel_genai import (
    ACCOUNT_ATTRIBUTE_VARIABLE,
    OTEL_GENAI,
    account_attributes,
)
from tests.sources.canonical import canonical_rows, workshop_for


def typed(value: Any) -> dict[str, Any]:
    """A value as OTLP/JSON types it; 64-bit integers are strings there."""
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [typed(item) for item in value]}}
        case dict():
            return {"kvlistValue": {"values": attributes(value)}}
        case _:
            return {"stringValue": value}


def attributes(named: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": typed(value)} for key, value in named.items()]


def span(named: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": "1794269212266113000",
        "endTimeUnixNano": "1794269214010000000",
        "attributes": attributes(named),
        "status": {},
        **changes,
    }


def event(name: str, **named: Any) -> dict[str, Any]:
    return {"name": name, "timeUnixNano": "1794269212266113000", "attributes": attributes(named)}


def batch(
    *spans: dict[str, Any], resource: dict[str, Any] | None = None, scopes: str = "scopeSpans"
) -> dict[str, Any]:
    held = {"attributes": attributes({"service.name": "gw", **(resource or {})})}
    return {"resourceSpans": [{"resource": held, scopes: [{"scope": {}, "spans": list(spans)}]}]}


CURRENT: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.request.max_tokens": 2048,
    "gen_ai.request.temperature": 0.7,
    "gen_ai.request.top_p": 1.0,
    "gen_ai.request.seed": 7,
    "gen_ai.request.choice.count": 4,
    "gen_ai.request.stream": True,
    "gen_ai.output.type": "json",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.finish_reasons": ["stop", "length"],
    "gen_ai.usage.input_tokens": 1244,
    "gen_ai.usage.output_tokens": 88,
    "gen_ai.usage.cache_read.input_tokens": 12,
    "gen_ai.usage.reasoning.output_tokens": 30,
    "gen_ai.conversation.id": "conv-1",
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
    "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "f"}]),
    "gen_ai.input.messages": json.dumps(
        [
            {"role": "user", "parts": [{"type": "text", "content": "First"}]},
            {"role": "assistant", "parts": [{"type": "tool_call", "name": "f", "id": "1"}]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "response": "3", "id": "1"}]},
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "What is"},
                    {"type": "blob", "content": "aGk="},
                    {"type": "text", "content": "this?"},
                ],
            },
        ]
    ),
    "gen_ai.output.messages": json.dumps(
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "Hm."},
                    {"type": "text", "content": "A bee."},
                ],
                "finish_reason": "stop",
            }
        ]
    ),
    "client.address": "203.0.113.7",
    "user_agent.original": "openai-python",
    "user.id": "cust_9",
}
# Up to 1.36, and still what most emitters send: other names, and messages as events.
FORMER: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.openai.request.seed": 7,
    "gen_ai.openai.request.response_format": "json_schema",
    "gen_ai.usage.prompt_tokens": 1244,
    "gen_ai.usage.completion_tokens": 88,
    "enduser.id": "cust_9",
}
FORMER_EVENTS = [
    event("gen_ai.system.message", content="Be brief.", role="system"),
    event("gen_ai.user.message", **{"gen_ai.event.content": json.dumps({"content": "First"})}),
    event("gen_ai.assistant.message", content="Yes"),
    event("gen_ai.user.message", content="Second"),
    event(
        "gen_ai.choice",
        **{"gen_ai.event.content": json.dumps({"index": 0, "message": {"content": "A bee."}})},
    ),
]
# What instrumentation libraries wrote before there was a convention for messages.
NUMBERED: dict[str, Any] = {
    "llm.request.type": "chat",
    "gen_ai.system": "OpenAI",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be brief.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": json.dumps([{"type": "text", "text": "Second"}]),
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "A bee.",
    "gen_ai.usage.prompt_tokens": 1244,
    "gen_ai.usage.completion_tokens": 88,
    "llm.is_streaming": True,
    "user.id": "cust_9",
}
RECORDS = (
    batch(span(CURRENT)),
    batch(span(FORMER, events=FORMER_EVENTS), scopes="instrumentationLibrarySpans"),
    batch(span(NUMBERED)),
)


def row(tmp_path: Path, named: dict[str, Any], **changes: Any) -> dict[str, Any]:
    (only,) = canonical_rows(OTEL_GENAI, [batch(span(named, **changes))], tmp_path)
    return only


def test_a_span_of_the_present_conventions(tmp_path: Path) -> None:
    found = row(tmp_path, CURRENT)
    expected = {
        "request_id": "5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174",
        "account_id": "cust_9",
        "account_fallback": None,
        "end_user_id": None,
        "started_at": datetime(2026, 11, 10, 0, 6, 52, 266113),
        "model": "gpt-4o",
        "input_tokens": 1244,
        "output_tokens": 88,
        "cached_tokens": 12,
        "reasoning_tokens": 30,
        "pathway": "api",
        "endpoint": "chat",
        "duration_ms": 1744,
        "stream": True,
        "http_status": 200,
        "stop_reason": "stop",
        "temperature": 0.7,
        "top_p": 1.0,
        "n": 4,
        "max_tokens": 2048,
        "seed": 7,
        # There is no attribute for these.
        "logprobs": None,
        "top_logprobs": None,
        "logit_bias_count": None,
        "tools_count": 1,
        "response_format": "json_object",
        "session_id": "conv-1",
        "turn": 2,
        "ip": "203.0.113.7",
        "user_agent": "openai-python",
        "system_prompt": "Be brief.",
        "prompt": "What is\nthis?",
        "previous_prompt": "First",
        "response": "A bee.",
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected


def test_a_span_of_the_former_conventions(tmp_path: Path) -> None:
    (found,) = canonical_rows(OTEL_GENAI, [RECORDS[1]], tmp_path)
    expected = {
        "account_id": "cust_9",
        "input_tokens": 1244,
        "output_tokens": 88,
        "seed": 7,
        "response_format": "json_schema",
        "turn": 2,
        "system_prompt": "Be brief.",
        "prompt": "Second",
        "previous_prompt": "First",
        "response": "A bee.",
    }
    assert {name: found[name] for name in expected} == expected


def test_numbered_messages(tmp_path: Path) -> None:
    found = row(tmp_path, NUMBERED)
    assert (found["system_prompt"], found["prompt"], found["response"], found["turn"]) == (
        "Be brief.",
        "Second",
        "A bee.",
        1,
    )
    assert (found["endpoint"], found["stream"]) == ("chat", True)


BARE = {"gen_ai.request.model": "gpt-4o", "gen_ai.operation.name": "chat", "user.id": "c"}
USER = [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}]
ANSWER = [{"role": "assistant", "parts": [{"type": "text", "content": "So."}]}]


@pytest.mark.parametrize(
    ("named", "events", "prompt", "response"),
    [
        ({"gen_ai.input.messages": USER, "gen_ai.output.messages": ANSWER}, [], "Why?", "So."),
        ({"gen_ai.prompt": "Why?", "gen_ai.completion": "So."}, [], "Why?", "So."),
        (
            {"gen_ai.prompt": json.dumps([{"role": "user", "content": "Why?"}])},
            [],
            "Why?",
            None,
        ),
        (
            {},
            [
                event("gen_ai.content.prompt", **{"gen_ai.prompt": "Why?"}),
                event("gen_ai.content.completion", **{"gen_ai.completion": "So."}),
            ],
            "Why?",
            "So.",
        ),
        (
            {},
            [
                event(
                    "gen_ai.client.inference.operation.details",
                    **{
                        "gen_ai.input.messages": json.dumps(USER),
                        "gen_ai.output.messages": json.dumps(ANSWER),
                    },
                )
            ],
            "Why?",
            "So.",
        ),
        # Cut off by the limit of an attribute's length: no JSON, and no prompt either.
        ({"gen_ai.input.messages": json.dumps(USER)[:-5]}, [], None, None),
        ({}, [], None, None),
    ],
)
def test_where_messages_may_stand(
    tmp_path: Path,
    named: dict[str, Any],
    events: list[dict[str, Any]],
    prompt: str | None,
    response: str | None,
) -> None:
    found = row(tmp_path, {**BARE, **named}, events=events)
    assert (found["prompt"], found["response"]) == (prompt, response)
    assert found["turn"] == (1 if prompt else None)


def test_typed_instructions_and_tools(tmp_path: Path) -> None:
    found = row(
        tmp_path,
        {
            **BARE,
            "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
            "gen_ai.tool.definitions": [{"name": "f"}, {"name": "g"}],
        },
    )
    assert (found["system_prompt"], found["tools_count"]) == ("Be brief.", 2)
    assert row(tmp_path, {**BARE, "gen_ai.system_instructions": "Be kind."})["system_prompt"] == (
        "Be kind."
    )


def test_how_a_call_ended(tmp_path: Path) -> None:
    answered = {"gen_ai.response.finish_reasons": '["stop"]'}
    unused = {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}
    cases: list[tuple[dict[str, Any], dict[str, Any], tuple[object, ...]]] = [
        ({}, {}, (None, None, None)),
        (answered, {}, (200, "stop", None)),
        ({"gen_ai.response.finish_reasons": "stop"}, {}, (200, "stop", None)),
        (answered | unused, {}, (200, "stop", None)),
        ({"error.type": "429"} | unused, {}, (429, None, 0)),
        ({"error.type": "timeout"}, {"status": {"code": 2}}, (None, None, None)),
        (answered, {"status": {"code": "STATUS_CODE_ERROR"}}, (None, "stop", None)),
        ({"http.response.status_code": 503, "error.type": "_OTHER"}, {}, (503, None, None)),
    ]
    batches = [batch(span(BARE | named, **changes)) for named, changes, _ in cases]
    found = canonical_rows(OTEL_GENAI, batches, tmp_path)
    outcomes = [(row["http_status"], row["stop_reason"], row["input_tokens"]) for row in found]
    assert outcomes == [expected for *_, expected in cases]


def test_endpoints(tmp_path: Path) -> None:
    cases = {
        "chat": "chat",
        "generate_content": "chat",
        "text_completion": "completion",
        "embeddings": "embedding",
        "something_new": "other",
    }
    batches = [batch(span(BARE | {"gen_ai.operation.name": name})) for name in cases]
    batches.append(batch(span(BARE | {"openai.api.type": "responses"})))
    found = canonical_rows(OTEL_GENAI, batches, tmp_path)
    assert [row["endpoint"] for row in found] == [*cases.values(), "responses"]


def test_the_account_by_default(tmp_path: Path) -> None:
    nobody = {name: value for name, value in BARE.items() if name != "user.id"}
    batches = [
        batch(span(nobody | {"user.id": "u"}), resource={"user.id": "r"}),
        batch(span(nobody | {"enduser.id": "e"})),
        batch(span(nobody | {"user.id": "u", "enduser.id": "e"})),
        batch(span(nobody), resource={"user.id": "r"}),
        batch(span(nobody)),
    ]
    found = canonical_rows(OTEL_GENAI, batches, tmp_path)
    assert [(row["account_id"], row["end_user_id"]) for row in found] == [
        ("u", None),
        ("e", None),
        ("u", "e"),
        ("r", None),
        (None, None),
    ]


def test_the_account_from_another_attribute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ACCOUNT_ATTRIBUTE_VARIABLE, "tenant.id")
    batches = [
        batch(span(BARE | {"tenant.id": "t"})),
        batch(span(BARE), resource={"tenant.id": "r"}),
        batch(span(BARE)),
    ]
    found = canonical_rows(OTEL_GENAI, batches, tmp_path)
    assert [(row["account_id"], row["end_user_id"]) for row in found] == [
        ("t", "c"),
        ("r", "c"),
        (None, "c"),
    ]


@pytest.mark.parametrize("name", ["tenant id", "it's", "a,b"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(UserError, match=rf"{ACCOUNT_ATTRIBUTE_VARIABLE} is .* expected"):
        account_attributes({ACCOUNT_ATTRIBUTE_VARIABLE: name})
    assert account_attributes({ACCOUNT_ATTRIBUTE_VARIABLE: " "}) == ("user.id", "enduser.id")


OTHER_SPANS = (
    span({"http.request.method": "GET"}, spanId="01"),
    span(BARE | {"gen_ai.operation.name": "execute_tool"}, spanId="02"),
    span(BARE | {"gen_ai.operation.name": "invoke_agent"}, spanId="03"),
)


def test_rows_are_spans(tmp_path: Path) -> None:
    """Regression: retries export a span twice, and agents repeat the tokens of their calls."""
    workshop = workshop_for(OTEL_GENAI, tmp_path)
    second = span(BARE, spanId="EEE1")
    again = span(BARE, spanId="eee1")
    no_model = span({"gen_ai.operation.name": "chat", "user.id": "c"}, spanId="04")
    lines = [
        batch(span(CURRENT), second, *OTHER_SPANS),
        batch(again, no_model),
        batch(),
        {"resourceLogs": [{}]},
        {"resourceMetrics": [{}]},
    ]
    workshop.deliver("traces.json", lines)
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept) == (4, 2)
    assert (summary.rows_duplicate, summary.rows_rejected) == (1, 1)
    assert workshop.rows("rejected", "line, reason") == [(2, "model is missing")]
    assert sorted(workshop.rows(columns="account_id, input_tokens, prompt_state")) == [
        ("c", None, "absent"),
        ("cust_9", 1244, "full"),
    ]
    ((note,),) = workshop.rows("files", "note")
    assert set(note.split("; ")) == {
        "rows are spans of model calls",
        "1 spans of other work",
        "2 spans of agents and tools",
        "1 records without spans",
        "1 records of logs",
        "1 records of metrics",
    }


def test_every_dialect_and_damage(tmp_path: Path) -> None:
    workshop = workshop_for(OTEL_GENAI, tmp_path)
    for number, record in enumerate(RECORDS):
        (only,) = record["resourceSpans"]
        scopes = only.get("scopeSpans") or only["instrumentationLibrarySpans"]
        distinct = {**scopes[0]["spans"][0], "spanId": f"0{number}"}
        scopes = [{"spans": [distinct]}]
        indented = json.dumps({"resourceSpans": [{**only, "scopeSpans": scopes}]}, indent=2)
        workshop.deliver(f"{number}.json", indented.encode())
    workshop.deliver("cut.json", json.dumps(RECORDS[0]).encode() + b"\n" + b'{"resourceSpans":[{')
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept, summary.rows_rejected) == (5, 4, 1)
    assert workshop.rows(columns="distinct account_id, source") == [("cust_9", "otel_genai")]


def test_another_account_attribute_is_another_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: the lake skipped files it had, with the accounts of the former setting."""
    workshop = workshop_for(OTEL_GENAI, tmp_path)
    workshop.deliver("traces.json", [batch(span(BARE), resource={"tenant.id": "t"})])
    workshop.ingest()
    monkeypatch.setenv(ACCOUNT_ATTRIBUTE_VARIABLE, "tenant.id")
    assert not workshop.ingest().skipped
    assert workshop.rows(columns="account_id") == [("t",)]
    assert workshop.ingest().skipped


def test_recognised(tmp_path: Path) -> None:
    for record in RECORDS:
        assert [one.name for one in ADAPTERS if one.recognises(record)] == ["otel_genai"]
    # A batch is one line, and seldom a short one.
    workshop = workshop_for(OTEL_GENAI, tmp_path)
    workshop.deliver("traces.json", [batch(*[span(CURRENT)] * 100)])
    assert recognise(workshop.exports).name == "otel_genai"
