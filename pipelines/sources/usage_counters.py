"""What providers and gateways count themselves, per account and day.

Counters come from another system than the requests beside them, so their dialects are told apart
by content and shared by all adapters. A new dialect is a function below and a line in `_DIALECTS`.
What follows from a difference between the counters and the requests belongs in the dbt project.

Facts of the formats: LiteLLM's `schema.prisma` (litellm-proxy-extras 0.4; checked against the
tables of a real proxy of release 1.108), OpenAI's published `openapi.yaml`, and Anthropic's pages
on the usage report and the analytics API. `docs/sources/usage_counters.md` has the mapping in
words.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pipelines.sources.adapter import ORIGIN_COLUMNS, Adapter, TableSource
from pipelines.sources.casts import identifier_sql
from pipelines.sources.tables import USAGE_COUNTERS

_COUNTER_COLUMNS = tuple(USAGE_COUNTERS.columns)


@dataclass(frozen=True)
class CounterDialect:
    """One way to write counters.

    columns: what it reads of a record. ignored: what it documents and nobody needs. alternatives:
    sets of columns that only this dialect has, one of which must be there whole. condition: SQL
    over a record, true for this dialect's. counters: from the name of a relation of such records to
    a SELECT of `ORIGIN_COLUMNS` and the canonical columns as VARCHAR, one row a counter.
    """

    name: str
    columns: Mapping[str, Literal["VARCHAR", "JSON"]]
    ignored: frozenset[str]
    alternatives: tuple[frozenset[str], ...]
    condition: str
    counters: Callable[[str], str]


def _select(values: Mapping[str, str], relation: str) -> str:
    listed = ", ".join(f"({values[name]})::varchar as {name}" for name in _COUNTER_COLUMNS)
    return f"select {', '.join(ORIGIN_COLUMNS)}, {listed} from {relation}"


def _texts(*values: str) -> str:
    """Values as one text, of which no two different lists of values give the same."""
    return f"to_json([{', '.join(f'coalesce({value}::varchar, chr(0))' for value in values)}])"


_NATIVE_COLUMNS = ("account_id", "usage_date", "request_count", "input_tokens", "output_tokens")


def _native(relation: str) -> str:
    values = {
        **{name: f"nullif({name}, '')" for name in _NATIVE_COLUMNS},
        "account_id": identifier_sql("account_id"),
        "report": "'native'",
        # Without a model or a key, only a row that is equal in everything is the same counter.
        "counter": _texts(*_NATIVE_COLUMNS),
    }
    return _select(values, relation)


# Whose counts a table holds.
_LITELLM_ENTITIES = ("user_id", "team_id", "organization_id", "agent_id")
# A request has several tags, and an end user is not who is billed: such tables are refused.
_NO_ACCOUNTS = ("tag", "end_user_id")
# With the entity and the day, the table's own key; the later columns are missing in older releases.
_LITELLM_KEY = (
    "api_key",
    "model",
    "model_group",
    "custom_llm_provider",
    "mcp_namespaced_tool_name",
    "endpoint",
)
_LITELLM_COUNTS = ("api_requests", "prompt_tokens", "completion_tokens")


def _litellm_daily(relation: str) -> str:
    """Rows of LiteLLM's daily roll-ups.

    A call that failed before its key was looked up is counted under the user '' and its key; it is
    given to the user that the same key shows elsewhere, if that is only one.
    """
    named = ", ".join(identifier_sql(name) for name in _LITELLM_ENTITIES)
    # By file: in a CSV file, an empty user is a missing one.
    present = ", ".join(
        f"bool_or({name} is not null) over (partition by source_file)" for name in _LITELLM_ENTITIES
    )
    resolved = f"""(
        select
            *,
            coalesce(
                entity,
                case
                    when min(entity) over of_key = max(entity) over of_key
                        then min(entity) over of_key
                end,
                {identifier_sql("api_key")}
            ) as account
        from (
            select
                *,
                coalesce({named}) as entity,
                to_json([{present}])::varchar as kind
            from {relation}
        )
        window of_key as (partition by kind, {identifier_sql("api_key")})
    )"""
    values = {
        "account_id": "account",
        "usage_date": "nullif(date, '')",
        "request_count": "api_requests",
        "input_tokens": "prompt_tokens",
        "output_tokens": "completion_tokens",
        "report": "concat('litellm_daily', kind)",
        "counter": _texts("entity", *_LITELLM_KEY),
    }
    return _select(values, resolved)


def _results(relation: str) -> str:
    """The results of pages, as JSON with the bucket they stand in; a bucket may stand alone."""
    origin = ", ".join(ORIGIN_COLUMNS)
    return f"""(
        select {origin}, bucket, unnest(json_extract(bucket, '$.results[*]')) as result
        from {_buckets(relation)}
        where json_type(bucket, '$.results') = 'ARRAY'
    )"""


def _buckets(relation: str) -> str:
    """The elements of the pages' `data`, and records that are such an element themselves."""
    origin = ", ".join(ORIGIN_COLUMNS)
    members = "".join(f", '{name}', {_quoted(name)}" for name in _BUCKET_COLUMNS)
    return f"""(
        select {origin}, unnest(
            case
                when json_type(data) = 'ARRAY' then json_extract(data, '$[*]')
                else [json_object({members[2:]})]
            end
        ) as bucket
        from {relation}
    )"""


