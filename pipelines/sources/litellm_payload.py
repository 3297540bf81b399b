"""LiteLLM's `StandardLoggingPayload`, as its object-store and callback loggers write it.

Facts of the format: `litellm/types/utils.py` and `litellm/integrations/s3.py` of LiteLLM 1.110;
checked against the log of a real proxy of release 1.108. `docs/sources/litellm_payload.md` has the
mapping in words.
"""

from collections.abc import Mapping

from pipelines.sources.adapter import Adapter, TableSource
from pipelines.sources.casts import identifier_sql

_METADATA = (
    "user_api_key_user_id",
    "user_api_key_hash",
    "user_api_key_team_id",
    "user_api_key_org_id",
    "user_api_key_end_user_id",
    "user_api_key_request_route",
    "requester_ip_address",
    "user_agent",
    "usage_object.prompt_tokens_details.cached_tokens",
    "usage_object.cache_read_input_tokens",
    "usage_object.completion_tokens_details.reasoning_tokens",
)
_PARAMETERS = (
    "temperature",
    "top_p",
    "n",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "tools",
    "response_format.type",
    "stream",
)
_RESPONSE = (
    "choices[0].message.content",
    "choices[0].text",
    "choices[0].finish_reason",
    "output[0].content[0].text",
)
_REDACTED = "redacted-by-litellm"
_PASS_THROUGH = "default-message-value"
_SYSTEM_ROLES = "('system', 'developer')"


def _paths(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'$.{name}'" for name in names) + "]"


def _metadata(name: str) -> str:
    return f"metadata_values[{_METADATA.index(name) + 1}]"


def _parameter(name: str) -> str:
    return f"parameter_values[{_PARAMETERS.index(name) + 1}]"


def _response(name: str) -> str:
    return f"response_values[{_RESPONSE.index(name) + 1}]"


def _content_text(content: str) -> str:
    """Text of a message's content: a string, or the text parts of a list, one a line."""
    return (
        f"case json_type({content}) "
        f"when 'VARCHAR' then json_extract_string({content}, '$') "
        f"when 'ARRAY' then nullif(array_to_string("
        f"json_extract_string({content}, '$[*].text'), chr(10)), '') "
        f"when 'OBJECT' then json_extract_string({content}, '$.text') end"
    )


def _prepare(relation: str) -> str:
    """Parses each JSON column once and picks the messages that matter.

    `messages` is a list of messages, one message, a bare string, or null.
    """
    return f"""
    with parsed as (
        select
            *,
            json_extract_string(metadata, {_paths(_METADATA)}) as metadata_values,
            json_extract_string(model_parameters, {_paths(_PARAMETERS)}) as parameter_values,
            json_extract_string(response, {_paths(_RESPONSE)}) as response_values,
            json_extract_string(error_information, '$.error_code') as error_code,
            case json_type(messages)
                when 'ARRAY' then from_json(messages, '[{{"role":"VARCHAR","content":"JSON"}}]')
                when 'OBJECT' then
                    [from_json(messages, '{{"role":"VARCHAR","content":"JSON"}}')]
                when 'VARCHAR' then [{{'role': 'user', 'content': messages}}]
            end as conversation
        from {relation}
    ),

    picked as (
        select
            *,
            list_filter(conversation, lambda said: said.role = 'user') as user_messages,
            list_filter(conversation, lambda said: said.role in {_SYSTEM_ROLES}) as system_messages
        from parsed
    )

    select
        *,
        {_content_text("user_messages[-1].content")} as last_prompt,
        {_content_text("user_messages[-2].content")} as prompt_before,
        array_to_string(
            list_transform(system_messages, lambda said: {_content_text("said.content")}), chr(10)
        ) as system_text,
        case json_type(response)
            when 'VARCHAR' then json_extract_string(response, '$')
            when 'OBJECT' then coalesce(
                {_response("choices[0].message.content")},
                {_response("choices[0].text")},
                {_response("output[0].content[0].text")}
            )
        end as answer
    from picked
    """


def _reported(tokens: str) -> str:
    """0 is also what LiteLLM stores when the provider reported nothing."""
    return (
        f"case when status = 'success' and coalesce(try_cast(prompt_tokens as double), 0) = 0 "
        f"and coalesce(try_cast(completion_tokens as double), 0) = 0 then null else {tokens} end"
    )


