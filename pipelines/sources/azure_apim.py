"""Azure: what API Management's gateway logs of model APIs, and Azure OpenAI's own diagnostics.

Facts of the format: the Azure Monitor tables `ApiManagementGatewayLogs` and
`ApiManagementGatewayLlmLog`, and the recorded lines in elastic/integrations,
`packages/azure_openai/data_stream/logs`. `docs/sources/azure_apim.md` has the mapping in words.

The gateway log knows who asked, the log of language models knows what was asked and how many tokens
it took, in as many rows as the messages are long. They meet in the correlation id.
"""

from collections.abc import Mapping
from typing import Literal

from pipelines.sources.adapter import Adapter, TableSource
from pipelines.sources.bodies import (
    BODY_EXPRESSIONS,
    content_text_sql,
    from_request,
    json_of_text_sql,
    with_bodies_sql,
)
from pipelines.sources.casts import identifier_sql

# .NET counts time in parts of 100 ns from the year 1; this many lie before 1970.
_TICKS_BEFORE_1970 = 621_355_968_000_000_000
_MESSAGES = '[{"role":"VARCHAR","content":"JSON"}]'

# Fields that stand in a column of a Log Analytics table, or in `properties` of a diagnostic line.
_FIELDS = (
    # Gateway
    "ApimSubscriptionId",
    "ProductId",
    "Method",
    "Url",
    "OperationId",
    "ResponseCode",
    "TotalTime",
    "RequestBody",
    "BackendRequestBody",
    "ResponseBody",
    "BackendResponseBody",
    "RequestHeaders",
    # Language model
    "ModelName",
    "DeploymentName",
    "IsStreamCompletion",
    "PromptTokens",
    "CompletionTokens",
    "RequestMessages",
    "ResponseMessages",
    "SequenceNumber",
    # Azure OpenAI
    "RequestTime",
    "ResponseTime",
    "ObjectId",
    "StreamType",
    "ModelDeploymentName",
)


def _in_properties(name: str) -> str:
    return name[0].lower() + name[1:]


# A diagnostic line writes in camel case what a table writes in Pascal case.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    **{name: (name, _in_properties(name)) for name in _FIELDS},
    "written_at": ("TimeGenerated", "time", "timeGenerated"),
    "correlation": ("CorrelationId", "correlationId"),
    "category": ("Category", "category"),
    "table_name": ("Type",),
    "operation": ("OperationName", "operationName"),
    "address": ("CallerIpAddress", "callerIpAddress", "CallerIPAddress"),
    "duration": ("DurationMs", "durationMs"),
    "status": ("ResultSignature", "resultSignature"),
    "resource": ("_ResourceId", "resourceId", "ResourceId"),
    "properties": ("properties", "Properties", "properties_s"),
    "cut": ("truncated", "Truncated"),
}
_COLUMNS: Mapping[str, Literal["VARCHAR", "JSON"]] = dict.fromkeys(_SPELLINGS, "VARCHAR")
_IGNORED = [
    "_BilledSize",
    "_IsBillable",
    "_SubscriptionId",
    "ApiId",
    "ApiRevision",
    "ApiVersion",
    "BackendId",
    "BackendMethod",
    "BackendProtocol",
    "BackendRequestHeaders",
    "BackendResponseCode",
    "BackendResponseHeaders",
    "BackendTime",
    "BackendUrl",
    "Cache",
    "CacheTime",
    "ClientProtocol",
    "ClientTime",
    "ClientTlsVersion",
    "DeploymentVersion",
    "Errors",
    "Event",
    "IsMasterTrace",
    "IsRequestSuccess",
    "IsTraceAllowed",
    "IsTraceExpired",
    "IsTraceRequested",
    "LastErrorElapsed",
    "LastErrorMessage",
    "LastErrorReason",
    "LastErrorScope",
    "LastErrorSection",
    "LastErrorSource",
    "Level",
    "Location",
    "Region",
    "RequestId",
    "RequestSize",
    "ResponseHeaders",
    "ResponseSize",
    "ResultType",
    "Sku",
    "SourceSystem",
    "Tenant",
    "TenantId",
    "TotalTokens",
    "TraceRecords",
    "UserId",
    "WorkspaceId",
]
_DEPLOYMENT = "/deployments/([^/?]+)"
_MODEL_ROUTE = "/(chat/completions|completions|responses|embeddings|messages)([/?]|$)"


