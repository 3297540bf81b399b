"""Rows of LiteLLM's spend table in every set of columns it has had, and what becomes of them."""

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.lake import ingest
from pipelines.sources import adapter_named, recognise
from pipelines.sources.deliveries import list_deliveries
from pipelines.sources.litellm_payload import LITELLM_PAYLOAD
from pipelines.sources.litellm_spendlogs import LITELLM_SPENDLOGS
from tests.lake.conftest import KEY
from tests.sources.canonical import canonical_rows, workshop_for

REAL = Path(__file__).resolve().parents[2] / ".." / "shared" / "realdata" / "litellm"

BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "First"},
        {"role": "assistant", "content": "Yes"},
        {"role": "user", "content": [{"type": "text", "text": "How do"}, {"text": "tides work?"}]},
    ],
    "temperature": 0.7,
    "n": 4,
    "logprobs": True,
    "top_logprobs": 5,
    "max_tokens": 1024,
    "stream": True,
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "response_format": {"type": "json_schema"},
}
RESPONSE = {"choices": [{"finish_reason": "stop", "message": {"content": "The moon pulls."}}]}
DETAILS = {
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 30},
}
# The columns of the first releases; later ones added to them.
FIRST: dict[str, Any] = {
    "request_id": "chatcmpl-9f1c2d",
    "call_type": "acompletion",
    "api_key": "key-hash",
    "spend": 0.00312,
    "total_tokens": 1332,
    "prompt_tokens": 1244,
    "completion_tokens": 88,
    "startTime": "2026-11-10T00:06:52.266",
    "endTime": "2026-11-10T00:06:54.011",
    "completionStartTime": "2026-11-10T00:06:53.1",
    "model": "openai/gpt-4o",
    "model_id": "m",
    "model_group": "gpt-4o",
    "custom_llm_provider": "openai",
    "api_base": "",
    "user": "u-42",
    "metadata": {"user_api_key": "key-hash", "user_agent": "openai-python"},
    "cache_hit": "False",
    "cache_key": "Cache OFF",
    "request_tags": ["User-Agent: openai-python"],
    "team_id": "t-7",
    "end_user": "cust-9",
    "requester_ip_address": "203.0.113.7",
    "messages": {},
    "response": RESPONSE | {"usage": DETAILS},
    "proxy_server_request": BODY,
}
ADDED: Mapping[str, dict[str, Any]] = {
    "2025-04": {"session_id": "session-1"},
    "2025-05": {"status": "success"},
    "2025-07": {"mcp_namespaced_tool_name": None},
    "2025-11": {"organization_id": ""},
    "2025-12": {"agent_id": None},
    "2026-02": {"request_duration_ms": 1745},
    "2026-08-18": {
        "created_at": "2026-11-10T00:07:10.1",
        "updated_at": "2026-11-10T00:07:10.1",
    },
    "2026-08-31": {"litellm_call_id": "6f0e"},
    "2026-09": {"billing_agent_id": None},
}


def of_release(release: str) -> dict[str, Any]:
    row = dict(FIRST)
    for since, columns in ADDED.items():
        if since <= release:
            row |= columns
    return row


NEWEST = of_release("2026-09") | {
    "metadata": FIRST["metadata"] | {"usage_object": DETAILS, "status": None},
    "response": RESPONSE,
}
AS_TEXT = NEWEST | {
    name: json.dumps(NEWEST[name])
    for name in ("metadata", "response", "proxy_server_request", "request_tags", "messages")
}
RECORDS: tuple[Mapping[str, Any], ...] = (FIRST, NEWEST, AS_TEXT)

