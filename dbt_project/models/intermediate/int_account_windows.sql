-- What do an account's days add up to, over the window and over the last day?
with as_of_dates as (
    select * from {{ ref('int_as_of_dates') }}
),

days as (
    select * from {{ ref('int_account_days') }}
),

{%- set sums = [
    'requests_count', 'successes_count', 'rate_limited_count', 'refusals_count',
    'extraction_refusals_count', 'stop_reasons_known_count', 'input_tokens', 'output_tokens',
    'cached_tokens', 'reasoning_tokens', 'outputs_known_count', 'short_outputs_count',
    'long_outputs_count', 'stream_known_count', 'streamed_count', 'batched_count',
    'prompts_known_count', 'distinct_prompts_count', 'follow_ups_count', 'turns_known_count',
    'reasoning_asked_count', 'judged_count', 'generated_count', 'cleaned_count',
    'rewritten_count', 'material_asked_count', 'code_count', 'with_tools_count',
    'structured_count', 'several_candidates_count', 'logprobs_count', 'logit_probes_count',
] %}

windowed as (
    select
        as_of_dates.as_of_date,
        days.account_id,
        max(days.org_id) as org_id,
        {% for column_name in sums %}
        cast(sum(days.{{ column_name }}) as bigint) as {{ column_name }}_28d,
        {% endfor %}
        cast(coalesce(sum(days.requests_count) filter (where days.event_date = as_of_dates.as_of_date), 0) as bigint)
            as requests_count_1d,
        cast(sum(days.output_tokens) filter (where days.event_date = as_of_dates.as_of_date) as bigint)
            as output_tokens_1d,
        count(distinct days.event_date) as active_days_28d,
        bit_count(bit_or(days.hours_bitmap)) as active_hours_28d,
        max(days.scripts_count) as scripts_max_28d,
        min(days.first_at) as first_at_28d,
        max(days.last_at) as last_at
    from as_of_dates
    inner join days on {{ in_window('days', 'as_of_dates') }}
    group by as_of_dates.as_of_date, days.account_id
)

select * from windowed
