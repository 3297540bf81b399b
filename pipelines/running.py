"""Launching the nightly job from the command line: the one that the schedule and the UI launch.

Dagster and dbt write pages of log; a person wants to see which step is at work, how long it took,
and what went wrong. The log goes to a file, the steps to the screen.
"""

import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from rich.console import Console

from pipelines.errors import ExtractionWatchError, RunError
from pipelines.instance import prepare_instance
from pipelines.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

# Steps, in the words of the flow.
STEP_WORDS = {
    "lake_requests": "requests into the lake, as fingerprints",
    "lake_accounts": "accounts into the lake",
    "lake_usage_counters": "usage counters into the lake",
    "lake_reference": "releases, declared parties and verdicts",
    "arrival_gate": "what arrived, checked",
    "dbt_models": "features, campaigns, signals and scores",
    "leaving_gate": "what leaves, checked",
    "suspected_extraction_accounts": "list and report published",
}
POLL_SECONDS = 0.25


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    rows: what became of the delivered rows of its days, in one line. warnings: one line for each
    broken promise that did not stop it.
    """

    run_id: str
    seconds: float
    rows: str
    warnings: tuple[str, ...]


def run_nightly(settings: Settings, first: date, last: date, console: Console) -> RunOutcome:
    """Run the job `nightly` over the deliveries from `first` to `last`, showing its steps.

    The settings must stand in the environment already, where the job reads them. Raises `RunError`
    naming the step that failed, why, and the log that has the rest.
    """
    prepare_instance(settings.dagster_home)
    log_path = settings.home / "logs" / f"run-{first}-{last}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with _log_apart_from_screen(log_path, console) as screen:
        with screen.status("loading"):
            # Dagster takes seconds to load, and reads the environment while it does.
            import dagster as dg

            from pipelines.assets.days import range_tags
            from pipelines.definitions import defs

        with dg.DagsterInstance.get() as instance:
            run_id = str(uuid.uuid4())
            with _steps_on(screen, instance, run_id):
                result = defs.resolve_job_def("nightly").execute_in_process(
                    instance=instance,
                    run_id=run_id,
                    tags=range_tags(first, last),
                    raise_on_error=False,
                )
            events = result.all_events
    checks = [event.asset_check_evaluation_data for event in events if _is_check(event)]
    broken = [check for check in checks if not check.passed]
    if not result.success:
        reasons = [
            check.description or check.check_name
            for check in broken
            if check.severity == dg.AssetCheckSeverity.ERROR
        ] or [_failure(event) for event in events if event.is_step_failure]
        raise RunError(
            f"the run over {first} to {last} stopped and nothing was published: "
            f"{reasons[0] if reasons else 'the log says why'}\nThe log is {log_path}"
        )
    return RunOutcome(
        run_id,
        time.monotonic() - began,
        _rows(settings.home, first, last),
        _warnings(settings.home, first, last),
    )


def _rows(home: Path, first: date, last: date) -> str:
    """Rows in are rows kept, rejected and duplicate; what is set aside whole nobody can count."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "select sum(rows_in), sum(rows_kept), sum(rows_rejected), sum(rows_duplicate), "
            "count_if(read_by = 'set_aside') from read_parquet(?) "
            "where table_name = 'requests' and delivery_date between ? and ?",
            [str(home / "published" / "ingested_files.parquet"), first, last],
        ).fetchone()
    rows_in, kept, rejected, duplicate, aside = (int(count or 0) for count in found or (0,) * 5)
    return (
        f"{rows_in:,} requests delivered: {kept:,} kept, {rejected:,} rejected, "
        f"{duplicate:,} duplicate; {aside:,} files set aside"
    )


def _warnings(home: Path, first: date, last: date) -> tuple[str, ...]:
    """A line for each promise that was broken on a day of the run, the newest day's finding."""
    # Loaded with Dagster behind it, and so not before a run.
    from pipelines.quality import read_results

    results = read_results(home)
    broken = results[
        (results["outcome"] == "failed") & (results["day"] >= first) & (results["day"] <= last)
    ].sort_values(["day", "table_name", "promise"])
    lines = []
    for _, of_promise in broken.groupby(["table_name", "promise"], sort=False):
        newest = of_promise.iloc[-1]
        others = len(of_promise) - 1
        more = f" (and on {others} earlier days)" if others else ""
        lines.append(f"{newest['day']}: {newest['promise']} Found: {newest['observed']}{more}")
    return tuple(lines)


def _is_check(event: "dg.DagsterEvent") -> bool:
    return event.event_type_value == "ASSET_CHECK_EVALUATION"


def _failure(event: "dg.DagsterEvent") -> str:
    """The innermost cause, which is the sentence that was written for people."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    message = error.message.strip() if error is not None else "no reason was recorded"
    for kind in (ExtractionWatchError, *ExtractionWatchError.__subclasses__()):
        message = message.removeprefix(f"{kind.__module__}.{kind.__name__}: ")
    return f"{STEP_WORDS.get(event.step_key or '', event.step_key)}: {message}"


@contextmanager
def _log_apart_from_screen(log_path: Path, console: Console) -> Iterator[Console]:
    """Send whatever is written to standard output and error to the log, children's writing too.

    What is yielded still writes to where the console wrote. Where the console writes to memory (a
    test), it is yielded as it is.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept_out, kept_err = os.dup(1), os.dup(2)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    screen = console
    stream = None
    if console.file is sys.stdout:
        stream = os.fdopen(os.dup(kept_out), "w", encoding="utf-8")
        screen = Console(file=stream, force_terminal=console.is_terminal, width=console.width)
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        yield screen
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(kept_out, 1)
        os.dup2(kept_err, 2)
        for descriptor in (kept_out, kept_err, log):
            os.close(descriptor)
        if stream is not None:
            stream.close()


@contextmanager
def _steps_on(screen: Console, instance: "dg.DagsterInstance", run_id: str) -> Iterator[None]:
    """Show each step of the run as it begins and ends, from Dagster's own event log."""
    is_over = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(screen, instance, run_id, is_over), name="steps", daemon=True
    )
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _watch(
    screen: Console, instance: "dg.DagsterInstance", run_id: str, is_over: threading.Event
) -> None:
    began: dict[str, float] = {}
    cursor: str | None = None
    with screen.status("starting") as status:
        while True:
            was_over = is_over.wait(POLL_SECONDS)
            page = instance.get_records_for_run(run_id, cursor=cursor)
            cursor = page.cursor
            for record in page.records:
                event = record.event_log_entry.dagster_event
                if event is not None and event.step_key is not None:
                    _show(screen, status, began, record.event_log_entry.timestamp, event)
            if was_over and not page.has_more:
                return


def _show(
    screen: Console, status: Any, began: dict[str, float], at: float, event: "dg.DagsterEvent"
) -> None:
    step = event.step_key or ""
    words = STEP_WORDS.get(step, step)
    if event.is_step_start:
        began[step] = at
        status.update(words)
    elif event.is_step_success:
        screen.print(f"  {words:<44} {at - began.get(step, at):6.1f} s", highlight=False)
    elif event.is_step_failure:
        screen.print(f"  {words:<44} failed", style="bold red", highlight=False)
