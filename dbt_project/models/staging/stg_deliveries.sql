-- Which delivery days does the lake hold?
with days as (
    select * from {{ lake_days() }}
)

select distinct delivery_date from days
