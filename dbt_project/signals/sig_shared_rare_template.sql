-- Does the account fill a rare template that unrelated owners fill too?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when prompts_28d < 5 or prompts_28d is null then 'unknown'
            when template_owners_count >= 20 then 'crowd'
            when template_owners_count >= 8 then 'group'
            when template_owners_count >= 3 then 'few'
            else 'none'
        end as level_name,
        {{ percent('shared_template_share') }}
        || ' of its requests open or close with a rare template that '
        || template_owners_count || ' unrelated owners also fill with new items' as statement
    from features
)

select * from levelled
