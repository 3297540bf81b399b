-- Did the account move to a new model at once, while others did not?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when new_model_share is null then 'unknown'
            when new_model_share >= 0.5 and new_model_cohort_share <= 0.25 then 'at_once'
            when
                new_model_share >= 0.3 and new_model_share >= 2 * new_model_cohort_share
                then 'partly'
            else 'none'
        end as level_name,
        {{ percent('new_model_share') }} || ' of its requests went to '
        || released_model || ' within three days of its release, against '
        || {{ percent('new_model_cohort_share') }} || ' on average' as statement
    from features
)

select * from levelled
