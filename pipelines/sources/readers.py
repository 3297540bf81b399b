"""Bytes to rows: what a file really is, and how it is read without losing or inventing a row.

There are two ways in. The fast way gives many files of one shape to DuckDB at once. What DuckDB
refuses goes the careful way: Python rewrites the file, line by line, to JSON lines that carry their
line numbers, sets the bad lines aside, and DuckDB reads the rewritten file. Both give the same
raw relation, so one SELECT follows whatever the way.

A file is never half-read: one that is damaged as a whole (a gzip stream that ends early, a Parquet
file without its end) is set aside whole. No text of a bad line leaves this module.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.adapter import ORIGIN_COLUMNS

MEBIBYTE = 1024 * 1024
# DuckDB reserves two buffers of this size for every thread. Longer lines go the careful way.
FAST_LINE_BYTES = 16 * MEBIBYTE
MAX_LINE_BYTES = 64 * MEBIBYTE
MAX_DOCUMENT_BYTES = 256 * MEBIBYTE
_SAMPLE_BYTES = 64 * 1024
_MAX_GZIP_LAYERS = 3

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_BOM = b"\xef\xbb\xbf"
_UNREADABLE_MAGIC: Mapping[bytes, str] = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ": "xz",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_FILE_FIELD = "__file__"
_LINE_FIELD = "__line__"
_BYTES_FIELD = "__bytes__"
_DELIMITERS = ",;\t|"
_COLUMN_NAME = re.compile(r"[A-Za-z_][\w .-]*")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

# Column -> the names that a source has for it, where that is not the column's own.
Spellings = Mapping[str, tuple[str, ...]]
_NONE: Spellings = {}

Kind = Literal["jsonl", "json", "csv", "parquet", "empty"]


class SetAsideError(Exception):
    """The whole file cannot be trusted; the message is the reason, without any of its text."""


@dataclass(frozen=True)
class Shape:
    """What a file is, by its content.

    names: its column names; of JSON, those in its first 64 KiB. types: of Parquet columns. note:
    what is odd about it and harmless.
    """

    kind: Kind
    gzip_layers: int = 0
    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    delimiter: str = ","
    note: str = ""

    @property
    def label(self) -> str:
        """As in the files table: jsonl, csv.gz, parquet ..."""
        return self.kind + ".gz" * self.gzip_layers

    @property
    def is_fast(self) -> bool:
        """Whether DuckDB can read the file as it lies there."""
        return self.kind in ("jsonl", "csv", "parquet") and self.gzip_layers < 2

    @property
    def group(self) -> tuple[object, ...]:
        """Files with the same value can be read by one call."""
        header = () if self.kind == "jsonl" else (self.names, self.types, self.delimiter)
        return (self.kind, self.gzip_layers, header)


@dataclass(frozen=True)
class BadLine:
    """A line that gave no row. size_bytes: without its line end."""

    line: int
    reason: str
    size_bytes: int


@dataclass(frozen=True)
class Cleaned:
    """The outcome of the careful way.

    rows: how many are in the rewritten file. longest_bytes: the length of its longest line.
    """

    path: Path
    rows: int
    bad_lines: tuple[BadLine, ...]
    longest_bytes: int
    note: str


def shape_of(path: Path, known: frozenset[str] = frozenset()) -> Shape:
    """What the file is. `known` are column names, one of which a CSV header must have.

    Raises `SetAsideError` for what is neither JSON, CSV nor Parquet, or is cut off.
    """
    sample, layers, complete = _sample(path)
    for magic, name in _UNREADABLE_MAGIC.items():
        if sample.startswith(magic):
            raise SetAsideError(f"the content is {name}; UTF-8 text, gzip or Parquet was expected")
    if sample.startswith(_PARQUET):
        return _parquet_shape(path, layers)
    note = _name_note(path, layers)
    text = sample.removeprefix(_BOM).decode("utf-8", "replace").strip("\0 \t\r\n")
    if not text:
        if complete:
            return Shape("empty", layers, note="; ".join(filter(None, (note, "no content"))))
        raise SetAsideError(f"the first {_SAMPLE_BYTES} bytes are blank")
    lines = text.split("\n")
    whole_lines = lines if complete or len(lines) == 1 else lines[:-1]
    records = [_first_value(line) if line.startswith("{") else None for line in whole_lines]
    if text[0] == "[" or (text[0] == "{" and _is_spread_over_lines(lines, records)):
        return Shape("json", layers, _json_names(text), note=note)
    has_objects = any(line.startswith("{") for line in whole_lines)
    # A header comes first: in a CSV file, a prompt may hold lines that begin with '{' as well.
    if text[0] != "{" and not (has_objects and not _is_header(lines[0], known)):
        return _csv_shape(lines[0], layers, known, note)
    names = {name for record in records if isinstance(record, dict) for name in record}
    return Shape("jsonl", layers, tuple(sorted(names)), note=note)


def first_record(path: Path) -> Mapping[str, object]:
    """The first record of the file, to recognise its format by; empty if there is none."""
    try:
        shape = shape_of(path)
        if shape.kind == "empty":
            return {}
        if shape.kind in ("csv", "parquet"):
            return dict.fromkeys(shape.names)
        # A record may be longer than a sample: a batch of spans, or a conversation.
        for size in (_SAMPLE_BYTES, FAST_LINE_BYTES):
            sample, _, complete = _sample(path, size)
            record = _first_object(sample)
            if record or complete:
                return record
    except SetAsideError:
        pass
    return {}


def _first_object(sample: bytes) -> Mapping[str, object]:
    text = sample.removeprefix(_BOM).decode("utf-8", "replace").strip("\0 \t\r\n")
    for candidate in (text, text.lstrip("[ \r\n\t"), *text.split("\n")):
        record = _first_value(candidate)
        if isinstance(record, dict):
            return record
    return {}


def fast_relation_sql(
    paths: tuple[str, ...], shape: Shape, columns: Mapping[str, str], spellings: Spellings = _NONE
) -> str:
    """A SELECT over files of one shape: `ORIGIN_COLUMNS` and `columns`, absent ones null.

    The line is known for Parquet only; there it is the row's number from 1. A column takes the
    first of its `spellings` that holds a value.
    """
    files = _list_literal(paths)
    compression = "gzip" if shape.gzip_layers else "none"
    if shape.kind == "jsonl" and spellings:
        reading = f"compression = '{compression}', filename = true"
        objects = _objects_sql(paths, reading, FAST_LINE_BYTES, columns, spellings)
        return f"""
        select filename as source_file, null::bigint as source_line, null::bigint as source_bytes,
            {_name_list(columns)}
        from ({objects})
        """
    if shape.kind == "jsonl":
        # Never inferred: DuckDB's guesses differ by file and by release, and break in mid-file.
        return f"""
        select filename as source_file, null::bigint as source_line, null::bigint as source_bytes,
            {_name_list(columns)}
        from read_json({files}, format = 'newline_delimited', columns = {_struct_literal(columns)},
            compression = '{compression}', filename = true,
            maximum_object_size = {FAST_LINE_BYTES})
        """
    if shape.kind == "csv":
        header = dict.fromkeys(shape.names, "VARCHAR")
        return f"""
        select filename as source_file, null::bigint as source_line, null::bigint as source_bytes,
            {_present(columns, header, spellings)}
        from read_csv({files}, auto_detect = false, header = true, strict_mode = true,
            delim = {_literal(shape.delimiter)}, quote = '"', escape = '"',
            columns = {_struct_literal(header)}, compression = '{compression}', filename = true,
            max_line_size = {FAST_LINE_BYTES})
        """
    types = dict(zip(shape.names, shape.types, strict=True))
    return f"""
    select filename as source_file, file_row_number + 1 as source_line,
        null::bigint as source_bytes, {_present(columns, types, spellings)}
    from read_parquet({files}, filename = true, file_row_number = true)
    """


def cleaned_relation_sql(
    paths: tuple[str, ...],
    longest_bytes: int,
    columns: Mapping[str, str],
    spellings: Spellings = _NONE,
) -> str:
    """The same SELECT over files that `clean` has written; the lines are those of the originals."""
    read = {**columns, _LINE_FIELD: "BIGINT", _BYTES_FIELD: "BIGINT"}
    if spellings:
        reading = "compression = 'none', filename = true"
        largest = max(longest_bytes + 1024, MEBIBYTE)
        return f"""
        select filename as source_file, {_LINE_FIELD} as source_line,
            {_BYTES_FIELD} as source_bytes, {_name_list(columns)}
        from ({_objects_sql(paths, reading, largest, read, spellings)})
        """
    return f"""
    select filename as source_file, {_LINE_FIELD} as source_line, {_BYTES_FIELD} as source_bytes,
        {_name_list(columns)}
    from read_json({_list_literal(paths)}, format = 'newline_delimited',
        columns = {_struct_literal(read)}, compression = 'none', filename = true,
        maximum_object_size = {max(longest_bytes + 1024, MEBIBYTE)})
    """


def bundle(paths: Sequence[str], gzip_layers: int, target: Path) -> int:
    """Puts many small files of JSON lines into one, each line naming its file; gives the longest.

    DuckDB needs a millisecond to open a file, so a day of single objects would cost more than a
    day of rows. What is no object, or cannot be decompressed, is made a line that DuckDB refuses:
    damage is judged there, as for files that are read as they lie.
    """
    longest_bytes = 0
    with target.open("wb") as bundled:
        for path in paths:
            opening = b'{"' + _FILE_FIELD.encode() + b'":' + json.dumps(path).encode()
            try:
                with _open(Path(path), gzip_layers) as stream:
                    lines = stream.read().removeprefix(_BOM).split(b"\n")
            except (EOFError, zlib.error, gzip.BadGzipFile):
                lines = [b"damaged"]
            for line in lines:
                body = line.strip(b" \t\r")
                if not body:
                    continue
                rest = body[1:].lstrip()
                comma = b"" if rest.startswith(b"}") else b","
                row = opening + comma + rest if body.startswith(b"{") else b"damaged"
                bundled.write(row + b"\n")
                longest_bytes = max(longest_bytes, len(row))
    return longest_bytes


def bundled_relation_sql(
    path: str,
    longest_bytes: int,
    columns: Mapping[str, str],
    spellings: Spellings = _NONE,
    *,
    has_lines: bool,
) -> str:
    """The same SELECT over a file that `bundle` has written, of cleaned files if `has_lines`."""
    lines = {_LINE_FIELD: "BIGINT", _BYTES_FIELD: "BIGINT"} if has_lines else {}
    read = {**columns, _FILE_FIELD: "VARCHAR", **lines}
    line, size_bytes = lines or ("null::bigint", "null::bigint")
    if spellings:
        largest = max(longest_bytes + 1024, MEBIBYTE)
        objects = _objects_sql((path,), "compression = 'none'", largest, read, spellings)
        return f"""
        select {_FILE_FIELD} as source_file, {line} as source_line, {size_bytes} as source_bytes,
            {_name_list(columns)}
        from ({objects})
        """
    return f"""
    select {_FILE_FIELD} as source_file, {line} as source_line, {size_bytes} as source_bytes,
        {_name_list(columns)}
    from read_json({_list_literal((path,))}, format = 'newline_delimited',
        columns = {_struct_literal(read)}, compression = 'none',
        maximum_object_size = {max(longest_bytes + 1024, MEBIBYTE)})
    """


def empty_relation_sql(columns: Mapping[str, str]) -> str:
    """The same SELECT over no file."""
    typed = {**ORIGIN_COLUMNS, **columns}
    nulls = ", ".join(f"null::{kind} as {_identifier(name)}" for name, kind in typed.items())
    return f"select {nulls} where false"


def clean(path: Path, shape: Shape, target: Path) -> Cleaned:
    """Rewrites a file to JSON lines at `target`, one row a line, with line number and length.

    Bytes that are not UTF-8 and lone surrogates become U+FFFD, NUL bytes and a BOM around a line
    go, of a key written twice the last stands. Lines that are still no JSON object, or have not
    the header's number of fields, are left out and returned. Raises `SetAsideError`, and leaves no
    target, if the file is damaged as a whole.
    """
    writer = _CleanWriter(target)
    try:
        with _open(path, shape.gzip_layers) as stream, writer.file:
            if shape.kind == "json":
                _clean_document(stream, writer)
            elif shape.kind == "csv":
                _clean_csv(stream, shape, writer)
            else:
                _clean_lines(stream, writer)
    except (EOFError, zlib.error, gzip.BadGzipFile) as damage:
        target.unlink(missing_ok=True)
        raise SetAsideError(_gzip_reason(damage)) from None
    except SetAsideError:
        target.unlink(missing_ok=True)
        raise
    note = f"{writer.mended} lines mended" if writer.mended else ""
    return Cleaned(target, writer.rows, tuple(writer.bad_lines), writer.longest_bytes, note)


class _CleanWriter:
    """Writes rows and remembers what could not be one."""

    def __init__(self, target: Path) -> None:
        self.file = target.open("w", encoding="utf-8", newline="\n")
        self.rows = 0
        self.longest_bytes = 0
        self.mended = 0
        self.bad_lines: list[BadLine] = []

    def reject(self, line: int, reason: str, size_bytes: int) -> None:
        self.bad_lines.append(BadLine(line, reason, size_bytes))

    def write(self, line: int, size_bytes: int, body: str) -> None:
        """`body` is a JSON object on one line."""
        rest = body.strip()[1:]
        comma = "" if rest.lstrip().startswith("}") else ","
        row = f'{{"{_LINE_FIELD}":{line},"{_BYTES_FIELD}":{size_bytes}{comma}{rest}\n'
        self.file.write(row)
        self.rows += 1
        row_bytes = len(row) if row.isascii() else len(row.encode())
        self.longest_bytes = max(self.longest_bytes, row_bytes)

    def write_value(self, line: int, size_bytes: int, value: object) -> None:
        self.write(line, size_bytes, _dumped(value))


class _Repeats:
    """A JSON object hook: remembers whether a key was written twice in one object."""

    def __init__(self) -> None:
        self.found = False

    def __call__(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        value = dict(pairs)
        for reserved in (_FILE_FIELD, _LINE_FIELD, _BYTES_FIELD):
            value.pop(reserved, None)
        self.found = self.found or len(value) < len(pairs)
        return value


def _clean_lines(stream: BinaryIO, writer: _CleanWriter) -> None:
    for line, raw, size_bytes in _lines(stream):
        if raw is None:
            writer.reject(line, f"the line is longer than {MAX_LINE_BYTES} bytes", size_bytes)
            continue
        text = raw.decode("utf-8", "replace").strip("\ufeff\0 \t\r\n")
        if not text:
            continue
        repeats = _Repeats()
        try:
            value, is_strict = _parsed(text, repeats)
        except (ValueError, RecursionError):
            writer.reject(line, "the line is no JSON", size_bytes)
            continue
        if not isinstance(value, dict):
            writer.reject(line, "the line is JSON and no object", size_bytes)
            continue
        if "\ufffd" in text or not is_strict:
            writer.mended += 1
        if is_strict and not repeats.found and "\\ud" not in text.lower():
            writer.write(line, size_bytes, text)
        else:
            writer.write_value(line, size_bytes, value)


def _clean_document(stream: BinaryIO, writer: _CleanWriter) -> None:
    """A JSON array of objects, or objects spread over lines, one after the other."""
    raw = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise SetAsideError(
            f"a JSON document of more than {MAX_DOCUMENT_BYTES} bytes; deliver JSON lines instead"
        )
    text = raw.removeprefix(_BOM).decode("utf-8", "replace").rstrip("\0 \t\r\n")
    decoder = json.JSONDecoder(object_pairs_hook=_Repeats(), strict=False)
    position, line, depth = 0, 1, 0
    while position < len(text):
        character = text[position]
        if character == "\n":
            line += 1
        if character == "[" and depth == 0:
            depth = 1
        elif character == "]" and depth == 1:
            depth = 0
        elif not character.isspace() and character not in ",\0":
            try:
                value, end = decoder.raw_decode(text, position)
            except (ValueError, RecursionError):
                raise SetAsideError(f"the JSON document is damaged from line {line} on") from None
            size_bytes = len(text[position:end].encode())
            if isinstance(value, dict):
                writer.write_value(line, size_bytes, value)
            else:
                writer.reject(line, "the element is JSON and no object", size_bytes)
            line += text.count("\n", position, end)
            position = end
            continue
        position += 1
    if depth:
        raise SetAsideError("the JSON array has no end")


def _clean_csv(stream: BinaryIO, shape: Shape, writer: _CleanWriter) -> None:
    csv.field_size_limit(MAX_LINE_BYTES)
    taken = _Taken(stream)
    reader = csv.reader(taken, delimiter=shape.delimiter, strict=True)
    width = len(shape.names)
    is_header = True
    while True:
        first_line = reader.line_num + 1
        taken.size_bytes = 0
        try:
            fields = next(reader, None)
        except csv.Error as trouble:
            if "unexpected end of data" in str(trouble):
                reason = f"a quoted field opens in line {first_line} and never ends"
                raise SetAsideError(reason) from None
            writer.reject(first_line, "the quotes of the line are damaged", taken.size_bytes)
            continue
        if fields is None:
            return
        if not fields:
            continue
        if is_header:
            is_header = False
            continue
        if len(fields) == width + 1 and fields[-1] == "":
            fields = fields[:-1]
        if len(fields) != width:
            reason = f"the line has {len(fields)} fields, the header has {width}"
            writer.reject(first_line, reason, taken.size_bytes)
            continue
        row = dict(zip(shape.names, fields, strict=True))
        writer.write_value(first_line, taken.size_bytes, row)


class _Taken(Iterator[str]):
    """The decoded lines of a stream; counts the bytes that were taken since it was last zeroed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size_bytes = 0

    def __next__(self) -> str:
        raw = self._stream.readline()
        if not raw:
            raise StopIteration
        self.size_bytes += len(raw.rstrip(b"\r\n"))
        return raw.decode("utf-8", "replace")


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None, int]]:
    """Line number, bytes (None if too long to hold) and length without the line end."""
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        size_bytes = len(raw.rstrip(b"\r\n"))
        if size_bytes <= MAX_LINE_BYTES:
            yield number, raw, size_bytes
            continue
        while not raw.endswith(b"\n") and (raw := stream.readline(MAX_LINE_BYTES)):
            size_bytes += len(raw.rstrip(b"\r\n"))
        yield number, None, size_bytes


