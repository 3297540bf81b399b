"""Observations, traces and manifests in the dialects of Langfuse, and what becomes of them."""

import gzip
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.sources import recognise
from pipelines.sources.langfuse import LANGFUSE
from tests.lake.conftest import Workshop, json_lines
from tests.sources.canonical import canonical_rows, workshop_for

OBSERVATION: dict[str, Any] = {
    "id": "obs_1",
    "trace_id": "tr_1",
    "project_id": "proj_1",
    "type": "GENERATION",
    "parent_observation_id": None,
    "start_time": "2026-11-10 00:06:52.266",
    "end_time": "2026-11-10 00:06:54.011",
    "name": "answer",
    "metadata": {},
    "level": "DEFAULT",
    "status_message": None,
    "provided_model_name": "gpt-4o",
    "model_parameters": '{"temperature":1,"n":4,"max_tokens":"300"}',
    "usage_details": {"input": 1244, "output": 88, "total": 1332},
    "cost_details": {"input": 0.003, "output": 0.00012, "total": 0.00312},
    "total_cost": 0.00312,
    "input": json.dumps(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is a tide?"},
            {"role": "assistant", "content": "Rising water."},
            {"role": "user", "content": [{"type": "text", "text": "Why does it rise?"}]},
        ]
    ),
    "output": '{"role":"assistant","content":"The moon pulls."}',
    "updated_at": "2026-11-10 00:07:00.000",
    "is_deleted": 0,
}
TRACE: dict[str, Any] = {
    "id": "tr_1",
    "timestamp": "2026-11-10 00:06:52.000",
    "project_id": "proj_1",
    "name": "chat",
    "user_id": "cust_9",
    "session_id": "sess_1",
    "tags": [],
    "metadata": {},
    "updated_at": "2026-11-10 00:07:00.000",
}
# As the public API gives it, and the export of the web page.
API_OBSERVATION: dict[str, Any] = {
    "id": "obs_2",
    "traceId": "tr_2",
    "projectId": "proj_1",
    "type": "GENERATION",
    "startTime": "2026-11-10T08:00:00.000Z",
    "endTime": "2026-11-10T08:00:01.500Z",
    "level": "ERROR",
    "statusMessage": "Error code: 429 - too many requests",
    "model": "gpt-4o-mini",
    "modelParameters": {"temperature": 0.2, "top_p": 0.9},
    "usage": {"input": 7, "output": 0, "total": 7, "unit": "TOKENS"},
    "calculatedTotalCost": 0.001,
    "input": [{"role": "user", "content": "Hello"}],
    "output": None,
}
API_TRACE: dict[str, Any] = {
    "id": "tr_2",
    "timestamp": "2026-11-10T08:00:00.000Z",
    "userId": "cust_7",
    "sessionId": None,
}
RECORDS = (OBSERVATION, TRACE, API_OBSERVATION, API_TRACE)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return workshop_for(LANGFUSE, tmp_path)


def row(folder: Path, **changes: Any) -> dict[str, Any]:
    """The canonical row of the observation with these changes, its trace beside it."""
    (only,) = canonical_rows(LANGFUSE, [{**OBSERVATION, **changes}, TRACE], folder)
    return only


def manifest(*files: tuple[str, int, int | None]) -> bytes:
    listed = [{"key": key, "sizeBytes": size, "rowCount": rows} for key, size, rows in files]
    return json.dumps({"version": 1, "projectId": "proj_1", "files": listed}).encode()


def test_an_observation_and_its_trace(tmp_path: Path) -> None:
    found = row(tmp_path)
    expected = {
        "request_id": "obs_1",
        "account_id": "cust_9",
        "account_fallback": "proj_1",
        "org_id": "proj_1",
        "api_key_id": None,
        "started_at": datetime(2026, 11, 10, 0, 6, 52, 266000),
        "model": "gpt-4o",
        "input_tokens": 1244,
        "output_tokens": 88,
        "endpoint": "chat",
        "duration_ms": 1745,
        "cost_usd": 0.00312,
        "http_status": None,
        "temperature": 1.0,
        "n": 4,
        "max_tokens": 300,
        "session_id": "sess_1",
        "turn": 2,
        "ip": None,
        "system_prompt": "Be brief.",
        "prompt": "Why does it rise?",
        "previous_prompt": "What is a tide?",
        "response": "The moon pulls.",
        "prompt_state_hint": None,
        "uncast_values": 0,
    }
    assert {name: found[name] for name in expected} == expected


