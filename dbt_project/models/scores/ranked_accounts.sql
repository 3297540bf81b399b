-- In which order should people look at the accounts, and why?
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ replace_run_rows('as_of_date', 'as_of_from', 'as_of_to') }}"
) }}

with features as (
    select * from {{ ref('account_features') }}
    where {{ in_run_as_of('as_of_date') }}
),

signals as (
    select * from {{ ref('account_signals') }}
    where {{ in_run_as_of('as_of_date') }}
),

campaigns as (
    select * from {{ ref('account_campaigns') }}
),

verdicts as (
    select * from {{ ref('stg_verdicts') }}
),

settings as (
    select number as prior_probability
    from {{ ref('scoring_settings') }}
    where name = 'prior_probability'
),

receipts as (
    select
        as_of_date,
        account_id,
        round(sum(bits), 2) as evidence_bits,
        coalesce(
            list(
                struct_pack(signal := signal_name, bits := bits, statement := statement)
                order by bits desc, signal_name asc
            ) filter (where bits > 0),
            []
        ) as reasons,
        coalesce(
            list(
                struct_pack(signal := signal_name, bits := bits, statement := statement)
                order by bits asc, signal_name asc
            ) filter (where bits < 0),
            []
        ) as exculpatory,
        coalesce(
            list(signal_name order by signal_name asc) filter (where not is_checked),
            []
        ) as not_checked
    from signals
    group by as_of_date, account_id
),

-- The latest decision that had been made by the end of the as-of date and has not expired.
decisions as (
    select
        features.as_of_date,
        features.account_id,
        verdicts.verdict
    from features
    left join campaigns
        on
            features.as_of_date = campaigns.as_of_date
            and features.account_id = campaigns.account_id
    inner join verdicts
        on
            features.account_id = verdicts.account_id
            or campaigns.campaign_id = verdicts.campaign_id
    where verdicts.expires_on is null or verdicts.expires_on >= features.as_of_date
    qualify
        row_number() over (
            partition by features.as_of_date, features.account_id
            order by
                verdicts.account_id is not null desc,
                verdicts.decided_at desc,
                verdicts.verdict asc
        ) = 1
),

scored as (
    select
        features.as_of_date,
        features.account_id,
        features.org_id,
        {{ probability('settings.prior_probability', 'receipts.evidence_bits') }} as score,
        receipts.evidence_bits,
        campaigns.campaign_id,
        campaigns.campaign_size,
        receipts.reasons,
        receipts.exculpatory,
        receipts.not_checked,
        features.first_seen,
        features.last_seen,
        features.requests_28d,
        features.output_tokens_28d,
        features.list_price_usd_28d,
        case
            when decisions.verdict = 'extraction' then 'confirmed'
            when decisions.verdict = 'benign' then 'dismissed'
            when features.declared_kind is not null then 'allowlisted'
            when features.first_delivery_date = features.as_of_date then 'new'
            else 'open'
        end as review_status
    from features
    inner join receipts
        on
            features.as_of_date = receipts.as_of_date
            and features.account_id = receipts.account_id
    left join campaigns
        on
            features.as_of_date = campaigns.as_of_date
            and features.account_id = campaigns.account_id
    left join decisions
        on
            features.as_of_date = decisions.as_of_date
            and features.account_id = decisions.account_id
    cross join settings
),

ranked as (
    select
        as_of_date,
        cast(
            row_number() over (
                partition by as_of_date
                order by evidence_bits desc, account_id asc
            ) as integer
        ) as rank,
        * exclude (as_of_date)
    from scored
)

select * from ranked
