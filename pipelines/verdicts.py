"""The analysts' decisions: appended to one file, joined when a list is made.

A verdict is data with a history. It changes tomorrow's list, and a list of yesterday that is made
again, without touching the lake; nothing here changes a score.
"""

import csv
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime
from pathlib import Path

import duckdb

from pipelines.errors import UserError

VERDICTS = ("extraction", "benign", "unsure")


@dataclass(frozen=True)
class Verdict:
    """One decision. Exactly one of account_id and campaign_id is given; decided_at is UTC."""

    account_id: str | None
    campaign_id: str | None
    verdict: str
    decided_at: datetime
    decided_by: str
    expires_on: date | None
    note: str | None


_COLUMNS = [field.name for field in fields(Verdict)]


def record_verdict(home: Path, verdict: Verdict) -> Path:
    """Append a decision to `<home>/verdicts.csv` and return that path.

    Raises `UserError` for a word that is no verdict, and unless exactly one subject is given.
    """
    if verdict.verdict not in VERDICTS:
        raise UserError(f"a verdict is one of {', '.join(VERDICTS)}, not {verdict.verdict!r}")
    if (verdict.account_id is None) == (verdict.campaign_id is None):
        raise UserError("a verdict is about one account or one campaign, not both and not neither")
    path = home / "verdicts.csv"
    home.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(_COLUMNS)
        writer.writerow(["" if value is None else value for value in astuple(verdict)])
    return path


def write_verdicts_table(home: Path) -> int:
    """Write `<home>/lake/reference/verdicts.parquet` from the file of decisions; return its rows.

    Columns as in `Verdict`. Without decisions the table is empty. Raises `UserError` naming the
    file when it cannot be read as such.
    """
    source = home / "verdicts.csv"
    folder = home / "lake" / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    types = {
        "account_id": "VARCHAR",
        "campaign_id": "VARCHAR",
        "verdict": "VARCHAR",
        "decided_at": "TIMESTAMP",
        "decided_by": "VARCHAR",
        "expires_on": "DATE",
        "note": "VARCHAR",
    }
    with duckdb.connect() as connection:
        columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
        connection.execute(f"create table verdicts ({columns})")
        if source.exists():
            try:
                connection.execute(
                    "insert into verdicts by name select * from "
                    "read_csv(?, header = true, columns = ?, nullstr = '')",
                    [str(source), types],
                )
            except duckdb.Error as error:
                raise UserError(
                    f"{source} is not a file of verdicts with the columns {', '.join(types)}: "
                    f"{error}"
                ) from error
        staged = folder / "verdicts.parquet.next"
        connection.execute(
            "copy (select * from verdicts order by decided_at, account_id, campaign_id) "
            f"to '{staged}' (format parquet)"
        )
        row = connection.execute("select count(*) from verdicts").fetchone()
    staged.replace(folder / "verdicts.parquet")
    return int(row[0]) if row else 0
