"""The graph as Dagster loads it: what there is, in which order, under which policy."""

from typing import Any

import dagster as dg
import pytest

from pipelines.assets.days import days_of_run, range_tags
from pipelines.definitions import defs
from pipelines.instance import WAREHOUSE_POOL

FLOW = (
    "lake",
    "staging",
    "intermediate",
    "features",
    "campaigns",
    "signals",
    "scores",
    "published",
)


@pytest.fixture(scope="module")
def graph() -> Any:
    return defs.resolve_asset_graph()


def materialisable(graph: Any) -> list[dg.AssetKey]:
    return sorted(graph.materializable_asset_keys)


def test_every_asset_stands_in_a_group_of_the_flow(graph: Any) -> None:
    groups = {graph.get(key).group_name for key in materialisable(graph)}
    assert groups == set(FLOW)


def test_the_last_asset_is_the_ranked_list(graph: Any) -> None:
    last = dg.AssetKey("suspected_extraction_accounts")
    assert not graph.get(last).child_keys
    upstream: set[dg.AssetKey] = set()
    waiting = [last]
    while waiting:
        for parent in graph.get(waiting.pop()).parent_keys:
            if parent not in upstream:
                upstream.add(parent)
                waiting.append(parent)
    assert {
        dg.AssetKey(name)
        for name in (
            "lake_requests",
            "lake_accounts",
            "lake_reference",
            "stg_requests",
            "account_features",
            "account_signals",
            "ranked_accounts",
        )
    } <= upstream


def test_every_asset_is_partitioned_by_delivery_day_in_one_run(graph: Any) -> None:
    """Regression: with views that had no days, a backfill in the UI was split and failed."""
    for key in materialisable(graph):
        node = graph.get(key)
        assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition), key
        assert node.partitions_def.timezone == "UTC"
        policy = node.backfill_policy
        assert policy is not None and policy.max_partitions_per_run is None, key


def test_whoever_opens_the_warehouse_waits_in_the_pool_of_one() -> None:
    pools = {
        node.name: node.pool
        for assets in defs.assets or []
        if isinstance(assets, dg.AssetsDefinition)
        for node in [assets.op]
    }
    assert pools["dbt_models"] == WAREHOUSE_POOL
    assert pools["suspected_extraction_accounts"] == WAREHOUSE_POOL


def test_both_gates_block() -> None:
    blocking = {
        spec.name: spec.blocking for check in defs.asset_checks or [] for spec in check.check_specs
    }
    assert set(blocking) == {
        "arrival_requests",
        "arrival_files",
        "arrival_profile",
        "leaving_suspected_extraction_accounts",
        "leaving_suspected_campaigns",
    }
    assert all(blocking.values())


def test_the_schedule_is_at_three_and_off_until_switched_on() -> None:
    schedule = defs.resolve_schedule_def("nightly_at_three")
    assert schedule.cron_schedule == "0 3 * * *"
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.job_name == "nightly"


def test_the_job_holds_every_asset_and_check(graph: Any) -> None:
    job = defs.resolve_job_def("nightly")
    assert set(job.asset_layer.executable_asset_keys) == set(materialisable(graph))


def test_days_are_read_from_a_range_and_from_a_single_partition() -> None:
    first, last = days_of_run({"dagster/partition": "2026-09-03"})
    assert first == last
    assert days_of_run(range_tags(first, last)) == (first, last)
