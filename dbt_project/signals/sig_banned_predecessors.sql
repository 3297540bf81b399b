-- Did the account begin as others with its template were banned?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when
                account_age_days is null or prompts_28d < 5 or prompts_28d is null
                then 'unknown'
            when predecessors_count >= 3 then 'several'
            when predecessors_count >= 1 then 'single'
            else 'none'
        end as level_name,
        predecessors_count
        || ' accounts that filled the same rare template were banned or suspended '
        || 'in the three days before it was created' as statement
    from features
)

select * from levelled
