"""Rows of Azure's logs in their dialects, alone and put together."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources.azure_apim import AZURE_APIM
from tests.lake.conftest import Workshop
from tests.sources.canonical import canonical_rows, workshop_for

ASKED = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is a tide?"},
]
ANSWERED = [{"role": "assistant", "content": "Rising water."}]
# The two tables of Log Analytics.
GATEWAY: dict[str, Any] = {
    "TimeGenerated": "2026-11-10T06:31:31.4465902Z",
    "CorrelationId": "c-1",
    "Type": "ApiManagementGatewayLogs",
    "OperationName": "Microsoft.ApiManagement/GatewayLogs",
    "CallerIpAddress": "203.0.113.7",
    "ApimSubscriptionId": "sub-1",
    "ProductId": "gold",
    "OperationId": "ChatCompletions_Create",
    "Method": "POST",
    "Url": "https://gw.example.org/openai/deployments/chat/chat/completions?api-version=1",
    "ResponseCode": 200,
    "TotalTime": 1745,
    "RequestHeaders": {"User-Agent": "python/3"},
    "_ResourceId": "/subscriptions/1/gw",
}
MODEL: dict[str, Any] = {
    "TimeGenerated": "2026-11-10T06:31:32.0000000Z",
    "CorrelationId": "c-1",
    "Type": "ApiManagementGatewayLlmLog",
    "RequestId": "chatcmpl-1",
    "ModelName": "gpt-4o",
    "DeploymentName": "chat",
    "IsStreamCompletion": False,
    "PromptTokens": 31,
    "CompletionTokens": 4,
    "TotalTokens": 35,
    "RequestMessages": ASKED,
    "ResponseMessages": ANSWERED,
    "SequenceNumber": 0,
    "_ResourceId": "/subscriptions/1/gw",
}
# The same gateway by a diagnostic setting, with bodies.
LINE: dict[str, Any] = {
    "callerIpAddress": "203.0.113.8",
    "category": "GatewayLogs",
    "correlationId": "c-2",
    "durationMs": 176,
    "isRequestSuccess": True,
    "operationName": "Microsoft.ApiManagement/GatewayLogs",
    "properties": {
        "apimSubscriptionId": "sub-2",
        "operationId": "ChatCompletions_Create",
        "requestBody": json.dumps({"model": "chat", "messages": ASKED, "temperature": 0.5}),
        "responseBody": json.dumps(
            {
                "model": "gpt-4o",
                "choices": [{"finish_reason": "stop", "message": ANSWERED[0]}],
                "usage": {"prompt_tokens": 14, "completion_tokens": 8},
            }
        ),
        "responseCode": 200,
        "url": "https://gw.example.org/deployments/chat/chat/completions?api-version=1",
    },
    "resourceId": "/SUBSCRIPTIONS/1/GW",
    "time": "2026-11-10T06:31:31.4465902Z",
    "truncated": 0,
}
MODEL_LINE: dict[str, Any] = {
    "category": "GatewayLlmLogs",
    "correlationId": "c-2",
    "time": "2026-11-10T06:31:32.0000000Z",
    "properties": json.dumps(
        {
            "modelName": "gpt-4o-mini",
            "promptTokens": 15,
            "completionTokens": 9,
            "sequenceNumber": 1,
            "requestMessages": json.dumps(ASKED),
        }
    ),
    "resourceId": "/SUBSCRIPTIONS/1/GW",
}
# Azure OpenAI itself.
RESOURCE: dict[str, Any] = {
    "Tenant": "eastus",
    "callerIpAddress": "203.0.113.***",
    "category": "RequestResponse",
    "correlationId": "c-3",
    "durationMs": -1021,
    "event": "ShoeboxCallResult",
    "operationName": "ChatCompletions_Create",
    "properties": {
        "requestTime": 639299101814140007,
        "requestLength": 128,
        "responseTime": 639299101824352377,
        "responseLength": 1411,
        "objectId": "",
        "streamType": "Non-Streaming",
        "modelDeploymentName": "chat",
        "modelName": "gpt-4o",
    },
    "resourceId": "/SUBSCRIPTIONS/1/OPENAI",
    "resultSignature": "200",
    "time": "2026-11-10T12:23:02.4350000Z",
}
RECORDS = (GATEWAY, MODEL, LINE, MODEL_LINE, RESOURCE)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return workshop_for(AZURE_APIM, tmp_path)


def row(folder: Path, *records: dict[str, Any]) -> dict[str, Any]:
    (only,) = canonical_rows(AZURE_APIM, records, folder)
    return only


def in_properties(line: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**line, "properties": {**line["properties"], **changes}}


def test_the_two_tables_make_one_request(tmp_path: Path) -> None:
    found = row(tmp_path, GATEWAY, MODEL)
    expected = {
        "request_id": "c-1",
        "account_id": "sub-1",
        "started_at": datetime(2026, 11, 10, 6, 31, 31, 446590),
        "model": "gpt-4o",
        "input_tokens": 31,
        "output_tokens": 4,
        "endpoint": "chat",
        "duration_ms": 1745,
        "stream": False,
        "http_status": 200,
        "turn": 1,
        "ip": "203.0.113.7",
        "user_agent": "python/3",
        "system_prompt": "Be brief.",
        "prompt": "What is a tide?",
        "response": "Rising water.",
        "prompt_state_hint": None,
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected
    assert row(tmp_path, {**GATEWAY, "ApimSubscriptionId": ""}, MODEL)["account_id"] == "gold"


def test_a_diagnostic_line_with_bodies(tmp_path: Path) -> None:
    expected = {
        "request_id": "c-2",
        "account_id": "sub-2",
        "started_at": datetime(2026, 11, 10, 6, 31, 31, 446590),
        "model": "gpt-4o",
        "input_tokens": 14,
        "output_tokens": 8,
        "duration_ms": 176,
        "http_status": 200,
        "temperature": 0.5,
        "stop_reason": "stop",
        "prompt": "What is a tide?",
        "response": "Rising water.",
        "prompt_state_hint": None,
    }
    escaped = {**LINE, "properties": json.dumps(LINE["properties"])}
    for line in (LINE, escaped):
        found = row(tmp_path, line)
        assert {name: found[name] for name in expected} == expected
    joined = row(tmp_path, LINE, MODEL_LINE)
    assert (joined["model"], joined["input_tokens"], joined["output_tokens"]) == (
        "gpt-4o-mini",
        15,
        9,
    )


def test_a_line_of_azure_openai_has_lengths_and_no_tokens(tmp_path: Path) -> None:
    found = row(tmp_path, RESOURCE)
    expected = {
        "account_id": None,
        "account_fallback": "/subscriptions/1/openai",
        "started_at": datetime(2026, 11, 10, 12, 23, 1, 414000),
        "model": "gpt-4o",
        "input_tokens": None,
        "output_tokens": None,
        "duration_ms": 1021,
        "stream": False,
        "http_status": 200,
        "ip": None,
        "prompt": None,
        "prompt_state_hint": None,
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected
    assert row(tmp_path, in_properties(RESOURCE, objectId="o-1"))["account_id"] == "o-1"


LONG = "x" * 40
WHOLE = json.dumps([*ASKED, {"role": "user", "content": LONG}])
PIECES = {
    "pieces of one text": ([WHOLE[:20], WHOLE[20:90], WHOLE[90:]], LONG, None),
    "lists of messages": (
        [
            [*ASKED, ANSWERED[0], {"role": "user", "content": LONG[:10]}],
            [{"role": "user", "content": LONG[10:30]}],
            json.dumps([{"role": "user", "content": LONG[30:]}]),
        ],
        LONG,
        None,
    ),
    "a text": (["Say ", "it"], "Say it", None),
    "a text that was cut off": ([WHOLE[:20], WHOLE[20:50]], None, "truncated"),
    "a row is missing": ([ASKED, None, [{"role": "user", "content": "b"}]], None, "truncated"),
}


@pytest.mark.parametrize("case", PIECES)
def test_long_messages_are_put_together(tmp_path: Path, case: str) -> None:
    """Regression: of a message split over rows, only its first 32 KB were compared."""
    pieces, prompt, hint = PIECES[case]
    rows = [
        {**MODEL, "RequestMessages": piece, "ResponseMessages": [], "SequenceNumber": number}
        for number, piece in enumerate(pieces)
        if piece is not None
    ]
    answer = {**MODEL, "RequestMessages": None, "SequenceNumber": len(pieces)}
    found = row(tmp_path, answer, *reversed(rows), GATEWAY, rows[0])
    assert found["prompt_state_hint"] == hint
    assert found["response"] == "Rising water."
    if prompt is not None or case == "a text that was cut off":
        assert found["prompt"] == prompt


@pytest.mark.parametrize(
    ("changes", "status", "expected"),
    [
        ({"PromptTokens": 0, "CompletionTokens": 0}, 200, (None, None)),
        # Of a streamed answer the log does not always count the tokens.
        ({"CompletionTokens": 0, "IsStreamCompletion": True}, 200, (31, None)),
        ({"CompletionTokens": 0}, 200, (31, 0)),
        ({"PromptTokens": 0, "CompletionTokens": 0}, 429, (0, 0)),
    ],
)
def test_tokens_that_were_not_counted(
    tmp_path: Path, changes: dict[str, Any], status: int, expected: tuple[int | None, int | None]
) -> None:
    found = row(tmp_path, {**GATEWAY, "ResponseCode": status}, {**MODEL, **changes})
    assert (found["input_tokens"], found["output_tokens"]) == expected


def test_a_streamed_body_is_read_and_a_cut_one_is_told(tmp_path: Path) -> None:
    events = [
        {"choices": [{"delta": {"content": "Rising "}}]},
        {"choices": [{"delta": {"content": "water."}}]},
        {"choices": [], "usage": {"prompt_tokens": 14, "completion_tokens": 3}},
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    found = row(tmp_path, in_properties(LINE, responseBody=body))
    assert (found["response"], found["input_tokens"], found["output_tokens"]) == (
        "Rising water.",
        14,
        3,
    )
    cut = in_properties(LINE, requestBody=LINE["properties"]["requestBody"][:40], responseBody="")
    found = row(tmp_path, cut)
    assert (found["prompt"], found["prompt_state_hint"]) == (None, "truncated")
    assert (found["model"], found["input_tokens"]) == ("chat", None)


def test_a_delivery_is_put_together_across_files(workshop: Workshop) -> None:
    other = {**GATEWAY, "CorrelationId": "c-8", "Url": "https://gw.example.org/pets"}
    unknown = {**GATEWAY, "CorrelationId": "c-9", "Url": "https://gw.example.org/v1/messages"}
    workshop.deliver("gateway/a.json", [GATEWAY, other, unknown, LINE])
    workshop.deliver("gateway/b.jsonl.gz", [GATEWAY])
    second = {**MODEL, "SequenceNumber": 1, "RequestMessages": None}
    stray = {**MODEL, "CorrelationId": "c-7"}
    workshop.deliver(
        "models/a.json", [MODEL, second, MODEL_LINE, stray, {**second, "CorrelationId": "c-7"}]
    )
    thread = {**RESOURCE, "operationName": "Create_Thread", "properties": '{"objectId":""}'}
    audit = {**RESOURCE, "category": "Audit"}
    workshop.deliver("openai/PT1H.json", [RESOURCE, thread, audit])
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept) == (6, 4)
    assert (summary.rows_rejected, summary.rows_duplicate) == (1, 1)
    assert sorted(workshop.rows(columns="request_id, account_id, input_tokens")) == [
        ("c-1", "sub-1", 31),
        ("c-2", "sub-2", 15),
        ("c-3", "/subscriptions/1/openai", None),
        ("c-7", "/subscriptions/1/gw", 31),
    ]
    assert workshop.rows("rejected", "file, line, reason") == [
        ("2026-11-10/gateway/a.json", 3, "model is missing")
    ]
    assert summary.unknown_columns == ()
    notes = dict(workshop.rows("files", "file, note"))
    assert notes == {
        "2026-11-10/gateway/a.json": "1 calls of other APIs",
        "2026-11-10/gateway/b.jsonl.gz": None,
        "2026-11-10/models/a.json": "4 rows of the log of language models, joined to a request",
        "2026-11-10/openai/PT1H.json": "1 operations that call no model; 1 rows of other logs",
    }


def test_many_small_files_of_both_dialects(workshop: Workshop) -> None:
    for number in range(12):
        workshop.deliver(f"a/{number}.json", [{**GATEWAY, "CorrelationId": f"g-{number}"}])
        workshop.deliver(f"b/{number}.json", [{**LINE, "correlationId": f"l-{number}"}])
    workshop.deliver("b/damaged.json", b'{"correlationId": "x"}\n[1]\n')
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept, summary.rows_rejected) == (25, 24, 1)
    ids = {name for (name,) in workshop.rows(columns="request_id")}
    assert {"g-0", "g-11", "l-0", "l-11"} <= ids


def test_an_export_of_the_tables_as_csv(workshop: Workshop) -> None:
    workshop.deliver(
        "gateway.csv",
        b"TimeGenerated,CorrelationId,ApimSubscriptionId,ResponseCode,Url\n"
        b"2026-11-10T06:31:31.4465902Z,c-1,sub-1,200,https://gw/chat/completions\n",
    )
    workshop.deliver(
        "models.csv",
        b"TimeGenerated,CorrelationId,ModelName,PromptTokens,CompletionTokens,RequestMessages\n"
        b'2026-11-10T06:31:32Z,c-1,gpt-4o,5,6,"[{""role"":""user"",""content"":""Hi""}]"\n',
    )
    workshop.ingest()
    assert workshop.rows(columns="account_id, model, output_tokens, prompt_chars") == [
        ("sub-1", "gpt-4o", 6, 2)
    ]


@pytest.mark.parametrize("record", RECORDS)
def test_each_kind_of_record_is_recognised(record: dict[str, Any]) -> None:
    assert AZURE_APIM.recognises(record)
