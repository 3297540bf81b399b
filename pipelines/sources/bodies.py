"""Request and response bodies of model APIs, as gateways log them whole.

Several gateways write the caller's JSON and the provider's answer unchanged beside their own
columns. What can be read out of such a pair, in the dialects of OpenAI (chat, responses,
completions), Anthropic and Gemini, is worked out here once. What a gateway itself says (account,
time, tokens, status) belongs in its adapter, which may prefer it to what stands in a body.
"""

from collections.abc import Mapping

# Value -> where it may stand in a request, the first that is there counting.
_REQUEST: Mapping[str, tuple[str, ...]] = {
    "model": ("model",),
    "stream": ("stream",),
    "temperature": ("temperature", "generationConfig.temperature"),
    "top_p": ("top_p", "generationConfig.topP"),
    "n": ("n", "generationConfig.candidateCount"),
    "max_tokens": (
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "generationConfig.maxOutputTokens",
    ),
    "seed": ("seed", "generationConfig.seed"),
    "logprobs": ("logprobs", "generationConfig.responseLogprobs"),
    "top_logprobs": ("top_logprobs", "generationConfig.logprobs"),
    "logit_bias": ("logit_bias",),
    "tools": ("tools",),
    "response_format": ("response_format.type", "text.format.type"),
    "end_user": ("safety_identifier", "user", "metadata.user_id"),
}
_RESPONSE: Mapping[str, tuple[str, ...]] = {
    "stop_reason": (
        "choices[0].finish_reason",
        "stop_reason",
        "candidates[0].finishReason",
        "incomplete_details.reason",
    ),
    "cached_tokens": (
        "usage.prompt_tokens_details.cached_tokens",
        "usage.input_tokens_details.cached_tokens",
        "usage.cache_read_input_tokens",
        "usageMetadata.cachedContentTokenCount",
    ),
    "reasoning_tokens": (
        "usage.completion_tokens_details.reasoning_tokens",
        "usage.output_tokens_details.reasoning_tokens",
        "usageMetadata.thoughtsTokenCount",
    ),
    "answer": ("choices[0].message.content", "choices[0].text"),
}
_SYSTEM_ROLES = "('system', 'developer')"
_MESSAGES = '[{"role":"VARCHAR","content":"JSON"}]'
_TURNS = '[{"role":"VARCHAR","parts":"JSON"}]'


def json_of_text_sql(text: str) -> str:
    """JSON from the VARCHAR expression `text`, null if there is none in it.

    A string that holds JSON is unpacked. A CSV writer that doubles quotes on its own, before its
    library does, leaves them doubled: they are halved.
    """
    halved = f"""replace({text}, '""', '"')"""
    parsed = f"coalesce(try_cast({text} as json), try_cast({halved} as json))"
    return (
        f"case json_type({parsed}) when 'VARCHAR' "
        f"then try_cast(json_extract_string({parsed}, '$') as json) else {parsed} end"
    )


def content_text_sql(content: str) -> str:
    """Text of a message's content: a string, or the text parts of a list, one a line."""
    return (
        f"case json_type({content}) "
        f"when 'VARCHAR' then json_extract_string({content}, '$') "
        f"when 'ARRAY' then nullif(array_to_string("
        f"json_extract_string({content}, '$[*].text'), chr(10)), '') "
        f"when 'OBJECT' then json_extract_string({content}, '$.text') end"
    )


