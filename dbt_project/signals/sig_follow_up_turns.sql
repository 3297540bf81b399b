-- Does somebody read the answers and ask back?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when
                successes_28d < 5 or turns_known_28d = 0 or turns_known_28d is null
                then 'unknown'
            when follow_ups_share >= 0.3 then 'conversation'
            when follow_ups_share >= 0.05 then 'some'
            else 'none'
        end as level_name,
        {{ percent('coalesce(follow_ups_share, 0)') }} || ' of ' || successes_28d
        || ' answered requests follow up on a turn that was really sent before' as statement
    from features
)

select * from levelled