def test_the_names_of_the_api(tmp_path: Path) -> None:
    (found,) = canonical_rows(LANGFUSE, [API_OBSERVATION, API_TRACE], tmp_path)
    expected = {
        "request_id": "obs_2",
        "account_id": "cust_7",
        "session_id": None,
        "started_at": datetime(2026, 11, 10, 8),
        "duration_ms": 1500,
        "model": "gpt-4o-mini",
        "input_tokens": 7,
        "output_tokens": 0,
        "cost_usd": 0.001,
        "http_status": 429,
        "temperature": 0.2,
        "top_p": 0.9,
        "prompt": "Hello",
        "response": None,
    }
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("usage", "level", "expected"),
    [
        ({"input": 10, "input_cached_tokens": 6, "output": 3}, "DEFAULT", (16, 3, 6, None)),
        ({"input": 1, "output": 2, "output_reasoning_tokens": 5}, "DEFAULT", (1, 7, None, 5)),
        ({"input": 0, "output": 0, "total": 0}, "DEFAULT", (None, None, None, None)),
        ({"input": 0, "output": 0, "total": 0}, "ERROR", (0, 0, None, None)),
        ("{'input':12,'output':3}", "DEFAULT", (12, 3, None, None)),
        ({}, "DEFAULT", (None, None, None, None)),
        (None, "DEFAULT", (None, None, None, None)),
    ],
)
def test_tokens(
    tmp_path: Path, usage: object, level: str, expected: tuple[int | None, ...]
) -> None:
    found = row(tmp_path, usage_details=usage, level=level)
    names = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
    assert tuple(found[name] for name in names) == expected


@pytest.mark.parametrize(
    ("said", "answered", "prompt", "response", "hint"),
    [
        ("Hello", "Hi", "Hello", "Hi", None),
        ("42", "43", "42", "43", None),
        ({"messages": [{"role": "user", "content": "Hello"}]}, None, "Hello", None, None),
        ({"role": "user", "content": "Hello"}, {"content": "Hi"}, "Hello", "Hi", None),
        (None, {"choices": [{"message": {"content": "Hi"}}]}, None, "Hi", None),
        (
            "<truncated due to size exceeding limit>",
            "<truncated due to size exceeding limit>",
            "<truncated due to size exceeding limit>",
            None,
            "placeholder",
        ),
        (
            "<fully masked due to failed mask function>",
            "Hi",
            "<fully masked due to failed mask function>",
            "Hi",
            "redacted",
        ),
    ],
)
def test_texts_of_every_shape(
    tmp_path: Path, said: object, answered: object, prompt: object, response: object, hint: object
) -> None:
    found = row(tmp_path, input=said, output=answered)
    assert (found["prompt"], found["response"], found["prompt_state_hint"]) == (
        prompt,
        response,
        hint,
    )


def test_a_delivery_is_put_together_across_files(workshop: Workshop) -> None:
    """Regression: a row at the edge of two windows stands in both files and was counted twice."""
    span = {**OBSERVATION, "id": "obs_9", "type": "SPAN"}
    earlier = {**OBSERVATION, "updated_at": "2026-11-10 00:06:53.000", "usage_details": {}}
    stray = {**OBSERVATION, "id": "obs_3", "trace_id": "tr_late"}
    lost = {**stray, "id": "obs_4", "project_id": None}
    body = json_lines([OBSERVATION, span, earlier, stray, lost])
    workshop.deliver("proj_1/observations/2026-11-10T00-20-00.jsonl", body)
    workshop.deliver("proj_1/observations/2026-11-10T00-40-00.jsonl.gz", [OBSERVATION])
    renamed = {**TRACE, "user_id": "", "updated_at": "2026-11-10 00:30:00"}
    workshop.deliver("proj_1/traces/2026-11-10T00-20-00.jsonl", [TRACE, renamed])
    workshop.deliver("proj_1/scores/2026-11-10T00-20-00.jsonl", [{"id": "s", "trace_id": "tr_1"}])
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept) == (4, 2)
    assert (summary.rows_rejected, summary.rows_duplicate) == (1, 1)
    assert summary.rows_account_unresolved == 1
    assert workshop.rows(columns="request_id, account_id") == [
        ("obs_1", "cust_9"),
        ("obs_3", "proj_1"),
    ]
    assert workshop.rows("rejected", "line, reason") == [(5, "account_id is missing")]
    notes = dict(workshop.rows("files", "file, note"))
    assert notes["2026-11-10/proj_1/traces/2026-11-10T00-20-00.jsonl"] == (
        "2 traces, which observations are joined to"
    )
    assert notes["2026-11-10/proj_1/observations/2026-11-10T00-20-00.jsonl"] == (
        "1 earlier versions of an observation; 1 observations that are no generation"
    )


