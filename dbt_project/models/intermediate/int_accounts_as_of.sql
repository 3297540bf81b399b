-- What was known about an account on an as-of date?
with as_of_dates as (
    select * from {{ ref('int_as_of_dates') }}
),

snapshots as (
    select * from {{ ref('stg_accounts') }}
),

latest as (
    select
        as_of_dates.as_of_date,
        snapshots.*
    from as_of_dates
    inner join snapshots
        on as_of_dates.as_of_date >= snapshots.delivery_date
    qualify
        row_number() over (
            partition by as_of_dates.as_of_date, snapshots.account_id
            order by snapshots.delivery_date desc
        ) = 1
)

select * from latest
