"""Langfuse's blob storage export: observations, traces, scores, and a manifest of each run.

Facts of the format: `worker/src/features/blobstorage/*` and
`packages/shared/clickhouse/migrations` of langfuse/langfuse. `docs/sources/langfuse.md` has the
mapping in words.

An observation says what was asked and answered, its trace says who asked. They lie in different
files, so a delivery is read whole before they are put together.
"""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Literal

from pipelines.sources.adapter import Adapter, Manifests, PromisedFile, TableSource
from pipelines.sources.bodies import (
    BODY_EXPRESSIONS,
    content_text_sql,
    from_request,
    json_of_text_sql,
    with_bodies_sql,
)
from pipelines.sources.casts import cast_sql, identifier_sql

# What the SDKs leave of a field that was too long, or that could not be masked.
_CUT_OUT = "<truncated due to size exceeding limit>"
_MASKED = "<fully masked due to failed mask function>"
_CACHED = ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read")
_REASONING = ("output_reasoning_tokens", "output_reasoning", "reasoning_tokens")

# The blob export writes the names of the tables, the API and the export of the web page write
# camel case; the older API had single fields for tokens.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "trace_id": ("trace_id", "traceId"),
    "project_id": ("project_id", "projectId"),
    "start_time": ("start_time", "startTime"),
    "end_time": ("end_time", "endTime"),
    "status_message": ("status_message", "statusMessage"),
    "model": ("provided_model_name", "providedModelName", "model"),
    "model_parameters": ("model_parameters", "modelParameters"),
    "usage_details": ("usage_details", "usageDetails", "usage"),
    "cost_details": ("cost_details", "costDetails"),
    "total_cost": ("total_cost", "totalCost", "calculatedTotalCost"),
    "prompt_tokens": ("prompt_tokens", "promptTokens", "inputUsage"),
    "completion_tokens": ("completion_tokens", "completionTokens", "outputUsage"),
    "user_id": ("user_id", "userId"),
    "session_id": ("session_id", "sessionId"),
    "updated_at": ("updated_at", "updatedAt", "event_ts"),
    "is_deleted": ("is_deleted", "isDeleted"),
}
_COLUMNS: Mapping[str, Literal["VARCHAR", "JSON"]] = dict.fromkeys(
    ("id", "type", "level", "input", "output", *_SPELLINGS), "VARCHAR"
)
_IGNORED = [
    "bookmarked",
    "completion_start_time",
    "created_at",
    "environment",
    "event_ts",
    "internal_model_id",
    "latency",
    "metadata",
    "model_id",
    "name",
    "parent_observation_id",
    "prompt_id",
    "prompt_name",
    "prompt_version",
    "provided_cost_details",
    "provided_usage_details",
    "public",
    "release",
    "tags",
    "time_to_first_token",
    "timestamp",
    "tool_call_names",
    "tool_calls",
    "tool_definitions",
    "total_price",
    "input_price",
    "output_price",
    "trace_name",
    "usage_pricing_tier_id",
    "usage_pricing_tier_name",
    "version",
]


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _json_object(text: str) -> str:
    """A JSON object, also as ClickHouse writes a map into CSV: {'input':12}."""
    parsed = json_of_text_sql(text)
    requoted = f"try_cast(replace({text}, '''', '\"') as json)"
    return f"case when {text} like '{{%' then coalesce({parsed}, {requoted}) end"


def _tokens_of(kind: str, older: str) -> str:
    """The sum of what the usage map has of a kind, as Langfuse adds up itself.

    Of an OpenAI answer, `input` and `output` are without the cached and the reasoning tokens,
    which stand beside them.
    """
    return f"""coalesce(
        list_sum(list_transform(
            list_filter(
                json_keys(usage),
                lambda name: contains(lower(name), '{kind}')
                    and regexp_full_match(name, '[A-Za-z0-9_]+')
            ),
            lambda name: try_cast(json_extract_string(usage, '$.' || name) as double)
        ))::varchar,
        {older}
    )"""


def _prepare(relation: str) -> str:
    """Puts the user and session of its trace to each observation.

    A trace is written again whenever it changes; the last that names a user counts. Of versions of
    one observation the last stands, and equal ones are left to be told apart as duplicates. A row
    at the edge of a window is in the files of both, and is such an equal one.
    """
    changed = cast_sql("updated_at", "TIMESTAMP")
    joined = f"""
    with kinds as (
        select
            *,
            case
                when type is not null then 'observation'
                when trace_id is null then 'trace'
                else 'score'
            end as record_kind,
            coalesce({changed}, timestamp '1970-01-01') as changed_at
        from {relation}
    ),

    known as (
        select
            id as known_trace_id,
            max({{'changed_at': changed_at, 'user_id': {identifier_sql("user_id")}}})
                filter (where {identifier_sql("user_id")} is not null) as last_user,
            max({{'changed_at': changed_at, 'session_id': {identifier_sql("session_id")}}})
                filter (where {identifier_sql("session_id")} is not null) as last_session
        from kinds
        where record_kind = 'trace' and id is not null
        group by id
    ),

    versions as (
        select
            *,
            rank() over (
                partition by record_kind, project_id, coalesce(id, source_file || source_line)
                order by changed_at desc
            ) as version_rank
        from kinds
    )

    select
        *,
        case
            when record_kind = 'trace' then 'traces, which observations are joined to'
            when record_kind = 'score' then 'rows that are neither observations nor traces'
            when upper(type) <> 'GENERATION' then 'observations that are no generation'
            when lower(is_deleted) in ('1', 'true') then 'deleted observations'
            when id is not null and version_rank > 1 then 'earlier versions of an observation'
        end as part_of,
        coalesce({identifier_sql("user_id")}, last_user.user_id) as account,
        coalesce({identifier_sql("session_id")}, last_session.session_id) as session,
        {_json_object("model_parameters")} as parameters,
        {json_of_text_sql("input")} as input_json,
        {json_of_text_sql("output")} as output_json,
        {_json_object("usage_details")} as usage,
        {_json_object("cost_details")} as costs
    from versions
    left join known on record_kind = 'observation' and trace_id = known_trace_id
    """
    request = """json_merge_patch(
        case when json_type(parameters) = 'OBJECT' then parameters else '{}'::json end,
        case
            when json_type(input_json) = 'ARRAY' then json_object('messages', input_json)
            when json_type(input_json) = 'OBJECT' and json_exists(input_json, '$.role')
                then json_object('messages', json_array(input_json))
            when json_type(input_json) = 'OBJECT' then input_json
            when input <> '' then json_object('prompt', input)
            else '{}'::json
        end
    )"""
    return with_bodies_sql(f"({joined})", request=request, response="output_json")


