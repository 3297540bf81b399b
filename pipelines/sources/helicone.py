"""Helicone's requests: rows of its ClickHouse table, and what its API and export tool write.

Facts of the format: `clickhouse/migrations`, `valhalla/jawn/src/lib/stores/request/request.ts` and
`examples/export/typescript/index.ts` of Helicone/helicone. `docs/sources/helicone.md` has the
mapping in words.

The table and the API have different names for the same thing. The columns read here are the
API's names; where the table's stand instead, they are taken in `prepare`.
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

# Cost is stored in ClickHouse as a whole number of these parts of a dollar.
_COST_PARTS = 1_000_000_000
_NO_UUID = "00000000-0000-0000-0000-000000000000"

_COLUMNS = (
    # Both
    "request_id",
    "response_id",
    "request_created_at",
    "response_created_at",
    "provider",
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "prompt_cache_read_tokens",
    "request_body",
    "response_body",
    "target_url",
    "cost",
    # API and export tool
    "response_status",
    "request_model",
    "response_model",
    "model",
    "model_override",
    "request_path",
    "request_user_id",
    "request_properties",
    "helicone_user",
    "delay_ms",
    "costUSD",
    # Table
    "status",
    "latency",
    "user_id",
    "organization_id",
    "proxy_key_id",
    "properties",
)

_BODY_ABSENT = "request_json ->> '$.helicone_message'"


def _prepare(relation: str) -> str:
    """One set of names; ClickHouse's \\N for null in CSV; properties and bodies as JSON.

    A map in ClickHouse's CSV is quoted with ' instead of ".
    """
    known = ", ".join(
        f'case when "{name}" not in (\'\', \'\\N\') then "{name}" end as "{name}"'
        for name in _COLUMNS
    )
    properties = "coalesce(request_properties, properties)"
    quoted = f"replace({properties}, '''', '\"')"
    named = f"""(
        select
            *,
            coalesce(response_status, status) as status_code,
            coalesce({json_of_text_sql(properties)}, try_cast({quoted} as json)) as properties_json,
            coalesce({identifier_sql("request_user_id")}, {identifier_sql("user_id")}) as user_sent
        from (select * replace ({known}) from {relation})
    )"""
    return with_bodies_sql(
        named,
        request=json_of_text_sql("request_body"),
        response=json_of_text_sql("response_body"),
    )


_SUCCESS = "coalesce(try_cast(status_code as integer) between 200 and 299, false)"


def _reported(tokens: str) -> str:
    """0 is also what the table holds when no usage was found in the answer."""
    return (
        f"case when {_SUCCESS} and coalesce(try_cast(prompt_tokens as double), 0) = 0 "
        f"and coalesce(try_cast(completion_tokens as double), 0) = 0 then null else {tokens} end"
    )


_PATH = "coalesce(nullif(request_path, ''), nullif(target_url, ''))"
_OWNER = f"coalesce({identifier_sql('helicone_user')}, {identifier_sql('proxy_key_id')})"

_REQUESTS = TableSource(
    columns=dict.fromkeys(_COLUMNS, "VARCHAR"),
    required=("request_created_at",),
    ignored=frozenset(
        (
            "ai_gateway_body_mapping",
            "asset_ids",
            "asset_urls",
            "assets",
            "cache_enabled",
            "cache_reference_id",
            "completion_audio_tokens",
            "country_code",
            "feedback_created_at",
            "feedback_id",
            "feedback_rating",
            "llmSchema",
            "prompt_audio_tokens",
            "prompt_cache_write_tokens",
            "prompt_id",
            "prompt_version",
            "request_feedback",
            "request_referrer",
            "scores",
            "signed_body_url",
            "size_bytes",
            "storage_location",
            "threat",
            "time_to_first_token",
            "total_tokens",
            "updated_at",
        )
    ),
    prepare=_prepare,
    # Without a user, the key; the organisation is the operator's own and the last resort.
    account_fallback=identifier_sql("organization_id"),
    expressions={
        **BODY_EXPRESSIONS,
        "request_id": (
            f"coalesce({identifier_sql('request_id')}, "
            f"nullif({identifier_sql('response_id')}, '{_NO_UUID}'))"
        ),
        "account_id": f"coalesce({_OWNER}, user_sent)",
        "api_key_id": identifier_sql("proxy_key_id"),
        "end_user_id": (
            f"coalesce(case when {_OWNER} is not null then user_sent end, "
            f"{identifier_sql(from_request('end_user'))})"
        ),
        "started_at": "request_created_at",
        "model": (
            "coalesce(nullif(request_model, ''), nullif(model, ''), nullif(model_override, ''), "
            f"nullif(response_model, ''), {from_request('model')})"
        ),
        "input_tokens": _reported("prompt_tokens"),
        "output_tokens": _reported("completion_tokens"),
        "pathway": "'api'",
        "endpoint": f"""case
            when {_PATH} like '%/embeddings%' then 'embedding'
            when {_PATH} like '%/responses%' then 'responses'
            when {_PATH} like '%/chat/completions%' or {_PATH} like '%/messages%'
                or {_PATH} like '%enerateContent%' then 'chat'
            when {_PATH} like '%/completions%' then 'completion'
            when {_PATH} is not null then 'other'
        end""",
        "duration_ms": "coalesce(delay_ms, latency)",
        "cached_tokens": (
            f"coalesce(nullif(prompt_cache_read_tokens, '0'), {BODY_EXPRESSIONS['cached_tokens']}, "
            "prompt_cache_read_tokens)"
        ),
        "reasoning_tokens": (
            f"coalesce(nullif(reasoning_tokens, '0'), {BODY_EXPRESSIONS['reasoning_tokens']}, "
            "reasoning_tokens)"
        ),
        "cost_usd": (
            "coalesce(costUSD, case when response_status is not null then cost "
            f"else (try_cast(cost as double) / {_COST_PARTS})::varchar end)"
        ),
        # -1 to -4 stand for requests that were cancelled, timed out or are still on their way.
        "http_status": (
            "case when regexp_full_match(status_code, '[1-5][0-9]{2}') then status_code end"
        ),
        "session_id": identifier_sql("""properties_json ->> '$."Helicone-Session-Id"'"""),
        "prompt": f"coalesce(body_prompt, {_BODY_ABSENT})",
        # The text that stands where a body was not fetched, or was omitted on request.
        "prompt_state_hint": f"""case
            when body_prompt is not null then null
            when contains({_BODY_ABSENT}, 'signed_url') then 'pointer'
            when {_BODY_ABSENT} is not null then 'redacted'
        end""",
    },
)


def _recognises(record: Mapping[str, object]) -> bool:
    return {"request_created_at", "response_created_at"} <= record.keys()


HELICONE = Adapter(
    name="helicone",
    title="Helicone requests",
    layout="day_anywhere",
    tables={"requests": _REQUESTS},
    recognises=_recognises,
)