def test_csv_and_parquet(workshop: Workshop) -> None:
    names = ["id", "timestamp", "user_id", "session_id"]
    table = pa.table({name: [TRACE[name], f"{TRACE[name]}"] for name in names})
    columns = {name: [OBSERVATION[name]] for name in OBSERVATION if name != "metadata"}
    usage = pa.array([list(OBSERVATION["usage_details"].items())], pa.map_("string", "int64"))
    observations = pa.table({**columns, "usage_details": usage})
    for place, content in (("observations", observations), ("traces", table.slice(0, 1))):
        sink = io.BytesIO()
        pq.write_table(content, sink)
        workshop.deliver(f"p/{place}/a.parquet", sink.getvalue())
    line = 'obs_7,tr_7,GENERATION,2026-11-10 01:00:00,m,"{""input"":5,""output"":6}",Hello\n'
    header = "id,trace_id,type,start_time,provided_model_name,usage_details,input\n"
    workshop.deliver("p/observations/b.csv.gz", gzip.compress((header + line).encode(), mtime=0))
    workshop.deliver("p/traces/b.csv", b"id,timestamp,user_id\ntr_7,2026-11-10 01:00:00,cust_7\n")
    workshop.ingest()
    assert workshop.rows(columns="request_id, account_id, input_tokens, output_tokens, n") == [
        ("obs_7", "cust_7", 5, 6, None),
        ("obs_1", "cust_9", 1244, 88, 4),
    ]


def test_what_the_manifest_names_and_is_not_there_makes_the_delivery_incomplete(
    workshop: Workshop,
) -> None:
    body = json_lines([OBSERVATION])
    workshop.deliver("p/observations/a.jsonl", body)
    workshop.deliver("p/traces/a.jsonl", [TRACE])
    key = "exports/proj_1/"
    content = manifest(
        (f"{key}observations/a.jsonl", len(body) + 7, 2),
        (f"{key}observations/b.jsonl", 812, 3),
        (f"{key}traces/a.jsonl", len(json_lines([TRACE])), 1),
    )
    workshop.deliver("p/manifests/a.json", content)
    workshop.deliver("p/manifests/b.json", b"{}")
    summary = workshop.ingest()
    assert (summary.rows_in, summary.rows_kept, summary.files_set_aside) == (1, 1, 2)
    files = {name: rest for name, *rest in workshop.rows("files", "file, file_kind, read_by, note")}
    assert files == {
        "2026-11-10/p/manifests/a.json": ["manifest", "fast", None],
        "2026-11-10/p/manifests/b.json": [
            "manifest",
            "set_aside",
            "a manifest that cannot be read",
        ],
        "2026-11-10/p/observations/a.jsonl": [
            "jsonl",
            "fast",
            f"the manifest says {len(body) + 7} bytes, the file has {len(body)}: the delivery is "
            "incomplete; the manifest says 2 rows, the file has 1: the delivery is incomplete",
        ],
        "2026-11-10/p/observations/b.jsonl": [
            "unknown",
            "set_aside",
            "not delivered, though 2026-11-10/p/manifests/a.json names it with 812 bytes: the "
            "delivery is incomplete",
        ],
        "2026-11-10/p/traces/a.jsonl": [
            "jsonl",
            "fast",
            "1 traces, which observations are joined to",
        ],
    }
    assert workshop.ingest().skipped
    workshop.deliver("p/observations/b.jsonl", json_lines([{**OBSERVATION, "id": "obs_b"}]))
    assert workshop.ingest().rows_kept == 2


@pytest.mark.parametrize("record", RECORDS)
def test_each_kind_of_record_is_recognised(record: dict[str, Any]) -> None:
    assert LANGFUSE.recognises(record)


def test_the_format_is_told_behind_any_number_of_manifests(workshop: Workshop) -> None:
    for number in range(25):
        workshop.deliver(f"p/manifests/{number}.json", manifest())
    workshop.deliver("p/observations/a.jsonl", [OBSERVATION])
    assert recognise(workshop.exports).name == "langfuse"
