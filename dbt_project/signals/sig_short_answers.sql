-- Are the answers labels rather than texts?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when outputs_known_28d < 10 or outputs_known_28d is null then 'unknown'
            when short_outputs_share >= 0.9 then 'nearly_all'
            when short_outputs_share >= 0.5 then 'half'
            else 'few'
        end as level_name,
        {{ percent('short_outputs_share') }} || ' of ' || outputs_known_28d
        || ' answers have 40 tokens or fewer' as statement
    from features
)

select * from levelled
