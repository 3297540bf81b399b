-- How much of what the account asks for is material to train a model with?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when prompts_28d < 5 or prompts_28d is null then 'unknown'
            when material_asked_share >= 0.5 then 'most'
            when material_asked_share >= 0.1 then 'many'
            when material_asked_share >= 0.02 then 'some'
            else 'none'
        end as level_name,
        {{ percent('material_asked_share') }} || ' of ' || prompts_28d
        || ' readable prompts '
        || 'ask for tasks with answers, judgements by a rubric, cleaned transcripts or policy rewrites' as statement
    from features
)

select * from levelled