def with_bodies_sql(relation: str, *, request: str, response: str) -> str:
    """A SELECT of all columns of `relation` and what the expressions of `BODY_EXPRESSIONS` need.

    `request` and `response` are JSON expressions over `relation`. A body that is null, no object or
    of an unknown dialect gives nulls.
    """
    return f"""
    select
        * exclude (body_messages),
        {content_text_sql("body_user_messages[-1].content")} as body_prompt,
        {content_text_sql("body_user_messages[-2].content")} as body_previous_prompt,
        nullif(array_to_string(list_concat(
            [{content_text_sql("request_json -> '$.system'")},
                json_extract_string(request_json, '$.instructions'),
                nullif(array_to_string(json_extract_string(
                    request_json, '$.systemInstruction.parts[*].text'), chr(10)), '')],
            list_transform(
                list_filter(body_messages, lambda said: said.role in {_SYSTEM_ROLES}),
                lambda said: {content_text_sql("said.content")})
        ), chr(10)), '') as body_system,
        coalesce(
            {_first("response", "answer")},
            nullif(array_to_string(
                json_extract_string(response_json, '$.output[*].content[*].text'), chr(10)), ''),
            nullif(array_to_string(
                json_extract_string(response_json, '$.content[*].text'), chr(10)), ''),
            nullif(array_to_string(json_extract_string(
                response_json, '$.candidates[0].content.parts[*].text'), chr(10)), '')
        ) as body_answer
    from (
        select
            *,
            -- The outcome of a tool is sent in the role of a user and is no prompt.
            list_filter(body_messages, lambda said: said.role = 'user' and not (
                {content_text_sql("said.content")} is null and coalesce(
                    contains(said.content::varchar, '"tool_result"')
                    or contains(said.content::varchar, '"functionResponse"'), false))
            ) as body_user_messages
        from (
            select
                *,
                json_extract_string(request_json, {_paths(_REQUEST)}) as request_values,
                json_extract_string(response_json, {_paths(_RESPONSE)}) as response_values,
                case
                    when json_type(request_json -> '$.messages') = 'ARRAY'
                        then from_json(request_json -> '$.messages', '{_MESSAGES}')
                    when json_type(request_json -> '$.input') = 'ARRAY'
                        then from_json(request_json -> '$.input', '{_MESSAGES}')
                    when json_type(request_json -> '$.contents') = 'ARRAY' then list_transform(
                        from_json(request_json -> '$.contents', '{_TURNS}'),
                        lambda said: {{
                            'role': coalesce(said.role, 'user'), 'content': said.parts
                        }})
                    when json_type(request_json -> '$.input') = 'VARCHAR'
                        then [{{'role': 'user', 'content': request_json -> '$.input'}}]
                    when json_type(request_json -> '$.prompt') = 'VARCHAR'
                        then [{{'role': 'user', 'content': request_json -> '$.prompt'}}]
                end as body_messages
            from (
                select *, {request} as request_json, {response} as response_json
                from {relation}
            )
        )
    )
    """


def _paths(places: Mapping[str, tuple[str, ...]]) -> str:
    return "[" + ", ".join(f"'$.{path}'" for paths in places.values() for path in paths) + "]"


def _first(body: str, name: str) -> str:
    places = _REQUEST if body == "request" else _RESPONSE
    owners = [owner for owner, paths in places.items() for _ in paths]
    numbers = [number for number, owner in enumerate(owners, start=1) if owner == name]
    return "coalesce(" + ", ".join(f"{body}_values[{number}]" for number in numbers) + ", null)"


def from_request(name: str) -> str:
    """The expression of a value that stands in a request, over the result of `with_bodies_sql`."""
    return _first("request", name)


# A completion asks for the five likeliest tokens with logprobs = 5, a chat with top_logprobs.
_LOGPROBS_NUMBER = f"try_cast({from_request('logprobs')} as integer)"
# Each may hold another text than the list or object that belongs there.
_TOOLS = from_request("tools")
_LOGIT_BIAS = from_request("logit_bias")

# Canonical column -> what the two bodies say of it.
BODY_EXPRESSIONS: Mapping[str, str] = {
    "stream": from_request("stream"),
    "cached_tokens": _first("response", "cached_tokens"),
    "reasoning_tokens": _first("response", "reasoning_tokens"),
    "stop_reason": _first("response", "stop_reason"),
    "temperature": from_request("temperature"),
    "top_p": from_request("top_p"),
    "n": from_request("n"),
    "max_tokens": from_request("max_tokens"),
    "seed": from_request("seed"),
    "top_logprobs": f"coalesce({from_request('top_logprobs')}, {_LOGPROBS_NUMBER}::varchar)",
    "logit_bias_count": (
        f"case when json_valid({_LOGIT_BIAS}) then len(json_keys({_LOGIT_BIAS})) end::varchar"
    ),
    "tools_count": f"case when json_valid({_TOOLS}) then json_array_length({_TOOLS}) end::varchar",
    "logprobs": (
        f"case when {_LOGPROBS_NUMBER} is not null then 'true' else {from_request('logprobs')} end"
    ),
    "tools_hash": f"md5({_TOOLS})",
    "response_format": from_request("response_format"),
    "turn": "case when len(body_user_messages) > 0 then len(body_user_messages) end::varchar",
    # A reasoning block that the caller sends back carries the provider's signature.
    "reasoning_signature": """case
        when contains(request_json::varchar, '"signature"') then list_last(
            json_extract_string(request_json, '$.messages[*].content[*].signature'))
    end""",
    "system_prompt": "body_system",
    "prompt": "body_prompt",
    "previous_prompt": "body_previous_prompt",
    "response": "body_answer",
}