EXPECTED = {
    "request_id": "chatcmpl-9f1c2d",
    "account_id": "u-42",
    "account_fallback": "key-hash",
    "org_id": "t-7",
    "api_key_id": "key-hash",
    "end_user_id": "cust-9",
    "started_at": datetime(2026, 11, 10, 0, 6, 52, 266000),
    "model": "gpt-4o",
    "input_tokens": 1244,
    "output_tokens": 88,
    "pathway": "api",
    "endpoint": "chat",
    "duration_ms": 1745,
    "stream": True,
    "batch": None,
    "cached_tokens": 2,
    "reasoning_tokens": 30,
    "cost_usd": 0.00312,
    "stop_reason": "stop",
    "temperature": 0.7,
    "n": 4,
    "max_tokens": 1024,
    "top_logprobs": 5,
    "tools_count": 1,
    "logprobs": True,
    "response_format": "json_schema",
    "turn": 2,
    "ip": "203.0.113.7",
    "user_agent": "openai-python",
    "system_prompt": "Be brief.",
    "prompt": "How do\ntides work?",
    "previous_prompt": "First",
    "response": "The moon pulls.",
    "prompt_state_hint": None,
    "uncast_values": 0,
}


@pytest.fixture
def row(tmp_path: Path) -> Any:
    def of(record: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        (only,) = canonical_rows(LITELLM_SPENDLOGS, [{**(record or NEWEST), **changes}], tmp_path)
        return only

    return of


@pytest.mark.parametrize("release", ["2025-01", *ADDED])
def test_a_row_of_every_release(row: Any, release: str) -> None:
    record = of_release(release)
    assert LITELLM_SPENDLOGS.recognises(record)
    found = row(record)
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    assert found["http_status"] == (200 if release >= "2025-05" else None)
    assert found["session_id"] == ("session-1" if release >= "2025-04" else None)


@pytest.mark.parametrize("record", RECORDS)
def test_json_columns_come_as_objects_or_as_text(row: Any, record: Mapping[str, Any]) -> None:
    found = row(record)
    assert {name: found[name] for name in EXPECTED} == EXPECTED


def test_it_is_not_the_payload_of_the_same_gateway() -> None:
    for record in RECORDS:
        assert LITELLM_SPENDLOGS.recognises(record)
        assert not LITELLM_PAYLOAD.recognises(record)
    payload = {"id": "x", "call_type": "", "startTime": 1.0, "metadata": {}, "model_parameters": {}}
    assert not LITELLM_SPENDLOGS.recognises(payload)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    body = io.BytesIO()
    typed = [
        {**row, "startTime": datetime.fromisoformat(row["startTime"])}
        | {"endTime": datetime.fromisoformat(row["endTime"])}
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(typed), body)
    return body.getvalue()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("dump.jsonl.gz", gzip.compress(json.dumps(NEWEST).encode())),
        ("dump.csv", as_csv([AS_TEXT])),
        ("dump.parquet", as_parquet([AS_TEXT])),
    ],
)
def test_a_dump_of_every_kind(tmp_path: Path, name: str, body: bytes) -> None:
    shop = workshop_for(LITELLM_SPENDLOGS, tmp_path)
    shop.deliver(name, body)
    assert recognise(shop.exports).name == "litellm_spendlogs"
    summary = shop.ingest()
    assert (summary.rows_kept, summary.unknown_columns, summary.uncast_values) == (1, (), 0)
    columns = ("account_id", "started_at", "input_tokens", "duration_ms", "n", "turn")
    assert shop.rows(columns=f"{', '.join(columns)}, prompt_chars") == [
        (*(EXPECTED[name] for name in columns), len("How do\ntides work?"))
    ]


SAID: Mapping[str, tuple[dict[str, Any], str | None, str | None, int | None]] = {
    "nothing stored": ({}, None, None, None),
    "no messages": ({"messages": []}, None, None, 1),
    "embedding": ({"input": "Text"}, "Text", None, 1),
    "embeddings": ({"input": ["One", "Two"]}, "Two", None, 2),
    "tokens": ({"input": [1, 2, 3]}, None, None, 1),
    "completion": ({"prompt": "Once upon"}, "Once upon", None, 1),
    "responses": (
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]}
        | {"instructions": "Be kind."},
        "Hi",
        "Be kind.",
        1,
    ),
    "anthropic": (
        {
            "messages": [{"role": "user", "content": "Hi"}],
            "system": [{"type": "text", "text": "S"}],
        },
        "Hi",
        "S",
        1,
    ),
}


