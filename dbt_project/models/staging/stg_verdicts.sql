-- What have analysts decided?
with listed as (
    select * from {{ reference_table('verdicts') }}
),

decided as (
    select
        account_id,
        campaign_id,
        verdict,
        decided_at,
        decided_by,
        expires_on,
        note
    from listed
)

select * from decided
