-- Did the model itself refuse to hand out its reasoning?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when stop_reasons_known_28d = 0 or stop_reasons_known_28d is null then 'unknown'
            when extraction_refusals_28d >= 20 then 'many'
            when extraction_refusals_28d >= 3 then 'several'
            when extraction_refusals_28d >= 1 then 'single'
            else 'none'
        end as level_name,
        extraction_refusals_28d
        || ' of its requests were refused as reasoning extraction' as statement
    from features
)

select * from levelled
