"""The last asset: the ranked list and everything beside it, put where analysts read."""

from pathlib import Path

import dagster as dg

from pipelines.assets.days import DELIVERY_DAYS, ONE_RUN, days_of_run
from pipelines.assets.lake import lake_days
from pipelines.instance import WAREHOUSE_POOL
from pipelines.planning import delivery_digests, source_of
from pipelines.publication import publish
from pipelines.quality import read_results
from pipelines.reading import read_ranking
from pipelines.report import write_report
from pipelines.settings import settings_from_environment

SHOWN_ROWS = 10


@dg.asset(
    deps=["ranked_accounts", "suspected_campaigns", "account_signals", "lake_usage_counters"],
    group_name="published",
    kinds={"duckdb", "parquet"},
    partitions_def=DELIVERY_DAYS,
    backfill_policy=ONE_RUN,
    pool=WAREHOUSE_POOL,
    description="The ranked list of accounts suspected of extraction, replaced atomically.",
)
def suspected_extraction_accounts(
    context: dg.AssetExecutionContext,
) -> dg.MaterializeResult[None]:
    """Publish the tables and the newest report."""
    settings = settings_from_environment()
    first, last = days_of_run(context.run.tags)
    days = [day for day in lake_days(settings.home) if first <= day <= last]
    publication = publish(
        home=settings.home,
        quality_results=read_results(settings.home),
        delivery_digests=delivery_digests(source_of(settings), days),
    )
    report = write_report(settings.home, None)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": publication.rows["suspected_extraction_accounts"],
            "campaigns": publication.rows["suspected_campaigns"],
            "database": dg.MetadataValue.path(str(publication.database)),
            "report": dg.MetadataValue.path(str(report)),
            "top_of_the_list": dg.MetadataValue.md(top_of_the_list(settings.home)),
        }
    )


def top_of_the_list(home: Path) -> str:
    """The first rows of the newest list as a Markdown table."""
    ranking = read_ranking(home, None, top=SHOWN_ROWS)
    lines = [
        f"| {one.rank} | {one.account_id} | {one.score:.3f} | {one.campaign_id or ''} "
        f"| {one.reasons[0].statement if one.reasons else ''} |"
        for one in ranking.accounts
    ]
    head = ["| rank | account | score | campaign | first reason |", "|---|---|---|---|---|"]
    return "\n".join([*head, *lines])
