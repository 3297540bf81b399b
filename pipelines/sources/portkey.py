"""Portkey's log export: the JSON lines of an export job.

Facts of the format: Portkey's documentation of log exports, in its present form and in the one
before, when the columns were chosen by mail. `docs/sources/portkey.md` has the mapping in words.

A job holds the fields that were asked for and no others: one that is absent is not known.
"""

from collections.abc import Mapping

from pipelines.sources.adapter import Adapter, TableSource
from pipelines.sources.bodies import (
    BODY_EXPRESSIONS,
    from_request,
    json_of_text_sql,
    with_bodies_sql,
)
from pipelines.sources.casts import identifier_sql

_COLUMNS = (
    "id",
    "created_at",
    "request",
    "request.body",
    "response",
    "response.body",
    "is_success",
    "ai_model",
    "req_units",
    "res_units",
    "cost",
    "cost_currency",
    "request_url",
    "response_time",
    "response_status_code",
    "stream_mode",
    "metadata",
    "workspace_slug",
)


def _body(name: str) -> str:
    """A body stands in its own field, in a part of it, or (formerly) in a field with a dot."""
    whole = json_of_text_sql(f'coalesce("{name}.body", {name})')
    return (
        f"case json_type({whole} -> '$.body') when 'OBJECT' then {whole} -> '$.body' "
        f"else {whole} end"
    )


def _prepare(relation: str) -> str:
    named = f"(select *, {json_of_text_sql('metadata')} as metadata_json from {relation})"
    return with_bodies_sql(named, request=_body("request"), response=_body("response"))


_IS_SUCCESS = "coalesce(lower(is_success) in ('true', '1'), false)"


def _reported(units: str) -> str:
    """Units are tokens; 0 of either kind on a success is what is written when none were counted."""
    return (
        f"case when {_IS_SUCCESS} and coalesce(try_cast(req_units as double), 0) = 0 "
        f"and coalesce(try_cast(res_units as double), 0) = 0 then null else {units} end"
    )


_ORGANISATION = identifier_sql("metadata_json ->> '$._organisation'")

_REQUESTS = TableSource(
    columns=dict.fromkeys(_COLUMNS, "VARCHAR"),
    required=("created_at",),
    ignored=frozenset(
        (
            "ai_org",
            "cache_status",
            "cache_type",
            "config",
            "is_proxy_call",
            "mode",
            "prompt_slug",
            "request_method",
            "retry_success_count",
            "span_id",
            "total_units",
            "trace_id",
            "virtual_key",
        )
    ),
    prepare=_prepare,
    account_fallback=f"coalesce({_ORGANISATION}, {identifier_sql('workspace_slug')})",
    expressions={
        **BODY_EXPRESSIONS,
        "request_id": identifier_sql("id"),
        "account_id": identifier_sql("metadata_json ->> '$._user'"),
        "org_id": _ORGANISATION,
        "end_user_id": identifier_sql(from_request("end_user")),
        "started_at": "created_at",
        "model": f"coalesce(nullif(ai_model, ''), {from_request('model')})",
        "input_tokens": _reported("req_units"),
        "output_tokens": _reported("res_units"),
        "pathway": "'api'",
        "endpoint": """case
            when request_url like '%/embeddings%' then 'embedding'
            when request_url like '%/responses%' then 'responses'
            when request_url like '%/chat/completions%' or request_url like '%/messages%'
                or request_url like '%enerateContent%' or request_url like '%/converse%' then 'chat'
            when request_url like '%/completions%' then 'completion'
            when request_url <> '' then 'other'
        end""",
        "duration_ms": "response_time",
        "stream": f"coalesce({BODY_EXPRESSIONS['stream']}, stream_mode)",
        # Both spellings mean cents: the currency of which is written in the older exports.
        "cost_usd": (
            "case when lower(cost_currency) in ('cents', 'cent', 'usd') "
            "then (try_cast(cost as double) / 100)::varchar end"
        ),
        "http_status": (
            "coalesce(case when regexp_full_match(response_status_code, '[1-5][0-9]{2}') "
            f"then response_status_code end, case when {_IS_SUCCESS} then '200' end)"
        ),
    },
)


def _recognises(record: Mapping[str, object]) -> bool:
    # A job holds what was asked for; these names are nobody else's.
    return "created_at" in record and not record.keys().isdisjoint(
        ("ai_model", "ai_org", "req_units", "res_units")
    )


PORTKEY = Adapter(
    name="portkey",
    title="Portkey log export",
    layout="day_anywhere",
    tables={"requests": _REQUESTS},
    recognises=_recognises,
)