def _parsed(text: str, repeats: _Repeats) -> tuple[object, bool]:
    try:
        return json.loads(text, object_pairs_hook=repeats), True
    except ValueError:
        # Control characters inside strings; DuckDB does not take them, so the row is rewritten.
        return json.loads(text, object_pairs_hook=repeats, strict=False), False


def _dumped(value: object) -> str:
    return _LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False))


def _first_value(text: str) -> object:
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _json_names(text: str) -> tuple[str, ...]:
    value = _first_value(text.lstrip("[ \r\n\t"))
    return tuple(sorted(value)) if isinstance(value, dict) else ()


def _is_spread_over_lines(lines: list[str], records: list[object]) -> bool:
    """Whether a text that begins with '{' is an object on several lines, not JSON lines."""
    first = lines[0].strip()
    if len(lines) == 1 or isinstance(records[0], dict):
        return False
    # A first line that was cut off in the middle, above lines that are whole.
    if any(isinstance(record, dict) for record in records):
        return False
    return first == "{" or first.endswith((",", "{", "["))


def _csv_shape(header: str, layers: int, known: frozenset[str], note: str) -> Shape:
    names, delimiter = _fields(header, known)
    if not _is_header(header, known):
        raise SetAsideError("neither JSON nor Parquet, and no known column in the first line")
    if len(set(names)) < len(names) or "" in names:
        raise SetAsideError("the header has a column twice, or one without a name")
    return Shape("csv", layers, names, delimiter=delimiter, note=note)


