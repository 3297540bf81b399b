-- Does the account work from a rare network that unrelated owners use?
with features as (
    select * from {{ ref('account_features') }}
),

levelled as (
    select
        as_of_date,
        account_id,
        case
            when not coalesce(has_network, false) then 'unknown'
            when network_owners_count >= 20 then 'crowd'
            when network_owners_count >= 3 then 'group'
            else 'none'
        end as level_name,
        'It works or registered from a network that ' || network_owners_count
        || ' unrelated owners use' as statement
    from features
)

select * from levelled