def _field(name: str) -> str:
    return (
        f"""coalesce(nullif("{name}", ''), """
        f"nullif(details ->> '$.{_in_properties(name)}', ''), nullif(details ->> '$.{name}', ''))"
    )


def _whole(chunks: str) -> str:
    """JSON from the pieces of a message: the pieces of one text, or lists of messages.

    Of lists, the last message of one and the first of the next are one message if they have the
    same role. What cannot be made whole is kept as a JSON string.
    """
    said = content_text_sql("said.content")
    lists = f"""list_filter(
        list_transform({chunks}, lambda chunk: list_transform(
            from_json(
                case json_type(try_cast(chunk as json))
                    when 'ARRAY' then chunk when 'OBJECT' then '[' || chunk || ']' end,
                '{_MESSAGES}'
            ),
            lambda said: {{'role': said.role, 'content': {said}}}
        )),
        lambda messages: len(messages) > 0
    )"""
    return f"""case
        when len({chunks}) = 0 then null
        when json_valid(array_to_string({chunks}, '')) then array_to_string({chunks}, '')::json
        when len(list_filter({chunks}, lambda chunk: not json_valid(chunk))) = 0
            then to_json(list_reduce({lists}, lambda before, after:
                case when before[-1].role is not distinct from after[1].role
                    then before[:-2] || [{{
                        'role': before[-1].role,
                        'content': concat(before[-1].content, after[1].content)
                    }}] || after[2:]
                    else before || after end))
        else to_json(array_to_string({chunks}, ''))
    end"""


def _pieces(name: str) -> str:
    return (
        f"coalesce(list({name} order by sequence, {name}) "
        f"filter (where {name} not in ('[]', 'null', '\"\"')), [])"
    )


def _prepare(relation: str) -> str:
    """Puts the rows of the log of language models to the row of the gateway.

    A row of the gateway is a request, if it called a model. Where the gateway's row is not in the
    delivery, the first row of the other log stands for the request. Rows of Azure OpenAI stand for
    themselves.
    """
    fields = ",\n".join(f"{_field(name)} as f_{name}" for name in _FIELDS)
    joined = f"""
    with detailed as (
        select *, {json_of_text_sql("properties")} as details
        from {relation}
    ),

    named as (
        select
            source_file,
            source_line,
            source_bytes,
            written_at,
            {identifier_sql("correlation")} as correlation_id,
            lower(coalesce(category, '')) as category,
            lower(coalesce(table_name, '')) as table_name,
            operation,
            address,
            duration,
            status,
            resource,
            cut,
            {fields}
        from detailed
    ),

    kinds as (
        select
            *,
            coalesce(try_cast(f_SequenceNumber as integer), 0) as sequence,
            coalesce(f_Url, '') as url,
            case
                when contains(category || table_name, 'llmlog')
                    or f_RequestMessages is not null or f_ResponseMessages is not null
                    or f_PromptTokens is not null then 'model'
                when category = 'gatewaylogs' or table_name = 'apimanagementgatewaylogs'
                    or (category = '' and f_ResponseCode is not null) then 'gateway'
                when category = 'requestresponse' then 'resource'
                else 'other'
            end as record_kind
        from named
    ),

    pieces as (
        select distinct
            correlation_id,
            sequence,
            f_RequestMessages,
            f_ResponseMessages,
            f_ModelName,
            f_DeploymentName,
            f_IsStreamCompletion,
            try_cast(f_PromptTokens as bigint) as prompt_tokens,
            try_cast(f_CompletionTokens as bigint) as completion_tokens
        from kinds
        where record_kind = 'model' and correlation_id is not null
    ),

    calls as (
        select
            correlation_id as call_id,
            max(f_ModelName) as call_model,
            max(f_DeploymentName) as call_deployment,
            max(lower(f_IsStreamCompletion)) as call_stream,
            max(prompt_tokens) as call_prompt_tokens,
            max(completion_tokens) as call_completion_tokens,
            max(sequence) - min(sequence) + 1 > count(distinct sequence) as call_has_gaps,
            {_pieces("f_RequestMessages")} as request_pieces,
            {_pieces("f_ResponseMessages")} as response_pieces
        from pieces
        group by correlation_id
    ),

    whole as (
        select
            * exclude (request_pieces, response_pieces),
            {_whole("request_pieces")} as call_request,
            {_whole("response_pieces")} as call_response
        from calls
    ),

    placed as (
        select
            *,
            record_kind = 'model' and correlation_id is not null and (
                count(*) filter (where record_kind = 'gateway') over (
                    partition by correlation_id
                ) > 0
                or row_number() over (
                    partition by record_kind, correlation_id
                    order by sequence, written_at, source_file, source_line
                ) > 1
            ) as is_piece
        from kinds
    ),

    bodies as (
        select
            *,
            coalesce(f_RequestBody, f_BackendRequestBody) as request_text,
            coalesce(f_ResponseBody, f_BackendResponseBody) as response_text,
            {json_of_text_sql("coalesce(f_RequestBody, f_BackendRequestBody)")} as request_body,
            {json_of_text_sql("coalesce(f_ResponseBody, f_BackendResponseBody)")} as response_body,
            -- The events of a streamed answer, one a line.
            regexp_extract_all(
                coalesce(f_ResponseBody, f_BackendResponseBody), '(?m)^data: (\\{{.*\\}})\\s*$', 1
            ) as events,
            nullif(regexp_extract(url, '{_DEPLOYMENT}', 1), '') as url_deployment
        from placed
        left join whole on correlation_id = call_id and record_kind in ('gateway', 'model')
    )

    select
        *,
        case
            when is_piece then 'rows of the log of language models, joined to a request'
            when record_kind = 'other' then 'rows of other logs'
            when record_kind = 'resource' and f_ModelName is null and f_ModelDeploymentName is null
                then 'operations that call no model'
            when record_kind = 'gateway' and call_id is null and url_deployment is null
                and coalesce(request_body ->> '$.model', response_body ->> '$.model') is null
                and not regexp_matches(url, '{_MODEL_ROUTE}') then 'calls of other APIs'
        end as part_of
    from bodies
    """
    request = """json_merge_patch(
        case when json_type(request_body) = 'OBJECT' then request_body else '{}'::json end,
        case
            when json_type(call_request) = 'ARRAY' then json_object('messages', call_request)
            when json_type(call_request) = 'OBJECT' and json_exists(call_request, '$.role')
                then json_object('messages', json_array(call_request))
            when json_type(call_request) = 'OBJECT' then call_request
            when call_request is not null
                and not regexp_matches(call_request ->> '$', '^\\s*[\\[{]')
                then json_object('prompt', call_request)
            else '{}'::json
        end
    )"""
    return with_bodies_sql(f"({joined})", request=request, response="response_body")


