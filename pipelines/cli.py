"""The command line: a short way into the job, and the reading commands.

Here arguments become settings, errors become exit statuses (2 wrong arguments, 1 a failed run) and
results are printed. Nothing else happens here.
"""

import getpass
import os
import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines.errors import RunError, UserError
from pipelines.settings import PROJECT_ROOT, Settings, parse_day, settings_from_environment

# As `account_campaigns` names them.
CAMPAIGN_ID = re.compile(r"c-[0-9a-f]{10}")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Ranks the accounts of a language-model API that are suspected of model extraction.",
)

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", envvar="EXTRACTION_WATCH_HOME", help="The folder of all state."),
]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="DAY", help="That day's list; else the newest.")
]


@app.command()
def run(
    home: HomeOption = None,
    exports: Annotated[
        str | None,
        typer.Option("--exports", envvar="EXTRACTION_WATCH_EXPORTS", help="Where deliveries lie."),
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="The adapter; else recognised from the content.")
    ] = None,
    from_day: Annotated[str | None, typer.Option("--from", metavar="DAY")] = None,
    to_day: Annotated[str | None, typer.Option("--to", metavar="DAY")] = None,
    top: Annotated[int, typer.Option("--top", min=0, help="Rows of the list to show.")] = 15,
) -> None:
    """The nightly job, for every delivery not yet processed, or for a day or a range."""
    settings = _settle(home, exports=exports, format_name=format_name)
    first = parse_day(from_day) if from_day else None
    last = parse_day(to_day) if to_day else None

    from pipelines.planning import plan_run, source_of

    console = Console()
    source = source_of(settings)
    plan = plan_run(source, settings.home, first=first, last=last)
    if plan is None:
        console.print("Nothing new was delivered; the list of before stands.")
    else:
        from pipelines.running import run_nightly

        console.print(
            f"{len(plan.delivered)} deliveries, {plan.first} to {plan.last}, "
            f"read as {source.adapter.title}",
            highlight=False,
        )
        outcome = run_nightly(settings, plan.first, plan.last, console)
        console.print(outcome.rows, highlight=False)
        for warning in outcome.warnings:
            console.print(f"[yellow]Note[/yellow] {warning}", highlight=False)
        console.print(f"Done in {outcome.seconds:.0f} s.", highlight=False)
    _show_ranking(console, settings.home, top)


@app.command()
def rank(
    home: HomeOption = None,
    as_of: AsOfOption = None,
    top: Annotated[int, typer.Option("--top", min=1)] = 25,
    output: Annotated[str, typer.Option("--format", help="table, csv or json")] = "table",
) -> None:
    """The ranked list."""
    from pipelines.reading import read_ranking
    from pipelines.terminal import ranking_csv, ranking_json, ranking_table

    if output not in ("table", "csv", "json"):
        raise UserError(f"--format is table, csv or json, not {output!r}")
    ranking = read_ranking(_settle(home).home, _day(as_of), top=top)
    if output == "csv":
        sys.stdout.write(ranking_csv(ranking, top))
    elif output == "json":
        sys.stdout.write(ranking_json(ranking, top) + "\n")
    else:
        Console().print(ranking_table(ranking, top))


@app.command()
def explain(account_id: str, home: HomeOption = None, as_of: AsOfOption = None) -> None:
    """Why an account (or a campaign) stands where it stands, as a receipt that adds up."""
    from pipelines.reading import read_account, read_campaign
    from pipelines.terminal import account_receipt, campaign_members

    folder = _settle(home).home
    if CAMPAIGN_ID.fullmatch(account_id):
        Console().print(campaign_members(read_campaign(folder, account_id, _day(as_of)), 50))
    else:
        Console().print(account_receipt(read_account(folder, account_id, _day(as_of))))


@app.command()
def verdict(
    subject: Annotated[str, typer.Argument(metavar="ACCOUNT_ID|CAMPAIGN_ID")],
    decision: Annotated[str, typer.Argument(metavar="extraction|benign|unsure")],
    home: HomeOption = None,
    note: Annotated[str | None, typer.Option("--note")] = None,
    expires: Annotated[str | None, typer.Option("--expires", metavar="DAY")] = None,
) -> None:
    """Record what an analyst decided; the next list, or one that is made again, knows it."""
    from pipelines.verdicts import Verdict, record_verdict

    is_campaign = CAMPAIGN_ID.fullmatch(subject) is not None
    path = record_verdict(
        _settle(home).home,
        Verdict(
            account_id=None if is_campaign else subject,
            campaign_id=subject if is_campaign else None,
            verdict=decision,
            decided_at=datetime.now(UTC).replace(tzinfo=None, microsecond=0),
            decided_by=getpass.getuser(),
            expires_on=_day(expires),
            note=note,
        ),
    )
    print(f"Recorded in {path}; `extraction-watch run --from DAY --to DAY` makes a list again.")


