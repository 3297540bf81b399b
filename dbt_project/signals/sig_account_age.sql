-- How long has the account been here?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when account_age_days is null then 'unknown'
            when account_age_days < 30 then 'new'
            when account_age_days < 180 then 'settled'
            else 'long_standing'
        end as level_name,
        'The account is ' || account_age_days || ' days old' as statement
    from features
)

select * from levelled
