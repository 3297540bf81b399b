"""Dumps of LiteLLM's table `LiteLLM_SpendLogs`: JSON lines, CSV or Parquet, of any release.

A row is laid out as the payload that the same gateway logs elsewhere, and from there on both feeds
share one mapping (`pipelines.sources.litellm_payload`), so that they agree by construction. Only
what the table has and the payload has not, or names otherwise, is said here.

Facts of the format: `schema.prisma` and the migrations of litellm-proxy-extras 0.4; checked against
the table of a real proxy of release 1.108. `docs/sources/litellm_spendlogs.md` has the mapping in
words.
"""

from collections.abc import Mapping

from pipelines.sources.adapter import ORIGIN_COLUMNS, Adapter, TableSource
from pipelines.sources.casts import identifier_sql
from pipelines.sources.litellm_payload import LITELLM_PAYLOAD

_PAYLOAD = LITELLM_PAYLOAD.tables["requests"]


def _unwrapped(column: str) -> str:
    """A JSON column that some exporters write as a string holding JSON."""
    return (
        f"case json_type({column}) when 'VARCHAR' "
        f"then try_cast(json_extract_string({column}, '$') as json) else {column} end"
    )


def _given(json: str, name: str) -> str:
    """A member of an object, or null where it is absent or null."""
    path = f"'$.{name}'"
    return f"case when json_type({json}, {path}) != 'NULL' then json_extract({json}, {path}) end"


def _prepare(relation: str) -> str:
    """From the columns of the table to those of the payload, and on through its own preparation.

    The prompt is in the stored request body: chat `messages`, or the `input` of embeddings and
    responses, or the `prompt` of completions; the column `messages` has one for realtime calls
    only. Parameters are those of the body. System prompts may stand beside the messages.
    """
    columns = {
        **dict.fromkeys(_PAYLOAD.columns, "null"),
        "id": "request_id",
        "session_id": "session_id",
        "call_type": "call_type",
        "startTime": '"startTime"',
        "endTime": '"endTime"',
        "model": "coalesce(nullif(model, ''), json_extract_string(body, '$.model'))",
        "model_group": "model_group",
        "response_cost": "spend",
        "prompt_tokens": "prompt_tokens",
        "completion_tokens": "completion_tokens",
        "end_user": "end_user",
        "requester_ip_address": "requester_ip_address",
        "status": "coalesce(nullif(status, ''), json_extract_string(facts, '$.status'))",
        "metadata": "facts",
        "messages": "conversation",
        "response": "nullif(answered::varchar, '{}')::json",
        "model_parameters": "body",
        "error_information": "json_extract(facts, '$.error_information')",
    }
    renamed = ", ".join(
        f'({sql})::{_PAYLOAD.columns[name]} as "{name}"' for name, sql in columns.items()
    )
    as_payload = f"""
    with unwrapped as (
        select
            *,
            {_unwrapped("proxy_server_request")} as body,
            {_unwrapped("metadata")} as facts,
            {_unwrapped("response")} as answered,
            {_unwrapped("messages")} as realtime
        from {relation}
    ),

    said as (
        select
            *,
            coalesce(
                {_given("body", "messages")},
                {_given("body", "input")},
                {_given("body", "prompt")},
                case when realtime::varchar not in ('{{}}', '[]', 'null') then realtime end
            ) as said,
            coalesce({_given("body", "system")}, {_given("body", "instructions")}) as instructions
        from unwrapped
    ),

    listed as (
        select
            *,
            case json_type(said)
                when 'ARRAY' then json_extract(said, '$[*]')
                when 'OBJECT' then [said]
                when 'VARCHAR' then [said]
            end as items
        from said
    ),

    conversed as (
        select
            *,
            case when items is not null then to_json(list_concat(
                case
                    when instructions is not null
                        then [json_object('role', 'system', 'content', instructions)]
                end,
                list_transform(
                    list_filter(items, lambda item: json_type(item) in ('OBJECT', 'VARCHAR')),
                    lambda item: case json_type(item)
                        when 'VARCHAR' then json_object('role', 'user', 'content', item)
                        else item
                    end
                )
            )) end as conversation
        from listed
    )

    select
        {", ".join(ORIGIN_COLUMNS)}, {renamed},
        api_key, "user", team_id, organization_id, request_duration_ms
    from conversed
    """
    return _PAYLOAD.prepare(f"({as_payload})")


