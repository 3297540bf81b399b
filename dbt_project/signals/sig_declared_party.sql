-- Has the account's owner told us what it does?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when declared_kind is not null then 'declared'
            else 'none'
        end as level_name,
        'Declared as ' || declared_kind || coalesce(': ' || declared_reason, '') as statement
    from features
)

select * from levelled
