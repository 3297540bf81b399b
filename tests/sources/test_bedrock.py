"""One record per dialect of Bedrock's invocation log, and the row it becomes."""

import gzip
import json
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import UserError
from pipelines.sources import ADAPTERS
from pipelines.sources.bedrock import BEDROCK
from pipelines.sources.deliveries import files_of, list_deliveries
from pipelines.sources.native import NATIVE
from tests.sources.canonical import canonical_rows, workshop_for

ROLE = "arn:aws:sts::111122223333:assumed-role/app"
COMMON: dict[str, Any] = {
    "schemaType": "ModelInvocationLog",
    "schemaVersion": "1.0",
    "timestamp": "2026-11-10T00:06:52Z",
    "accountId": "111122223333",
    "region": "us-east-1",
    "identity": {"arn": f"{ROLE}/i-0a1b2c"},
    "requestId": "304a166e-71c0",
}
CONVERSE: dict[str, Any] = {
    **COMMON,
    "operation": "Converse",
    "modelId": (
        "arn:aws:bedrock:us-east-1:111122223333:inference-profile/"
        "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    ),
    "input": {
        "inputContentType": "application/json",
        "inputBodyJson": {
            "system": [{"text": "Be kind."}, {"text": "Be brief."}],
            "messages": [
                {"role": "user", "content": [{"text": "What are tides?"}]},
                {
                    "role": "assistant",
                    "content": [
                        {"reasoningContent": {"reasoningText": {"text": "", "signature": "sig-1"}}},
                        {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}},
                    ],
                },
                {"role": "user", "content": [{"toolResult": {"content": [{"text": "42"}]}}]},
                {"role": "assistant", "content": [{"text": "Water."}]},
                {"role": "user", "content": [{"text": "How do"}, {"text": "they work?"}]},
            ],
            "inferenceConfig": {"maxTokens": 32000, "temperature": 0.7, "topP": 0.9},
            "toolConfig": {"tools": [{"toolSpec": {"name": "f"}}]},
            "additionalModelRequestFields": {"top_k": 250, "seed": 7},
        },
        "inputTokenCount": 62,
        "cacheReadInputTokenCount": 10,
    },
    "output": {
        "outputContentType": "application/json",
        "outputBodyJson": {
            "output": {"message": {"role": "assistant", "content": [{"text": "The moon pulls."}]}},
            "stopReason": "end_turn",
            "metrics": {"latencyMs": 1745},
            "usage": {"inputTokens": 62, "outputTokens": 36},
        },
        "outputTokenCount": 36,
    },
    "requestMetadata": {"tenant": "t_7", "sessionId": "s-1"},
}
INVOKE: dict[str, Any] = {
    **COMMON,
    "operation": "InvokeModel",
    "modelId": "anthropic.claude-3-haiku-20240307-v1:0",
    "input": {
        "inputBodyJson": {
            "anthropic_version": "bedrock-2023-05-31",
            "system": "Be kind.",
            "messages": [{"role": "user", "content": "How do tides work?"}],
            "max_tokens": 2000,
            "temperature": 1,
            "top_k": 250,
            "top_p": 0.999,
        },
        "inputTokenCount": 571,
    },
    "output": {
        "outputBodyJson": {
            "type": "message",
            "content": [{"type": "text", "text": "The moon pulls."}],
            "stop_reason": "max_tokens",
            "usage": {"input_tokens": 571, "output_tokens": 15},
        },
        "outputTokenCount": 15,
    },
}
CHUNKS: list[Any] = [
    {"type": "message_start", "message": {"stop_reason": None, "usage": {"output_tokens": 1}}},
    {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "The moon"}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": " pulls."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 8}},
    {
        "type": "message_stop",
        "amazon-bedrock-invocationMetrics": {"invocationLatency": 903, "outputTokenCount": 8},
    },
    "[DONE]",
]
STREAM: dict[str, Any] = {
    **INVOKE,
    "operation": "InvokeModelWithResponseStream",
    "output": {"outputBodyJson": CHUNKS, "outputTokenCount": 8},
}
RECORDS = (CONVERSE, INVOKE, STREAM)


