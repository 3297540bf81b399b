"""Where the state is and what is read: the settings, in one place, from the environment.

The schedule, the UI and the command line all come through here, so that a night started by hand
is the same night. Thresholds and weights are not settings; they stand in the dbt project.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.errors import UserError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DBT_PROJECT_DIR = PROJECT_ROOT / "dbt_project"

DEFAULT_HOME = ".home"
DEFAULT_FIRST_DAY = date(2025, 1, 1)


@dataclass(frozen=True)
class Settings:
    """What one run works with.

    home: the folder of all state. exports: the folder of deliveries, or None where only reading
    commands are used. format_name: an adapter's name, or None to recognise it from the content.
    first_day: the earliest delivery day that Dagster offers as a partition. accepted_quiet_days:
    days whose unusually small delivery a person has found to be right.
    """

    home: Path
    exports: Path | None
    format_name: str | None
    first_day: date
    accepted_quiet_days: frozenset[date] = frozenset()

    @property
    def lake(self) -> Path:
        """Where deliveries are kept."""
        return self.home / "lake"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file that dbt writes."""
        return self.home / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """The folder that analysts read."""
        return self.home / "published"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage."""
        return self.home / "dagster"


def settings_from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the variables whose names begin with `EXTRACTION_WATCH_`.

    HOME, EXPORTS, FORMAT, FIRST_DAY, and ACCEPT_QUIET, which holds days separated by commas. Raises
    `UserError` for what should be a day and is none.
    """
    exports = environment.get("EXTRACTION_WATCH_EXPORTS")
    first_day = environment.get("EXTRACTION_WATCH_FIRST_DAY")
    return Settings(
        home=Path(environment.get("EXTRACTION_WATCH_HOME", DEFAULT_HOME)).resolve(),
        exports=Path(exports).resolve() if exports else None,
        format_name=environment.get("EXTRACTION_WATCH_FORMAT") or None,
        first_day=parse_day(first_day) if first_day else DEFAULT_FIRST_DAY,
        accepted_quiet_days=frozenset(
            parse_day(day.strip())
            for day in environment.get("EXTRACTION_WATCH_ACCEPT_QUIET", "").split(",")
            if day.strip()
        ),
    )


def parse_day(text: str) -> date:
    """A day written as YYYY-MM-DD; raises `UserError` for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UserError(
            f"expected a day as YYYY-MM-DD, for example 2026-09-01, but got {text!r}"
        ) from error
