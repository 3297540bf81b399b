"""The access log of Envoy AI Gateway, as JSON lines.

Facts of the format: the project's page on access logs, in its present form and in that of 2025,
when the fields were named `genai_*`. `docs/sources/envoy.md` has the mapping in words.

The operator decides which fields there are and what they are called; these are the documented
names. No field names the caller unless a header that does so is logged.
"""

from collections.abc import Mapping, Sequence

from pipelines.sources.adapter import Adapter, TableSource
from pipelines.sources.casts import identifier_sql

# Who calls, from the unit that is billed down to the person: headers, attributes to which the
# gateway maps them, and plain names.
_ACCOUNTS = (
    "x-account-id",
    "x-ai-eg-account-id",
    "account.id",
    "account_id",
    "x-tenant-id",
    "x-ai-eg-tenant-id",
    "tenant.id",
    "tenant_id",
    "x-customer-id",
    "x-ai-eg-customer-id",
    "customer.id",
    "customer_id",
)
_USERS = ("x-user-id", "x-ai-eg-user-id", "user.id", "user_id", "enduser.id")
_ORGANISATIONS = ("x-org-id", "x-organization-id", "x-ai-eg-org-id", "organization.id", "org_id")
_KEYS = ("x-api-key-id", "x-ai-eg-api-key-id", "api_key.id", "api_key_id")
_SESSIONS = ("session.id", "agent-session-id", "x-session-id")
_MODELS = (
    "gen_ai.request.model",
    "genai_model_name",
    "x-ai-eg-model",
    "gen_ai.response.model",
    "genai_model_name_override",
)
_INPUT_TOKENS = ("gen_ai.usage.input_tokens", "genai_tokens_input")
_OUTPUT_TOKENS = ("gen_ai.usage.output_tokens", "genai_tokens_output")
_CACHED_TOKENS = ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cached_input_tokens")
_REQUEST_IDS = ("x-request-id", "request_id")
_PATHS = ("x-envoy-origin-path", "x-envoy-original-path", "path", ":path")
_USER_AGENTS = ("user-agent", "user_agent")
_OTHERS = (
    "start_time",
    "duration",
    "response_code",
    "x-forwarded-for",
    "downstream_remote_address",
)
# Addresses of networks that are nobody's in particular.
_PRIVATE = (
    "^(10[.]|127[.]|192[.]168[.]|169[.]254[.]|172[.](1[6-9]|2[0-9]|3[01])[.]"
    "|100[.](6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])[.]|::1$|f[cd][0-9a-f]{2}:|fe80:)"
)


def _text(name: str) -> str:
    """What stands under a name; '-' is how Envoy writes that there is nothing."""
    return f"""nullif(nullif(trim("{name}"), '-'), '')"""


def _first(names: Sequence[str]) -> str:
    return "coalesce(" + ", ".join(_text(name) for name in names) + ", null)"


def _identifier(names: Sequence[str]) -> str:
    found = ", ".join(identifier_sql(_text(name)) for name in names)
    return f"coalesce({found}, null)"


def _prepare(relation: str) -> str:
    """Chooses among the names of each thing, and among the addresses of a caller.

    A proxy appends to `x-forwarded-for` the address from which it was called, so what stands
    farther left was written by the caller. The last public address counts; Envoy's own view of the
    caller is the last of all.
    """
    address = "trim(both ' \"' from part)"
    return f"""
    select
        *,
        coalesce(
            list_filter(addresses, lambda part: not regexp_matches(lower(part), '{_PRIVATE}'))[-1],
            addresses[1]
        ) as caller_ip,
        case when asked_model is null and tokens_in is null and tokens_out is null
            then 'lines that are no call of a model' end as part_of
    from (
        select
            *,
            {_identifier(_ACCOUNTS)} as account,
            {_identifier(_USERS)} as caller,
            {_first(_MODELS)} as asked_model,
            {_first(_INPUT_TOKENS)} as tokens_in,
            {_first(_OUTPUT_TOKENS)} as tokens_out,
            lower({_first(_PATHS)}) as called_path,
            case when regexp_full_match(response_code, '[1-5][0-9]{{2}}')
                then response_code end as status,
            list_filter(
                list_transform(
                    list_concat(
                        string_split({_text("x-forwarded-for")}, ','),
                        [{_text("downstream_remote_address")}]
                    ),
                    -- 192.0.2.1:443, [2001:db8::1]:443 and both without a port.
                    lambda part: case
                        when regexp_full_match({address}, '[0-9.]+(:[0-9]+)?')
                            then split_part({address}, ':', 1)
                        when regexp_full_match({address}, '\\[[0-9A-Fa-f:.]+\\](:[0-9]+)?')
                            then regexp_extract({address}, '\\[(.+)\\]', 1)
                        when regexp_full_match({address}, '[0-9A-Fa-f:.]+') then {address}
                    end
                ),
                lambda part: part is not null
            ) as addresses
        from {relation}
    )
    """


