-- Does the account work at all hours?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when active_days_28d < 3 then 'unknown'
            when active_hours_28d >= 23 then 'all_hours'
            else 'rests'
        end as level_name,
        'It was active in ' || active_hours_28d
        || ' of the 24 hours of the day, over ' || active_days_28d || ' days' as statement
    from features
)

select * from levelled
