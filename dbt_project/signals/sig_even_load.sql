-- Is the work spread evenly over the campaign's accounts?
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
        campaigns.campaign_size,
        campaigns.load_variation
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
            when campaign_size is null or campaign_size < 5 then 'not_in_campaign'
            when load_variation < 0.35 then 'even'
            else 'uneven'
        end as level_name,
        'The ' || campaign_size
        || ' accounts of its campaign differ little in load (coefficient of variation '
        || round(load_variation, 2) || ')' as statement
    from placed
)

select * from levelled
