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
    spellings: column -> the names that the source has for it, where that is not the column's own;
    the first that holds a value counts. prepare: wraps a relation in a SELECT that works out what
    several expressions need; it must keep the columns of `ORIGIN_COLUMNS`. has_parts: whether
    records of several kinds make one request; see below. account_fallback: SQL for the identifier
    under which a row without an account is looked up in the same delivery, or else filed (null =
    no such rule). alternatives: sets of source columns, one of which a file must have whole, for a
    table that comes in several dialects. unnests: whether `prepare` makes several rows, or none, of
    a record. rows_are: what a row is where it is no record, for the note of each file.

    remedies: required canonical column -> what an operator can do about rows without it, in words
    that follow "account_id is missing; ".

    With `has_parts`, `prepare` is given the rows of all files of a delivery at once. It gives each
    of them back exactly once (if it unnests, at least once), with a column `part_of` VARCHAR: null
    for a row that becomes a canonical one, and else what the row is instead, in words that follow
    its number ("spans"). Only the former are counted as rows in; the others are counted in the note
    of their file.
    """

    columns: Mapping[str, Literal["VARCHAR", "JSON"]]
    expressions: Mapping[str, str]
    required: tuple[str, ...]
    ignored: frozenset[str] = frozenset()
    prepare: Callable[[str], str] = field(default=lambda relation: f"select * from {relation}")
    account_fallback: str = "null"
    alternatives: tuple[frozenset[str], ...] = ()
    unnests: bool = False
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    has_parts: bool = False
    rows_are: str = ""
    remedies: Mapping[str, str] = field(default_factory=dict)

    def names_of(self, column: str) -> tuple[str, ...]:
        """The names under which a source column may be found, the preferred one first."""
        return self.spellings.get(column, (column,))

    def unknown(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the names of a file's columns that this source neither reads nor ignores."""
        read = {name for column in self.columns for name in self.names_of(column)}
        return tuple(sorted(set(names) - read - self.ignored))


@dataclass(frozen=True)
class PromisedFile:
    """A file that a manifest names. name: relative to the exports folder, with '/'.

    size_bytes and row_count are null where the manifest does not say.
    """

    name: str
    size_bytes: int | None
    row_count: int | None


@dataclass(frozen=True)
class Manifests:
    """The files by which a source says what else it has written.

    are_named: whether the name of a file, relative to the exports folder, is that of a manifest.
    promised: what the manifest of that name and content lists; `ValueError` if it is none.
    """

    are_named: Callable[[str], bool]
    promised: Callable[[str, bytes], tuple[PromisedFile, ...]]


@dataclass(frozen=True)
class Adapter:
    """One export format.

    layout: `table_then_day` is `<exports>/<table>/<day>/**`; `day_anywhere` is a folder named for
    the day at any depth, everything in it being requests. recognises: whether a record, as parsed
    from JSON or from a header and a line, can only be this format. manifests: null where the source
    writes none. settings: what else than the files decides the rows, as names and values without a
    quote; a delivery is read anew when it changes. day_folder: how the folder of a day is named,
    with %Y, %m and %d; a '/' parts folders that lie in each other. not_data: patterns (as in a
    shell) of the names of files and folders inside a day that hold no records.
    """

    name: str
    title: str
    layout: Literal["table_then_day", "day_anywhere"]
    tables: Mapping[str, TableSource]
    recognises: Callable[[Mapping[str, object]], bool]
    manifests: Manifests | None = None
    settings: Callable[[], Mapping[str, str]] = dict
    day_folder: str = "%Y-%m-%d"
    not_data: tuple[str, ...] = ()


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
    from prepared{" where part_of is null" if source.has_parts else ""}
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


def parts_sql(source: TableSource, relation: str) -> str:
    """A SELECT of source_file, part_of and count: the rows of `relation` that are no row in."""
    return f"""
select
    source_file,
    part_of,
    count(*)
from ({source.prepare(relation)})
where part_of is not null
group by all
order by all
"""
