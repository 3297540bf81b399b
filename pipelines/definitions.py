"""The whole flow, on one page.

    exports -> lake -> staging -> intermediate -> features
            -> campaigns -> signals -> scores -> published

Python brings deliveries into the lake and publishes; dbt decides everything in between; Great
Expectations stands at the two gates. A partition is a delivery day in UTC.
"""

import warnings

import dagster as dg

from pipelines.assets.checks import arrival_gate, leaving_gate
from pipelines.assets.lake import lake_asset, lake_reference
from pipelines.assets.models import OfflineDbt, dbt_models
from pipelines.assets.published import suspected_extraction_accounts
from pipelines.dbt_graph import dbt_executable
from pipelines.settings import DBT_PROJECT_DIR

# Backfill policies are marked beta and have been relied on since 1.5; the warning says nothing new.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

# exports -> lake
lake_requests = lake_asset("requests", "Requests as fingerprints: texts are read once and dropped.")
lake_accounts = lake_asset("accounts", "The snapshot of the accounts at the end of the day.")
lake_usage_counters = lake_asset("usage_counters", "What the gateway itself counted.")

# lake -> staging -> ... -> scores is the dbt project; scores -> published is the ranked list.
nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks(),
    description="A delivery, or a range of them, from the exports to the published list.",
)

# At three, when the slowest exporters have written yesterday's last file. Off until it is switched
# on: where the exports lie is known only after the settings are made.
at_three = dg.build_schedule_from_partitioned_job(
    nightly,
    name="nightly_at_three",
    hour_of_day=3,
    minute_of_hour=0,
    default_status=dg.DefaultScheduleStatus.STOPPED,
)

defs = dg.Definitions(
    assets=[
        lake_requests,
        lake_accounts,
        lake_usage_counters,
        lake_reference,
        dbt_models,
        suspected_extraction_accounts,
    ],
    asset_checks=[arrival_gate, leaving_gate],
    jobs=[nightly],
    schedules=[at_three],
    # The steps share one writer, so a process each would only cost its start: five seconds a step.
    executor=dg.in_process_executor,
    resources={
        "dbt": OfflineDbt(
            project_dir=str(DBT_PROJECT_DIR),
            profiles_dir=str(DBT_PROJECT_DIR),
            dbt_executable=dbt_executable(),
        )
    },
)
