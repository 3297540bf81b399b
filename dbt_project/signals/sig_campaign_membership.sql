-- Is the account one of a group that shares a rare template and something else besides?
with features as (
    select * from {{ ref('account_features') }}
),

campaigns as (
    select * from {{ ref('account_campaigns') }}
),

placed as (
    select
        features.as_of_date,
        features.account_id,
        features.prompts_28d,
        campaigns.campaign_size,
        campaigns.campaign_id,
        campaigns.agreeing_views
    from features
    left join campaigns
        on
            features.as_of_date = campaigns.as_of_date
            and features.account_id = campaigns.account_id
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when prompts_28d < 5 or prompts_28d is null then 'unknown'
            when campaign_size >= 20 then 'large'
            when campaign_size >= 8 then 'middle'
            when campaign_size >= 3 then 'small'
            else 'none'
        end as level_name,
        'Member of campaign ' || campaign_id || ': ' || campaign_size || ' accounts tied by rare templates'
        || case
            when len(agreeing_views) > 0
                then ' and by ' || {{ listed('agreeing_views', 'view_name', 'holders_count') }}
            else ', most of which ask for training material or send ever new single items'
        end as statement
    from placed
)

select * from levelled