def _is_header(line: str, known: frozenset[str]) -> bool:
    """Whether a line names a known column; if none are known, whether it looks like names."""
    names, _ = _fields(line, known)
    if known:
        return not known.isdisjoint(names)
    return len(names) > 1 and all(_COLUMN_NAME.fullmatch(name) for name in names)


def _fields(line: str, known: frozenset[str]) -> tuple[tuple[str, ...], str]:
    """The fields of a line by the delimiter that fits best, and that delimiter."""
    candidates = []
    for delimiter in _DELIMITERS:
        fields = next(csv.reader([line.split("\r")[0]], delimiter=delimiter), [])
        candidates.append((tuple(field.strip() for field in fields), delimiter))
    return max(candidates, key=lambda found: (len(known.intersection(found[0])), len(found[0])))


def _parquet_shape(path: Path, layers: int) -> Shape:
    if layers:
        raise SetAsideError("a Parquet file inside gzip; deliver it without gzip")
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError):
        raise SetAsideError("a Parquet file that is cut off or damaged") from None
    kinds = tuple(
        "nested"
        if pa.types.is_nested(field.type)
        else "binary"
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)
        else str(field.type)
        for field in schema
    )
    return Shape("parquet", names=tuple(schema.names), types=kinds)


def _name_note(path: Path, layers: int) -> str:
    if path.suffix == ".gz" and layers == 0 and path.stat().st_size:
        return "named .gz and not compressed"
    if path.suffix != ".gz" and layers:
        return "compressed and not named .gz"
    return "compressed twice or more" if layers > 1 else ""