def _quoted(name: str) -> str:
    return f'"{name}"'


def _text(json: str, name: str) -> str:
    return f"json_extract_string({json}, '$.{name}')"


def _identifier(json: str, *names: str) -> str:
    return "coalesce(" + ", ".join(identifier_sql(_text(json, name)) for name in names) + ", null)"


def _what_it_counts(json: str) -> str:
    """A JSON object without its numbers: what is left says what the numbers count."""
    return f"""regexp_replace({json}::varchar, '":\\s*-?[0-9][0-9.eE+-]*', '":', 'g')"""


def _added(json: str, *names: str) -> str:
    """The sum of those that are there, null if none is."""
    numbers = [f"try_cast({_text(json, name)} as bigint)" for name in names]
    total = " + ".join(f"coalesce({number}, 0)" for number in numbers)
    return f"case when coalesce({', '.join(numbers)}) is not null then {total} end"


def _openai_usage(relation: str) -> str:
    """Buckets of OpenAI's organization usage; input tokens include the cached ones.

    Of the reports on other things than completions (embeddings, images) some have no tokens.
    """
    kind = _text("result", "object")
    otherwise = f"case when {kind} <> 'organization.usage.completions.result' then '0' end"
    values = {
        "account_id": _identifier("result", "user_id", "project_id", "api_key_id"),
        "usage_date": _text("bucket", "start_time"),
        "request_count": _text("result", "num_model_requests"),
        "input_tokens": f"coalesce({_text('result', 'input_tokens')}, {otherwise})",
        "output_tokens": f"coalesce({_text('result', 'output_tokens')}, {otherwise})",
        # A day in hours and the same day whole are two reports.
        "report": (
            f"concat('openai_usage ', try_cast({_text('bucket', 'end_time')} as bigint) "
            f"- try_cast({_text('bucket', 'start_time')} as bigint))"
        ),
        "counter": _texts(_text("bucket", "start_time"), _what_it_counts("result")),
    }
    return _select(values, _results(relation))


_ANTHROPIC_ACCOUNT = ("account_id", "service_account_id", "workspace_id", "api_key_id")
# What is read from a cache or written to one is not among the uncached tokens.
_ANTHROPIC_INPUT = (
    "uncached_input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
)


def _seconds(bucket: str) -> str:
    """How long an Anthropic bucket is: a day in hours and the same day whole are two reports."""
    starts, ends = (
        f"try_cast({_text(bucket, name)} as timestamptz)" for name in ("starting_at", "ending_at")
    )
    return f"date_diff('second', {starts}, {ends})"


def _anthropic_usage_report(relation: str) -> str:
    """Buckets of Anthropic's usage report, which counts no requests."""
    values = {
        "account_id": _identifier("result", *_ANTHROPIC_ACCOUNT),
        "usage_date": _text("bucket", "starting_at"),
        "request_count": "null",
        "input_tokens": _added("result", *_ANTHROPIC_INPUT),
        "output_tokens": _text("result", "output_tokens"),
        "report": f"concat('anthropic_usage_report ', {_seconds('bucket')})",
        "counter": _texts(_text("bucket", "starting_at"), _what_it_counts("result")),
    }
    return _select(values, _results(relation))


# The analytics API is in beta: names that its pages and clients use for one number.
_ANTHROPIC_REQUESTS = ("request_count", "requests", "num_requests", "message_requests")


def _anthropic_analytics(relation: str) -> str:
    """Rows of Anthropic's analytics usage: a group of keys and the usage of that group."""
    row = f"""(
        select
            {", ".join(ORIGIN_COLUMNS)},
            bucket,
            json_extract(bucket, '$.group') as keys,
            json_extract(bucket, '$.usage') as counts
        from {_buckets(relation)}
        where json_type(bucket, '$.usage') = 'OBJECT'
    )"""
    requests = ", ".join(_text("counts", name) for name in _ANTHROPIC_REQUESTS)
    total = _added("counts", *_ANTHROPIC_INPUT)
    values = {
        "account_id": _identifier("keys", *_ANTHROPIC_ACCOUNT),
        "usage_date": _text("bucket", "starting_at"),
        "request_count": f"coalesce({requests})",
        "input_tokens": (
            f"case when {_text('counts', 'uncached_input_tokens')} is null "
            f"then coalesce({_text('counts', 'input_tokens')}, ({total})::varchar) "
            f"else ({total})::varchar end"
        ),
        "output_tokens": _text("counts", "output_tokens"),
        "report": f"concat('anthropic_analytics ', {_seconds('bucket')})",
        "counter": _texts(_text("bucket", "starting_at"), "keys"),
    }
    return _select(values, row)


