"""The dbt project as assets: everything between the lake and the published list."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import dagster as dg
import duckdb
from dagster_dbt import DbtCliResource, dbt_assets
from packaging.version import Version

from pipelines.assets.days import DELIVERY_DAYS, ONE_RUN, days_of_run
from pipelines.assets.lake import lake_days
from pipelines.dbt_graph import days_touched, dbt_vars, ensure_manifest
from pipelines.errors import RunError
from pipelines.instance import WAREHOUSE_POOL
from pipelines.settings import settings_from_environment


class OfflineDbt(DbtCliResource):
    """dbt as its resource calls it, without two things done before every call.

    The version is read from the installed package: `dbt --version` takes three seconds and asks a
    package index, which no night should wait for. And no second dbt adapter is made in this
    process, another three seconds for row counts that we read ourselves. Both are inner parts of
    dagster-dbt, whose version is pinned; `tests/flow` runs through them.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]
        return None


@dbt_assets(
    manifest=ensure_manifest(),
    name="dbt_models",
    # Views and seeds too: where some assets of a backfill have days and others none, Dagster splits
    # it into runs of which those without days do not know what to build.
    partitions_def=DELIVERY_DAYS,
    backfill_policy=ONE_RUN,
    pool=WAREHOUSE_POOL,
)
def dbt_models(context: dg.AssetExecutionContext, dbt: OfflineDbt) -> Iterator[object]:
    """Build the models for the days that the run's deliveries can change."""
    settings = settings_from_environment()
    first, last = days_of_run(context.run.tags)
    known = lake_days(settings.home)
    if not known:
        raise RunError(f"the lake in {settings.lake} holds no delivery; materialise it first")
    days = days_touched(first, last, known[-1])
    context.log.info(
        f"days {days.days_from} to {days.days_to}, lists of {days.as_of_from} to {days.as_of_to}"
    )
    # Unit tests belong to the test run: at night they would only cost time.
    arguments = ["build", "--exclude-resource-type", "unit_test", "--vars"]
    build = dbt.cli(
        [*arguments, dbt_vars(settings.lake, days)],
        context=context,
        # One folder for all runs: left to itself, every night leaves one of its own behind.
        target_path=settings.home / "dbt",
    )
    yield from with_row_counts(build.stream(), settings.warehouse)


def with_row_counts(events: Iterable[object], warehouse: Path) -> Iterator[object]:
    """The events of a build, with the rows of each table on its materialisation.

    The events are held until dbt has closed the warehouse, which nobody else can open before. If
    dbt fails, what it had built is told without counts, and its error goes on.
    """
    held: list[object] = []
    try:
        for event in events:
            held.append(event)
    except Exception:
        yield from held
        raise
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        counts: dict[str, int] = dict(
            connection.execute("select table_name, estimated_size from duckdb_tables()").fetchall()
        )
    for event in held:
        if isinstance(event, dg.Output) and event.output_name in counts:
            rows = {"dagster/row_count": counts[event.output_name]}
            yield event.with_metadata({**event.metadata, **rows})
        else:
            yield event
