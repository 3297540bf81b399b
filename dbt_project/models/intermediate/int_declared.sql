-- Which accounts belong to a party that declared itself, on an as-of date?
with windows as (
    select
        as_of_date,
        account_id,
        org_id
    from {{ ref('int_account_windows') }}
),

accounts as (
    select * from {{ ref('int_accounts_as_of') }}
),

declared_parties as (
    select * from {{ ref('stg_declared_parties') }}
),

known_by as (
    select
        windows.as_of_date,
        windows.account_id,
        coalesce(accounts.org_id, windows.org_id) as org_id,
        accounts.parent_org_id
    from windows
    left join accounts
        on
            windows.as_of_date = accounts.as_of_date
            and windows.account_id = accounts.account_id
),

matched as (
    select
        known_by.as_of_date,
        known_by.account_id,
        declared_parties.kind as declared_kind,
        declared_parties.reason as declared_reason,
        declared_parties.expires_on as declared_until
    from known_by
    inner join declared_parties
        on
            known_by.account_id = declared_parties.account_id
            or known_by.org_id = declared_parties.org_id
            or known_by.parent_org_id = declared_parties.org_id
    where
        declared_parties.expires_on is null
        or declared_parties.expires_on >= known_by.as_of_date
    qualify
        row_number() over (
            partition by known_by.as_of_date, known_by.account_id
            order by declared_parties.expires_on desc nulls first, declared_parties.kind asc
        ) = 1
)

select * from matched