@pytest.fixture
def row(tmp_path: Path) -> Any:
    def of(record: dict[str, Any], **changes: Any) -> dict[str, Any]:
        (found,) = canonical_rows(BEDROCK, [{**record, **changes}], tmp_path)
        return found

    return of


def asked(body: dict[str, Any], output: object = None) -> dict[str, Any]:
    """The changes that give a call of InvokeModel these bodies."""
    return {
        "input": {"inputBodyJson": body, "inputTokenCount": 5},
        "output": {"outputBodyJson": output, "outputTokenCount": 6},
    }


def test_converse(row: Any) -> None:
    found = row(CONVERSE)
    expected = {
        "request_id": "304a166e-71c0",
        "account_id": ROLE,
        "account_fallback": "111122223333",
        "org_id": "111122223333",
        "api_key_id": None,
        "end_user_id": "t_7",
        "started_at": datetime(2026, 11, 10, 0, 6, 52),
        "model": "anthropic.claude-haiku-4-5-20251001-v1:0",
        "input_tokens": 62,
        "output_tokens": 36,
        "cached_tokens": 10,
        "pathway": "bedrock",
        "endpoint": "chat",
        "duration_ms": 1745,
        "stream": False,
        "batch": None,
        "cost_usd": None,
        "http_status": 200,
        "stop_reason": "end_turn",
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 32000,
        "seed": 7,
        "tools_count": 1,
        "session_id": "s-1",
        # What a tool answered is no turn of the user.
        "turn": 2,
        "reasoning_signature": "sig-1",
        "ip": None,
        "user_agent": None,
        "system_prompt": "Be kind.\nBe brief.",
        "prompt": "How do\nthey work?",
        "previous_prompt": "What are tides?",
        "response": "The moon pulls.",
        "prompt_state_hint": None,
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected


def test_invoke_model(row: Any) -> None:
    found = row(INVOKE)
    expected = {
        "model": "anthropic.claude-3-haiku-20240307-v1:0",
        "input_tokens": 571,
        "output_tokens": 15,
        "endpoint": "chat",
        "stream": False,
        "stop_reason": "max_tokens",
        "temperature": 1.0,
        "top_p": 0.999,
        "max_tokens": 2000,
        "duration_ms": None,
        "turn": 1,
        "system_prompt": "Be kind.",
        "prompt": "How do tides work?",
        "response": "The moon pulls.",
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected


def test_a_stream_is_a_list_of_chunks_that_ends_in_a_string(row: Any) -> None:
    found = row(STREAM)
    expected = {
        "stream": True,
        "stop_reason": "end_turn",
        "output_tokens": 8,
        "duration_ms": 903,
        "response": "The moon pulls.",
        "prompt": "How do tides work?",
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected


CHUNKS_OF = {
    "nova": [
        {"contentBlockDelta": {"delta": {"text": "The moon"}}},
        {"contentBlockDelta": {"delta": {"text": " pulls."}}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"metrics": {"latencyMs": 5}}},
        "[DONE]",
    ],
    "llama": [
        {"generation": "The moon", "stop_reason": None},
        {"generation": " pulls.", "stop_reason": "end_turn"},
        "[DONE]",
    ],
    "mistral": [
        {"outputs": [{"text": "The moon", "stop_reason": None}]},
        {"outputs": [{"text": " pulls.", "stop_reason": "end_turn"}]},
    ],
    "titan": [
        {"outputText": "The moon", "completionReason": None},
        {"outputText": " pulls.", "completionReason": "end_turn"},
    ],
    "openai": [
        {"choices": [{"delta": {"content": "The moon"}, "finish_reason": None}]},
        {"choices": [{"delta": {"content": " pulls."}, "finish_reason": "end_turn"}]},
    ],
}


@pytest.mark.parametrize("dialect", CHUNKS_OF)
def test_streams_of_every_dialect(row: Any, dialect: str) -> None:
    found = row(STREAM, output={"outputBodyJson": CHUNKS_OF[dialect], "outputTokenCount": 8})
    assert (found["response"], found["stop_reason"]) == ("The moon pulls.", "end_turn")


BODIES = {
    "claude 2": (
        {
            "prompt": "\n\nHuman: First\n\nAssistant: Yes\n\nHuman: Second\n\nAssistant:",
            "max_tokens_to_sample": 9,
        },
        {"completion": "Well", "stop_reason": "stop"},
        ("Second", "First", 2, "completion"),
    ),
    "llama": (
        {"prompt": "Second", "max_gen_len": 9},
        {"generation": "Well", "stop_reason": "stop"},
        ("Second", None, 1, "completion"),
    ),
    "titan": (
        {"inputText": "Second", "textGenerationConfig": {"maxTokenCount": 9}},
        {"results": [{"outputText": "Well", "completionReason": "stop"}]},
        ("Second", None, 1, "completion"),
    ),
    "mistral": (
        {"prompt": "Second", "max_tokens": 9},
        {"outputs": [{"text": "Well", "stop_reason": "stop"}]},
        ("Second", None, 1, "completion"),
    ),
    "command": (
        {
            "message": "Second",
            "chat_history": [
                {"role": "USER", "message": "First"},
                {"role": "CHATBOT", "message": "Yes"},
            ],
            "max_tokens": 9,
        },
        {"text": "Well", "finish_reason": "stop"},
        ("Second", "First", 2, "chat"),
    ),
    "command without history": (
        {"message": "Second", "max_tokens": 9},
        {"text": "Well", "finish_reason": "stop"},
        ("Second", None, 1, "chat"),
    ),
    "nova": (
        {
            "messages": [{"role": "user", "content": [{"text": "Second"}]}],
            "inferenceConfig": {"max_new_tokens": 9},
        },
        {"output": {"message": {"content": [{"text": "Well"}]}}, "stopReason": "stop"},
        ("Second", None, 1, "chat"),
    ),
    "openai": (
        {
            "messages": [{"role": "user", "content": "Second"}],
            "max_completion_tokens": 9,
        },
        {"choices": [{"message": {"content": "Well"}, "finish_reason": "stop"}]},
        ("Second", None, 1, "chat"),
    ),
}


@pytest.mark.parametrize("dialect", BODIES)
def test_bodies_of_every_dialect(row: Any, dialect: str) -> None:
    body, output, expected = BODIES[dialect]
    found = row(INVOKE, **asked(body, output))
    assert (
        found["prompt"],
        found["previous_prompt"],
        found["turn"],
        found["endpoint"],
    ) == expected
    assert (found["response"], found["stop_reason"], found["max_tokens"]) == ("Well", "stop", 9)


def test_other_bodies_say_little_and_break_nothing(row: Any) -> None:
    image = row(INVOKE, **asked({"taskType": "TEXT_IMAGE"}, {"images": ["..."]}))
    assert (image["endpoint"], image["prompt"]) == ("other", None)
    embedding = row(
        INVOKE,
        modelId="amazon.titan-embed-text-v2:0",
        **asked({"inputText": "x"}, {"embedding": [1]}),
    )
    assert (embedding["endpoint"], embedding["prompt"]) == ("embedding", "x")
    for odd in ("not json", 5, [], None, {"messages": "odd"}, {"messages": [None, "x"]}):
        assert row(INVOKE, **asked(odd, odd))["prompt"] is None  # type: ignore[arg-type]
    for odd in ("x", 5, [], None):
        assert row(INVOKE, input=odd, output=odd, requestMetadata=odd)["account_id"] == ROLE


def test_a_value_out_of_all_bounds_costs_that_value_only(row: Any) -> None:
    """Regression: a latency that fits no integer would have cost the whole file."""
    output = {"outputBodyJson": {"metrics": {"latencyMs": 1e300}}, "outputTokenCount": 6}
    found = row(CONVERSE, output=output)
    assert (found["duration_ms"], found["output_tokens"], found["uncast_values"]) == (None, 6, 1)


def test_bodies_and_columns_may_be_json_in_a_string(row: Any) -> None:
    wrapped = {
        **STREAM["input"],
        "inputBodyJson": json.dumps(STREAM["input"]["inputBodyJson"]),
    }
    found = row(STREAM, input=json.dumps(wrapped), output=json.dumps(STREAM["output"]))
    assert (found["prompt"], found["response"]) == ("How do tides work?", "The moon pulls.")
    assert found["input_tokens"] == 571


@pytest.mark.parametrize(
    ("arn", "account", "end_user"),
    [
        (f"{ROLE}/session-1", ROLE, None),
        (ROLE, ROLE, None),
        ("arn:aws:iam::111122223333:user/ci", "arn:aws:iam::111122223333:user/ci", None),
        ("arn:aws-cn:sts::1:assumed-role/app/a/b", "arn:aws-cn:sts::1:assumed-role/app", None),
        (
            "arn:aws:sts::1:assumed-role/AWSReservedSSO_Dev_0a1b/jo@example.com",
            "arn:aws:sts::1:assumed-role/AWSReservedSSO_Dev_0a1b",
            "jo@example.com",
        ),
    ],
)
def test_the_account_is_the_role_and_not_its_session(
    row: Any, arn: str, account: str, end_user: str | None
) -> None:
    found = row(INVOKE, identity={"arn": arn})
    assert (found["account_id"], found["end_user_id"]) == (account, end_user)


def test_without_an_identity_the_aws_account_stands_for_the_caller(row: Any) -> None:
    found = row(INVOKE, identity=None)
    assert (found["account_id"], found["account_fallback"]) == (None, "111122223333")


@pytest.mark.parametrize(
    ("model_id", "model"),
    [
        ("anthropic.claude-v2:1", "anthropic.claude-v2:1"),
        ("eu.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("global.anthropic.claude-x-v1:0", "anthropic.claude-x-v1:0"),
        ("arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-8b", "meta.llama3-8b"),
        (
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/0a1b2c",
            "application-inference-profile/0a1b2c",
        ),
    ],
)
def test_models(row: Any, model_id: str, model: str) -> None:
    assert row(INVOKE, modelId=model_id)["model"] == model


def test_a_stop_by_a_guardrail_reports_no_tokens(row: Any) -> None:
    chunks = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 0}}},
        {
            "type": "content_block_delta",
            "delta": {"type": "text_delta", "text": "Sorry."},
            "amazon-bedrock-guardrailAction": "INTERVENED",
        },
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        "[DONE]",
    ]
    found = row(
        STREAM,
        input={**STREAM["input"], "inputTokenCount": 0},
        output={"outputBodyJson": chunks, "outputTokenCount": 0},
    )
    assert found["stop_reason"] == "guardrail_intervened"
    assert (found["input_tokens"], found["output_tokens"]) == (None, None)
    whole = {"content": [], "amazon-bedrock-guardrailAction": "INTERVENED"}
    assert row(INVOKE, output={"outputBodyJson": whole})["stop_reason"] == "guardrail_intervened"


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (None, None, 200),
        ("", "Success", 200),
        ("ThrottlingException", None, 429),
        ("AccessDeniedException", None, 403),
        ("SomethingNewException", None, None),
        (None, "400", 400),
        ("429", None, 429),
        (None, "Failed", None),
    ],
)
def test_status(row: Any, error: str | None, status: str | None, expected: int | None) -> None:
    output = None if expected != 200 else INVOKE["output"]
    found = row(INVOKE, errorCode=error, status=status, output=output)
    assert found["http_status"] == expected


