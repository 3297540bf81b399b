-- What did the account snapshot of a delivery day say?
with delivered as (
    select * from {{ lake_table('accounts') }}
),

owned as (
    select
        *,
        -- Accounts of one declared organisation are one owner: what they share is no coincidence.
        coalesce(parent_org_id, org_id, account_id) as declared_owner_id
    from delivered
    -- A snapshot that lists an account twice tells its latest state.
    qualify
        row_number() over (
            partition by delivery_date, account_id
            order by status_changed_at desc nulls last, created_at asc, {{ stable_hash('delivered') }} asc
        ) = 1
)

select * from owned
