"""OpenTelemetry spans of model calls, as OTLP/JSON: a line is an export batch of many spans.

Facts of the format: `docs/gen-ai` of open-telemetry/semantic-conventions-genai, its change log for
the names before 1.37, and the OTLP/JSON encoding (64-bit integers are strings, attributes are lists
of keys and typed values). `docs/sources/otel_genai.md` has the mapping in words.

Rows are spans: a batch is unnested in `prepare`, and what is no model call says so in `part_of`.
"""

import os
import re
from collections.abc import Mapping

from pipelines.errors import UserError
from pipelines.sources.adapter import Adapter, TableSource
from pipelines.sources.bodies import content_text_sql
from pipelines.sources.casts import identifier_sql

ACCOUNT_ATTRIBUTE_VARIABLE = "EXTRACTION_WATCH_OTEL_ACCOUNT_ATTRIBUTE"
_USER_ATTRIBUTES = ("user.id", "enduser.id")
_ATTRIBUTE_NAME = re.compile(r"[\w.:/-]+")

_ATTRIBUTES = (
    '[{"key":"VARCHAR","value":{"stringValue":"VARCHAR","intValue":"VARCHAR",'
    '"doubleValue":"VARCHAR","boolValue":"VARCHAR","arrayValue":"JSON","kvlistValue":"JSON"}}]'
)
_SPANS = (
    '[{"spans":[{"traceId":"VARCHAR","spanId":"VARCHAR","startTimeUnixNano":"VARCHAR",'
    f'"endTimeUnixNano":"VARCHAR","status":{{"code":"VARCHAR"}},"attributes":{_ATTRIBUTES},'
    f'"events":[{{"name":"VARCHAR","attributes":{_ATTRIBUTES}}}]}}]}}]'
)
# Before OTLP 0.19 a scope was called an instrumentation library.
_RESOURCES = (
    f'[{{"resource":{{"attributes":{_ATTRIBUTES}}},'
    f'"scopeSpans":{_SPANS},"instrumentationLibrarySpans":{_SPANS}}}]'
)
_PARTS = '[{"type":"VARCHAR","content":"VARCHAR","text":"VARCHAR"}]'
_MESSAGES = f'[{{"role":"VARCHAR","content":"JSON","parts":{_PARTS}}}]'

# The same messages where an attribute holds them as lists and maps instead of as JSON text.
_TYPED_PARTS = '[{"kvlistValue":{"values":[{"key":"VARCHAR","value":{"stringValue":"VARCHAR"}}]}}]'
_TYPED_MESSAGES = (
    '[{"kvlistValue":{"values":[{"key":"VARCHAR","value":{"stringValue":"VARCHAR",'
    f'"arrayValue":{{"values":{_TYPED_PARTS}}}}}}}]}}}}]'
)

# Events that carry attributes of the call, in place of the span.
_DETAIL_EVENTS = (
    "('gen_ai.client.inference.operation.details', 'gen_ai.content.prompt', "
    "'gen_ai.content.completion')"
)
_ROLE_OF_EVENT = """case said.name
    when 'gen_ai.user.message' then 'user'
    when 'gen_ai.system.message' then 'system'
    when 'gen_ai.assistant.message' then 'assistant'
    when 'gen_ai.tool.message' then 'tool'
    when 'gen_ai.choice' then 'choice'
end"""
_SYSTEM_ROLES = "('system', 'developer')"
# Steps of an agent: what they ask of a model is a span of its own, whose tokens they repeat.
_AGENT_OPERATIONS = "'^(create|delete|execute|invoke|search|update|upsert)_|^(plan|retrieval)$'"


