-- When was each model released, and in which tier?
with listed as (
    select * from {{ reference_table('model_releases') }}
),

released as (
    select
        model,
        released_at,
        lower(tier) as tier
    from listed
)

select * from released
