"""The format is told from the content; what cannot be told is asked for."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import UserError
from pipelines.sources import ADAPTERS, adapter_named, recognise

NATIVE_RECORD = {"account_id": "a", "started_at": "2026-11-10", "model": "m"}
PAYLOAD_RECORD: dict[str, Any] = {
    "id": "x",
    "call_type": "acompletion",
    "startTime": 1794308087.4,
    "metadata": {},
    "model_parameters": {},
}


def put(exports: Path, name: str, body: bytes) -> None:
    (exports / name).parent.mkdir(parents=True, exist_ok=True)
    (exports / name).write_bytes(body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("requests/2026-11-10/a.jsonl", json.dumps(NATIVE_RECORD).encode()),
        ("requests/2026-11-10/a.csv.gz", gzip.compress(b"account_id,started_at,model\na,b,c\n")),
        ("requests/2026-11-10/a.json", json.dumps([NATIVE_RECORD], indent=1).encode()),
    ],
)
def test_native(tmp_path: Path, name: str, body: bytes) -> None:
    put(tmp_path, name, body)
    assert recognise(tmp_path).name == "native"


@pytest.mark.parametrize("indent", [None, 2])
def test_litellm_payload(tmp_path: Path, indent: int | None) -> None:
    put(tmp_path, "team/2026-11-10/x.json", json.dumps(PAYLOAD_RECORD, indent=indent).encode())
    assert recognise(tmp_path).name == "litellm_payload"


def test_empty_days_and_damaged_files_are_looked_past(tmp_path: Path) -> None:
    put(tmp_path, "requests/2026-11-10/a.jsonl", json.dumps(NATIVE_RECORD).encode())
    put(tmp_path, "requests/2026-11-11/a.jsonl.gz", b"\x1f\x8b broken")
    (tmp_path / "requests" / "2026-11-12").mkdir()
    assert recognise(tmp_path).name == "native"


def test_an_unknown_format_says_what_was_seen(tmp_path: Path) -> None:
    put(tmp_path, "2026-11-10/x.json", b'{"timestamp": 1, "modelId": "m"}')
    with pytest.raises(UserError, match=r"no known format fits .* modelId, timestamp; .*--format"):
        recognise(tmp_path)


def test_two_formats_in_one_folder_are_ambiguous(tmp_path: Path) -> None:
    put(tmp_path, "requests/2026-11-10/a.jsonl", json.dumps(NATIVE_RECORD).encode())
    put(tmp_path, "2026-11-11/x.json", json.dumps(PAYLOAD_RECORD).encode())
    with pytest.raises(UserError, match=r"several formats fit .*litellm_payload\|native"):
        recognise(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no known export format in"):
        recognise(tmp_path)


def test_names_lead_to_adapters() -> None:
    for adapter in ADAPTERS:
        assert adapter_named(adapter.name) is adapter
    with pytest.raises(UserError, match=r"'nativ'; the known ones are .*litellm_payload, .*native"):
        adapter_named("nativ")
