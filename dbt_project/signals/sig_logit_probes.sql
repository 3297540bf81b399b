-- Does the account read out probabilities instead of answers?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when requests_28d < 5 then 'unknown'
            when logit_probes_28d >= 50 then 'many'
            when logit_probes_28d >= 5 then 'some'
            else 'none'
        end as level_name,
        logit_probes_28d
        || ' requests ask for one or two tokens with log probabilities or biased logits' as statement
    from features
)

select * from levelled
