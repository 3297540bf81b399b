"""Log lines of Kong's AI gateway, as its log plugins (file-log, http-log, tcp-log ...) write them.

Facts of the format: `kong/pdk/log.lua` and the filter that serializes the analytics of the AI
plugins, of Kong 3; its AI audit log reference. `docs/sources/kong.md` has the mapping in words.

A log plugin writes a line for every request that passes, whatever it is for. Only those in which
an AI plugin has left its block are rows.
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

# The block of the plugin that calls the model: since 3.9, and under its own name since 3.7. Other
# AI plugins (transformers, guards, caches) have blocks beside it.
_BLOCKS = ("proxy", '"ai-proxy"', '"ai-proxy-advanced"')
_BLOCK_VALUES = (
    "meta.request_model",
    "meta.response_model",
    "usage.prompt_tokens",
    "usage.prompt_token",
    "usage.completion_tokens",
    "usage.completion_token",
    "usage.cost",
    "payload.request",
    "payload.response",
)
_KONG_REQUEST_ID = 'headers."x-kong-request-id"'
_CONTENT_TYPE = 'headers."content-type"'
_USER_AGENT = 'headers."user-agent"'
_VALUES: Mapping[str, tuple[str, ...]] = {
    "consumer": ("custom_id", "username", "id"),
    "authenticated_entity": ("id", "consumer_id"),
    "request": (
        "id",
        _USER_AGENT,
        _KONG_REQUEST_ID,
        "uri",
    ),
    "response": ("status", _CONTENT_TYPE, _KONG_REQUEST_ID),
    "latencies": ("request", "proxy"),
}
_NO_MODEL = "UNSPECIFIED"


def _paths(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'$.{name}'" for name in names) + "]"


def _block(name: str) -> str:
    return f"block_values[{_BLOCK_VALUES.index(name) + 1}]"


def _line(column: str, name: str) -> str:
    return f"{column}_line[{_VALUES[column].index(name) + 1}]"


def _prepare(relation: str) -> str:
    """Picks the block of the plugin that calls the model, and parses the bodies if it logs them."""
    blocks = ", ".join(f"json_extract(ai, '$.{name}')" for name in _BLOCKS)
    values = ",\n            ".join(
        f"json_extract_string({column}, {_paths(names)}) as {column}_line"
        for column, names in _VALUES.items()
    )
    read = f"""(
        select
            *,
            json_extract_string(block, {_paths(_BLOCK_VALUES)}) as block_values,
            {values}
        from (
            -- Kong 3.6, which had one AI plugin, wrote its values into `ai` itself.
            select
                *,
                coalesce({blocks}, case when json_exists(ai, '$.meta') then ai end) as block
            from {relation}
        )
    )"""
    bodies = with_bodies_sql(
        read,
        request=json_of_text_sql(_block("payload.request")),
        response=json_of_text_sql(_block("payload.response")),
    )
    return f"""
    select
        *,
        case when block is null then 'lines without an AI plugin' end as part_of,
        lower(coalesce(nullif(upstream_uri, ''), {_line("request", "uri")}, '')) as path
    from ({bodies})
    """


def _named(model: str) -> str:
    return f"nullif(nullif({model}, '{_NO_MODEL}'), '')"


_TOKENS = {
    kind: f"coalesce({_block(f'usage.{kind}s')}, {_block(f'usage.{kind}')})"
    for kind in ("prompt_token", "completion_token")
}


def _reported(kind: str) -> str:
    """Of some streams Kong counts nothing, and writes 0 of either kind."""
    both = " and ".join(
        f"coalesce(try_cast({tokens} as double), 0) = 0" for tokens in _TOKENS.values()
    )
    is_success = f"try_cast({_line('response', 'status')} as integer) < 400"
    return f"case when {is_success} and {both} then null else {_TOKENS[kind]} end"


def _known_latency(name: str) -> str:
    """-1 is what Kong writes when the upstream was never reached."""
    latency = f"try_cast({_line('latencies', name)} as double)"
    return f"case when {latency} >= 0 then {latency} end"


_REQUESTS = TableSource(
    columns={
        "started_at": "VARCHAR",
        "client_ip": "VARCHAR",
        "upstream_uri": "VARCHAR",
        "consumer": "JSON",
        "authenticated_entity": "JSON",
        "request": "JSON",
        "response": "JSON",
        "latencies": "JSON",
        "ai": "JSON",
    },
    required=("started_at", "ai"),
    ignored=frozenset(
        (
            "consumer_groups",
            "route",
            "service",
            "source",
            "tries",
            "upstream_status",
            "workspace",
            "workspace_name",
        )
    ),
    prepare=_prepare,
    has_parts=True,
    account_fallback=(
        f"coalesce({identifier_sql(_line('authenticated_entity', 'consumer_id'))}, "
        f"{identifier_sql(_line('authenticated_entity', 'id'))})"
    ),
    remedies={
        "account_id": ("the line names no consumer: put an authentication plugin on the AI routes"),
        "model": "the AI plugin names none",
    },
    expressions={
        **BODY_EXPRESSIONS,
        "request_id": (
            f"coalesce({identifier_sql(_line('request', 'id'))}, "
            f"{identifier_sql(_line('response', _KONG_REQUEST_ID))}, "
            f"{identifier_sql(_line('request', _KONG_REQUEST_ID))})"
        ),
        "account_id": "coalesce("
        + ", ".join(identifier_sql(_line("consumer", name)) for name in _VALUES["consumer"])
        + ")",
        "api_key_id": identifier_sql(_line("authenticated_entity", "id")),
        "end_user_id": identifier_sql(from_request("end_user")),
        "started_at": "started_at",
        "model": (
            f"coalesce({_named(_block('meta.request_model'))}, {_named(from_request('model'))}, "
            f"{_named(_block('meta.response_model'))})"
        ),
        "input_tokens": _reported("prompt_token"),
        "output_tokens": _reported("completion_token"),
        "pathway": "'api'",
        "endpoint": """case
            when contains(path, '/embed') then 'embedding'
            when contains(path, '/responses') then 'responses'
            when contains(path, '/completions') and not contains(path, '/chat/')
                then 'completion'
            when contains(path, '/chat') or contains(path, '/messages')
                or contains(path, '/converse') or contains(path, 'generatecontent') then 'chat'
            when path <> '' then 'other'
        end""",
        "duration_ms": (
            f"round(coalesce({_known_latency('request')}, {_known_latency('proxy')}))::varchar"
        ),
        "stream": (
            f"coalesce({BODY_EXPRESSIONS['stream']}, case when starts_with("
            f"{_line('response', _CONTENT_TYPE)}, 'text/event-stream') "
            "then 'true' end)"
        ),
        "cost_usd": _block("usage.cost"),
        "http_status": _line("response", "status"),
        "ip": "client_ip",
        "user_agent": _line("request", _USER_AGENT),
    },
)


def _recognises(record: Mapping[str, object]) -> bool:
    return {"started_at", "latencies", "request", "response"} <= record.keys()


KONG = Adapter(
    name="kong",
    title="Kong AI gateway log",
    layout="day_anywhere",
    tables={"requests": _REQUESTS},
    recognises=_recognises,
)
