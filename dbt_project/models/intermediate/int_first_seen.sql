-- When was an account first seen, by what had been delivered on the as-of date?
with as_of_dates as (
    select * from {{ ref('int_as_of_dates') }}
),

days as (
    select * from {{ ref('int_account_days') }}
),

firsts as (
    select
        account_id,
        delivery_date,
        min(first_at) as first_at
    from days
    group by account_id, delivery_date
),

seen as (
    select
        as_of_dates.as_of_date,
        firsts.account_id,
        min(firsts.first_at) as first_seen,
        min(firsts.delivery_date) as first_delivery_date
    from as_of_dates
    inner join firsts on as_of_dates.as_of_date >= firsts.delivery_date
    group by as_of_dates.as_of_date, firsts.account_id
)

select * from seen
