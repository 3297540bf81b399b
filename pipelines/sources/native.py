"""The native format: the one whose columns already have the canonical names.

Values may still be written in many ways (see `pipelines.sources.casts`).
"""

from collections.abc import Mapping

from pipelines.sources.adapter import Adapter, TableSource
from pipelines.sources.casts import identifier_sql
from pipelines.sources.tables import DELIVERED_TABLES, REFERENCE_TABLES, REQUESTS, Table

_IDENTIFIERS = ("request_id", "account_id", "org_id", "parent_org_id", "api_key_id", "end_user_id")
# Worked out at ingestion for formats that carry a whole conversation; the native one does not.
_NOT_IN_EXPORT = ("previous_prompt", "prompt_state_hint")
# Counters have dialects of their own, whatever the requests beside them are written in.
_TABLES = {name: table for name, table in DELIVERED_TABLES.items() if name != "usage_counters"}


def _source(table: Table) -> TableSource:
    names = [name for name in table.columns if name not in _NOT_IN_EXPORT]
    return TableSource(
        columns=dict.fromkeys(names, "VARCHAR"),
        expressions={name: _expression(name) for name in names},
        required=table.required,
    )


def _expression(name: str) -> str:
    if name in _IDENTIFIERS or name == "session_id":
        return identifier_sql(name)
    return f"nullif({name}, '')"


def _recognises(record: Mapping[str, object]) -> bool:
    return set(REQUESTS.required) <= record.keys()


NATIVE = Adapter(
    name="native",
    title="Extraction Watch's own format",
    layout="table_then_day",
    tables={name: _source(table) for name, table in _TABLES.items()},
    recognises=_recognises,
)

REFERENCE_SOURCES: Mapping[str, TableSource] = {
    name: _source(table) for name, table in REFERENCE_TABLES.items()
}
