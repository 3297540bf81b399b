"""Model invocation logs of AWS Bedrock, as the service delivers them to an S3 bucket.

Facts of the format: the Bedrock user guide on model invocation logging, the API references of
Converse and InvokeModel, and the log records that a public integration for them tests with.
`docs/sources/bedrock.md` has the mapping in words.

A record holds the bodies of the call in the dialect in which it was made: that of Converse, which
is one for all models, or that of InvokeModel, in which every provider has its own. The answer of a
stream is the list of its chunks.
"""

from collections.abc import Mapping

from pipelines.sources.adapter import Adapter, TableSource
from pipelines.sources.bodies import content_text_sql
from pipelines.sources.casts import identifier_sql

# Value -> where it stands in a request: Converse and Nova, then the dialects of InvokeModel.
_ASKED: Mapping[str, tuple[str, ...]] = {
    "temperature": (
        "inferenceConfig.temperature",
        "temperature",
        "textGenerationConfig.temperature",
    ),
    "top_p": (
        "inferenceConfig.topP",
        "inferenceConfig.top_p",
        "top_p",
        "p",
        "textGenerationConfig.topP",
    ),
    "max_tokens": (
        "inferenceConfig.maxTokens",
        "inferenceConfig.max_new_tokens",
        "max_tokens",
        "max_completion_tokens",
        "max_tokens_to_sample",
        "max_gen_len",
        "textGenerationConfig.maxTokenCount",
    ),
    "n": ("n", "num_generations", "additionalModelRequestFields.n"),
    "seed": ("seed", "additionalModelRequestFields.seed"),
    "logprobs": ("logprobs", "additionalModelRequestFields.logprobs"),
    "top_logprobs": ("top_logprobs", "additionalModelRequestFields.top_logprobs"),
    "logit_bias": ("logit_bias", "additionalModelRequestFields.logit_bias"),
    "tools": ("toolConfig.tools", "tools"),
    "response_format": (
        "response_format.type",
        "additionalModelRequestFields.response_format.type",
    ),
    "text": ("prompt", "inputText"),
    "preamble": ("preamble",),
}
# The same of an answer that came whole.
_ANSWERED: Mapping[str, tuple[str, ...]] = {
    "stop_reason": (
        "stopReason",
        "stop_reason",
        "choices[0].finish_reason",
        "outputs[0].stop_reason",
        "results[0].completionReason",
        "finish_reason",
        "generations[0].finish_reason",
    ),
    "text": (
        "choices[0].message.content",
        "generation",
        "outputs[0].text",
        "results[0].outputText",
        "completion",
        "text",
        "generations[0].text",
    ),
    "latency": ("metrics.latencyMs",),
    "guardrail": ('"amazon-bedrock-guardrailAction"',),
    "input_tokens": ("usage.inputTokens", "usage.input_tokens", "usage.prompt_tokens"),
    "output_tokens": ("usage.outputTokens", "usage.output_tokens", "usage.completion_tokens"),
    "cached_tokens": (
        "usage.cacheReadInputTokens",
        "usage.cache_read_input_tokens",
        "usage.prompt_tokens_details.cached_tokens",
    ),
    "reasoning_tokens": ("usage.completion_tokens_details.reasoning_tokens",),
}
_ANSWERED_PARTS = ("$.output.message.content[*].text", "$.content[*].text")
# Where a chunk of a stream has its piece of the text, and where the last one says why it ended.
_CHUNK_TEXTS = (
    "$[*].delta.text",
    "$[*].contentBlockDelta.delta.text",
    "$[*].choices[0].delta.content",
    "$[*].generation",
    "$[*].outputs[0].text",
    "$[*].outputText",
    "$[*].completion",
    "$[*].text",
)
_CHUNK_STOPS = (
    "delta.stop_reason",
    "messageStop.stopReason",
    "choices[0].finish_reason",
    "stop_reason",
    "outputs[0].stop_reason",
    "completionReason",
    "finish_reason",
)
_CHUNK_LATENCIES = (
    '"amazon-bedrock-invocationMetrics".invocationLatency',
    "metadata.metrics.latencyMs",
)
# `requestMetadata` is the caller's: these are the names under which callers put the two.
_END_USERS = (
    "end_user_id",
    "endUserId",
    "end_user",
    "user_id",
    "userId",
    "user",
    "customer_id",
    "customerId",
    "tenant_id",
    "tenantId",
    "tenant",
)
_SESSIONS = ("session_id", "sessionId", "conversation_id", "conversationId")
# The status with which the runtime answers each error, by its API reference.
_STATUS_OF_ERROR: Mapping[str, int] = {
    "AccessDeniedException": 403,
    "ConflictException": 400,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelStreamErrorException": 424,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}
_MESSAGES = '[{"role":"VARCHAR","content":"JSON"}]'
_CHAT_HISTORY = '[{"role":"VARCHAR","message":"JSON"}]'
_HUMAN = "chr(10) || chr(10) || 'Human:'"
_ASSISTANT = "chr(10) || chr(10) || 'Assistant:'"


def _paths(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'$.{name}'" for name in names) + "]"


def _all_paths(places: Mapping[str, tuple[str, ...]]) -> str:
    return _paths(tuple(path for paths in places.values() for path in paths))


def _value(body: str, places: Mapping[str, tuple[str, ...]], name: str) -> str:
    owners = [owner for owner, paths in places.items() for _ in paths]
    numbers = [number for number, owner in enumerate(owners, start=1) if owner == name]
    return "coalesce(" + ", ".join(f"{body}_values[{number}]" for number in numbers) + ", null)"


def _asked(name: str) -> str:
    return _value("asked", _ASKED, name)


def _answered(name: str) -> str:
    return _value("answered", _ANSWERED, name)


def _unpacked(json: str) -> str:
    """JSON, or the JSON in a JSON string: programs that forward logs wrap the bodies in one."""
    return (
        f"case json_type({json}) when 'VARCHAR' "
        f"then try_cast(json_extract_string({json}, '$') as json) else {json} end"
    )


def _joined(json: str, paths: tuple[str, ...], separator: str) -> str:
    """The texts at the first of the paths, which have a wildcard, at which there is any."""
    return ", ".join(
        f"nullif(array_to_string(json_extract_string({json}, '{path}'), {separator}), '')"
        for path in paths
    )


def _last_of_chunks(paths: tuple[str, ...]) -> str:
    return ", ".join(
        f"list_filter(json_extract_string(chunks, '$[*].{path}'), "
        "lambda found: found is not null)[-1]"
        for path in paths
    )


def _first_identifier(values: str) -> str:
    return (
        f"list_filter(list_transform({values}, lambda found: {identifier_sql('found')}), "
        "lambda found: found is not null)[1]"
    )


def _prepare(relation: str) -> str:
    """Parses each JSON column once and picks the messages that matter."""
    said_text = content_text_sql("said.content")
    tool_results = " or ".join(
        f"contains(said.content::varchar, '{name}')" for name in ('"tool_result"', '"toolResult"')
    )
    return f"""
    with opened as (
        select
            *,
            {_unpacked("input")} as input_json,
            {_unpacked("output")} as output_json,
            json_extract_string({_unpacked("identity")}, '$.arn') as arn,
            {_unpacked('"requestMetadata"')} as metadata_json
        from {relation}
    ),

    bodies as (
        select
            *,
            {_unpacked("json_extract(input_json, '$.inputBodyJson')")} as asked,
            {_unpacked("json_extract(output_json, '$.outputBodyJson')")} as answered
        from opened
    ),

    parsed as (
        select
            *,
            json_extract_string(asked, {_all_paths(_ASKED)}) as asked_values,
            json_extract_string(answered, {_all_paths(_ANSWERED)}) as answered_values,
            case json_type(answered) when 'ARRAY' then answered end as chunks,
            json_extract_string(metadata_json, {_paths(_END_USERS)}) as end_users,
            json_extract_string(metadata_json, {_paths(_SESSIONS)}) as sessions,
            json_extract_string(input_json, '$.inputBodyS3Path') as body_path,
            coalesce(
                json_extract_string(input_json, '$.inputTokenCount'), {_answered("input_tokens")}
            ) as tokens_in,
            coalesce(
                json_extract_string(output_json, '$.outputTokenCount'),
                {_answered("output_tokens")}
            ) as tokens_out,
            coalesce("errorCode", '') = ''
                and (
                    coalesce("status", '') = '' or lower("status") in ('success', 'ok', '200')
                ) as is_success
        from bodies
    ),

    spoken as (
        select
            *,
            case
                when json_type(asked, '$.messages') = 'ARRAY'
                    then from_json(json_extract(asked, '$.messages'), '{_MESSAGES}')
                -- Command of Cohere: what was said before lies beside the message.
                when json_type(asked, '$.message') = 'VARCHAR' then list_concat(
                    list_transform(
                        from_json(json_extract(asked, '$.chat_history'), '{_CHAT_HISTORY}'),
                        lambda said: {{'role': lower(said.role), 'content': said.message}}
                    ),
                    [{{'role': 'user', 'content': json_extract(asked, '$.message')}}]
                )
                -- Claude before messages: the whole conversation is one text.
                when contains({_asked("text")}, {_HUMAN}) then list_transform(
                    string_split({_asked("text")}, {_HUMAN})[2:],
                    lambda part: {{
                        'role': 'user',
                        'content': to_json(trim(string_split(part, {_ASSISTANT})[1]))
                    }}
                )
                when {_asked("text")} is not null
                    then [{{'role': 'user', 'content': to_json({_asked("text")})}}]
            end as conversation
        from parsed
    ),

    picked as (
        select
            *,
            -- The outcome of a tool is sent in the role of a user and is no prompt.
            list_filter(conversation, lambda said: said.role = 'user' and not coalesce(
                {said_text} is null and ({tool_results}), false)
            ) as user_messages,
            list_filter(conversation, lambda said: said.role in ('system', 'developer'))
                as system_messages
        from spoken
    )

    select
        *,
        {content_text_sql("user_messages[-1].content")} as last_prompt,
        {content_text_sql("user_messages[-2].content")} as prompt_before,
        nullif(array_to_string(list_concat(
            [{content_text_sql("json_extract(asked, '$.system')")}, {_asked("preamble")}],
            list_transform(system_messages, lambda said: {said_text})
        ), chr(10)), '') as system_text,
        case json_type(answered)
            when 'OBJECT' then coalesce(
                {_joined("answered", _ANSWERED_PARTS, "chr(10)")},
                {_answered("text")}
            )
            when 'ARRAY' then coalesce({_joined("chunks", _CHUNK_TEXTS, "''")})
        end as answer
    from picked
    """


def _reported(tokens: str) -> str:
    """A guardrail that stops a call reports 0 tokens of either kind, and so does no report."""
    return (
        "case when is_success and coalesce(try_cast(tokens_in as double), 0) = 0 "
        f"and coalesce(try_cast(tokens_out as double), 0) = 0 then null else {tokens} end"
    )


_MODEL = """regexp_replace(regexp_replace(regexp_replace("modelId",
    '^arn:[^:]*:bedrock:[^:]*:[^:]*:', ''),
    '^(foundation-model|inference-profile)/', ''),
    '^(us|us-gov|eu|apac|jp|au|ca|sa|me|af|global)[.]([a-z0-9-]+[.])', '\\2')"""
_ERROR_STATUS = " ".join(f"when '{name}' then '{code}'" for name, code in _STATUS_OF_ERROR.items())

_REQUESTS = TableSource(
    columns={
        "timestamp": "VARCHAR",
        "accountId": "VARCHAR",
        "requestId": "VARCHAR",
        "operation": "VARCHAR",
        "modelId": "VARCHAR",
        "errorCode": "VARCHAR",
        "status": "VARCHAR",
        "identity": "JSON",
        "input": "JSON",
        "output": "JSON",
        "requestMetadata": "JSON",
    },
    required=("timestamp", "modelId"),
    ignored=frozenset(
        ("inferenceRegion", "performanceConfig", "region", "schemaType", "schemaVersion")
    ),
    prepare=_prepare,
    account_fallback=identifier_sql('"accountId"'),
    expressions={
        "request_id": identifier_sql('"requestId"'),
        # The session of a role may be named anew by every process.
        "account_id": identifier_sql(
            "regexp_replace(arn, '^(arn:[^:]*:sts::[0-9]*:assumed-role/[^/]+)/.*$', '\\1')"
        ),
        "org_id": identifier_sql('"accountId"'),
        # The session of a role that people sign in to is named for the person.
        "end_user_id": f"""coalesce({_first_identifier("end_users")}, case
            when contains(arn, ':assumed-role/AWSReservedSSO_')
                then nullif(regexp_extract(arn, ':assumed-role/[^/]+/(.+)$', 1), '')
        end)""",
        "started_at": '"timestamp"',
        "model": _MODEL,
        "input_tokens": _reported("tokens_in"),
        "output_tokens": _reported("tokens_out"),
        "pathway": "'bedrock'",
        "endpoint": """case
            when contains(lower("modelId"), 'embed') then 'embedding'
            when "operation" like 'Converse%' or json_exists(asked, '$.messages')
                or json_exists(asked, '$.message') then 'chat'
            when json_exists(asked, '$.prompt') or json_exists(asked, '$.inputText')
                then 'completion'
            when asked is not null then 'other'
        end""",
        "duration_ms": f"""round(try_cast(coalesce(
            {_answered("latency")}, {_last_of_chunks(_CHUNK_LATENCIES)}
        ) as double))::varchar""",
        "stream": """case
            when "operation" in ('ConverseStream', 'InvokeModelWithResponseStream') then 'true'
            when "operation" in ('Converse', 'InvokeModel') then 'false'
        end""",
        "cached_tokens": (
            "coalesce(json_extract_string(input_json, '$.cacheReadInputTokenCount'), "
            f"{_answered('cached_tokens')})"
        ),
        "reasoning_tokens": _answered("reasoning_tokens"),
        "http_status": f"""case
            when regexp_full_match("status", '[1-5][0-9]{{2}}') then "status"
            when regexp_full_match("errorCode", '[1-5][0-9]{{2}}') then "errorCode"
            when is_success then '200'
            else case "errorCode" {_ERROR_STATUS} end
        end""",
        "stop_reason": f"""case
            when {_answered("guardrail")} = 'INTERVENED'
                or list_contains(
                    json_extract_string(chunks, '$[*]."amazon-bedrock-guardrailAction"'),
                    'INTERVENED'
                )
                then 'guardrail_intervened'
            else coalesce({_answered("stop_reason")}, {_last_of_chunks(_CHUNK_STOPS)})
        end""",
        "temperature": _asked("temperature"),
        "top_p": _asked("top_p"),
        "n": _asked("n"),
        "max_tokens": _asked("max_tokens"),
        "seed": _asked("seed"),
        "top_logprobs": _asked("top_logprobs"),
        "logit_bias_count": (
            f"case when json_valid({_asked('logit_bias')}) "
            f"then len(json_keys({_asked('logit_bias')})) end::varchar"
        ),
        "tools_count": (
            f"case when json_valid({_asked('tools')}) "
            f"then json_array_length({_asked('tools')}) end::varchar"
        ),
        "logprobs": _asked("logprobs"),
        "tools_hash": f"md5({_asked('tools')})",
        "response_format": _asked("response_format"),
        "session_id": _first_identifier("sessions"),
        "turn": "case when len(user_messages) > 0 then len(user_messages) end::varchar",
        # A reasoning block that the caller sends back carries the provider's signature.
        "reasoning_signature": """case
            when contains(asked::varchar, '"signature"') then coalesce(
                list_last(json_extract_string(asked, '$.messages[*].content[*].signature')),
                list_last(json_extract_string(asked,
                    '$.messages[*].content[*].reasoningContent.reasoningText.signature'))
            )
        end""",
        "system_prompt": "system_text",
        # Where the body was too large for the log, the place where it lies stands for the prompt.
        "prompt": "case when asked is null then body_path else last_prompt end",
        "previous_prompt": "prompt_before",
        "response": "answer",
        "prompt_state_hint": "case when asked is null and body_path <> '' then 'pointer' end",
    },
)


def _recognises(record: Mapping[str, object]) -> bool:
    return {"modelId", "requestId", "operation", "timestamp"} <= record.keys() and (
        "identity" in record or "accountId" in record
    )


BEDROCK = Adapter(
    name="bedrock",
    title="AWS Bedrock model invocation log",
    layout="day_anywhere",
    tables={"requests": _REQUESTS},
    recognises=_recognises,
    day_folder="%Y/%m/%d",
    # Bodies too large for the log, and the object with which AWS tries whether it may write.
    not_data=("data", "*permission-check*"),
)
