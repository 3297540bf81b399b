-- Does the account work with tools of its own?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when requests_28d < 5 then 'unknown'
            when with_tools_share >= 0.5 then 'most'
            when with_tools_share >= 0.1 then 'some'
            else 'none'
        end as level_name,
        {{ percent('with_tools_share') }} || ' of ' || requests_28d
        || ' requests bring tool definitions' as statement
    from features
)

select * from levelled
