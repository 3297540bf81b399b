-- Everything that a signal may know of an account on an as-of date, one row to read.
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ replace_run_rows('as_of_date', 'as_of_from', 'as_of_to') }}"
) }}

with windows as (
    select * from {{ ref('int_account_windows') }}
),

accounts as (
    select * from {{ ref('int_accounts_as_of') }}
),

sharing as (
    select * from {{ ref('int_account_sharing') }}
),

models as (
    select * from {{ ref('int_account_models') }}
),

pivots as (
    select * from {{ ref('int_release_pivots') }}
),

successors as (
    select * from {{ ref('int_successors') }}
),

first_seen as (
    select * from {{ ref('int_first_seen') }}
),

declared as (
    select * from {{ ref('int_declared') }}
),

counter_gaps as (
    select * from {{ ref('int_counter_gaps') }}
),

joined as (
    select
        windows.as_of_date,
        windows.account_id,
        coalesce(accounts.org_id, windows.org_id) as org_id,
        accounts.parent_org_id,
        coalesce(sharing.owner_id, accounts.declared_owner_id, windows.org_id, windows.account_id)
            as owner_id,
        accounts.program,
        accounts.status,
        first_seen.first_seen,
        first_seen.first_delivery_date,
        windows.last_at as last_seen,
        windows.as_of_date - cast(accounts.created_at as date) as account_age_days,

        -- How much
        windows.requests_count_1d as requests_1d,
        windows.requests_count_28d as requests_28d,
        windows.successes_count_28d as successes_28d,
        windows.input_tokens_28d,
        windows.output_tokens_1d,
        windows.output_tokens_28d,
        models.list_price_usd_28d,
        models.top_tier_share,
        windows.active_days_28d,
        windows.active_hours_28d,
        windows.output_tokens_28d / nullif(windows.outputs_known_count_28d, 0)
            as output_tokens_per_answer,

        -- What is asked
        windows.prompts_known_count_28d as prompts_28d,
        {{ share('windows.reasoning_asked_count_28d', 'windows.prompts_known_count_28d') }}
            as reasoning_asked_share,
        {{ share('windows.material_asked_count_28d', 'windows.prompts_known_count_28d') }}
            as material_asked_share,
        {{ share('windows.judged_count_28d', 'windows.prompts_known_count_28d') }} as judged_share,
        {{ share('windows.generated_count_28d', 'windows.prompts_known_count_28d') }}
            as generated_share,
        {{ share('windows.cleaned_count_28d', 'windows.prompts_known_count_28d') }} as cleaned_share,
        {{ share('windows.rewritten_count_28d', 'windows.prompts_known_count_28d') }}
            as rewritten_share,
        {{ share('windows.code_count_28d', 'windows.prompts_known_count_28d') }} as code_share,
        windows.scripts_max_28d,
        windows.extraction_refusals_count_28d as extraction_refusals_28d,
        windows.refusals_count_28d as refusals_28d,
        windows.stop_reasons_known_count_28d as stop_reasons_known_28d,

        -- How the items relate
        {{ share('windows.distinct_prompts_count_28d', 'windows.prompts_known_count_28d') }}
            as distinct_prompts_share,
        {{ share('windows.follow_ups_count_28d', 'windows.successes_count_28d') }} as follow_ups_share,
        windows.turns_known_count_28d as turns_known_28d,
        sharing.sampled_prompts_count,
        {{ share('sharing.repeated_prompts_count', 'sharing.sampled_prompts_count') }}
            as repeated_prompts_share,

        -- How the answers look
        {{ share('windows.short_outputs_count_28d', 'windows.outputs_known_count_28d') }}
            as short_outputs_share,
        {{ share('windows.long_outputs_count_28d', 'windows.outputs_known_count_28d') }}
            as long_outputs_share,
        windows.outputs_known_count_28d as outputs_known_28d,
        {{ share('windows.structured_count_28d', 'windows.requests_count_28d') }} as structured_share,
        {{ share('windows.streamed_count_28d', 'windows.stream_known_count_28d') }} as streamed_share,
        windows.stream_known_count_28d as stream_known_28d,
        {{ share('windows.with_tools_count_28d', 'windows.requests_count_28d') }} as with_tools_share,
        {{ share('windows.several_candidates_count_28d', 'windows.requests_count_28d') }}
            as several_candidates_share,
        {{ share('windows.logprobs_count_28d', 'windows.requests_count_28d') }} as logprobs_share,
        windows.logit_probes_count_28d as logit_probes_28d,

        -- What is shared with strangers
        sharing.top_template_share,
        sharing.template_owners_count,
        sharing.shared_template_share,
        {{ share('sharing.shared_prompts_count', 'sharing.sampled_prompts_count') }}
            as shared_prompts_share,
        coalesce(sharing.has_registration, false) as has_registration,
        sharing.registration_owners_count,
        coalesce(sharing.has_network, false) as has_network,
        sharing.network_owners_count,
        sharing.parameters_owners_count,
        sharing.reasoning_signatures_count,
        sharing.replayed_signatures_count,

        -- What changed
        pivots.released_model,
        pivots.new_model_share,
        pivots.cohort_share as new_model_cohort_share,
        coalesce(successors.predecessors_count, 0) as predecessors_count,

        -- What the gateway counted and nobody delivered
        counter_gaps.counter_requests_28d,
        counter_gaps.missing_requests_28d,
        {{ share('counter_gaps.missing_requests_28d', 'counter_gaps.counter_requests_28d') }}
            as missing_requests_share,
        counter_gaps.missing_share_of_others,

        -- What was declared
        declared.declared_kind,
        declared.declared_reason,
        declared.declared_until
    from windows
    left join accounts
        on windows.as_of_date = accounts.as_of_date and windows.account_id = accounts.account_id
    left join sharing
        on windows.as_of_date = sharing.as_of_date and windows.account_id = sharing.account_id
    left join models
        on windows.as_of_date = models.as_of_date and windows.account_id = models.account_id
    left join pivots
        on windows.as_of_date = pivots.as_of_date and windows.account_id = pivots.account_id
    left join successors
        on windows.as_of_date = successors.as_of_date and windows.account_id = successors.account_id
    left join first_seen
        on windows.as_of_date = first_seen.as_of_date and windows.account_id = first_seen.account_id
    left join declared
        on windows.as_of_date = declared.as_of_date and windows.account_id = declared.account_id
    left join counter_gaps
        on
            windows.as_of_date = counter_gaps.as_of_date
            and windows.account_id = counter_gaps.account_id
)

select * from joined