def test_a_body_that_is_too_large_lies_elsewhere(row: Any) -> None:
    path = "s3://logs/AWSLogs/1/BedrockModelInvocationLogs/us-east-1/2026/11/10/00/data/x_input.json.gz"
    found = row(INVOKE, input={"inputBodyS3Path": path, "inputTokenCount": 90000})
    assert (found["prompt_state_hint"], found["input_tokens"]) == ("pointer", 90000)
    assert (found["turn"], found["max_tokens"]) == (None, None)
    assert row(INVOKE, input={"inputTokenCount": 9})["prompt_state_hint"] is None


PREFIX = "logs/AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1"


def test_days_are_folders_in_folders(tmp_path: Path) -> None:
    for name in (
        f"{PREFIX}/2026/11/10/00/20261110T000000000Z_0a1b.json.gz",
        f"{PREFIX}/2026/11/10/23/20261110T230000000Z_0a1b.json.gz",
        f"{PREFIX}/2026/11/10/23/data/304a166e_input.json.gz",
        f"{PREFIX}/2026/11/10/amazon-bedrock-logs-permission-check",
        f"{PREFIX}/amazon-bedrock-logs-permission-check",
        f"{PREFIX.replace('us-east-1', 'eu-west-1')}/2026/11/10/05/x.json.gz",
        f"{PREFIX}/2026/11/11/00/y.json.gz",
        "usage_counters/2026-11-10/data/counts.csv",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    day = date(2026, 11, 10)
    assert list_deliveries(tmp_path, BEDROCK) == (day, date(2026, 11, 11))
    assert [
        file.name.split("Logs/")[-1] for file in files_of(tmp_path, BEDROCK, "requests", day)
    ] == [
        "eu-west-1/2026/11/10/05/x.json.gz",
        "us-east-1/2026/11/10/00/20261110T000000000Z_0a1b.json.gz",
        "us-east-1/2026/11/10/23/20261110T230000000Z_0a1b.json.gz",
    ]
    counting = next(adapter for adapter in ADAPTERS if adapter.name == "bedrock")
    assert [file.name for file in files_of(tmp_path, counting, "usage_counters", day)] == [
        "usage_counters/2026-11-10/data/counts.csv"
    ]
    assert list_deliveries(tmp_path, counting) == (day, date(2026, 11, 11))
    with pytest.raises(UserError, match="a folder 2026/11/12 was expected"):
        files_of(tmp_path, BEDROCK, "requests", date(2026, 11, 12))


@pytest.mark.parametrize("name", ["2026/11/31", "2026/1/5"])
def test_folders_that_are_nearly_a_day_are_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / PREFIX / name).mkdir(parents=True)
    with pytest.raises(UserError, match=f"{name} is not named for a day: YYYY/MM/DD was expected"):
        list_deliveries(tmp_path, BEDROCK)


