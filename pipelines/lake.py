"""The lake: one folder of Parquet per table and delivery day, made from the delivery alone.

Here a delivery is read, protected (identifiers to pseudonyms, texts to fingerprints), cleared of
exact duplicates, accounted for, and swapped in whole. What formats mean belongs to
`pipelines.sources`; what the rows mean belongs to the dbt project.
"""

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import RunError, UserError
from pipelines.fingerprints import FINGERPRINT_TYPES, fingerprint_sql
from pipelines.pseudonyms import (
    PseudonymKey,
    ip_network_sql,
    pseudonym_sql,
    readable_id_sql,
    record_key_of_lake,
)
from pipelines.sources.adapter import (
    Adapter,
    PromisedFile,
    TableSource,
    canonical_sql,
    parts_sql,
)
from pipelines.sources.deliveries import DeliveredFile, files_of
from pipelines.sources.native import REFERENCE_SOURCES
from pipelines.sources.readers import (
    BadLine,
    Cleaned,
    SetAsideError,
    Shape,
    bundle,
    bundled_relation_sql,
    clean,
    cleaned_relation_sql,
    empty_relation_sql,
    fast_relation_sql,
    shape_of,
)
from pipelines.sources.tables import DELIVERED_TABLES, REFERENCE_TABLES, REQUESTS, Table

# Raise it whenever the same delivery would give other rows: every day is then ingested anew.
LAKE_FORMAT = 2
MEMORY_LIMIT = "2GB"
_FILES_PER_READ = 2000
_MANY_FILES = 20
_SMALL_FILE_BYTES = 64 * 1024
# What DuckDB raises for a damaged file. Running out of memory, say, is not among them.
_DAMAGE = (
    duckdb.InvalidInputException,
    duckdb.ConversionException,
    duckdb.IOException,
    duckdb.SerializationException,
)

