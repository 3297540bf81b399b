"""The lake's assets: what was delivered, a folder a day, replaced whole."""

import os
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import dagster as dg

from pipelines.assets.days import DELIVERY_DAYS, ONE_RUN, days_of_run
from pipelines.errors import RunError
from pipelines.lake import IngestSummary, ingest, ingest_reference
from pipelines.planning import source_of
from pipelines.pseudonyms import load_or_create_key
from pipelines.settings import settings_from_environment
from pipelines.sources.deliveries import list_deliveries
from pipelines.verdicts import write_verdicts_table


def lake_asset(table: str, description: str) -> dg.AssetsDefinition:
    """The asset that brings one table of every delivery of the run into the lake."""

    @dg.asset(
        name=f"lake_{table}",
        description=description,
        group_name="lake",
        kinds={"duckdb", "parquet"},
        partitions_def=DELIVERY_DAYS,
        backfill_policy=ONE_RUN,
    )
    def lake_table(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        began = time.monotonic()
        summaries = ingest_days(table, *days_of_run(context.run.tags))
        return dg.MaterializeResult(metadata=ingest_metadata(summaries, time.monotonic() - began))

    return lake_table


@dg.asset(
    group_name="lake",
    kinds={"parquet"},
    partitions_def=DELIVERY_DAYS,
    backfill_policy=ONE_RUN,
    description="Model releases, declared parties and verdicts, as they stand when the run begins.",
)
def lake_reference(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Not kept by day: a verdict also changes a list of yesterday that is made again."""
    settings = settings_from_environment()
    key = load_or_create_key(settings.home, os.environ)
    ingest_reference(exports=source_of(settings).exports, home=settings.home, key=key)
    return dg.MaterializeResult(metadata={"verdicts": write_verdicts_table(settings.home)})


def ingest_days(table: str, first: date, last: date) -> list[IngestSummary]:
    """Ingest a table of every delivery from `first` to `last`; days without one are left alone.

    Raises `RunError` when there is none at all: a list that takes nothing new into account must
    not look like a night that went well.
    """
    settings = settings_from_environment()
    source = source_of(settings)
    key = load_or_create_key(settings.home, os.environ)
    days = [day for day in list_deliveries(source.exports, source.adapter) if first <= day <= last]
    if not days:
        raise RunError(
            f"no delivery of {first} to {last} lies in {source.exports}: ask the exporter, or give "
            "an empty folder of that name if there were no requests"
        )
    return [
        ingest(
            exports=source.exports,
            home=settings.home,
            adapter=source.adapter,
            table=table,
            day=day,
            key=key,
        )
        for day in days
    ]


def ingest_metadata(
    summaries: Sequence[IngestSummary], seconds: float
) -> dict[str, dg.MetadataValue]:
    """What a person wants to see on the materialisation: counts, seconds, a line a day."""
    lines = [
        f"| {one.day} | {one.rows_in:,} | {one.rows_kept:,} | {one.rows_rejected:,} "
        f"| {one.rows_duplicate:,} | {one.files_set_aside} | {'unchanged' if one.skipped else ''} |"
        for one in summaries
    ]
    table = "\n".join(
        [
            "| day | rows in | kept | rejected | duplicate | files set aside | |",
            "|---|---|---|---|---|---|---|",
            *lines,
        ]
    )
    return {
        "days": dg.MetadataValue.int(len(summaries)),
        "dagster/row_count": dg.MetadataValue.int(sum(one.rows_kept for one in summaries)),
        "rows_in": dg.MetadataValue.int(sum(one.rows_in for one in summaries)),
        "rows_rejected": dg.MetadataValue.int(sum(one.rows_rejected for one in summaries)),
        "rows_duplicate": dg.MetadataValue.int(sum(one.rows_duplicate for one in summaries)),
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
        "deliveries": dg.MetadataValue.md(table),
    }


def lake_days(home: Path) -> tuple[date, ...]:
    """The delivery days whose requests the lake holds, in order."""
    folder = home / "lake" / "requests"
    return tuple(
        sorted(
            date.fromisoformat(path.parent.name) for path in folder.glob("????-??-??/data.parquet")
        )
    )
