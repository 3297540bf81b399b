-- Do the same items come back on other days?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when
                sampled_prompts_count < 10 or sampled_prompts_count is null or active_days_28d < 2
                then 'unknown'
            when repeated_prompts_share >= 0.5 then 'most'
            when repeated_prompts_share >= 0.1 then 'some'
            else 'none'
        end as level_name,
        {{ percent('repeated_prompts_share') }} || ' of ' || sampled_prompts_count
        || ' sampled prompts were sent on two or more days' as statement
    from features
)

select * from levelled
