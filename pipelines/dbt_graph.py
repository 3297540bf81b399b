"""How the dbt project is parsed and called: the executable, the manifest, the days of a run.

What the models compute is none of this file's business.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pipelines.errors import RunError
from pipelines.settings import DBT_PROJECT_DIR

TARGET_DIR = DBT_PROJECT_DIR / "target"
MANIFEST = TARGET_DIR / "manifest.json"

# A late row is compared with this many earlier deliveries, so a replaced delivery can change the
# rows of as many later ones; and each of those is seen by the lists of a window. Both numbers also
# stand in dbt_project.yml, and a test holds them together.
DUPLICATE_LOOKBACK_DAYS = 7
WINDOW_DAYS = 28


@dataclass(frozen=True)
class RunDays:
    """The delivery days that a run builds again and the as-of dates whose lists it makes again."""

    days_from: date
    days_to: date
    as_of_from: date
    as_of_to: date


def days_touched(first: date, last: date, newest: date) -> RunDays:
    """What deliveries `first` to `last` can change, given that the lake's newest day is `newest`.

    On an ordinary night that is the night itself. After a backfill or a replaced delivery it is
    also the later days that had seen the old rows, so that the state depends on the set of
    deliveries and not on their order.
    """
    days_to = max(last, min(last + timedelta(days=DUPLICATE_LOOKBACK_DAYS), newest))
    as_of_to = max(last, min(days_to + timedelta(days=WINDOW_DAYS - 1), newest))
    return RunDays(first, days_to, first, as_of_to)


def dbt_executable() -> str:
    """dbt beside this Python: under cron it is not on the PATH."""
    return str(Path(sys.executable).parent / "dbt")


def dbt_vars(lake: Path, days: RunDays) -> str:
    """The `--vars` of a run, as JSON."""
    return json.dumps(
        {
            "lake": lake.as_posix(),
            "days_from": days.days_from.isoformat(),
            "days_to": days.days_to.isoformat(),
            "as_of_from": days.as_of_from.isoformat(),
            "as_of_to": days.as_of_to.isoformat(),
        }
    )


def ensure_manifest() -> Path:
    """The manifest that Dagster reads, parsed again when a file of the project is newer.

    Raises `RunError` with dbt's own words when the project does not parse.
    """
    newest = max(
        path.stat().st_mtime
        for folder in ("models", "signals", "macros", "seeds")
        for path in (DBT_PROJECT_DIR / folder).rglob("*.*")
    )
    newest = max(newest, (DBT_PROJECT_DIR / "dbt_project.yml").stat().st_mtime)
    if MANIFEST.exists() and MANIFEST.stat().st_mtime >= newest:
        return MANIFEST
    parsed = subprocess.run(
        [dbt_executable(), "--no-use-colors", "parse", "--profiles-dir", str(DBT_PROJECT_DIR)],
        cwd=DBT_PROJECT_DIR,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    if parsed.returncode != 0:
        raise RunError(f"the dbt project does not parse:\n{parsed.stdout}{parsed.stderr}")
    # dbt leaves the file alone when nothing in it changed; its age is what we compare.
    MANIFEST.touch()
    return MANIFEST
