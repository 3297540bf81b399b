-- How many requests did the gateway itself count?
with delivered as (
    select * from {{ lake_table('usage_counters') }}
)

select * from delivered
