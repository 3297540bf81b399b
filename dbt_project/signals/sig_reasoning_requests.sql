-- How much of what the account asks for is reasoning, written out in the answer?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when prompts_28d < 5 or prompts_28d is null then 'unknown'
            when reasoning_asked_share >= 0.5 then 'most'
            when reasoning_asked_share >= 0.1 then 'many'
            when reasoning_asked_share >= 0.02 then 'some'
            else 'none'
        end as level_name,
        {{ percent('reasoning_asked_share') }} || ' of ' || prompts_28d
        || ' readable prompts '
        || 'ask for reasoning written out, explained after the fact, or brought over from hidden thoughts' as statement
    from features
)

select * from levelled