@pytest.mark.parametrize("case", SAID)
@pytest.mark.parametrize("is_text", [True, False])
def test_the_prompt_is_in_the_stored_request(row: Any, case: str, is_text: bool) -> None:
    body, prompt, system, turn = SAID[case]
    found = row(proxy_server_request=json.dumps(body) if is_text else body)
    assert (found["prompt"], found["system_prompt"], found["turn"]) == (prompt, system, turn)


def test_realtime_calls_have_their_messages_in_the_column(row: Any) -> None:
    said = [{"role": "user", "content": "Hello"}]
    assert row(proxy_server_request={}, messages=said)["prompt"] == "Hello"
    assert row(messages=said)["prompt"] == EXPECTED["prompt"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("A long text ... (litellm_truncated skipped 312 chars. Truncation ...) end", "truncated"),
        ("redacted-by-litellm", "redacted"),
        ("default-message-value", "placeholder"),
    ],
)
def test_prompts_that_are_none_or_not_whole(row: Any, text: str, hint: str) -> None:
    body = {"messages": [{"role": "user", "content": text}]}
    assert row(proxy_server_request=body)["prompt_state_hint"] == hint


def test_a_truncated_traceback_is_no_truncated_prompt(row: Any) -> None:
    error = {"traceback": "... (litellm_truncated skipped 2436 chars)", "error_code": "429"}
    body = BODY | {"metadata": {"error_information": error}}
    found = row(
        status="failure",
        proxy_server_request=body,
        response={},
        metadata={"status": "failure", "error_information": error},
    )
    assert (found["prompt_state_hint"], found["http_status"], found["response"]) == (
        None,
        429,
        None,
    )


def test_empty_texts_are_nulls_and_a_row_without_a_user_has_its_key(row: Any) -> None:
    found = row(user="", team_id="", organization_id="", end_user="", session_id="")
    names = ("account_id", "org_id", "end_user_id", "session_id", "account_fallback")
    assert [found[name] for name in names] == [None, None, None, None, "key-hash"]
    assert row(team_id="", organization_id="org-1")["org_id"] == "org-1"
    assert row(model_group="", model="")["model"] == "gpt-4o"


@pytest.mark.parametrize("request_id", ["None", "", None])
def test_a_missing_request_id_is_null(row: Any, request_id: str | None) -> None:
    assert row(request_id=request_id)["request_id"] is None


def test_a_cache_hit_is_a_request_of_its_own(row: Any) -> None:
    """Its id is that of the answer it repeats, with a time behind it."""
    found = row(request_id="chatcmpl-9f1c2d_cache_hit1794269212.26", cache_hit="True", spend=0)
    assert found["request_id"] == "chatcmpl-9f1c2d_cache_hit1794269212.26"
    assert (found["cost_usd"], found["output_tokens"]) == (0, 88)


@pytest.mark.parametrize(
    ("status", "tokens", "expected"),
    [
        ("success", (0, 0), (None, None)),
        ("", (0, 0), (None, None)),
        ("success", (12, 0), (12, 0)),
        ("failure", (0, 0), (0, 0)),
    ],
)
def test_zero_is_also_the_default_of_the_token_columns(
    row: Any, status: str, tokens: tuple[int, int], expected: tuple[int | None, int | None]
) -> None:
    found = row(status=status, prompt_tokens=tokens[0], completion_tokens=tokens[1])
    assert (found["input_tokens"], found["output_tokens"]) == expected


def test_times(row: Any) -> None:
    assert row(startTime="2026-11-10 23:30:00")["started_at"] == datetime(2026, 11, 10, 23, 30)
    zoned = row(
        startTime="2026-11-10T00:30:00+02:00",
        endTime="2026-11-09T22:30:01Z",
        request_duration_ms=None,
    )
    assert zoned["started_at"] == datetime(2026, 11, 9, 22, 30)
    assert zoned["duration_ms"] == 1000
    late = row(request_duration_ms=None, startTime="2026-11-10T00:00:00", endTime="")
    assert late["duration_ms"] is None