_CALL_ANSWER = f"""case json_type(call_response)
    when 'ARRAY' then coalesce(
        {content_text_sql("call_response -> '$[0].content'")},
        {content_text_sql("call_response -> '$[0].message.content'")}
    )
    when 'OBJECT' then coalesce(
        {content_text_sql("call_response -> '$.content'")},
        {content_text_sql("call_response -> '$.choices[0].message.content'")}
    )
    when 'VARCHAR' then call_response ->> '$'
end"""
_STREAMED_ANSWER = """nullif(array_to_string(list_transform(events, lambda event: coalesce(
    try_cast(event as json) ->> '$.choices[0].delta.content',
    try_cast(event as json) ->> '$.delta.text'
)), ''), '')"""


def _usage(*names: str) -> str:
    """A count of the answer itself, or of the last event that has it."""
    parts = []
    for name in names:
        path = f"'$.usage.{name}'"
        parts.append(f"response_body ->> {path}")
        parts.append(
            "list_last(list_filter(list_transform(events, lambda event: "
            f"try_cast(event as json) ->> {path}), lambda count: count is not null))"
        )
    return f"coalesce({', '.join(parts)})"


_INPUT_OF_BODY = _usage("prompt_tokens", "input_tokens")
_OUTPUT_OF_BODY = _usage("completion_tokens", "output_tokens")
_IS_STREAM = f"""coalesce(
    call_stream,
    case lower(f_StreamType) when 'streaming' then 'true' when 'non-streaming' then 'false' end,
    {BODY_EXPRESSIONS["stream"]}
)"""
_STATUS = "coalesce(f_ResponseCode, status)"
_IS_SUCCESS = f"coalesce(try_cast({_STATUS} as integer), 200) < 400"