_REQUESTS = TableSource(
    columns={
        "id": "VARCHAR",
        "session_id": "VARCHAR",
        "call_type": "VARCHAR",
        "stream": "VARCHAR",
        "status": "VARCHAR",
        "startTime": "VARCHAR",
        "endTime": "VARCHAR",
        "response_time": "VARCHAR",
        "model": "VARCHAR",
        "model_group": "VARCHAR",
        "response_cost": "VARCHAR",
        "prompt_tokens": "VARCHAR",
        "completion_tokens": "VARCHAR",
        "end_user": "VARCHAR",
        "requester_ip_address": "VARCHAR",
        "user_agent": "VARCHAR",
        "metadata": "JSON",
        "messages": "JSON",
        "response": "JSON",
        "model_parameters": "JSON",
        "error_information": "JSON",
    },
    required=("startTime", "metadata"),
    ignored=frozenset(
        (
            "api_base",
            "autorouter_baseline_observation",
            "autorouter_savings",
            "autorouter_savings_estimate",
            "cache_hit",
            "cache_key",
            "completionStartTime",
            "cost_breakdown",
            "custom_llm_provider",
            "error_str",
            "guardrail_information",
            "hidden_params",
            "litellm_call_id",
            "model_id",
            "model_map_information",
            "request_model_access_groups",
            "request_tags",
            "response_cost_failure_debug_info",
            "saved_cache_cost",
            "standard_built_in_tools_params",
            "status_fields",
            "total_tokens",
            "trace_id",
            "zero_cost_diagnostic",
        )
    ),
    prepare=_prepare,
    account_fallback=identifier_sql(_metadata("user_api_key_hash")),
    expressions={
        "request_id": identifier_sql("id"),
        "account_id": identifier_sql(_metadata("user_api_key_user_id")),
        "org_id": (
            f"coalesce({identifier_sql(_metadata('user_api_key_team_id'))}, "
            f"{identifier_sql(_metadata('user_api_key_org_id'))})"
        ),
        "api_key_id": identifier_sql(_metadata("user_api_key_hash")),
        "end_user_id": (
            f"coalesce({identifier_sql('end_user')}, "
            f"{identifier_sql(_metadata('user_api_key_end_user_id'))})"
        ),
        "started_at": "startTime",
        # The group is the name that the caller asked for, the model is what it was routed to.
        "model": "coalesce(nullif(model_group, ''), nullif(model, ''))",
        "input_tokens": _reported("prompt_tokens"),
        "output_tokens": _reported("completion_tokens"),
        "pathway": "'api'",
        "endpoint": f"""case
            when call_type like '%batch%' then 'other'
            when call_type in ('embedding', 'aembedding') then 'embedding'
            when call_type in ('responses', 'aresponses') then 'responses'
            when call_type in ('text_completion', 'atext_completion')
                or {_metadata("user_api_key_request_route")} like '%/v1/completions'
                then 'completion'
            when call_type in ('completion', 'acompletion', 'anthropic_messages') then 'chat'
            when call_type is not null then 'other'
        end""",
        "duration_ms": (
            "round(1000 * coalesce(try_cast(response_time as double), "
            "try_cast(endTime as double) - try_cast(startTime as double)))::varchar"
        ),
        "stream": f"coalesce(stream, {_parameter('stream')})",
        "batch": "case when call_type like '%batch%' then 'true' end",
        "cached_tokens": (
            f"coalesce({_metadata('usage_object.prompt_tokens_details.cached_tokens')}, "
            f"{_metadata('usage_object.cache_read_input_tokens')})"
        ),
        "reasoning_tokens": _metadata("usage_object.completion_tokens_details.reasoning_tokens"),
        "cost_usd": "response_cost",
        "http_status": (
            "case when status = 'success' then '200' "
            "when regexp_full_match(error_code, '[1-5][0-9]{2}') then error_code end"
        ),
        "stop_reason": _response("choices[0].finish_reason"),
        "temperature": _parameter("temperature"),
        "top_p": _parameter("top_p"),
        "n": _parameter("n"),
        "max_tokens": (
            f"coalesce({_parameter('max_tokens')}, {_parameter('max_completion_tokens')})"
        ),
        "seed": _parameter("seed"),
        "top_logprobs": _parameter("top_logprobs"),
        # Either may hold a redaction text where a list or an object is expected.
        "logit_bias_count": (
            f"case when json_valid({_parameter('logit_bias')}) "
            f"then len(json_keys({_parameter('logit_bias')})) end::varchar"
        ),
        "tools_count": (
            f"case when json_valid({_parameter('tools')}) "
            f"then json_array_length({_parameter('tools')}) end::varchar"
        ),
        "logprobs": _parameter("logprobs"),
        "tools_hash": f"md5({_parameter('tools')})",
        "response_format": _parameter("response_format.type"),
        "session_id": identifier_sql("session_id"),
        "turn": "case when messages is not null then greatest(len(user_messages), 1) end::varchar",
        # A reasoning block that the caller sends back carries the provider's signature.
        "reasoning_signature": """case
            when contains(messages::varchar, '"signature"') then coalesce(
                list_last(json_extract_string(messages, '$[*].thinking_blocks[*].signature')),
                list_last(json_extract_string(messages, '$[*].content[*].signature'))
            )
        end""",
        "ip": f"coalesce(nullif(requester_ip_address, ''), {_metadata('requester_ip_address')})",
        "user_agent": f"coalesce(nullif(user_agent, ''), {_metadata('user_agent')})",
        "system_prompt": "system_text",
        "prompt": "last_prompt",
        "previous_prompt": "prompt_before",
        "response": f"nullif(answer, '{_REDACTED}')",
        "prompt_state_hint": f"""case
            when last_prompt = '{_REDACTED}' then 'redacted'
            when last_prompt = '{_PASS_THROUGH}' then 'placeholder'
            when contains(last_prompt, 'litellm_truncated') then 'truncated'
        end""",
    },
)


def _recognises(record: Mapping[str, object]) -> bool:
    # `spend` and `request_id` are columns of the database table that the same gateway writes.
    return {
        "startTime",
        "call_type",
        "metadata",
        "model_parameters",
    } <= record.keys() and "request_id" not in record


LITELLM_PAYLOAD = Adapter(
    name="litellm_payload",
    title="LiteLLM StandardLoggingPayload",
    layout="day_anywhere",
    tables={"requests": _REQUESTS},
    recognises=_recognises,
)