@app.command()
def report(home: HomeOption = None, as_of: AsOfOption = None) -> None:
    """Write the HTML report and print its path."""
    from pipelines.report import write_report

    print(write_report(_settle(home).home, _day(as_of)))


@app.command()
def simulate(
    out: Annotated[Path, typer.Option("--out", help="An empty folder, or an earlier simulation.")],
    seed: Annotated[int, typer.Option("--seed")] = 1,
    accounts: Annotated[int, typer.Option("--accounts", min=50)] = 600,
    days: Annotated[int, typer.Option("--days", min=3)] = 14,
) -> None:
    """Labelled exports in the native format, to try and to measure with."""
    from pipelines.simulation import simulate as make_exports

    summary = make_exports(out, seed=seed, accounts=accounts, days=days)
    print(f"{summary.rows:,} requests, {summary.accounts:,} accounts, {summary.days} days in {out}")


@app.command()
def evaluate(
    labels: Annotated[Path, typer.Option("--labels")],
    home: HomeOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Hold a list against labels: precision, campaign recall, false positives by look-alike."""
    from pipelines.evaluating import evaluation_tables

    console = Console()
    for table in evaluation_tables(_settle(home).home, labels, _day(as_of)):
        console.print(table)


@app.command()
def doctor(home: HomeOption = None) -> None:
    """Versions, locks, missing days and stuck slots; exit status 1 if something needs a hand."""
    from pipelines.doctor import examine

    findings = examine(_settle(home))
    console = Console()
    for finding in findings:
        mark = "[green]ok[/green]  " if finding.is_well else "[red]look[/red]"
        console.print(f"{mark} {finding.subject:<14} {finding.sentence}", highlight=False)
    if not all(finding.is_well for finding in findings):
        raise typer.Exit(1)


@app.command()
def ui(
    home: HomeOption = None,
    exports: Annotated[
        str | None, typer.Option("--exports", envvar="EXTRACTION_WATCH_EXPORTS")
    ] = None,
    format_name: Annotated[str | None, typer.Option("--format")] = None,
    port: Annotated[int, typer.Option("--port")] = 3000,
) -> None:
    """Dagster's UI on this machine, with its storage under the home folder."""
    from pipelines.dbt_graph import ensure_manifest
    from pipelines.instance import prepare_instance

    settings = _settle(home, exports=exports, format_name=format_name)
    prepare_instance(settings.dagster_home)
    ensure_manifest()
    workspace = str(PROJECT_ROOT / "workspace.yaml")
    dagster = str(Path(sys.executable).parent / "dagster")
    command = [dagster, "dev", "-w", workspace, "-h", "127.0.0.1", "-p", str(port)]
    os.execv(dagster, command)


def main() -> None:
    """The console script: errors meant for people are printed as one sentence."""
    try:
        app()
    except UserError as error:
        _say(error)
        sys.exit(2)
    except RunError as error:
        _say(error)
        sys.exit(1)


def _say(error: Exception) -> None:
    console = Console(stderr=True)
    console.print("error:", style="bold red", end=" ")
    console.print(str(error), markup=False, highlight=False, soft_wrap=True)


def _day(text: str | None) -> date | None:
    return parse_day(text) if text else None


def _settle(
    home: Path | None, *, exports: str | None = None, format_name: str | None = None
) -> Settings:
    """Put the options into the environment, where the job and its children read them."""
    for name, option in (("HOME", home), ("EXPORTS", exports), ("FORMAT", format_name)):
        if option is not None:
            os.environ[f"EXTRACTION_WATCH_{name}"] = str(option)
    settings = settings_from_environment()
    # dbt runs in its own folder, so its paths must not depend on where we stand.
    os.environ["EXTRACTION_WATCH_HOME"] = str(settings.home)
    return settings


def _show_ranking(console: Console, home: Path, top: int) -> None:
    from pipelines.reading import read_ranking
    from pipelines.terminal import ranking_table

    ranking = read_ranking(home, None, top=top)
    console.print(ranking_table(ranking, top))
    console.print(f"Report: {home / 'reports' / f'{ranking.as_of_date}.html'}", soft_wrap=True)


if __name__ == "__main__":
    main()