def _reported(tokens: str) -> str:
    """Tokens of a stream that was not counted are 0 of either kind."""
    return (
        "case when try_cast(status as integer) < 400 "
        "and coalesce(try_cast(tokens_in as double), 0) = 0 "
        f"and coalesce(try_cast(tokens_out as double), 0) = 0 then null else {tokens} end"
    )


_REQUESTS = TableSource(
    columns=dict.fromkeys(
        (
            *_OTHERS,
            *_ACCOUNTS,
            *_USERS,
            *_ORGANISATIONS,
            *_KEYS,
            *_SESSIONS,
            *_MODELS,
            *_INPUT_TOKENS,
            *_OUTPUT_TOKENS,
            *_CACHED_TOKENS,
            *_REQUEST_IDS,
            *_PATHS,
            *_USER_AGENTS,
        ),
        "VARCHAR",
    ),
    required=("start_time", "response_code"),
    ignored=frozenset(
        (
            ":authority",
            "bytes_received",
            "bytes_sent",
            "connection_termination_details",
            "downstream_local_address",
            "gen_ai.provider.name",
            "gen_ai.usage.total_tokens",
            "genai_backend_name",
            "genai_tokens_total",
            "mcp_backend",
            "mcp_method",
            "mcp_request_id",
            "mcp_session_id",
            "method",
            "protocol",
            "requested_server_name",
            "response_code_details",
            "response_flags",
            "route_name",
            "upstream_cluster",
            "upstream_host",
            "upstream_local_address",
            "upstream_transport_failure_reason",
            "x-envoy-upstream-service-time",
        )
    ),
    prepare=_prepare,
    has_parts=True,
    remedies={
        "account_id": (
            "the access log names no caller: log a header such as x-account-id that the gateway "
            "sets after it has authenticated the caller"
        ),
        "model": "log gen_ai.request.model",
    },
    expressions={
        "request_id": _identifier(_REQUEST_IDS),
        "account_id": "coalesce(account, caller)",
        "org_id": _identifier(_ORGANISATIONS),
        "api_key_id": _identifier(_KEYS),
        # Without a larger unit the user is the account, and nobody is known behind it.
        "end_user_id": "case when account is not null then caller end",
        "started_at": _text("start_time"),
        "model": "asked_model",
        "input_tokens": _reported("tokens_in"),
        "output_tokens": _reported("tokens_out"),
        "cached_tokens": _first(_CACHED_TOKENS),
        "pathway": "'api'",
        "endpoint": """case
            when contains(called_path, '/embeddings') then 'embedding'
            when contains(called_path, '/responses') then 'responses'
            when contains(called_path, '/chat/completions') or contains(called_path, '/messages')
                then 'chat'
            when contains(called_path, '/completions') then 'completion'
            when called_path is not null then 'other'
        end""",
        "duration_ms": _text("duration"),
        "http_status": "status",
        "session_id": _identifier(_SESSIONS),
        "ip": "caller_ip",
        "user_agent": _first(_USER_AGENTS),
    },
)


def _recognises(record: Mapping[str, object]) -> bool:
    return {"start_time", "response_code"} <= record.keys() and any(
        name.startswith(("gen_ai.", "genai_")) for name in record
    )


ENVOY = Adapter(
    name="envoy",
    title="Envoy AI Gateway access log",
    layout="day_anywhere",
    tables={"requests": _REQUESTS},
    recognises=_recognises,
)
