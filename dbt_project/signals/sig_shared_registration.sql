-- Was the account registered with a card or device that unrelated owners use?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when not coalesce(has_registration, false) then 'unknown'
            when registration_owners_count >= 8 then 'crowd'
            when registration_owners_count >= 3 then 'group'
            else 'none'
        end as level_name,
        'Its card or device registered the accounts of ' || registration_owners_count
        || ' unrelated owners' as statement
    from features
)

select * from levelled