def account_attributes(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The attributes that may name the account, the first that is there counting.

    The one in `EXTRACTION_WATCH_OTEL_ACCOUNT_ATTRIBUTE`, or else user.id and enduser.id; each is
    sought in the span and then in its resource. Raises `UserError` for what is no attribute name.
    """
    name = environment.get(ACCOUNT_ATTRIBUTE_VARIABLE, "").strip()
    if not name:
        return _USER_ATTRIBUTES
    if not _ATTRIBUTE_NAME.fullmatch(name):
        raise UserError(
            f"{ACCOUNT_ATTRIBUTE_VARIABLE} is {name!r}; expected the name of one attribute of a "
            "span or of a resource, such as tenant.id"
        )
    return (name,)


def _attribute(*names: str) -> str:
    """Text of the first of these attributes of the span that holds some."""
    texts = (
        f"nullif(attribute_values[list_position(attribute_names, '{name}')], '')" for name in names
    )
    return f"coalesce({', '.join(texts)}, null)"


def _of_resource(*names: str) -> str:
    texts = (
        f"nullif(resource_values[list_position(resource_names, '{name}')], '')" for name in names
    )
    return f"coalesce({', '.join(texts)}, null)"


def _value(value: str) -> str:
    """Text of a typed value; of a list or a map its OTLP/JSON."""
    return (
        f"coalesce({value}.stringValue, {value}.intValue, {value}.doubleValue, {value}.boolValue, "
        f"{value}.arrayValue::varchar, {value}.kvlistValue::varchar)"
    )


def _joined(texts: str) -> str:
    return f"nullif(array_to_string({texts}, chr(10)), '')"


def _text_of_parts(parts: str) -> str:
    chosen = f"list_filter({parts}, lambda part: coalesce(part.type, 'text') = 'text')"
    return _joined(f"list_transform({chosen}, lambda part: coalesce(part.content, part.text))")


def _field(of: str, name: str) -> str:
    return f"list_filter({of}.kvlistValue['values'], lambda held: held.key = '{name}')[1].value"


def _text_of_typed_parts(parts: str) -> str:
    kind = f"coalesce({_field('part', 'type')}.stringValue, 'text')"
    chosen = f"list_filter({parts}, lambda part: {kind} = 'text')"
    return _joined(
        f"list_transform({chosen}, lambda part: {_field('part', 'content')}.stringValue)"
    )


def _messages(json: str) -> str:
    """A list of roles and texts from messages as JSON, or as a typed list; null if it is neither.

    The parts of a message are those of the conventions; `content` is how OpenAI writes it.
    """
    return f"""case
        when json_type({json}) = 'ARRAY' then list_transform(
            from_json({json}, '{_MESSAGES}'),
            lambda said: {{
                'role': said.role,
                'text': coalesce({_text_of_parts("said.parts")},
                    {content_text_sql("said.content")})
            }})
        when json_type({json} -> '$.values') = 'ARRAY' then list_transform(
            from_json({json} -> '$.values', '{_TYPED_MESSAGES}'),
            lambda said: {{
                'role': {_field("said", "role")}.stringValue,
                'text': coalesce(
                    {_text_of_typed_parts(_field("said", "parts") + ".arrayValue['values']")},
                    {_field("said", "content")}.stringValue)
            }})
    end"""


def _numbered(prefix: str) -> str:
    """Messages of attributes `<prefix>.0.role`, `<prefix>.0.content` and so on; null if none."""

    def held(name: str) -> str:
        key = f"'{prefix}.' || number || '.{name}'"
        return f"attribute_values[list_position(attribute_names, {key})]"

    content = held("content")
    count = (
        "len(list_filter(attribute_names, lambda name: "
        f"starts_with(name, '{prefix}.') and ends_with(name, '.role')))"
    )
    return f"""case when {count} > 0 then list_transform(
        range({count}),
        lambda number: {{
            'role': {held("role")},
            'text': case when json_type(try_cast({content} as json)) = 'ARRAY'
                then {content_text_sql(f"try_cast({content} as json)")} else {content} end
        }})
    end"""


def _prepare(relation: str) -> str:
    """One row a span, with its attributes by name and its conversation as roles and texts."""
    accounts = account_attributes()
    users = tuple(name for name in _USER_ATTRIBUTES if name not in accounts)
    end_user = (
        f"coalesce({_attribute(*users)}, {_of_resource(*users)})"
        if users
        # Both are there and differ: the first is the account, the second is somebody behind it.
        else f"case when {_attribute('user.id')} <> {_attribute('enduser.id')} "
        f"then {_attribute('enduser.id')} end"
    )
    said = "list_filter(said.attributes, lambda held: held.key in "
    said += "('gen_ai.event.content', 'content', 'message'))[1].value.stringValue"
    said_json = f"try_cast({said} as json)"
    instructions = f"from_json(instructions_json, '{_PARTS}')"
    typed_instructions = f"from_json(instructions_json -> '$.values', '{_TYPED_PARTS}')"
    system_texts = f"""list_concat(
            [case json_type(instructions_json)
                when 'ARRAY' then {_text_of_parts(instructions)}
                when 'OBJECT' then {_text_of_typed_parts(typed_instructions)}
                else instructions_text
            end],
            list_transform(
                list_filter(conversation, lambda said: said.role in {_SYSTEM_ROLES}),
                lambda said: said.text))"""
    return f"""
    with batches as (
        select
            source_file,
            source_line,
            source_bytes,
            case
                when resourceLogs is not null then 'records of logs'
                when resourceMetrics is not null then 'records of metrics'
                else 'records without spans'
            end as kind_of_record,
            list_filter(
                list_transform(
                    from_json(resourceSpans, '{_RESOURCES}'),
                    lambda held: {{
                        'attributes': held.resource.attributes,
                        'spans': list_filter(flatten(list_transform(
                            coalesce(held.scopeSpans, held.instrumentationLibrarySpans),
                            lambda scope: coalesce(scope.spans, [])
                        )), lambda span: span is not null)
                    }}),
                lambda held: len(held.spans) > 0
            ) as resources
        from {relation}
    ),

    by_resource as (
        select
            * exclude (resources),
            unnest(case when len(resources) > 0 then resources else [null] end) as held
        from batches
    ),

    by_span as (
        select
            * exclude (held),
            held.attributes as resource_attributes,
            unnest(case when len(held.spans) > 0 then held.spans else [null] end) as span
        from by_resource
    ),

    with_details as (
        select
            *,
            list_concat(
                span.attributes,
                flatten(list_transform(
                    list_filter(span.events, lambda said: said.name in {_DETAIL_EVENTS}),
                    lambda said: coalesce(said.attributes, [])))
            ) as attributes
        from by_span
    ),

    named as (
        select
            *,
            list_transform(attributes, lambda held: held.key) as attribute_names,
            list_transform(attributes, lambda held: {_value("held.value")}) as attribute_values,
            list_transform(resource_attributes, lambda held: held.key) as resource_names,
            list_transform(
                resource_attributes, lambda held: {_value("held.value")}
            ) as resource_values
        from with_details
    ),

    read as (
        select
            *,
            {_attribute("gen_ai.operation.name", "llm.request.type")} as operation,
            {_attribute("gen_ai.request.model", "gen_ai.response.model")} as asked_model,
            {_attribute("error.type")} as error_type,
            {_attribute("gen_ai.prompt")} as prompt_text,
            try_cast({_attribute("gen_ai.prompt")} as json) as prompt_json,
            try_cast({_attribute("gen_ai.input.messages")} as json) as input_json,
            try_cast({_attribute("gen_ai.output.messages")} as json) as output_json,
            {_attribute("gen_ai.completion")} as completion_text,
            try_cast({_attribute("gen_ai.completion")} as json) as completion_json,
            {_attribute("gen_ai.system_instructions")} as instructions_text,
            try_cast({_attribute("gen_ai.system_instructions")} as json) as instructions_json,
            try_cast({_attribute("gen_ai.tool.definitions")} as json) as tools_json,
            {_attribute("gen_ai.response.finish_reasons")} as finish_text,
            try_cast({_attribute("gen_ai.response.finish_reasons")} as json) as finish_json,
            list_transform(
                list_filter(span.events, lambda said: {_ROLE_OF_EVENT} is not null),
                lambda said: {{
                    'role': {_ROLE_OF_EVENT},
                    'text': case when json_type({said_json}) = 'OBJECT' then coalesce(
                        {content_text_sql(f"{said_json} -> '$.message.content'")},
                        {content_text_sql(f"{said_json} -> '$.content'")}) else {said} end
                }}) as of_events
        from named
    ),

    said as (
        select
            *,
            coalesce(
                {_messages("input_json")},
                {_numbered("gen_ai.prompt")},
                {_messages("prompt_json")},
                case when prompt_text is not null
                    then [{{'role': 'user', 'text': prompt_text}}] end,
                case when len(of_events) > 0 then of_events end
            ) as conversation,
            coalesce(
                {_messages("output_json")},
                {_numbered("gen_ai.completion")},
                {_messages("completion_json")},
                case when completion_text is not null
                    then [{{'role': 'assistant', 'text': completion_text}}] end,
                list_filter(of_events, lambda said: said.role = 'choice')
            )[1].text as answer
        from read
    )

    select
        *,
        case
            when span is null then kind_of_record
            when regexp_matches(operation, {_AGENT_OPERATIONS}) then 'spans of agents and tools'
            when asked_model is null and operation is null then 'spans of other work'
        end as part_of,
        coalesce({_attribute(*accounts)}, {_of_resource(*accounts)}) as account,
        {end_user} as end_user,
        list_filter(conversation, lambda said: said.role = 'user') as user_messages,
        {_joined(system_texts)} as system_text
    from said
    """


_INPUT_TOKENS = _attribute("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
_OUTPUT_TOKENS = _attribute("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
_HTTP_STATUS = _attribute("http.response.status_code", "http.status_code")
_HAS_FAILED = (
    "(error_type is not null or coalesce(span.status.code in ('2', 'STATUS_CODE_ERROR'), false))"
)
_HAS_ANSWERED = (
    f"(finish_text is not null or {_attribute('gen_ai.response.id', 'gen_ai.response.model')} "
    f"is not null or try_cast({_OUTPUT_TOKENS} as double) > 0)"
)


def _reported(tokens: str) -> str:
    """Emitters set 0 where the provider sent no usage, in streams above all."""
    return (
        f"case when not {_HAS_FAILED} and coalesce(try_cast({_INPUT_TOKENS} as double), 0) = 0 "
        f"and coalesce(try_cast({_OUTPUT_TOKENS} as double), 0) = 0 then null else {tokens} end"
    )


def _identifier_of_hex(name: str) -> str:
    """Hexadecimal digits may be in either case."""
    return (
        f"case when regexp_full_match(span.{name}, '[0-9a-fA-F]+') then lower(span.{name}) "
        f"else nullif(span.{name}, '') end"
    )


_REQUESTS = TableSource(
    columns={"resourceSpans": "JSON", "resourceLogs": "JSON", "resourceMetrics": "JSON"},
    required=("resourceSpans",),
    prepare=_prepare,
    unnests=True,
    has_parts=True,
    rows_are="spans of model calls",
    remedies={
        "account_id": f"{ACCOUNT_ATTRIBUTE_VARIABLE} takes the attribute that names the account"
    },
    expressions={
        # What is exported again after a failure has the same span.
        "request_id": f"{_identifier_of_hex('traceId')} || '-' || {_identifier_of_hex('spanId')}",
        "account_id": identifier_sql("account"),
        "end_user_id": identifier_sql("end_user"),
        "started_at": "span.startTimeUnixNano",
        "model": "asked_model",
        "input_tokens": _reported(_INPUT_TOKENS),
        "output_tokens": _reported(_OUTPUT_TOKENS),
        "pathway": "'api'",
        "endpoint": f"""case
            when operation in ('embeddings', 'embedding') then 'embedding'
            when operation in ('text_completion', 'completion') then 'completion'
            when {_attribute("openai.api.type")} = 'responses' or operation = 'responses'
                then 'responses'
            when operation in ('chat', 'generate_content') then 'chat'
            when operation is not null then 'other'
        end""",
        "duration_ms": (
            "round((try_cast(span.endTimeUnixNano as double) "
            "- try_cast(span.startTimeUnixNano as double)) / 1000000)::varchar"
        ),
        "stream": _attribute("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
        "cached_tokens": _attribute(
            "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"
        ),
        "reasoning_tokens": _attribute(
            "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"
        ),
        "http_status": f"""case
            when {_HTTP_STATUS} is not null then {_HTTP_STATUS}
            when regexp_full_match(error_type, '[1-5][0-9]{{2}}') then error_type
            when not {_HAS_FAILED} and {_HAS_ANSWERED} then '200'
        end""",
        "stop_reason": """coalesce(
            finish_json ->> '$.values[0].stringValue',
            finish_json ->> '$[0]',
            case when finish_json is null then finish_text end,
            output_json ->> '$[0].finish_reason'
        )""",
        "temperature": _attribute("gen_ai.request.temperature"),
        "top_p": _attribute("gen_ai.request.top_p"),
        "n": _attribute("gen_ai.request.choice.count"),
        "max_tokens": _attribute("gen_ai.request.max_tokens"),
        "seed": _attribute("gen_ai.request.seed", "gen_ai.openai.request.seed"),
        "tools_count": (
            "json_array_length(coalesce(tools_json -> '$.values', tools_json))::varchar"
        ),
        "tools_hash": "md5(tools_json::varchar)",
        "response_format": (
            f"coalesce({_attribute('gen_ai.openai.request.response_format')}, "
            f"case {_attribute('gen_ai.output.type')} when 'json' then 'json_object' "
            f"else {_attribute('gen_ai.output.type')} end)"
        ),
        "session_id": identifier_sql(_attribute("gen_ai.conversation.id", "session.id")),
        "turn": "case when len(user_messages) > 0 then len(user_messages) end::varchar",
        "ip": _attribute("client.address", "http.client_ip"),
        "user_agent": _attribute("user_agent.original", "http.user_agent"),
        "system_prompt": "system_text",
        "prompt": "user_messages[-1].text",
        "previous_prompt": "user_messages[-2].text",
        "response": "answer",
    },
)


def _recognises(record: Mapping[str, object]) -> bool:
    return "resourceSpans" in record


OTEL_GENAI = Adapter(
    name="otel_genai",
    title="OpenTelemetry GenAI spans, OTLP/JSON",
    layout="day_anywhere",
    tables={"requests": _REQUESTS},
    recognises=_recognises,
    settings=lambda: {"account_attributes": ",".join(account_attributes())},
)