def _sample(path: Path, size: int = _SAMPLE_BYTES) -> tuple[bytes, int, bool]:
    """The first bytes once decompressed, the layers of gzip, and whether that is everything."""
    for layers in range(_MAX_GZIP_LAYERS + 1):
        try:
            with _open(path, layers) as stream:
                sample = stream.read(size)
                complete = len(sample) < size or not stream.read(1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as damage:
            raise SetAsideError(_gzip_reason(damage)) from None
        if not sample.startswith(_GZIP):
            return sample, layers, complete
    raise SetAsideError(f"compressed more than {_MAX_GZIP_LAYERS} times")


def _gzip_reason(damage: Exception) -> str:
    if isinstance(damage, EOFError):
        return "the gzip stream ends early"
    return "the gzip stream is damaged"


@contextmanager
def _open(path: Path, layers: int) -> Iterator[BinaryIO]:
    with ExitStack() as opened:
        stream: BinaryIO = opened.enter_context(path.open("rb"))
        for _ in range(layers):
            member = opened.enter_context(gzip.GzipFile(fileobj=stream, mode="rb"))
            stream = cast(BinaryIO, opened.enter_context(io.BufferedReader(member)))
        yield stream


def _objects_sql(
    paths: tuple[str, ...],
    reading: str,
    largest_bytes: int,
    columns: Mapping[str, str],
    spellings: Spellings,
) -> str:
    """A SELECT of `columns` (and filename, if it is read) out of whole JSON objects.

    The names of keys may differ in case only, which the names of columns may not.
    """
    keys = {name: spellings.get(name, (name,)) for name in columns}
    numbers = {key: number for number, key in enumerate(_unique(keys.values()), start=1)}
    paths_in_object = ", ".join(_literal(f'$."{key}"') for key in numbers)
    taken = []
    for name, kind in columns.items():
        parts = "parts" if kind == "JSON" else "texts"
        values = ", ".join(f"{parts}[{numbers[key]}]" for key in keys[name])
        taken.append(f"coalesce({values}, null)::{kind} as {_identifier(name)}")
    filename = "filename, " if "filename" in reading else ""
    return f"""
        select {filename}{", ".join(taken)}
        from (
            select
                *,
                case when json_type(json) = 'OBJECT'
                    then json_extract_string(json, [{paths_in_object}])
                    else error('the line is JSON and no object') end as texts,
                list_transform(json_extract(json, [{paths_in_object}]), lambda part:
                    case when json_type(part) <> 'NULL' then part end) as parts
            from read_json_objects({_list_literal(paths)}, format = 'newline_delimited', {reading},
                maximum_object_size = {largest_bytes})
        )
        """


def _unique(groups: Iterable[tuple[str, ...]]) -> dict[str, None]:
    return dict.fromkeys(name for group in groups for name in group)


def _present(
    columns: Mapping[str, str], found: Mapping[str, str], spellings: Spellings = _NONE
) -> str:
    return ", ".join(
        _converted(name, kind, [key for key in spellings.get(name, (name,)) if key in found], found)
        for name, kind in columns.items()
    )


def _converted(name: str, kind: str, keys: Sequence[str], found: Mapping[str, str]) -> str:
    values = []
    for key in keys:
        column = _identifier(key)
        if found[key] == "nested":
            values.append(f"to_json({column})::{kind}")
        else:
            text = f"try(decode({column}))" if found[key] == "binary" else f"{column}::varchar"
            values.append(f"try_cast({text} as {kind})")
    value = values[0] if len(values) == 1 else f"coalesce({', '.join([*values, f'null::{kind}'])})"
    return f"{value} as {_identifier(name)}"


def _name_list(columns: Mapping[str, str]) -> str:
    return ", ".join(_identifier(name) for name in columns)


def _struct_literal(columns: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{_literal(name)}: '{kind}'" for name, kind in columns.items()) + "}"


def _list_literal(paths: tuple[str, ...]) -> str:
    return "[" + ", ".join(_literal(path) for path in paths) + "]"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
