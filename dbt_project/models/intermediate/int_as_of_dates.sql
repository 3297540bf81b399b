-- For which dates is a list made in this run?
with deliveries as (
    select * from {{ ref('stg_deliveries') }}
),

wanted as (
    select delivery_date as as_of_date
    from deliveries
    where {{ in_run_as_of('delivery_date') }}
)

select * from wanted
