"""Dagster's own storage under the home folder, and the rules that a night depends on.

The instance file is written by us and not by hand, because three of its lines decide whether a
night can hang: one writer at a time, slots given back when a run dies, no telemetry.
"""

import os
from pathlib import Path

# One pool of one slot: DuckDB has a single writer, and a second process that opens the file fails.
WAREHOUSE_POOL = "warehouse"

INSTANCE_FILE = """\
# Written by Extraction Watch at every start; changes here are lost.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  pools:
    granularity: op
    default_limit: 1
run_monitoring:
  enabled: true
  # Without this, the slot of a cancelled run is never given back and the next night waits for ever.
  free_slots_after_run_end_seconds: 60
"""


def prepare_instance(dagster_home: Path) -> None:
    """Write the instance file and point this process and its children at it."""
    dagster_home.mkdir(parents=True, exist_ok=True)
    (dagster_home / "dagster.yaml").write_text(INSTANCE_FILE, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(dagster_home)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
