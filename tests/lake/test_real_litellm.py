"""The log of a real LiteLLM proxy, where it lies beside the repository."""

import gzip
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.lake import ingest
from pipelines.pseudonyms import load_or_create_key
from pipelines.sources import adapter_named, recognise
from pipelines.sources.deliveries import list_deliveries

PAYLOAD = Path(__file__).resolve().parents[2] / ".." / "shared" / "realdata" / "litellm" / "payload"

pytestmark = pytest.mark.skipif(
    not PAYLOAD.is_dir(), reason="the real gateway log is not beside the repository"
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("home")
    adapter = adapter_named("litellm_payload")
    key = load_or_create_key(home, {})
    summaries = [
        ingest(
            exports=PAYLOAD,
            home=home,
            adapter=adapter,
            table="requests",
            day=day,
            key=key,
            threads=2,
        )
        for day in list_deliveries(PAYLOAD, adapter)
    ]
    return home, summaries


def query(home: Path, sql: str) -> list[tuple[Any, ...]]:
    return duckdb.sql(sql.replace("LAKE", f"'{home}/lake/requests/*/data.parquet'")).fetchall()


def raw() -> list[dict[str, Any]]:
    rows = []
    for path in sorted(PAYLOAD.glob("*/*.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as text:
            rows += [json.loads(line) for line in text]
    return rows


def test_it_is_recognised() -> None:
    assert recognise(PAYLOAD).name == "litellm_payload"


def test_every_row_is_accounted_for(lake: Any) -> None:
    _, summaries = lake
    assert sum(s.rows_in for s in summaries) == 7567
    assert all(s.rows_in == s.rows_kept + s.rows_rejected + s.rows_duplicate for s in summaries)
    assert sum(s.rows_rejected for s in summaries) == 0
    assert [s.unknown_columns for s in summaries] == [()] * 3
    assert sum(s.uncast_values for s in summaries) == 0


def test_failed_rows_make_no_phantom_account(lake: Any) -> None:
    """Regression: 405 failures without a user, grouped by user, are an account that nobody has."""
    home, summaries = lake
    assert sum(s.rows_account_from_key for s in summaries) == 405
    assert sum(s.rows_account_unresolved for s in summaries) == 0
    rows = raw()
    real = {r["metadata"]["user_api_key_user_id"] for r in rows} - {None, ""}
    found = {account for (account,) in query(home, "select distinct account_id from LAKE")}
    assert found == real
    assert query(home, "select count(*) from LAKE where api_key_id is null") == [(0,)]


def test_values_are_those_that_python_reads(lake: Any) -> None:
    """An oracle: the same mapping by plain Python, row by row."""
    home, _ = lake
    expected = {}
    for r in raw():
        said = [m for m in r["messages"] or [] if m["role"] == "user"]
        usage = r["metadata"]["usage_object"]
        details = usage.get("prompt_tokens_details") or {}
        parameters = r["model_parameters"]
        last = said[-1]["content"] if said else None
        if isinstance(last, list):
            last = "\n".join(p["text"] for p in last if "text" in p)
        expected[r["litellm_call_id"]] = (
            round(r["startTime"] * 1e6),
            r["model_group"],
            r["prompt_tokens"],
            r["completion_tokens"],
            details.get("cached_tokens"),
            parameters.get("temperature"),
            parameters.get("max_tokens"),
            max(len(said), 1) if r["messages"] is not None else None,
            len(last) if last and last.strip() else None,
            200 if r["status"] == "success" else int(r["error_information"]["error_code"] or 0),
            len(parameters.get("tools") or []) or None,
        )
    found = query(
        home,
        "select epoch_us(started_at), model, input_tokens, output_tokens, cached_tokens, "
        "temperature, max_tokens, turn, prompt_chars, coalesce(http_status, 0), tools_count "
        "from LAKE",
    )
    order = repr
    assert sorted(found, key=order) == sorted(expected.values(), key=order)


def test_a_replayed_day_is_skipped_and_a_doubled_file_adds_nothing(
    workshop: Any, tmp_path: Path
) -> None:
    shop = replace(workshop, adapter=adapter_named("litellm_payload"), day=date(2026, 11, 10))
    body = (PAYLOAD / "2026-11-10" / "part-1.jsonl.gz").read_bytes()
    shop.deliver("a.jsonl.gz", body)
    once = shop.ingest()
    before = shop.path().read_bytes()
    assert shop.ingest().skipped
    shop.deliver("b.jsonl.gz", body)
    twice = shop.ingest()
    assert (twice.rows_kept, twice.rows_duplicate) == (once.rows_kept, once.rows_kept)
    assert shop.path().read_bytes() == before
