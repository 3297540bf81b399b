"""One line per shape of Envoy AI Gateway's access log, and the row it becomes."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources import ADAPTERS
from pipelines.sources.envoy import ENVOY
from tests.sources.canonical import canonical_rows, workshop_for

LINE: dict[str, Any] = {
    "start_time": "2026-11-10T00:06:52.266Z",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.provider.name": "openai",
    "gen_ai.usage.input_tokens": 1244,
    "gen_ai.usage.output_tokens": 88,
    "gen_ai.usage.total_tokens": 1332,
    "response_code": 200,
    "duration": 1745,
    "bytes_received": 105,
    "user-agent": "curl/8.7.1",
    "x-forwarded-for": "198.51.100.9, 203.0.113.7",
    "x-request-id": "83b63da3",
    "x-envoy-origin-path": "/v1/chat/completions",
    "downstream_remote_address": "10.0.0.9:64484",
    "session.id": "s-1",
    "x-account-id": "acme",
    "x-user-id": "jo",
}
# The names of 2025.
OLDER: dict[str, Any] = {
    "start_time": "2026-11-10T00:06:52.266Z",
    "genai_model_name": "gpt-4o",
    "genai_model_name_override": None,
    "genai_backend_name": "default/openai/route/r/rule/0/ref/0",
    "genai_tokens_input": 15,
    "genai_tokens_output": 7,
    "genai_tokens_total": 22,
    "response_code": 200,
    "duration": 1526,
    "user-agent": "curl/8.7.1",
    "x-forwarded-for": "192.168.1.38",
    "x-request-id": "83b63da4",
    "x-envoy-origin-path": "/v1/chat/completions",
    "downstream_remote_address": "127.0.0.1:64484",
    "x-user-id": "jo",
}
TOOL_SERVER: dict[str, Any] = {
    **OLDER,
    "genai_model_name": None,
    "genai_tokens_input": None,
    "genai_tokens_output": None,
    "mcp_method": "tools/call",
}
RECORDS = (LINE, OLDER)


@pytest.fixture
def row(tmp_path: Path) -> Any:
    def of(**changes: Any) -> dict[str, Any]:
        named = {name.replace("__", "-"): value for name, value in changes.items()}
        (found,) = canonical_rows(ENVOY, [{**LINE, **named}], tmp_path)
        return found

    return of


def test_a_line(row: Any) -> None:
    found = row()
    expected = {
        "request_id": "83b63da3",
        "account_id": "acme",
        "account_fallback": None,
        "org_id": None,
        "api_key_id": None,
        "end_user_id": "jo",
        "started_at": datetime(2026, 11, 10, 0, 6, 52, 266000),
        "model": "gpt-4o",
        "input_tokens": 1244,
        "output_tokens": 88,
        "pathway": "api",
        "endpoint": "chat",
        "duration_ms": 1745,
        "stream": None,
        "http_status": 200,
        "session_id": "s-1",
        "turn": None,
        "ip": "203.0.113.7",
        "user_agent": "curl/8.7.1",
        "prompt": None,
        "prompt_state_hint": None,
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected


def test_the_names_of_2025(tmp_path: Path) -> None:
    (found,) = canonical_rows(ENVOY, [OLDER], tmp_path)
    assert (found["model"], found["input_tokens"], found["output_tokens"]) == ("gpt-4o", 15, 7)
    # Nobody larger is named, so the user is the account.
    assert (found["account_id"], found["end_user_id"]) == ("jo", None)
    assert found["ip"] == "192.168.1.38"


@pytest.mark.parametrize(
    "name",
    [
        "x-account-id",
        "x-ai-eg-account-id",
        "account.id",
        "x-tenant-id",
        "tenant.id",
        "x-customer-id",
        "x-user-id",
        "x-ai-eg-user-id",
        "user.id",
    ],
)
def test_the_headers_that_may_name_the_account(tmp_path: Path, name: str) -> None:
    nobody = {key: value for key, value in LINE.items() if key not in ("x-account-id", "x-user-id")}
    (found,) = canonical_rows(ENVOY, [{**nobody, name: "acme"}], tmp_path)
    assert found["account_id"] == "acme"


def test_a_dash_is_nothing(row: Any) -> None:
    found = row(x__account__id="-", user__agent="-", duration="-")
    assert (found["account_id"], found["user_agent"], found["duration_ms"]) == ("jo", None, None)
    assert found["uncast_values"] == 0


@pytest.mark.parametrize(
    ("forwarded", "remote", "expected"),
    [
        (None, "203.0.113.7:64484", "203.0.113.7"),
        (None, "[2001:db8::7]:64484", "2001:db8::7"),
        (None, "2001:db8::7", "2001:db8::7"),
        # What a caller writes into the header stands to the left of what proxies append.
        ("198.51.100.1, 203.0.113.7", "10.0.0.9:1", "203.0.113.7"),
        ("198.51.100.1,203.0.113.7:999", "172.16.0.1:1", "203.0.113.7"),
        ("198.51.100.1", "203.0.113.7:1", "203.0.113.7"),
        ("10.1.2.3, 10.0.0.9", "127.0.0.1:1", "10.1.2.3"),
        ("unknown, 203.0.113.7", "fd00::1", "203.0.113.7"),
        ("-", "-", None),
        (None, None, None),
    ],
)
def test_addresses(row: Any, forwarded: str | None, remote: str | None, expected: str) -> None:
    found = row(x__forwarded__for=forwarded, downstream_remote_address=remote)
    assert found["ip"] == expected


@pytest.mark.parametrize(
    ("code", "tokens", "expected"),
    [
        (200, (0, 0), (200, None, None)),
        (200, (None, None), (200, None, None)),
        (200, (12, 0), (200, 12, 0)),
        (429, (0, 0), (429, 0, 0)),
        # The caller hung up before there was an answer.
        (0, (None, None), (None, None, None)),
    ],
)
def test_status_and_tokens(row: Any, code: int, tokens: Any, expected: Any) -> None:
    changes = {
        "response_code": code,
        "gen_ai.usage.input_tokens": tokens[0],
        "gen_ai.usage.output_tokens": tokens[1],
    }
    found = row(**changes)
    assert (found["http_status"], found["input_tokens"], found["output_tokens"]) == expected


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1/embeddings", "embedding"),
        ("/v1/responses", "responses"),
        ("/anthropic/v1/messages", "chat"),
        ("/v1/completions", "completion"),
        ("/v1/images/generations", "other"),
        (None, None),
    ],
)
def test_endpoints(row: Any, path: str | None, endpoint: str | None) -> None:
    assert row(x__envoy__origin__path=path)["endpoint"] == endpoint


def test_a_delivery(tmp_path: Path) -> None:
    """A line that names nobody is rejected, and the reason says what to log."""
    workshop = workshop_for(ENVOY, tmp_path)
    nobody = {**LINE, "x-account-id": None, "x-user-id": None}
    workshop.deliver("envoy.log", [LINE, TOOL_SERVER, nobody])
    workshop.deliver("older.log", [OLDER])
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept, summary.rows_rejected) == (3, 2, 1)
    assert summary.unknown_columns == ()
    assert workshop.rows(columns="account_id, source, prompt_state") == [
        ("acme", "envoy", "absent"),
        ("jo", "envoy", "absent"),
    ]
    assert workshop.rows("files", "note") == [
        ("1 lines that are no call of a model",),
        (None,),
    ]
    ((file, line, reason),) = workshop.rows("rejected", "file, line, reason")
    assert (file, line) == ("2026-11-10/envoy.log", 3)
    assert reason.startswith("account_id is missing; the access log names no caller: log a header")


def test_only_its_own_records_are_recognised() -> None:
    for record in (*RECORDS, TOOL_SERVER):
        assert [adapter.name for adapter in ADAPTERS if adapter.recognises(record)] == ["envoy"]
