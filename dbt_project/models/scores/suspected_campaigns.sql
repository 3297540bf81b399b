-- Which operations stand behind the accounts, and what ties each together?
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ replace_run_rows('as_of_date', 'as_of_from', 'as_of_to') }}"
) }}

with members as (
    select * from {{ ref('account_campaigns') }}
    where {{ in_run_as_of('as_of_date') }}
),

ranked as (
    select * from {{ ref('ranked_accounts') }}
    where {{ in_run_as_of('as_of_date') }}
),

settings as (
    select number as prior_probability
    from {{ ref('scoring_settings') }}
    where name = 'prior_probability'
),

gathered as (
    select
        members.as_of_date,
        members.campaign_id,
        any_value(members.campaign_size) as size,
        any_value(members.campaign_owners_count) as owners_count,
        any_value(members.agreeing_views) as agreeing_views,
        any_value(members.eliciting_members_share) as eliciting_members_share,
        any_value(members.single_item_members_share) as single_item_members_share,
        any_value(members.load_variation) as load_variation,
        median(ranked.evidence_bits) as median_evidence_bits,
        cast(sum(ranked.requests_28d) as bigint) as requests_28d,
        cast(sum(ranked.output_tokens_28d) as bigint) as output_tokens_28d,
        min(ranked.first_seen) as first_seen,
        max(ranked.last_seen) as last_seen,
        cast(
            count_if(cast(ranked.first_seen as date) > members.as_of_date - 7) as integer
        ) as members_added_7d
    from members
    inner join ranked
        on
            members.as_of_date = ranked.as_of_date
            and members.account_id = ranked.account_id
    group by members.as_of_date, members.campaign_id
),

told as (
    select
        gathered.as_of_date,
        gathered.campaign_id,
        cast(gathered.size as integer) as size,
        -- The middle member speaks for the group.
        {{ probability('settings.prior_probability', 'gathered.median_evidence_bits') }} as score,
        list_concat(
            [
                gathered.size || ' accounts of ' || gathered.owners_count
                || ' unrelated owners fill the same rare templates',
                {{ percent('gathered.eliciting_members_share') }}
                || ' of the accounts ask for reasoning or training material',
                {{ percent('gathered.single_item_members_share') }}
                || ' of the accounts send ever new items and never ask back'
            ],
            list_transform(
                gathered.agreeing_views,
                lambda one: one.holders_count || ' of them also share one value of ' || one.view_name
            ),
            case
                when gathered.size >= 5 and gathered.load_variation < 0.35
                    then [
                        'the accounts differ little in load (coefficient of variation '
                        || round(gathered.load_variation, 2) || ')'
                    ]
                else []
            end
        ) as shared_evidence,
        gathered.requests_28d,
        gathered.output_tokens_28d,
        gathered.first_seen,
        gathered.last_seen,
        gathered.members_added_7d
    from gathered
    cross join settings
)

select * from told
