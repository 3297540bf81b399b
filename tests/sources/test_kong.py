"""One line per shape of Kong's AI gateway log, and the row it becomes."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources import ADAPTERS
from pipelines.sources.kong import KONG
from tests.sources.canonical import canonical_rows, workshop_for

META = {
    "plugin_id": "p",
    "provider_name": "openai",
    "request_model": "gpt-4o",
    "response_model": "gpt-4o-2024-08-06",
    "llm_latency": 1700,
}
USAGE = {
    "prompt_tokens": 1244,
    "completion_tokens": 88,
    "total_tokens": 1332,
    "cost": 0.0031,
    "time_per_token": 19,
}
ASKED = {
    "model": "gpt-4o",
    "temperature": 0.2,
    "user": "person-5",
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "How do tides work?"},
    ],
}
ANSWERED = {
    "choices": [{"finish_reason": "stop", "message": {"content": "The moon pulls."}}],
    "usage": {"prompt_tokens_details": {"cached_tokens": 1024}},
}
# Since 3.9: the block of the proxy is named `proxy`, and here it logs the bodies.
LINE: dict[str, Any] = {
    "started_at": 1794269212266,
    "client_ip": "203.0.113.7",
    "workspace_name": "default",
    "consumer": {"id": "c1", "username": "acme", "custom_id": "cust_9"},
    "authenticated_entity": {"id": "k1", "consumer_id": "c1"},
    "request": {
        "id": "5f1c",
        "method": "POST",
        "uri": "/ask",
        "headers": {"user-agent": "openai-python", "authorization": "REDACTED", "apikey": "sk-1"},
        "size": 2210,
    },
    "response": {"status": 200, "size": 1604, "headers": {"content-type": "application/json"}},
    "upstream_uri": "/v1/chat/completions",
    "latencies": {"request": 1745, "proxy": 1700, "kong": 4, "receive": 41},
    "ai": {
        "proxy": {
            "meta": META,
            "usage": USAGE,
            "payload": {"request": json.dumps(ASKED), "response": json.dumps(ANSWERED)},
        },
        "ai-prompt-guard": {"meta": {"plugin_id": "g"}},
    },
}
# 3.7 and 3.8: the plugin's own name, and no bodies.
OLDER: dict[str, Any] = {
    **LINE,
    "ai": {
        "ai-request-transformer": {"meta": {"request_model": "tiny"}, "usage": {}},
        "ai-proxy": {"meta": META, "usage": USAGE},
    },
}
# 3.6: one AI plugin, no request id, other names of the tokens.
OLDEST: dict[str, Any] = {
    **LINE,
    "request": {**LINE["request"], "id": None},
    "ai": {"meta": META, "usage": {"prompt_token": 1244, "completion_token": 88}},
}
NO_MODEL_CALL: dict[str, Any] = {name: value for name, value in LINE.items() if name != "ai"}
RECORDS = (LINE, OLDER, OLDEST)


@pytest.fixture
def row(tmp_path: Path) -> Any:
    def of(**changes: Any) -> dict[str, Any]:
        (found,) = canonical_rows(KONG, [{**LINE, **changes}], tmp_path)
        return found

    return of


def block(**changes: Any) -> dict[str, Any]:
    return {"proxy": {**LINE["ai"]["proxy"], **changes}}


def test_a_line_with_bodies(row: Any) -> None:
    found = row()
    expected = {
        "request_id": "5f1c",
        "account_id": "cust_9",
        "account_fallback": "c1",
        "org_id": None,
        "api_key_id": "k1",
        "end_user_id": "person-5",
        "started_at": datetime(2026, 11, 10, 0, 6, 52, 266000),
        "model": "gpt-4o",
        "input_tokens": 1244,
        "output_tokens": 88,
        "cached_tokens": 1024,
        "pathway": "api",
        "endpoint": "chat",
        "duration_ms": 1745,
        "stream": None,
        "batch": None,
        "cost_usd": 0.0031,
        "http_status": 200,
        "stop_reason": "stop",
        "temperature": 0.2,
        "top_p": None,
        "turn": 1,
        "ip": "203.0.113.7",
        "user_agent": "openai-python",
        "system_prompt": "Be kind.",
        "prompt": "How do tides work?",
        "response": "The moon pulls.",
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("record", [OLDER, OLDEST], ids=["3.7", "3.6"])
def test_the_blocks_of_older_releases(row: Any, record: dict[str, Any]) -> None:
    found = row(**record)
    assert (found["model"], found["input_tokens"], found["output_tokens"]) == ("gpt-4o", 1244, 88)
    assert (found["prompt"], found["temperature"], found["turn"]) == (None, None, None)


@pytest.mark.parametrize(
    ("consumer", "entity", "account", "fallback"),
    [
        ({"id": "c1", "username": "acme"}, {"id": "k1"}, "acme", "k1"),
        ({"id": "c1", "username": None, "custom_id": ""}, None, "c1", None),
        (None, {"id": "k1", "consumer_id": "c1"}, None, "c1"),
        (None, None, None, None),
    ],
)
def test_accounts(
    row: Any, consumer: object, entity: object, account: str | None, fallback: str | None
) -> None:
    found = row(consumer=consumer, authenticated_entity=entity)
    assert (found["account_id"], found["account_fallback"]) == (account, fallback)


@pytest.mark.parametrize(
    ("usage", "status", "tokens"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 0}, 200, (None, None)),
        ({}, 200, (None, None)),
        ({"prompt_tokens": 9, "completion_tokens": 0}, 200, (9, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, 429, (0, 0)),
    ],
)
def test_tokens_that_were_not_counted(row: Any, usage: object, status: int, tokens: Any) -> None:
    found = row(ai=block(usage=usage), response={"status": status})
    assert (found["input_tokens"], found["output_tokens"]) == tokens
    assert found["http_status"] == status


def test_values_that_kong_does_not_know(row: Any) -> None:
    """-1 is a latency that was not measured, UNSPECIFIED a model that the route does not fix."""
    latencies = {"request": -1, "proxy": -1}
    found = row(latencies=latencies, ai=block(meta={"request_model": "UNSPECIFIED"}))
    assert (found["duration_ms"], found["model"]) == (None, "gpt-4o")
    found = row(
        latencies={"request": 12.000001, "proxy": -1},
        ai={"proxy": {"meta": {"request_model": "UNSPECIFIED", "response_model": "m-2"}}},
    )
    assert (found["duration_ms"], found["model"]) == (12, "m-2")


def test_streams(row: Any) -> None:
    events = {"status": 200, "headers": {"content-type": "text/event-stream; charset=utf-8"}}
    assert row(response=events)["stream"] is True
    asked = json.dumps({**ASKED, "stream": False})
    assert row(ai=block(payload={"request": asked}))["stream"] is False
    # The body of a stream is no JSON.
    found = row(ai=block(payload={"request": json.dumps(ASKED), "response": 'data: {"x": 1}\n'}))
    assert (found["prompt"], found["response"]) == ("How do tides work?", None)


@pytest.mark.parametrize(
    ("upstream", "uri", "endpoint"),
    [
        ("/v1/embeddings", "/ask", "embedding"),
        ("/v1/responses", "/ask", "responses"),
        ("/v1/completions", "/ask", "completion"),
        ("/model/claude/converse", "/ask", "chat"),
        ("", "/chat", "chat"),
        (None, "/ask", "other"),
    ],
)
def test_endpoints(row: Any, upstream: str | None, uri: str, endpoint: str) -> None:
    found = row(upstream_uri=upstream, request={**LINE["request"], "uri": uri})
    assert found["endpoint"] == endpoint


def test_the_request_id_of_older_releases_is_in_a_header(row: Any) -> None:
    response = {"status": 200, "headers": {"x-kong-request-id": "7a7a"}}
    assert row(request={"uri": "/ask"}, response=response)["request_id"] == "7a7a"


def test_a_delivery(tmp_path: Path) -> None:
    """Lines of other services are no rows, and no rejected ones either."""
    workshop = workshop_for(KONG, tmp_path)
    nobody = {**OLDER, "consumer": None, "authenticated_entity": None}
    by_key = {**OLDER, "consumer": None, "started_at": 1794269213000}
    workshop.deliver("kong.log", [LINE, OLDER, NO_MODEL_CALL, NO_MODEL_CALL, nobody, by_key])
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept, summary.rows_rejected) == (4, 3, 1)
    assert summary.rows_account_from_key == 1
    assert summary.unknown_columns == ()
    assert sorted(workshop.rows(columns="account_id, source, prompt_state")) == [
        ("cust_9", "kong", "absent"),
        ("cust_9", "kong", "absent"),
        ("cust_9", "kong", "full"),
    ]
    ((note,),) = workshop.rows("files", "note")
    assert note == "2 lines without an AI plugin"
    ((line, reason),) = workshop.rows("rejected", "line, reason")
    assert line == 5
    assert reason.startswith("account_id is missing; the line names no consumer")


def test_no_header_of_a_key_reaches_the_lake(tmp_path: Path) -> None:
    workshop = workshop_for(KONG, tmp_path)
    workshop.deliver("kong.log", [LINE])
    workshop.ingest()
    for part in ("data", "files", "rejected"):
        assert b"sk-1" not in workshop.path(part).read_bytes()
        assert "sk-1" not in repr(workshop.rows(part))


def test_only_its_own_records_are_recognised() -> None:
    for record in (*RECORDS, NO_MODEL_CALL):
        assert [adapter.name for adapter in ADAPTERS if adapter.recognises(record)] == ["kong"]
