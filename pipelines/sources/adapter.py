"""What an adapter is, and how its expressions become a canonical table.

An adapter says which source columns it reads and gives, for each canonical column it knows, a SQL
expression whose value is *text*. Casting the text, telling what is missing and counting what does
not cast is done here, once, for all adapters. An adapter is one file and one line in the
registry of `pipelines.sources`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipelines.sources.casts import cast_sql
from pipelines.sources.tables import Table

# Which file and line a row came from. A reader adds these; they end in the accounting.
ORIGIN_COLUMNS: Mapping[str, str] = {
    "source_file": "VARCHAR",
    "source_line": "BIGINT",
    "source_bytes": "BIGINT",
}


@dataclass(frozen=True)
class TableSource:
    """How one adapter fills one canonical table.

    columns: source columns to read, as VARCHAR or JSON. expressions: canonical column -> SQL over
    those columns (or over the result of `prepare`), of type VARCHAR; a canonical column left out is
    null. required: source columns without which a file that has a header cannot be meant. ignored:
    source columns that the format documents and nobody reads; all others are counted as unknown.
    prepare: wraps a relation in a SELECT that works out what several expressions need; it must
    keep the columns of `ORIGIN_COLUMNS`. account_fallback: SQL for the identifier under which a row
    without an account is looked up in the same delivery, or else filed (null = no such rule).
    """

    columns: Mapping[str, Literal["VARCHAR", "JSON"]]
    expressions: Mapping[str, str]
    required: tuple[str, ...]
    ignored: frozenset[str] = frozenset()
    prepare: Callable[[str], str] = field(default=lambda relation: f"select * from {relation}")
    account_fallback: str = "null"

    def unknown(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the names of a file's columns that this source neither reads nor ignores."""
        return tuple(sorted(set(names) - set(self.columns) - self.ignored))


@dataclass(frozen=True)
class Adapter:
    """One export format.

    layout: `table_then_day` is `<exports>/<table>/<day>/**`; `day_anywhere` is a folder named for
    the day at any depth, everything in it being requests. recognises: whether a record, as parsed
    from JSON or from a header and a line, can only be this format.
    """

    name: str
    title: str
    layout: Literal["table_then_day", "day_anywhere"]
    tables: Mapping[str, TableSource]
    recognises: Callable[[Mapping[str, object]], bool]


def canonical_sql(source: TableSource, table: Table, relation: str) -> str:
    """A SELECT from raw source columns to the canonical ones.

    `relation` has the columns of `source` and `ORIGIN_COLUMNS`. The result has `ORIGIN_COLUMNS`,
    the columns of `table` with their types, `account_fallback` VARCHAR, and `uncast_values`
    INTEGER: how many optional values of the row were there and did not have the type, so that they
    are null.
    """
    origin = ", ".join(ORIGIN_COLUMNS)
    known = [name for name in table.columns if name in source.expressions]
    texts = "".join(f",\n        ({source.expressions[name]}) as text_{name}" for name in known)
    casts = "".join(
        f",\n        {cast_sql(f'text_{name}', table.columns[name])} as {name}" for name in known
    )
    misfits = [
        f"(text_{name} is not null and {name} is null)::integer"
        for name in known
        if table.columns[name] != "VARCHAR" and name not in table.required
    ]
    finals = "".join(
        f",\n    {name}" if name in known else f",\n    null::{duckdb_type} as {name}"
        for name, duckdb_type in table.columns.items()
    )
    return f"""
with prepared as ({source.prepare(relation)}),

texts as (
    select
        {origin},
        nullif({source.account_fallback}, '') as account_fallback{texts}
    from prepared
),

typed as (
    select
        *{casts}
    from texts
)

select
    {origin}{finals},
    account_fallback::varchar as account_fallback,
    ({" + ".join(misfits) or "0"})::integer as uncast_values
from typed
"""
