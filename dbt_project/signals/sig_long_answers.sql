-- Are most answers long?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when outputs_known_28d < 10 or outputs_known_28d is null then 'unknown'
            when long_outputs_share >= 0.5 then 'most'
            else 'few'
        end as level_name,
        {{ percent('long_outputs_share') }} || ' of ' || outputs_known_28d
        || ' answers have 400 tokens or more' as statement
    from features
)

select * from levelled
