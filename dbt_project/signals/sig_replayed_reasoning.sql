-- Are reasoning blocks of one account sent back by another?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when
                reasoning_signatures_count = 0 or reasoning_signatures_count is null
                then 'unknown'
            when replayed_signatures_count >= 5 then 'many'
            when replayed_signatures_count >= 1 then 'single'
            else 'none'
        end as level_name,
        replayed_signatures_count || ' of ' || reasoning_signatures_count
        || ' reasoning blocks that it sent back also came from another account' as statement
    from features
)

select * from levelled
