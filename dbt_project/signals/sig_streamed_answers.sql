-- Does somebody watch the answers arrive?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when stream_known_28d < 5 or stream_known_28d is null then 'unknown'
            when streamed_share >= 0.8 then 'nearly_all'
            when streamed_share >= 0.3 then 'some'
            else 'none'
        end as level_name,
        {{ percent('streamed_share') }} || ' of ' || stream_known_28d
        || ' answers were streamed' as statement
    from features
)

select * from levelled
