-- Who has told us what they do?
with listed as (
    select * from {{ reference_table('declared_parties') }}
),

declared as (
    select
        account_id,
        org_id,
        kind,
        reason,
        expires_on
    from listed
)

select * from declared