_REQUESTS = TableSource(
    columns=_COLUMNS,
    spellings=_SPELLINGS,
    required=("correlation",),
    ignored=frozenset([*_IGNORED, *map(_in_properties, _IGNORED)]),
    prepare=_prepare,
    has_parts=True,
    account_fallback=identifier_sql("lower(resource)"),
    expressions={
        **BODY_EXPRESSIONS,
        "request_id": "correlation_id",
        "account_id": (
            f"coalesce({identifier_sql('f_ApimSubscriptionId')}, {identifier_sql('f_ProductId')}, "
            f"{identifier_sql('f_ObjectId')})"
        ),
        "end_user_id": identifier_sql(from_request("end_user")),
        "started_at": f"""coalesce(
            case when try_cast(f_RequestTime as hugeint) > {_TICKS_BEFORE_1970}
                then ((f_RequestTime::hugeint - {_TICKS_BEFORE_1970}) // 10)::varchar end,
            written_at
        )""",
        # The name of a deployment is anybody's choice, so it comes after that of a model.
        "model": f"""coalesce(
            call_model, f_ModelName, nullif(response_body ->> '$.model', ''),
            call_deployment, f_ModelDeploymentName, nullif({from_request("model")}, ''),
            url_deployment
        )""",
        # 0 is what the log of language models has where it could not count.
        "input_tokens": f"""case when {_IS_SUCCESS}
            then coalesce(nullif(call_prompt_tokens, 0)::varchar, nullif({_INPUT_OF_BODY}, '0'))
            else coalesce(call_prompt_tokens::varchar, {_INPUT_OF_BODY}) end""",
        "output_tokens": f"""case
            when {_IS_SUCCESS} and (
                coalesce(call_prompt_tokens, 0) = 0 or lower({_IS_STREAM}) = 'true'
            ) then coalesce(
                nullif(call_completion_tokens, 0)::varchar, nullif({_OUTPUT_OF_BODY}, '0'))
            else coalesce(call_completion_tokens::varchar, {_OUTPUT_OF_BODY}) end""",
        "pathway": "'api'",
        "endpoint": """case
            when regexp_matches(url, '/embeddings([/?]|$)')
                or coalesce(f_OperationId, operation) ilike '%embedding%' then 'embedding'
            when regexp_matches(url, '/responses([/?]|$)')
                or coalesce(f_OperationId, operation) ilike '%response%' then 'responses'
            when regexp_matches(url, '/(chat/completions|messages)([/?]|$)')
                or coalesce(f_OperationId, operation) ilike '%chatcompletion%' then 'chat'
            when regexp_matches(url, '/completions([/?]|$)')
                or coalesce(f_OperationId, operation) ilike '%completion%' then 'completion'
        end""",
        # A clock that was set back makes durations negative.
        "duration_ms": """coalesce(
            case when try_cast(f_TotalTime as double) >= 0 then f_TotalTime end,
            case when try_cast(duration as double) >= 0 then duration end,
            case when try_cast(f_ResponseTime as hugeint) >= try_cast(f_RequestTime as hugeint)
                then ((f_ResponseTime::hugeint - f_RequestTime::hugeint) // 10000)::varchar end
        )""",
        "stream": _IS_STREAM,
        "http_status": (
            f"case when regexp_full_match({_STATUS}, '[1-5][0-9]{{2}}') then {_STATUS} end"
        ),
        # With its last group masked, an address stands for 256.
        "ip": "case when not contains(address, '*') then address end",
        "user_agent": f"""coalesce(
            {json_of_text_sql("f_RequestHeaders")} ->> '$."User-Agent"',
            {json_of_text_sql("f_RequestHeaders")} ->> '$."user-agent"'
        )""",
        "response": f"coalesce({_CALL_ANSWER}, body_answer, {_STREAMED_ANSWER})",
        "prompt_state_hint": """case
            when call_has_gaps then 'truncated'
            when json_type(call_request) = 'VARCHAR'
                and regexp_matches(call_request ->> '$', '^\\s*[\\[{]') then 'truncated'
            when call_request is null and request_text is not null and (
                request_body is null or coalesce(lower(cut), '0') not in ('0', 'false', '')
            ) then 'truncated'
        end""",
    },
)


def _recognises(record: Mapping[str, object]) -> bool:
    names = record.keys()
    if "CorrelationId" in names:
        return not names.isdisjoint(
            ("ApimSubscriptionId", "SequenceNumber", "RequestMessages", "TotalTime", "PromptTokens")
        )
    return "correlationId" in names and str(record.get("category", "")).lower() in (
        "gatewaylogs",
        "gatewayllmlogs",
        "gatewayllmlog",
        "requestresponse",
    )


AZURE_APIM = Adapter(
    name="azure_apim",
    title="Azure API Management and Azure OpenAI diagnostics",
    layout="day_anywhere",
    tables={"requests": _REQUESTS},
    recognises=_recognises,
)
