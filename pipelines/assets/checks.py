"""The two gates: what arrives is checked before dbt sees it, what leaves before readers do.

The promises stand in `expectations/`; here is only where the frames come from. A critical promise
that is broken stops the run with nothing published, a warning is recorded.
"""

from collections.abc import Iterator
from datetime import date

import dagster as dg
import duckdb
import pandas as pd

from pipelines.assets.days import days_of_run
from pipelines.assets.lake import lake_days
from pipelines.dbt_graph import days_touched
from pipelines.instance import WAREHOUSE_POOL
from pipelines.quality import (
    SAMPLE_ROWS,
    arrival_profile,
    asset_check_results,
    asset_check_specs,
    validate,
    write_results,
)
from pipelines.settings import Settings, settings_from_environment

# What a person could ever read of one list; the rest is ranked by the same statement.
LEAVING_ROWS_A_LIST = 20_000


@dg.multi_asset_check(
    name="arrival_gate", specs=asset_check_specs("arrival", dg.AssetKey("lake_requests"))
)
def arrival_gate(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """Hold every delivery of the run against expectations/arrival.json."""
    settings = settings_from_environment()
    first, last = days_of_run(context.run.tags)
    results = [
        result
        for day in lake_days(settings.home)
        if first <= day <= last
        for result in validate(arrival_frames(settings, day), suite="arrival", day=day)
    ]
    write_results(settings.home, results)
    yield from asset_check_results(results, dg.AssetKey("lake_requests"))


@dg.multi_asset_check(
    name="leaving_gate",
    specs=asset_check_specs("leaving", dg.AssetKey("ranked_accounts")),
    pool=WAREHOUSE_POOL,
)
def leaving_gate(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """Hold every list that the run made against expectations/leaving.json."""
    settings = settings_from_environment()
    first, last = days_of_run(context.run.tags)
    known = lake_days(settings.home)
    days = days_touched(first, last, known[-1])
    results = [
        result
        for day in known
        if days.as_of_from <= day <= days.as_of_to
        for result in validate(leaving_frames_of(settings, day), suite="leaving", day=day)
    ]
    write_results(settings.home, results)
    yield from asset_check_results(results, dg.AssetKey("ranked_accounts"))


def arrival_frames(settings: Settings, day: date) -> dict[str, pd.DataFrame]:
    """The frames of the arrival suite: a sample of the requests, the files, and their profile."""
    folder = settings.lake / "requests" / day.isoformat()
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        requests = connection.execute(
            f"select * from read_parquet('{folder / 'data.parquet'}') "
            "order by request_key, account_id, started_at "
            f"limit {SAMPLE_ROWS}"
        ).df()
        files = connection.execute(f"select * from read_parquet('{folder / 'files.parquet'}')").df()
        history = delivery_history(connection, settings)
    profile = arrival_profile(files, requests, day, history)
    if day in settings.accepted_quiet_days:
        profile["usual_share"] = float("nan")
    return {"requests": requests, "files": files, "profile": profile}


def delivery_history(connection: duckdb.DuckDBPyConnection, settings: Settings) -> pd.DataFrame:
    """A row a delivery in the lake: its rows, those of its own day, and the gateway's own count.

    Columns as `arrival_profile` asks for them.
    """
    return connection.execute(
        """
        with kept as (
            select
                delivery_date,
                count(*) as kept_rows,
                count_if(cast(started_at as date) = delivery_date) as same_day_rows
            from read_parquet($requests)
            group by delivery_date
        ),

        counted as (
            select delivery_date, sum(request_count) as counted_requests
            from read_parquet($counters)
            where usage_date = delivery_date
            group by 1
        )

        select delivery_date, kept_rows, same_day_rows, counted_requests
        from kept
        left join counted using (delivery_date)
        order by delivery_date
        """,
        {
            "requests": str(settings.lake / "requests" / "*" / "data.parquet"),
            "counters": str(settings.lake / "usage_counters" / "*" / "data.parquet"),
        },
    ).df()


def leaving_frames_of(settings: Settings, day: date) -> dict[str, pd.DataFrame]:
    """The frames of the leaving suite: the head of one list, and its campaigns."""
    with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
        accounts = connection.execute(
            "select * from ranked_accounts where as_of_date = ? and rank <= ? order by rank",
            [day, LEAVING_ROWS_A_LIST],
        ).df()
        campaigns = connection.execute(
            "select * from suspected_campaigns where as_of_date = ? order by campaign_id", [day]
        ).df()
    return {"suspected_extraction_accounts": accounts, "suspected_campaigns": campaigns}