FILES_SCHEMA = pa.schema(
    [
        ("table_name", pa.string()),
        ("delivery_date", pa.date32()),
        ("file", pa.string()),
        ("size_bytes", pa.int64()),
        ("sha256", pa.string()),
        ("file_kind", pa.string()),
        ("read_by", pa.string()),
        ("rows_in", pa.int64()),
        ("rows_kept", pa.int64()),
        ("rows_rejected", pa.int64()),
        ("rows_duplicate", pa.int64()),
        ("rows_account_from_key", pa.int64()),
        ("rows_account_unresolved", pa.int64()),
        ("unknown_columns", pa.list_(pa.string())),
        ("uncast_values", pa.int64()),
        ("note", pa.string()),
    ]
)
REJECTED_SCHEMA = pa.schema(
    [
        ("table_name", pa.string()),
        ("delivery_date", pa.date32()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("reason", pa.string()),
        ("bytes", pa.int64()),
    ]
)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class IngestSummary:
    """What became of one delivery of one table.

    skipped: the lake had it already, unchanged. rows_in = rows_kept + rows_rejected +
    rows_duplicate, without the files that were set aside whole, whose rows nobody can count.
    uncast_values: optional values that had not the type of their column. rows_account_from_key:
    rows without an account whose API key shows one elsewhere in the delivery;
    rows_account_unresolved: those filed under the key.
    """

    table: str
    day: date
    adapter: str
    skipped: bool
    files: int
    files_set_aside: int
    rows_in: int
    rows_kept: int
    rows_rejected: int
    rows_duplicate: int
    rows_account_from_key: int
    rows_account_unresolved: int
    uncast_values: int
    unknown_columns: tuple[str, ...]


@dataclass(eq=False)
class _Reading:
    """One file on its way into the lake."""

    file: DeliveredFile
    read_path: str
    sha256: str = ""
    shape: Shape | None = None
    way: Literal["fast", "careful", "set_aside"] = "fast"
    notes: list[str] = field(default_factory=list)
    bad_lines: list[BadLine] = field(default_factory=list)
    cleaned: Cleaned | None = None
    is_manifest: bool = False
    promised: PromisedFile | None = None
    rows_of_parts: int = 0
    rows_loaded: int = 0
    rows_kept: int = 0
    rows_invalid: int = 0
    rows_duplicate: int = 0
    rows_account_from_key: int = 0
    rows_account_unresolved: int = 0
    uncast_values: int = 0

    def set_aside(self, reason: str) -> None:
        self.way, self.cleaned, self.bad_lines = "set_aside", None, []
        self.notes = [reason]

    @property
    def rows_rejected(self) -> int:
        return self.rows_invalid + len(self.bad_lines)

    @property
    def rows_in(self) -> int:
        return self.rows_loaded + len(self.bad_lines)


def ingest(
    *,
    exports: Path,
    home: Path,
    adapter: Adapter,
    table: str,
    day: date,
    key: PseudonymKey,
    threads: int | None = None,
) -> IngestSummary:
    """Puts the delivery of `table` on `day` into `<home>/lake/<table>/<day>/`, replacing it whole.

    Writes data.parquet (the canonical columns, sorted by account, time and key), files.parquet
    (`FILES_SCHEMA`) and rejected.parquet (`REJECTED_SCHEMA`; a file set aside whole is one row
    there without a line). The same files give the same bytes. A delivery that the lake has
    unchanged is skipped. A reader never sees half a day: the folder is exchanged by two renames,
    between which it is absent for an instant. A run that dies publishes nothing.

    Raises `UserError` if requests were not delivered that day, the table is unknown or the key is
    another than the lake's; `RunError` if another process is at this day or rows do not add up.
    """
    if table not in DELIVERED_TABLES:
        raise UserError(f"unknown table {table!r}; expected one of {', '.join(DELIVERED_TABLES)}")
    files = files_of(exports, adapter, table, day)
    record_key_of_lake(home, key)
    lake = home / "lake"
    target = lake / table / day.isoformat()
    with _sole_writer(lake, f"{table}-{day}", target) as staging:
        readings = [_Reading(file, _plain_path(file, staging), _sha256(file)) for file in files]
        readings += _missing(readings, adapter, exports)
        marks = {
            "adapter": adapter.name,
            "lake_format": str(LAKE_FORMAT),
            **adapter.settings(),
        }
        if _is_unchanged(target, readings, marks):
            _logger.info("%s of %s: unchanged, skipped", table, day)
            return _summary(target, table, day, adapter, skipped=True)
        new = staging / "new"
        new.mkdir()
        source = adapter.tables.get(table)
        with _connection(staging / "spill", threads) as connection:
            load = _Load(connection, DELIVERED_TABLES[table], source, key, staging)
            load.run([reading for reading in readings if not reading.is_manifest])
            _hold_to_promises(readings)
            _write_data(load, new / "data.parquet", day=day, adapter=adapter, marks=marks)
            _write_accounts_of_files(load, readings, new, day)
        _swap(new, target, staging)
    summary = _summary(target, table, day, adapter, skipped=False)
    _logger.info("%s of %s: %s", table, day, summary)
    return summary


def ingest_reference(*, exports: Path, home: Path, key: PseudonymKey) -> None:
    """Puts model_releases.csv and declared_parties.csv into `<home>/lake/reference/*.parquet`.

    A file that was not delivered gives an empty table. These files are written by hand, so a line
    that cannot be read is not set aside: it raises `UserError`, naming the line.
    """
    record_key_of_lake(home, key)
    lake = home / "lake"
    folder = lake / "reference"
    for name, table in REFERENCE_TABLES.items():
        path = exports / f"{name}.csv"
        readings: list[_Reading] = []
        if path.is_file():
            file = DeliveredFile(path, path.name, path.stat().st_size)
            readings = [_Reading(file, str(path))]
        with _sole_writer(lake, f"reference-{name}", folder) as staging:
            with _connection(staging / "spill", threads=1) as connection:
                load = _Load(connection, table, REFERENCE_SOURCES[name], key, staging)
                load.run(readings)
                for reading in readings:
                    _require_clean(load, reading)
                columns = ", ".join(table.lake_columns())
                connection.execute(
                    f"copy (select {columns} from rows where not is_duplicate order by all) "
                    f"to {_literal(staging / name)} (format parquet, compression zstd)"
                )
            folder.mkdir(parents=True, exist_ok=True)
            (staging / name).replace(folder / f"{name}.parquet")


class _Load:
    """Files into the table `rows` of a connection: protected, judged, duplicates marked.

    `rows` has the lake columns of the table, `row_key` (equal for the same row delivered twice),
    `reject_reason`, `account_origin`, `is_duplicate`, `uncast_values` and the origin columns.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: Table,
        source: TableSource | None,
        key: PseudonymKey,
        staging: Path,
    ) -> None:
        self.connection = connection
        self.table = table
        # A table that the adapter does not fill has the right columns and no rows.
        self.source = source or TableSource(columns={}, expressions={}, required=())
        self.key = key
        self.staging = staging
        self.has_texts = bool(table.texts)
        self.files_cleaned = 0

    def lake_columns(self) -> tuple[str, ...]:
        prints = tuple(FINGERPRINT_TYPES) if self.has_texts else ()
        return (*self.table.lake_columns(), *prints)

    def lake_rows(self) -> int:
        """How many rows the lake must hold once those that are added up have been."""
        counting = "count(*)"
        if self.table.summed:
            keys = [name for name in self.lake_columns() if name not in self.table.summed]
            counting = f"count(distinct ({', '.join(keys)}))"
        counted = self.connection.execute(
            f"select {counting} from rows where reject_reason is null and not is_duplicate"
        ).fetchone()
        return counted[0] if counted else 0

    def run(self, readings: Sequence[_Reading]) -> None:
        nothing = self._rows_of(empty_relation_sql(self.source.columns))
        self.connection.execute(f"create table rows as {nothing}")
        if self.source.has_parts:
            raw = empty_relation_sql(self.source.columns)
            self.connection.execute(f"create table raw as {raw}")
        for reading in readings:
            if reading.way != "set_aside":
                self._look_at(reading)
        self._read_fast([reading for reading in readings if reading.way == "fast"])
        self._read_carefully([reading for reading in readings if reading.way == "careful"])
        self._put_together()
        without_lines = self._take_back_without_lines(readings)
        if without_lines:
            self._read_carefully(without_lines)
            self._put_together()
        self._name_accounts()
        self._mark_duplicates()
        self._choose_reports()
        self._count(readings)

    def _look_at(self, reading: _Reading) -> None:
        try:
            known = frozenset(
                name for column in self.source.columns for name in self.source.names_of(column)
            )
            reading.shape = shape_of(reading.file.path, known)
        except SetAsideError as trouble:
            reading.set_aside(str(trouble))
            return
        if reading.shape.note:
            reading.notes.append(reading.shape.note)
        if self.source.rows_are:
            reading.notes.append(f"rows are {self.source.rows_are}")
        if reading.shape.kind in ("csv", "parquet"):
            missing = [
                name
                for name in self.source.required
                if not set(self.source.names_of(name)) & set(reading.shape.names)
            ]
            if missing:
                reading.set_aside(f"the required columns {', '.join(missing)} are not in it")
                return
        names, dialects = reading.shape.names, self.source.alternatives
        # Of a JSON document longer than the sample no names are known; its rows are judged alone.
        if names and dialects and not any(dialect <= set(names) for dialect in dialects):
            reading.set_aside(
                f"no kind of {self.table.name} has the columns {_shown(names)}; "
                f"docs/sources/{self.table.name}.md lists the kinds"
            )
            return
        if reading.shape.kind != "empty" and not reading.shape.is_fast:
            reading.way = "careful"

    def _read_fast(self, readings: Sequence[_Reading]) -> None:
        shaped = [
            (reading.shape, reading)
            for reading in readings
            if reading.shape is not None and reading.shape.kind != "empty"
        ]
        shaped.sort(key=lambda pair: repr(pair[0].group))
        for _, pairs in groupby(shaped, key=lambda pair: pair[0].group):
            group = list(pairs)
            shape = group[0][0]

            def relation(some: Sequence[_Reading], shape: Shape = shape) -> str:
                paths = tuple(reading.read_path for reading in some)
                if shape.kind == "jsonl" and _are_many_small(some):
                    return self._bundled(paths, shape.gzip_layers, has_lines=False)
                return fast_relation_sql(paths, shape, self.source.columns, self.source.spellings)

            refused = self._insert([reading for _, reading in group], relation)
            for reading in refused:
                if shape.kind == "parquet":
                    reading.set_aside("a Parquet file that is cut off or damaged")
                else:
                    reading.way = "careful"

    def _take_back_without_lines(self, readings: Sequence[_Reading]) -> list[_Reading]:
        """The files with a rejected row whose line is not known, their rows taken out again.

        A row without what it needs must be found by its line, which only the careful way knows.
        """
        lacking = {
            path
            for (path,) in self.connection.execute(
                "select distinct source_file from rows "
                "where reject_reason is not null and source_line is null"
            ).fetchall()
        }
        taken_back = [reading for reading in readings if reading.read_path in lacking]
        for reading in taken_back:
            self.connection.execute(
                f"delete from {self._landing()} where source_file = ?", [reading.read_path]
            )
            reading.way = "careful"
        return taken_back

    def _landing(self) -> str:
        """The table into which files are read."""
        return "raw" if self.source.has_parts else "rows"

    def _put_together(self) -> None:
        """Of records that make one request together, the rows, once all files have been read."""
        if not self.source.has_parts:
            return
        self.connection.execute("delete from rows")
        try:
            self.connection.execute(f"insert into rows {self._rows_of('select * from raw')}")
        except _DAMAGE:
            # The message quotes a record, so it is not passed on.
            raise RunError(
                f"the records of {self.table.name} cannot be put together; nothing was published. "
                "This is a fault of the program: please report it"
            ) from None

    def _read_carefully(self, readings: Sequence[_Reading]) -> None:
        cleaned: list[_Reading] = []
        for reading in readings:
            if reading.shape is None:
                continue
            self.files_cleaned += 1
            target = self.staging / f"clean-{self.files_cleaned}.jsonl"
            try:
                reading.cleaned = clean(reading.file.path, reading.shape, target)
            except SetAsideError as trouble:
                reading.set_aside(str(trouble))
                continue
            reading.read_path = str(target)
            reading.bad_lines = list(reading.cleaned.bad_lines)
            if reading.cleaned.note:
                reading.notes.append(reading.cleaned.note)
            cleaned.append(reading)

        def relation(some: Sequence[_Reading]) -> str:
            paths = tuple(reading.read_path for reading in some)
            if _are_many_small(some):
                return self._bundled(paths, gzip_layers=0, has_lines=True)
            longest = max(reading.cleaned.longest_bytes for reading in some if reading.cleaned)
            return cleaned_relation_sql(paths, longest, self.source.columns, self.source.spellings)

        for reading in self._insert(cleaned, relation):
            reading.set_aside("it cannot be read, not even line by line")

    def _bundled(self, paths: tuple[str, ...], gzip_layers: int, *, has_lines: bool) -> str:
        target = self.staging / "bundle.jsonl"
        longest_bytes = bundle(paths, gzip_layers, target)
        return bundled_relation_sql(
            str(target),
            longest_bytes,
            self.source.columns,
            self.source.spellings,
            has_lines=has_lines,
        )

    def _insert(
        self, readings: Sequence[_Reading], relation: Callable[[Sequence[_Reading]], str]
    ) -> list[_Reading]:
        """Inserts the rows of all files but those that DuckDB refuses, and returns these."""
        refused: list[_Reading] = []
        for start in range(0, len(readings), _FILES_PER_READ):
            refused += self._insert_some(readings[start : start + _FILES_PER_READ], relation)
        return refused

    def _insert_some(
        self, readings: Sequence[_Reading], relation: Callable[[Sequence[_Reading]], str]
    ) -> list[_Reading]:
        try:
            rows = relation(readings)
            if not self.source.has_parts:
                rows = self._rows_of(rows)
            self.connection.execute(f"insert into {self._landing()} {rows}")
        except _DAMAGE:
            # The message quotes the damaged line, so it is neither logged nor raised.
            if len(readings) == 1:
                return [readings[0]]
            damaged = self._damaged(readings, relation)
            sound = [reading for reading in readings if reading not in damaged]
            if len(sound) == len(readings):
                # Each can be read and together they cannot be inserted: one by one, then.
                return [
                    refused
                    for reading in readings
                    for refused in self._insert_some([reading], relation)
                ]
            return damaged + (self._insert_some(sound, relation) if sound else [])
        return []

    def _damaged(
        self, readings: Sequence[_Reading], relation: Callable[[Sequence[_Reading]], str]
    ) -> list[_Reading]:
        """Those of the files that DuckDB cannot read, by halving; nothing is done with the rows."""
        values = ", ".join(f'count("{name}")' for name in self.source.columns)
        try:
            self.connection.execute(f"select {values} from ({relation(readings)})")
        except _DAMAGE:
            if len(readings) == 1:
                return [readings[0]]
            half = len(readings) // 2
            first, second = readings[:half], readings[half:]
            return self._damaged(first, relation) + self._damaged(second, relation)
        return []

    def _rows_of(self, relation: str) -> str:
        """A SELECT that gives the rows of a raw relation as `rows` holds them."""
        canonical = canonical_sql(self.source, self.table, f"({relation})")
        if not self.has_texts:
            return self._protected(canonical)
        self.connection.execute(
            f"create or replace temp view protected as {self._protected(canonical)}"
        )
        return fingerprint_sql("protected")

    def _protected(self, canonical: str) -> str:
        table, key = self.table, self.key
        replaced = {
            **{name: pseudonym_sql(name, kind, key) for name, kind in table.pseudonyms.items()},
            **{name: readable_id_sql(name, kind, key) for name, kind in table.readable_ids.items()},
            "account_fallback": readable_id_sql("account_fallback", "account", key),
        }
        replacements = ", ".join(f"{sql} as {name}" for name, sql in replaced.items())
        networks = "".join(
            f", {pseudonym_sql(ip_network_sql(address), 'ip_network', key)} as {network}"
            for network, address in table.networks.items()
        )
        return f"""
        select
            * replace ({replacements}){networks},
            {_row_key_sql(table)} as row_key,
            {_reject_reason_sql(table, self.source)} as reject_reason,
            null::varchar as account_origin,
            false as is_duplicate
        from ({canonical})
        """

    def _name_accounts(self) -> None:
        """Rows without an account take that of their API key elsewhere, or else the key itself.

        LiteLLM leaves user and team out of rows that failed before the key was looked up. Grouped
        by user alone, these rows would form an account that nobody has.
        """
        if self.table is not REQUESTS:
            return
        self.connection.execute("""
            update rows set
                account_id = known.account_id,
                org_id = coalesce(rows.org_id, known.org_id),
                account_origin = 'key'
            from (
                select
                    api_key_id,
                    min(account_id) as account_id,
                    case when count(distinct org_id) = 1 then min(org_id) end as org_id
                from rows
                where account_id is not null and reject_reason is null
                group by api_key_id
                having count(distinct account_id) = 1
            ) as known
            where rows.account_id is null
                and rows.reject_reason is null
                and rows.api_key_id = known.api_key_id
        """)
        self.connection.execute("""
            update rows set account_id = account_fallback, account_origin = 'unresolved'
            where account_id is null and reject_reason is null
        """)

    def _mark_duplicates(self) -> None:
        """Of rows that are one, all but the first stay out; their content decides which.

        Of a counter that was read twice, the greater count is the later one.
        """
        greatest = "".join(f"{name} desc nulls last, " for name in self.table.summed)
        content = greatest + _content_sql(self.lake_columns())
        self.connection.execute(f"""
            update rows set is_duplicate = true
            where rowid in (
                select row_id
                from (
                    select
                        rowid as row_id,
                        row_number() over (
                            partition by row_key order by {content}, source_file, source_line
                        ) as occurrence
                    from rows
                    where reject_reason is null and row_key in (
                        select row_key from rows
                        where reject_reason is null group by row_key having count(*) > 1
                    )
                )
                where occurrence > 1
            )
        """)

    def _choose_reports(self) -> None:
        """Of two reports on the same things one stands, the one that counts more; never their sum.

        A provider that is moving to a new report has both for a while.
        """
        table = self.table
        if table.pool is None:
            return
        keys = [name for name in self.lake_columns() if name not in table.summed]
        ranking = ", ".join(f"{name} desc nulls last" for name in table.summed)
        same = " and ".join(f"chosen.{name} = rows.{name}" for name in (*keys, table.pool))
        self.connection.execute(f"""
            update rows set is_duplicate = true
            where reject_reason is null and not is_duplicate and not exists (
                select 1
                from (
                    select *
                    from (
                        select {", ".join(keys)}, {table.pool}, {_sums_sql(table)}
                        from rows
                        where reject_reason is null and not is_duplicate
                        group by {", ".join(keys)}, {table.pool}
                    )
                    qualify row_number() over (
                        partition by {", ".join(keys)} order by {ranking}, {table.pool}
                    ) = 1
                ) as chosen
                where {same}
            )
        """)

    def _parts(self) -> tuple[dict[str, list[tuple[str, int]]], dict[str, int]]:
        """By file, of records that are put together: those that make no row, and all there are."""
        if not self.source.has_parts:
            return {}, {}
        parts: dict[str, list[tuple[str, int]]] = {}
        for path, part_of, count in self.connection.execute(
            parts_sql(self.source, "(select * from raw)")
        ).fetchall():
            parts.setdefault(path, []).append((part_of, count))
        landed = self.connection.execute(
            "select source_file, count(*) from raw group by source_file"
        ).fetchall()
        return parts, dict(landed)

    def _count(self, readings: Sequence[_Reading]) -> None:
        counted = {
            path: counts
            for path, *counts in self.connection.execute("""
                select
                    source_file,
                    count(*),
                    count(*) filter (where reject_reason is null and not is_duplicate),
                    count(reject_reason),
                    count(*) filter (where is_duplicate),
                    count(*) filter (where account_origin = 'key' and not is_duplicate),
                    count(*) filter (where account_origin = 'unresolved' and not is_duplicate),
                    sum(uncast_values) filter (where reject_reason is null)
                from rows group by source_file
            """).fetchall()
        }
        parts, landed = self._parts()
        for reading in readings:
            counts = counted.pop(reading.read_path, [0] * 7)
            (
                reading.rows_loaded,
                reading.rows_kept,
                reading.rows_invalid,
                reading.rows_duplicate,
                reading.rows_account_from_key,
                reading.rows_account_unresolved,
                uncast,
            ) = counts
            reading.uncast_values = int(uncast or 0)
            for part_of, count in parts.pop(reading.read_path, ()):
                reading.notes.append(f"{count} {part_of}")
                reading.rows_of_parts += count
            written = reading.rows_loaded
            if reading.cleaned and not self.source.unnests:
                written = reading.cleaned.rows - reading.rows_of_parts
            elif self.source.has_parts:
                written = landed.get(reading.read_path, 0) - reading.rows_of_parts
                if self.source.unnests:
                    written = max(written, reading.rows_loaded)
            accounted = reading.rows_kept + reading.rows_rejected + reading.rows_duplicate
            if reading.rows_loaded != written or reading.rows_in != accounted:
                raise RunError(
                    f"rows of {reading.file.name} do not add up: {written} were read, "
                    f"{reading.rows_loaded} arrived, {reading.rows_kept} kept, "
                    f"{reading.rows_rejected} rejected, {reading.rows_duplicate} duplicate; "
                    "nothing was published. This is a fault of the program: please report it"
                )
        if counted:
            raise RunError(
                f"{len(counted)} files gave rows and are not in the delivery; nothing was "
                "published. This is a fault of the program: please report it"
            )


def _missing(readings: Sequence[_Reading], adapter: Adapter, exports: Path) -> list[_Reading]:
    """Tells the manifests among the files, and gives what they name and nobody delivered.

    A file that is there is left with what a manifest promises of it.
    """
    if adapter.manifests is None:
        return []
    delivered = {reading.file.name: reading for reading in readings}
    missing: dict[str, _Reading] = {}
    for reading in readings:
        if not adapter.manifests.are_named(reading.file.name):
            continue
        reading.is_manifest = True
        try:
            promised = adapter.manifests.promised(reading.file.name, reading.file.path.read_bytes())
        except ValueError:
            reading.set_aside("a manifest that cannot be read")
            continue
        for file in promised:
            if file.name in delivered:
                delivered[file.name].promised = file
                continue
            absent = _Reading(DeliveredFile(exports / file.name, file.name, 0), file.name)
            size = "" if file.size_bytes is None else f" with {file.size_bytes} bytes"
            absent.set_aside(
                f"not delivered, though {reading.file.name} names it{size}: the delivery is "
                "incomplete"
            )
            missing[file.name] = absent
    return [missing[name] for name in sorted(missing)]


def _hold_to_promises(readings: Sequence[_Reading]) -> None:
    """Notes on each file how it differs from what a manifest says of it."""
    for reading in readings:
        promised = reading.promised
        if promised is None:
            continue
        found = [(promised.size_bytes, reading.file.size_bytes, "bytes")]
        if reading.way != "set_aside":
            found.append((promised.row_count, reading.rows_in + reading.rows_of_parts, "rows"))
        reading.notes += [
            f"the manifest says {said} {unit}, the file has {has}: the delivery is incomplete"
            for said, has, unit in found
            if said is not None and said != has
        ]


def _are_many_small(readings: Sequence[_Reading]) -> bool:
    """Whether opening the files costs more than reading them."""
    total_bytes = sum(reading.file.size_bytes for reading in readings)
    return len(readings) >= _MANY_FILES and total_bytes < len(readings) * _SMALL_FILE_BYTES


def _row_key_sql(table: Table) -> str:
    """What identifies a row: 64 bits that no release of DuckDB changes.

    Of a request its id (unless missing), account, time, model, tokens and exact prompt: ids repeat
    in the wild (a server that always answers the same id, a caller that chooses it), and a log
    shipper that retries sends whole rows twice. Of another row the columns of `table.identity`.
    """
    if table is not REQUESTS:
        text = _content_sql(table.identity or tuple(table.columns))
    else:
        text = (
            "concat_ws(chr(31), coalesce(request_id, ''), coalesce(account_id, account_fallback), "
            "epoch_us(started_at), model, coalesce(input_tokens::varchar, ''), "
            "coalesce(output_tokens::varchar, ''), coalesce(prompt, ''))"
        )
    return f"(md5_number({text}) & 18446744073709551615::uhugeint)::ubigint"


def _sums_sql(table: Table) -> str:
    """The counts of rows added up; unknown if one of them is."""
    return ", ".join(
        f"case when count({name}) = count(*) "
        f"then try_cast(sum({name}) as {table.columns[name]}) end as {name}"
        for name in table.summed
    )


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _content_sql(columns: Sequence[str]) -> str:
    values = ", ".join(f"coalesce({name}::varchar, chr(0))" for name in columns)
    return f"concat_ws(chr(31), {values})"


def _reject_reason_sql(table: Table, source: TableSource) -> str:
    cases = []
    for name in table.required:
        kind = table.columns[name]
        reason = f"{name} is missing" + ("" if kind == "VARCHAR" else f" or no {kind.lower()}")
        if name in source.remedies:
            reason += f"; {source.remedies[name]}"
        absent = f"{name} is null"
        if name == "account_id":
            absent += " and account_fallback is null"
        cases.append(f"when {absent} then '{reason}'")
    return f"case {' '.join(cases)} end"


def _write_data(
    load: _Load, path: Path, *, day: date, adapter: Adapter, marks: dict[str, str]
) -> None:
    columns = list(load.lake_columns())
    leading = f"date '{day}' as delivery_date"
    order = "all"
    if load.table is REQUESTS:
        leading += f", '{adapter.name}' as source, row_key as request_key"
        order = "account_id, started_at, request_key"
    metadata = ", ".join(f"{name}: '{value}'" for name, value in marks.items())
    values, grouping = ", ".join(columns), ""
    if load.table.summed:
        keys = ", ".join(name for name in columns if name not in load.table.summed)
        values, grouping = f"{keys}, {_sums_sql(load.table)}", f"group by {keys}"
    load.connection.execute(
        f"copy (select {leading}, {values} from rows "
        f"where reject_reason is null and not is_duplicate {grouping} order by {order}) "
        f"to {_literal(path)} "
        f"(format parquet, compression zstd, row_group_size 122880, kv_metadata {{{metadata}}})"
    )


def _write_accounts_of_files(
    load: _Load, readings: Sequence[_Reading], folder: Path, day: date
) -> None:
    kept = load.lake_rows()
    written = pq.read_metadata(folder / "data.parquet").num_rows
    if kept != written:
        raise RunError(
            f"{kept} rows of {load.table.name} on {day} were to be kept, {written} written; "
            "nothing was published. This is a fault of the program: please report it"
        )
    common = {"table_name": load.table.name, "delivery_date": day}
    files = [
        {
            **common,
            "file": reading.file.name,
            "size_bytes": reading.file.size_bytes,
            "sha256": reading.sha256,
            "file_kind": "manifest"
            if reading.is_manifest
            else reading.shape.label
            if reading.shape
            else "unknown",
            "read_by": reading.way,
            "rows_in": reading.rows_in,
            "rows_kept": reading.rows_kept,
            "rows_rejected": reading.rows_rejected,
            "rows_duplicate": reading.rows_duplicate,
            "rows_account_from_key": reading.rows_account_from_key,
            "rows_account_unresolved": reading.rows_account_unresolved,
            "unknown_columns": list(load.source.unknown(reading.shape.names))
            if reading.shape
            else [],
            "uncast_values": reading.uncast_values,
            "note": "; ".join(reading.notes) or None,
        }
        for reading in readings
    ]
    rejected = [
        {**common, "file": name, "line": line, "reason": reason, "bytes": size_bytes}
        for name, line, reason, size_bytes in _rejected(load, readings)
    ]
    for name, rows, schema in (
        ("files", files, FILES_SCHEMA),
        ("rejected", rejected, REJECTED_SCHEMA),
    ):
        table = pa.Table.from_pylist(rows, schema=schema)
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")


def _rejected(
    load: _Load, readings: Sequence[_Reading]
) -> list[tuple[str, int | None, str, int | None]]:
    """File, line, reason and size in bytes, in the order of file and line."""
    names = {reading.read_path: reading.file.name for reading in readings}
    found: list[tuple[str, int | None, str, int | None]] = [
        (names[path], line, reason, size_bytes)
        for path, line, reason, size_bytes in load.connection.execute(
            "select source_file, source_line, reject_reason, source_bytes "
            "from rows where reject_reason is not null"
        ).fetchall()
    ]
    for reading in readings:
        if reading.way == "set_aside":
            found.append((reading.file.name, None, reading.notes[0], reading.file.size_bytes))
        found += [
            (reading.file.name, bad.line, bad.reason, bad.size_bytes) for bad in reading.bad_lines
        ]
    return sorted(found, key=lambda row: (row[0], row[1] or 0))


def _require_clean(load: _Load, reading: _Reading) -> None:
    rejected = _rejected(load, [reading])
    if rejected:
        _, line, reason, _ = rejected[0]
        place = f" line {line}" if line else ""
        raise UserError(
            f"{reading.file.path}{place}: {reason}; expected the columns "
            f"{', '.join(load.table.columns)}, of which {', '.join(load.table.required)} must be "
            "filled in. Mend the file and run again"
        )


def _is_unchanged(target: Path, readings: Sequence[_Reading], marks: dict[str, str]) -> bool:
    data, files = target / "data.parquet", target / "files.parquet"
    if not (data.exists() and files.exists()):
        return False
    metadata = pq.read_metadata(data).metadata or {}
    if any(metadata.get(name.encode()) != value.encode() for name, value in marks.items()):
        return False
    stored = pq.read_table(files, columns=["file", "size_bytes", "sha256"]).to_pylist()
    delivered = [
        {"file": r.file.name, "size_bytes": r.file.size_bytes, "sha256": r.sha256} for r in readings
    ]
    return bool(stored == delivered)


def _summary(
    target: Path, table: str, day: date, adapter: Adapter, *, skipped: bool
) -> IngestSummary:
    files = pq.read_table(target / "files.parquet").to_pylist()

    def total(column: str) -> int:
        return sum(file[column] for file in files)

    return IngestSummary(
        table=table,
        day=day,
        adapter=adapter.name,
        skipped=skipped,
        files=len(files),
        files_set_aside=sum(file["read_by"] == "set_aside" for file in files),
        rows_in=total("rows_in"),
        rows_kept=total("rows_kept"),
        rows_rejected=total("rows_rejected"),
        rows_duplicate=total("rows_duplicate"),
        rows_account_from_key=total("rows_account_from_key"),
        rows_account_unresolved=total("rows_account_unresolved"),
        uncast_values=total("uncast_values"),
        unknown_columns=tuple(sorted({name for file in files for name in file["unknown_columns"]})),
    )


@contextmanager
def _sole_writer(lake: Path, name: str, target: Path) -> Iterator[Path]:
    """A private folder to work in, removed afterwards; `RunError` if another process has it.

    It lies in the lake, so that a rename into place is possible, and under a name that no pattern
    for tables meets. What a run that died left behind is cleared away first: it may hold raw text.
    """
    root = lake / ".staging"
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / f"{name}.lock") as is_ours:
        if not is_ours:
            raise RunError(
                f"another process is writing {target}; wait for it, or end it, and run again"
            )
        _clear_leftovers(root, except_for=name)
        staging = root / name
        _recover(staging, target)
        staging.mkdir()
        try:
            yield staging
        finally:
            _recover(staging, target)


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Holds the lock file while the block runs, then removes it; False if another has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        # The holder before may have removed the file after it was opened here.
        if not path.exists() or path.stat().st_ino != os.fstat(descriptor).st_ino:
            yield False
            return
        try:
            yield True
        finally:
            path.unlink()
    finally:
        os.close(descriptor)


def _clear_leftovers(root: Path, except_for: str) -> None:
    for leftover in root.iterdir():
        if not leftover.is_dir() or leftover.name == except_for:
            continue
        with _locked(root / f"{leftover.name}.lock") as is_abandoned:
            # `replaced` is a day of the lake; only its own next run knows whether it is still
            # needed.
            if is_abandoned and not (leftover / "replaced").exists():
                shutil.rmtree(leftover, ignore_errors=True)


def _recover(staging: Path, target: Path) -> None:
    """Removes a working folder, and undoes a swap that ended between its two renames."""
    replaced = staging / "replaced"
    if replaced.exists() and not target.exists():
        replaced.rename(target)
    if staging.exists():
        shutil.rmtree(staging)


def _swap(new: Path, target: Path, staging: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rename(staging / "replaced")
    new.rename(target)


@contextmanager
def _connection(spill: Path, threads: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": str(spill),
        # Rows are sorted when they are written; until then their order is nobody's concern.
        "preserve_insertion_order": False,
    }
    if threads:
        config["threads"] = threads
    connection = duckdb.connect(config=config)
    try:
        connection.execute("set TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _plain_path(file: DeliveredFile, staging: Path) -> str:
    """A path that DuckDB takes as it is: it reads *, ? and [ in a path as a pattern."""
    path = str(file.path.absolute())
    if not any(mark in path for mark in "*?["):
        return path
    link = staging / f"link-{hashlib.sha256(path.encode()).hexdigest()[:20]}"
    with suppress(FileExistsError):
        link.symlink_to(path)
    return str(link)


def _sha256(file: DeliveredFile) -> str:
    with file.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
