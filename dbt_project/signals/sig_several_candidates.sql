-- Does the account have several answers sampled to one prompt?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when requests_28d < 5 then 'unknown'
            when several_candidates_share >= 0.5 then 'most'
            when several_candidates_share >= 0.1 then 'some'
            else 'none'
        end as level_name,
        {{ percent('several_candidates_share') }} || ' of ' || requests_28d
        || ' requests ask for more than one answer' as statement
    from features
)

select * from levelled
