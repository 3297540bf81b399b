-- Did the gateway count requests of this account that were never logged?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when counter_requests_28d is null or counter_requests_28d = 0 then 'unknown'
            when missing_share_of_others >= 0.1 then 'exporter'
            when missing_requests_share >= 0.5 and missing_requests_28d >= 20 then 'most'
            when missing_requests_share >= 0.2 and missing_requests_28d >= 20 then 'some'
            else 'none'
        end as level_name,
        {{ thousands('missing_requests_28d') }} || ' of '
        || {{ thousands('counter_requests_28d') }}
        || ' requests that the gateway counted were never delivered' as statement
    from features
)

select * from levelled
