"""What holds for all adapters alike: records are told apart, and no odd value loses a file."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources import ADAPTERS
from pipelines.sources.adapter import Adapter
from tests.sources.canonical import canonical_rows

DOCS = Path(__file__).resolve().parents[2] / "docs" / "sources"
WITH_RECORDS = [
    adapter for adapter in ADAPTERS if adapter.name not in ("native", "litellm_payload")
]


def records_of(adapter: Adapter) -> tuple[dict[str, Any], ...]:
    module = importlib.import_module(f"tests.sources.test_{adapter.name}")
    records: tuple[dict[str, Any], ...] = module.RECORDS
    return records


@pytest.mark.parametrize("adapter", WITH_RECORDS, ids=lambda adapter: adapter.name)
def test_a_record_is_recognised_by_its_own_adapter_alone(adapter: Adapter) -> None:
    for record in records_of(adapter):
        assert [one.name for one in ADAPTERS if one.recognises(record)] == [adapter.name], record


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_every_adapter_has_its_page(adapter: Adapter) -> None:
    page = (DOCS / f"{adapter.name}.md").read_text(encoding="utf-8")
    assert f"`--format {adapter.name}`" in page


def test_a_duration_out_of_all_bounds_loses_one_value_and_not_the_file(tmp_path: Path) -> None:
    """Regression: a hard cast to an integer set the whole file aside for one row's duration."""
    (litellm,) = [adapter for adapter in ADAPTERS if adapter.name == "litellm_payload"]
    record = {
        "id": "chatcmpl-1",
        "call_type": "acompletion",
        "status": "success",
        "startTime": 1_794_323_154.2,
        "endTime": 1_794_323_155.7,
        "model": "m",
        "metadata": {"user_api_key_user_id": "u-1"},
        "messages": [{"role": "user", "content": "hello"}],
        "model_parameters": {},
    }
    rows = canonical_rows(litellm, [{**record, "response_time": 1e300}, record], tmp_path)
    assert [row["duration_ms"] for row in rows] == [None, 1500]


@pytest.mark.parametrize(
    "path", sorted((DOCS.parents[1] / "pipelines/sources").glob("*.py")), ids=lambda path: path.stem
)
def test_no_expression_of_an_adapter_casts_hard(path: Path) -> None:
    """A text goes to the cast that all adapters share, which counts what does not fit."""
    assert "::bigint::varchar" not in path.read_text(encoding="utf-8")