_ANSWER = f"""case
    when json_type(output_json) = 'OBJECT'
        then coalesce(body_answer, {content_text_sql("output_json -> '$.content'")})
    when json_type(output_json) = 'ARRAY'
        then coalesce({content_text_sql("output_json -> '$[0].content'")},
            {content_text_sql("output_json")})
    else output
end"""


def _first_of(usage: tuple[str, ...]) -> str:
    return "coalesce(" + ", ".join(f"usage ->> '$.{name}'" for name in usage) + ")"


def _reported(kind: str, older: str) -> str:
    """0 of both kinds without an error is what is stored when nothing was counted."""
    input_tokens = _tokens_of("input", "prompt_tokens")
    output_tokens = _tokens_of("output", "completion_tokens")
    return (
        "case when coalesce(upper(level), '') <> 'ERROR' "
        f"and coalesce(try_cast({input_tokens} as double), 0) = 0 "
        f"and coalesce(try_cast({output_tokens} as double), 0) = 0 "
        f"then null else {_tokens_of(kind, older)} end"
    )


_REQUESTS = TableSource(
    columns=_COLUMNS,
    spellings=_SPELLINGS,
    required=("id",),
    ignored=frozenset([*_IGNORED, *map(_camel_case, _IGNORED)]),
    prepare=_prepare,
    has_parts=True,
    account_fallback=identifier_sql("project_id"),
    expressions={
        **BODY_EXPRESSIONS,
        "request_id": identifier_sql("id"),
        "account_id": "account",
        "org_id": identifier_sql("project_id"),
        "end_user_id": identifier_sql(from_request("end_user")),
        "started_at": "start_time",
        "model": f"coalesce(nullif(model, ''), {from_request('model')})",
        "input_tokens": _reported("input", "prompt_tokens"),
        "output_tokens": _reported("output", "completion_tokens"),
        "pathway": "'api'",
        "endpoint": "case when json_type(input_json) = 'ARRAY' then 'chat' end",
        # `latency` is in seconds or milliseconds, depending on when the export was set up.
        "duration_ms": (
            f"(epoch_ms({cast_sql('end_time', 'TIMESTAMP')}) "
            f"- epoch_ms({cast_sql('start_time', 'TIMESTAMP')}))::varchar"
        ),
        "cached_tokens": _first_of(_CACHED),
        "reasoning_tokens": _first_of(_REASONING),
        "cost_usd": "coalesce(nullif(total_cost, ''), costs ->> '$.total')",
        "http_status": (
            "case when upper(level) = 'ERROR' then nullif(regexp_extract(status_message, "
            "'^(?:Error code: )?([1-5][0-9]{2})(?:[^0-9]|$)', 1), '') end"
        ),
        "session_id": "session",
        "response": f"nullif(nullif({_ANSWER}, '{_CUT_OUT}'), '{_MASKED}')",
        "prompt_state_hint": f"""case
            when contains(input, '{_MASKED}') then 'redacted'
            when contains(input, '{_CUT_OUT}') then 'placeholder'
        end""",
    },
)


def _are_named(name: str) -> bool:
    path = PurePosixPath(name)
    return path.parent.name == "manifests" and path.suffix == ".json"


def _promised(name: str, content: bytes) -> tuple[PromisedFile, ...]:
    """The files of a run. Of their keys in the bucket, what lies beside the manifest counts."""
    folder = PurePosixPath(name).parent.parent
    manifest = json.loads(content)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), list):
        raise ValueError(f"{name} has no list of files")
    promised = []
    for file in manifest["files"]:
        if not isinstance(file, dict) or not isinstance(file.get("key"), str):
            raise ValueError(f"{name} lists a file without a key")
        place = PurePosixPath(file["key"]).parts[-2:]
        promised.append(
            PromisedFile(
                name=str(folder.joinpath(*place)),
                size_bytes=_count(file.get("sizeBytes")),
                row_count=_count(file.get("rowCount")),
            )
        )
    return tuple(promised)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _recognises(record: Mapping[str, object]) -> bool:
    names = record.keys()
    if "call_type" in names or "id" not in names:
        return False
    is_observation = "type" in names and not names.isdisjoint(("trace_id", "traceId"))
    is_trace = "timestamp" in names and not names.isdisjoint(("session_id", "sessionId"))
    return (is_observation and not names.isdisjoint(("start_time", "startTime"))) or (
        is_trace and not names.isdisjoint(("user_id", "userId"))
    )


LANGFUSE = Adapter(
    name="langfuse",
    title="Langfuse blob storage export",
    layout="day_anywhere",
    tables={"requests": _REQUESTS},
    recognises=_recognises,
    manifests=Manifests(are_named=_are_named, promised=_promised),
)
