-- Does the account send the very prompts that unrelated owners send?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when sampled_prompts_count < 10 or sampled_prompts_count is null then 'unknown'
            when shared_prompts_share >= 0.5 then 'most'
            when shared_prompts_share >= 0.1 then 'some'
            else 'none'
        end as level_name,
        {{ percent('shared_prompts_share') }} || ' of ' || sampled_prompts_count
        || ' sampled prompts were also sent by two or more unrelated owners' as statement
    from features
)

select * from levelled
