-- Is every request a new item, asked once and never followed up?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when prompts_28d < 20 or prompts_28d is null then 'unknown'
            when
                distinct_prompts_share >= 0.9
                and coalesce(follow_ups_share, 0) < 0.02
                and coalesce(repeated_prompts_share, 0) < 0.1
                then 'all_new'
            when
                distinct_prompts_share >= 0.7 and coalesce(follow_ups_share, 0) < 0.1
                then 'mostly_new'
            else 'mixed'
        end as level_name,
        {{ percent('distinct_prompts_share') }} || ' of ' || prompts_28d
        || ' prompts were new on their day, '
        || {{ percent('coalesce(follow_ups_share, 0)') }}
        || ' followed up on an answer' as statement
    from features
)

select * from levelled
