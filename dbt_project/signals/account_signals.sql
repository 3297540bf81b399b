-- What does every signal say of every account, and how many bits does it carry?
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ replace_run_rows('as_of_date', 'as_of_from', 'as_of_to') }}"
) }}

{#- The roll-call: a signal that is not called does not count. -#}
{%- set signal_names = [
    'sig_account_age',
    'sig_banned_predecessors',
    'sig_campaign_membership',
    'sig_declared_party',
    'sig_even_load',
    'sig_extraction_refusals',
    'sig_follow_up_turns',
    'sig_logit_probes',
    'sig_long_answers',
    'sig_missing_rows',
    'sig_new_single_items',
    'sig_reasoning_requests',
    'sig_release_pivot',
    'sig_repeated_items',
    'sig_replayed_reasoning',
    'sig_round_the_clock',
    'sig_several_candidates',
    'sig_shared_network',
    'sig_shared_prompts',
    'sig_shared_rare_template',
    'sig_shared_registration',
    'sig_short_answers',
    'sig_streamed_answers',
    'sig_tool_work',
    'sig_training_material_requests',
] -%}

with called as (
    {% for signal_name in signal_names %}
    select
        as_of_date,
        account_id,
        '{{ signal_name }}' as signal_name,
        level_name,
        statement
    from {{ ref(signal_name) }}
    where {{ in_run_as_of('as_of_date') }}
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}
),

weighed as (
    select
        called.as_of_date,
        called.account_id,
        called.signal_name,
        signal_families.family,
        called.level_name,
        called.level_name <> 'unknown' as is_checked,
        weights.bits as raw_bits,
        called.statement,
        families.most_bits,
        families.least_bits
    from called
    inner join {{ ref('signal_families') }} as signal_families
        on called.signal_name = signal_families.signal_name
    inner join {{ ref('families') }} as families
        on signal_families.family = families.family
    -- A level without a weight stays, with null bits, and fails its not_null test: an unknown
    -- name must never count as zero.
    left join {{ ref('signal_weights') }} as weights
        on
            called.signal_name = weights.signal_name
            and called.level_name = weights.level_name
),

-- Signals of a family see the same thing from different sides. Where they add up to more than the
-- family's cap, each gives up the same share, so that the receipt still adds up.
in_family as (
    select
        *,
        sum(greatest(raw_bits, 0)) over same_family as family_for_bits,
        sum(least(raw_bits, 0)) over same_family as family_against_bits
    from weighed
    window same_family as (partition by as_of_date, account_id, family)
),

capped as (
    select
        as_of_date,
        account_id,
        signal_name,
        family,
        level_name,
        is_checked,
        raw_bits,
        round(
            case
                when raw_bits > 0 then raw_bits * least(1, most_bits / family_for_bits)
                when raw_bits < 0 then raw_bits * least(1, least_bits / family_against_bits)
                else raw_bits
            end,
            2
        ) as bits,
        case when is_checked then statement end as statement
    from in_family
)

select * from capped