_PAGE_COLUMNS: Mapping[str, Literal["VARCHAR", "JSON"]] = {"data": "JSON"}
_PAGING = frozenset(("object", "has_more", "next_page", "first_id", "last_id"))
_BUCKET_COLUMNS: Mapping[str, Literal["VARCHAR", "JSON"]] = {
    "start_time": "VARCHAR",
    "end_time": "VARCHAR",
    "starting_at": "VARCHAR",
    "ending_at": "VARCHAR",
    "results": "JSON",
    "group": "JSON",
    "usage": "JSON",
}


def _buckets_have(time: str, counts: str, number: str) -> str:
    """Whether these members are in a page's first bucket or in the record itself, and the number
    anywhere: reports of costs have buckets of the same form."""
    return (
        f"((json_exists(data, '$[0].{time}') and json_exists(data, '$[0].{counts}')"
        f" and contains(data::varchar, '{number}\":'))"
        f" or ({time} is not null and contains({counts}::varchar, '{number}\":')))"
    )


# A page without results is of every dialect: it has no counters in any.
_EMPTY_PAGE = (
    "coalesce(json_array_length(data) = 0, false)"
    " or coalesce(json_array_length(results) = 0, false)"
    " or coalesce(json_exists(data, '$[0].results')"
    " and len(json_extract(data, '$[*].results[*]')) = 0, false)"
)

_DIALECTS: tuple[CounterDialect, ...] = (
    CounterDialect(
        name="native",
        columns=dict.fromkeys(_NATIVE_COLUMNS, "VARCHAR"),
        ignored=frozenset(),
        alternatives=(frozenset(("account_id", "usage_date")),),
        condition="coalesce(usage_date, account_id) is not null",
        counters=_native,
    ),
    CounterDialect(
        name="litellm_daily",
        columns=dict.fromkeys(
            (*_LITELLM_ENTITIES, *_NO_ACCOUNTS, *_LITELLM_KEY, *_LITELLM_COUNTS, "date"), "VARCHAR"
        ),
        ignored=frozenset(
            (
                "autorouter_savings_spend",
                "cache_creation_input_tokens",
                "cache_read_input_tokens",
                "compression_saved_tokens",
                "compression_savings_spend",
                "created_at",
                "failed_requests",
                "gateway_injected_caching_savings_spend",
                "id",
                "prompt_caching_savings_spend",
                "ptu_flat_cost",
                "spend",
                "successful_requests",
                "timed_requests",
                "total_response_time_ms",
                "updated_at",
            )
        ),
        alternatives=tuple(
            frozenset((entity, "date", "api_requests")) for entity in _LITELLM_ENTITIES
        ),
        condition="api_requests is not null and coalesce(tag, end_user_id) is null",
        counters=_litellm_daily,
    ),
    CounterDialect(
        name="openai_usage",
        columns={**_PAGE_COLUMNS, **_BUCKET_COLUMNS},
        ignored=_PAGING,
        alternatives=(frozenset(("data",)), frozenset(("start_time", "end_time", "results"))),
        condition=_buckets_have("start_time", "results", "num_model_requests"),
        counters=_openai_usage,
    ),
    CounterDialect(
        name="anthropic_usage_report",
        columns={**_PAGE_COLUMNS, **_BUCKET_COLUMNS},
        ignored=_PAGING,
        alternatives=(frozenset(("starting_at", "ending_at", "results")),),
        condition=_buckets_have("starting_at", "results", "uncached_input_tokens"),
        counters=_anthropic_usage_report,
    ),
    CounterDialect(
        name="anthropic_analytics",
        columns={**_PAGE_COLUMNS, **_BUCKET_COLUMNS},
        ignored=_PAGING,
        alternatives=(frozenset(("starting_at", "ending_at", "usage")),),
        condition=_buckets_have("starting_at", "usage", "output_tokens"),
        counters=_anthropic_analytics,
    ),
)


def _prepare(relation: str) -> str:
    """One row a counter, whatever the dialect; a record of none is one row without values."""
    cases = " ".join(f"when {one.condition} then '{one.name}'" for one in _DIALECTS)
    branches = [
        f"({one.counters(f'(select * from told where dialect = {one.name!r})')})"
        for one in _DIALECTS
    ]
    nothing = _select(dict.fromkeys(_COUNTER_COLUMNS, "null"), "told where dialect is null")
    return f"""
    with told as materialized (
        select *, case when {_EMPTY_PAGE} then 'empty' {cases} end as dialect
        from {relation}
    )

    {" union all ".join([*branches, f"({nothing})"])}
    """


_SOURCE = TableSource(
    columns={name: kind for one in _DIALECTS for name, kind in one.columns.items()},
    expressions={name: name for name in _COUNTER_COLUMNS},
    required=(),
    ignored=frozenset().union(*(one.ignored for one in _DIALECTS)),
    prepare=_prepare,
    alternatives=tuple(names for one in _DIALECTS for names in one.alternatives),
    unnests=True,
)


def with_usage_counters(adapter: Adapter) -> Adapter:
    """The same adapter, with counters of every dialect beside its requests."""
    return replace(adapter, tables={**adapter.tables, USAGE_COUNTERS.name: _SOURCE})
