-- What did the account snapshot of a delivery day say?
with delivered as (
    select * from {{ lake_table('accounts') }}
)

select
    *,
    -- Accounts of one declared organisation are one owner: what they share is no coincidence.
    coalesce(parent_org_id, org_id, account_id) as declared_owner_id
from delivered