def test_an_answer_in_anthropics_own_shape(row: Any) -> None:
    answer = {"content": [{"type": "text", "text": "Hi."}], "stop_reason": "end_turn"}
    found = row(call_type="anthropic_messages", response=answer)
    assert (found["response"], found["stop_reason"], found["endpoint"]) == (
        "Hi.",
        "end_turn",
        "chat",
    )


def test_what_is_stored_badly_costs_its_columns_only(row: Any) -> None:
    found = row(
        proxy_server_request="{'python': 'repr'}", metadata="", response="oops", messages=[]
    )
    assert (found["account_id"], found["prompt"], found["temperature"]) == ("u-42", None, None)


real = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real gateway log is not beside the repository"
)


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The homes of the two feeds of one gateway, and what became of the table's rows."""
    homes, summaries = {}, []
    for feed, name in (("payload", "litellm_payload"), ("spendlogs", "litellm_spendlogs")):
        home = homes[feed] = tmp_path_factory.mktemp(feed)
        adapter = adapter_named(name)
        for day in list_deliveries(REAL / feed, adapter):
            summary = ingest(
                exports=REAL / feed,
                home=home,
                adapter=adapter,
                table="requests",
                day=day,
                key=KEY,
                threads=2,
            )
            summaries += [summary] if feed == "spendlogs" else []
    return homes, summaries


@real
def test_every_real_row_is_accounted_for(lakes: Any) -> None:
    _, summaries = lakes
    assert recognise(REAL / "spendlogs").name == "litellm_spendlogs"
    assert sum(one.rows_in for one in summaries) == 8851
    assert all(s.rows_in == s.rows_kept + s.rows_rejected + s.rows_duplicate for s in summaries)
    assert sum(one.rows_kept for one in summaries) == 8851
    assert sum(one.rows_account_from_key for one in summaries) == 405
    assert sum(one.rows_account_unresolved for one in summaries) == 0
    assert {one.unknown_columns for one in summaries} == {()}
    assert sum(one.uncast_values for one in summaries) == 0


@real
def test_the_two_feeds_of_one_gateway_agree(lakes: Any) -> None:
    """Joined on the call: account, model, time and tokens, and the prompt unless it was cut.

    The lake has no call id. The raw files tie the two request ids of a call, which are unique.
    """
    homes, _ = lakes
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for feed, name in (("payload", "id"), ("spendlogs", "request_id")):
            connection.execute(f"""
                create table {feed} as
                select litellm_call_id, lake.*
                from read_json('{REAL}/{feed}/*/*.gz', format = 'newline_delimited',
                    columns = {{litellm_call_id: 'VARCHAR', {name}: 'VARCHAR'}}) as raw
                join '{homes[feed]}/lake/requests/*/data.parquet' as lake
                    on raw.{name} = lake.request_id
            """)

        def differing(condition: str, where: str = "true") -> tuple[Any, ...] | None:
            return connection.execute(f"""
                select count(*), count(*) filter (where {condition})
                from spendlogs as a join payload as b using (litellm_call_id)
                where {where}
            """).fetchone()

        assert differing("a.account_id <> b.account_id") == (7567, 0)
        for name in ("org_id", "api_key_id", "end_user_id", "model", "http_status", "temperature"):
            assert differing(f"a.{name} is distinct from b.{name}") == (7567, 0), name
        # Of a failed call the table has a later start, and an estimate of the input where the
        # payload has 0.
        succeeded = "a.http_status = 200"
        moved = "abs(epoch_ms(a.started_at) - epoch_ms(b.started_at)) > 1"
        tokens = (
            "(a.input_tokens, a.output_tokens) is distinct from (b.input_tokens, b.output_tokens)"
        )
        assert differing(moved, succeeded) == (6491, 0)
        assert differing(tokens, succeeded) == (6491, 0)
        for name in ("prompt_hash", "prompt_chars", "turn"):
            unlike = f"a.{name} is distinct from b.{name}"
            assert differing(unlike, "a.prompt_state = 'full'") == (6340, 0), name
        assert differing("b.prompt_state = 'full'", "a.prompt_state = 'truncated'") == (229, 229)
