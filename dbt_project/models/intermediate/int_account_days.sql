-- What did an account do on one day, in sums that merge?
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ replace_run_rows('delivery_date', 'days_from', 'days_to') }}"
) }}

with requests as (
    select * from {{ ref('int_requests') }}
),

summed as (
    select
        delivery_date,
        event_date,
        account_id,
        max(org_id) as org_id,
        count(*) as requests_count,
        count_if(is_success) as successes_count,
        count_if(is_rate_limited) as rate_limited_count,
        count_if(is_refused) as refusals_count,
        count_if(is_extraction_refusal) as extraction_refusals_count,
        count(stop_reason) as stop_reasons_known_count,
        sum(input_tokens) as input_tokens,
        sum(output_tokens) as output_tokens,
        sum(cached_tokens) as cached_tokens,
        sum(reasoning_tokens) as reasoning_tokens,
        count_if(is_success and output_tokens is not null) as outputs_known_count,
        count_if(is_success and output_tokens <= 40) as short_outputs_count,
        count_if(is_success and output_tokens >= 400) as long_outputs_count,
        {{ exact_sum('cost_usd') }} as cost_usd,
        count(stream) as stream_known_count,
        count_if(stream) as streamed_count,
        count_if(batch) as batched_count,
        count_if(has_prompt) as prompts_known_count,
        count(distinct prompt_hash) filter (where has_prompt) as distinct_prompts_count,
        count_if(is_success and is_follow_up) as follow_ups_count,
        count(turn) as turns_known_count,
        count_if(has_prompt and elicitation & {{ 1 + 2 + 4 + 8 }} <> 0) as reasoning_asked_count,
        count_if(has_prompt and elicitation & 16 <> 0) as judged_count,
        count_if(has_prompt and elicitation & 32 <> 0) as generated_count,
        count_if(has_prompt and elicitation & 64 <> 0) as cleaned_count,
        count_if(has_prompt and elicitation & 128 <> 0) as rewritten_count,
        count_if(
            has_prompt and elicitation & {{ 16 + 32 + 64 + 128 }} <> 0
        ) as material_asked_count,
        count_if(has_prompt and has_code) as code_count,
        count(distinct script) filter (where has_prompt) as scripts_count,
        count_if(tools_count > 0) as with_tools_count,
        count_if(response_format in ('json_object', 'json_schema')) as structured_count,
        count_if(n > 1) as several_candidates_count,
        count_if(coalesce(logprobs, false) or top_logprobs > 0) as logprobs_count,
        count_if(
            max_tokens <= 2 and (coalesce(logprobs, false) or logit_bias_count > 0)
        ) as logit_probes_count,
        bit_or(cast(1 as integer) << cast(hour(started_at) as integer)) as hours_bitmap,
        min(started_at) as first_at,
        max(started_at) as last_at
    from requests
    group by delivery_date, event_date, account_id
)

select * from summed