def _reported(tokens: str) -> str:
    """0 is the default of the columns; releases before May 2025 have no status either."""
    return (
        f"case when status is distinct from 'failure' "
        f"and coalesce(try_cast(prompt_tokens as double), 0) = 0 "
        f"and coalesce(try_cast(completion_tokens as double), 0) = 0 then null else {tokens} end"
    )


def _detail(name: str) -> str:
    """A detail of the usage: in the metadata since 2025, before that in the stored response."""
    return (
        f"json_extract_string(metadata, '$.usage_object.{name}'), "
        f"json_extract_string(response, '$.usage.{name}')"
    )


_REQUESTS = TableSource(
    columns={
        "request_id": "VARCHAR",
        "call_type": "VARCHAR",
        "api_key": "VARCHAR",
        "spend": "VARCHAR",
        "prompt_tokens": "VARCHAR",
        "completion_tokens": "VARCHAR",
        "startTime": "VARCHAR",
        "endTime": "VARCHAR",
        "request_duration_ms": "VARCHAR",
        "model": "VARCHAR",
        "model_group": "VARCHAR",
        "user": "VARCHAR",
        "team_id": "VARCHAR",
        "organization_id": "VARCHAR",
        "end_user": "VARCHAR",
        "requester_ip_address": "VARCHAR",
        "session_id": "VARCHAR",
        "status": "VARCHAR",
        "metadata": "JSON",
        "messages": "JSON",
        "response": "JSON",
        "proxy_server_request": "JSON",
    },
    required=("request_id", "api_key", "startTime", "model"),
    ignored=frozenset(
        (
            "agent_id",
            "api_base",
            "billing_agent_id",
            "cache_hit",
            "cache_key",
            "completionStartTime",
            "created_at",
            "custom_llm_provider",
            "litellm_call_id",
            "mcp_namespaced_tool_name",
            "model_id",
            "request_tags",
            "total_tokens",
            "updated_at",
        )
    ),
    prepare=_prepare,
    account_fallback=identifier_sql("api_key"),
    expressions={
        **_PAYLOAD.expressions,
        "account_id": identifier_sql('"user"'),
        "org_id": f"coalesce({identifier_sql('team_id')}, {identifier_sql('organization_id')})",
        "api_key_id": identifier_sql("api_key"),
        "end_user_id": identifier_sql("end_user"),
        "input_tokens": _reported("prompt_tokens"),
        "output_tokens": _reported("completion_tokens"),
        "cached_tokens": (
            f"coalesce({_detail('prompt_tokens_details.cached_tokens')}, "
            f"{_detail('cache_read_input_tokens')})"
        ),
        "reasoning_tokens": f"coalesce({_detail('completion_tokens_details.reasoning_tokens')})",
        "duration_ms": (
            "coalesce(request_duration_ms, date_diff('millisecond', "
            'try_cast("startTime" as timestamptz), try_cast("endTime" as timestamptz))::varchar)'
        ),
        "max_tokens": (
            f"coalesce({_PAYLOAD.expressions['max_tokens']}, "
            "json_extract_string(model_parameters, '$.max_output_tokens'))"
        ),
        # Anthropic's own shape, as the gateway's /v1/messages route stores it.
        "stop_reason": (
            f"coalesce({_PAYLOAD.expressions['stop_reason']}, "
            "json_extract_string(response, '$.stop_reason'))"
        ),
        "response": (
            f"coalesce({_PAYLOAD.expressions['response']}, nullif(array_to_string("
            "json_extract_string(response, '$.content[*].text'), chr(10)), ''))"
        ),
    },
)


def _recognises(record: Mapping[str, object]) -> bool:
    # The columns of the first release. The object-store payload has `id` and no `api_key`.
    return {"request_id", "call_type", "api_key", "spend", "startTime"} <= record.keys()


LITELLM_SPENDLOGS = Adapter(
    name="litellm_spendlogs",
    title="LiteLLM's table LiteLLM_SpendLogs",
    layout="day_anywhere",
    tables={"requests": _REQUESTS},
    recognises=_recognises,
)
