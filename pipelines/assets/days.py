"""The partition: a delivery day in UTC, and how the days of a run are read from its tags."""

from collections.abc import Mapping
from datetime import date

import dagster as dg

from pipelines.settings import settings_from_environment

# A day's delivery is complete when the day is over, so today is never a partition.
DELIVERY_DAYS = dg.DailyPartitionsDefinition(
    start_date=settings_from_environment().first_day.isoformat(), timezone="UTC"
)

# One run for a whole range: dbt's incremental models race with themselves in parallel runs.
ONE_RUN = dg.BackfillPolicy.single_run()

_ONE_DAY = "dagster/partition"
_FROM_DAY = "dagster/asset_partition_range_start"
_TO_DAY = "dagster/asset_partition_range_end"


def range_tags(first: date, last: date) -> dict[str, str]:
    """The run tags by which Dagster knows a range of partitions."""
    return {_FROM_DAY: first.isoformat(), _TO_DAY: last.isoformat()}


def days_of_run(tags: Mapping[str, str]) -> tuple[date, date]:
    """The first and last delivery day of a run, both inclusive; a schedule's run has one day.

    Read from the tags, which assets and checks have alike: `context.partition_key` raises in a run
    over a range, and checks know no partitions.
    """
    first = tags.get(_FROM_DAY) or tags[_ONE_DAY]
    last = tags.get(_TO_DAY) or tags[_ONE_DAY]
    return date.fromisoformat(first), date.fromisoformat(last)
