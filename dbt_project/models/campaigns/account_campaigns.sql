-- Which campaign does an account belong to, under a name that lasts from day to day?
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ replace_run_rows('as_of_date', 'as_of_from', 'as_of_to') }}"
) }}

with labels as (
    select * from {{ ref('int_campaign_labels') }}
),

support as (
    select * from {{ ref('int_campaign_support') }}
),

ties as (
    select * from {{ ref('int_template_ties') }}
),

value_days as (
    select * from {{ ref('int_account_value_days') }}
    where view_name in ('opening', 'closing')
),

-- One view may mislead (a framework's default prompt); a campaign is where another agrees.
campaigns as (
    select * from support
    where
        owners_count >= {{ var('shared_owners_min') }}
        and (
            agreeing_views_count >= 1
            or eliciting_members_share >= 0.5
            -- A way of working is the weakest of the three: a few small programs work like that.
            or (single_item_members_share >= 0.7 and owners_count >= 8)
        )
),

group_values as (
    select distinct
        ties.as_of_date,
        labels.group_name,
        ties.view_name,
        ties.hashed_value
    from ties
    inner join labels
        on ties.as_of_date = labels.as_of_date and ties.account_id = labels.account_id
),

-- The campaign is named after the template that was seen first, which stays the same while
-- accounts come and go.
first_days as (
    select
        group_values.as_of_date,
        group_values.group_name,
        group_values.hashed_value,
        min(value_days.event_date) as first_date
    from group_values
    inner join value_days
        on
            group_values.view_name = value_days.view_name
            and group_values.hashed_value = value_days.hashed_value
            and group_values.as_of_date >= value_days.delivery_date
    group by all
),

names as (
    select
        as_of_date,
        group_name,
        'c-' || left(md5(cast(hashed_value as varchar)), 10) as campaign_id
    from first_days
    qualify
        row_number() over (
            partition by as_of_date, group_name
            order by first_date asc, hashed_value asc
        ) = 1
),

members as (
    select
        labels.as_of_date,
        labels.account_id,
        names.campaign_id,
        cast(campaigns.accounts_count as integer) as campaign_size,
        cast(campaigns.owners_count as integer) as campaign_owners_count,
        campaigns.agreeing_views,
        campaigns.agreeing_views_count,
        campaigns.eliciting_members_share,
        campaigns.single_item_members_share,
        campaigns.load_variation
    from labels
    inner join campaigns
        on labels.as_of_date = campaigns.as_of_date and labels.group_name = campaigns.group_name
    inner join names
        on labels.as_of_date = names.as_of_date and labels.group_name = names.group_name
)

select * from members
