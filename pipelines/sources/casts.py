"""From text to a type, the way exports write things.

Only SQL expressions over one VARCHAR expression belong here. Every cast gives null where the text
is missing and where it does not fit, and never raises: a day is not lost to one odd value.
"""

# Above these magnitudes a number of seconds since 1970 must be milli-, micro- or nanoseconds: the
# first is the year 5138 in seconds and March 1973 in milliseconds.
_MILLISECONDS_FROM = 100_000_000_000
_MICROSECONDS_FROM = 100_000_000_000_000
_NANOSECONDS_FROM = 100_000_000_000_000_000
_TOO_LATE_FROM = 9_000_000_000_000_000_000


def cast_sql(text: str, duckdb_type: str) -> str:
    """The expression that turns the VARCHAR expression `text` into `duckdb_type`.

    VARCHAR: '' is null. BIGINT, INTEGER: "12" and "12.0" are 12, "12.5" is null. DOUBLE: NaN and
    infinities are null. BOOLEAN: true, false, 1, 0, yes, no in any case. TIMESTAMP: RFC 3339 with
    an offset, without one (UTC), or a number since 1970 in s, ms, us or ns; the result is UTC.
    DATE: the UTC day of such a time.
    """
    match duckdb_type:
        case "VARCHAR":
            return f"nullif({text}, '')"
        case "BIGINT" | "INTEGER":
            return (
                f"case when try_cast({text} as double) = trunc(try_cast({text} as double)) "
                f"then try_cast({text} as {duckdb_type}) end"
            )
        case "DOUBLE":
            return f"case when isfinite(try_cast({text} as double)) then {text}::double end"
        case "BOOLEAN":
            return (
                f"case when lower(trim({text})) in ('true', 't', 'yes', '1', '1.0') then true "
                f"when lower(trim({text})) in ('false', 'f', 'no', '0', '0.0') then false end"
            )
        case "TIMESTAMP":
            return _timestamp_sql(text)
        case "DATE":
            return f"({_timestamp_sql(text)})::date"
    raise ValueError(f"no cast to {duckdb_type}")


def identifier_sql(text: str) -> str:
    """An identifier, or null where the source wrote that there is none ('', None, null, nan).

    Gateways store the text "None" where the provider sent no id; as an identifier it would join
    strangers.
    """
    return (
        f"case when lower(trim({text})) in ('', 'none', 'null', 'nan', 'undefined') "
        f"then null else trim({text}) end"
    )


def _timestamp_sql(text: str) -> str:
    number = f"try_cast({text} as decimal(38, 9))"
    # RFC 3339 allows a lower-case t and z and the second 60, DuckDB does not. 'infinity' and
    # 'epoch' cast as well, hence the digit in front.
    written = f"replace(upper(trim({text})), ':60', ':59')"
    return (
        f"case when not regexp_matches({text}, '^\\s*[0-9]') then null "
        f"when contains({text}, '-') then "
        f"timezone('UTC', coalesce(try_cast({text} as timestamptz), "
        f"try_cast({written} as timestamptz))) "
        f"when {number} < {_MILLISECONDS_FROM} then make_timestamp(({number} * 1000000)::bigint) "
        f"when {number} < {_MICROSECONDS_FROM} then make_timestamp(({number} * 1000)::bigint) "
        f"when {number} < {_NANOSECONDS_FROM} then make_timestamp({number}::bigint) "
        f"when {number} < {_TOO_LATE_FROM} then make_timestamp({number}::bigint // 1000) end"
    )