def test_days_as_other_programs_partition_them(tmp_path: Path) -> None:
    """How day folders look is the adapter's word, whatever the layout around them."""
    hive = replace(NATIVE, day_folder="year=%Y/month=%m/day=%d")
    for name in ("requests/year=2026/month=11/day=10/a.jsonl", "requests/2026-11-09/a.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert list_deliveries(tmp_path, hive) == (date(2026, 11, 10),)
    (tmp_path / "requests/year=2026/month=11/day=9").mkdir()
    with pytest.raises(UserError, match="year=YYYY/month=MM/day=DD was expected"):
        list_deliveries(tmp_path, hive)


def test_folders_of_another_layout_say_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "2026-11-10").mkdir()
    with pytest.raises(UserError, match=r"named for a day \(YYYY/MM/DD\) .* found 2026-11-10;"):
        list_deliveries(tmp_path, BEDROCK)


def test_a_delivery_of_every_dialect(tmp_path: Path) -> None:
    """Regression: the service has the same request id on several rows; none of them may be lost."""
    workshop = workshop_for(BEDROCK, tmp_path)
    workshop.deliver("00/a.json.gz", [CONVERSE, INVOKE, INVOKE])
    workshop.deliver("01/b.json.gz", [STREAM])
    workshop.deliver("01/data/304a166e_input.json.gz", gzip.compress(b'{"messages": []}'))
    summary = workshop.ingest()
    assert (summary.files, summary.rows_in, summary.rows_kept) == (2, 4, 3)
    assert (summary.rows_duplicate, summary.unknown_columns) == (1, ())
    assert sorted(
        workshop.rows(columns="account_id, stream, stop_reason, output_tokens, prompt_state")
    ) == [
        (ROLE, False, "end_turn", 36, "full"),
        (ROLE, False, "max_tokens", 15, "full"),
        (ROLE, True, "end_turn", 8, "full"),
    ]


def test_only_its_own_records_are_recognised() -> None:
    for record in RECORDS:
        assert [adapter.name for adapter in ADAPTERS if adapter.recognises(record)] == ["bedrock"]
