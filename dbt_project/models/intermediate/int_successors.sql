-- How many accounts with the same template were banned in the three days before this one began?
with ties as (
    select * from {{ ref('int_template_ties') }}
),

accounts as (
    select * from {{ ref('int_accounts_as_of') }}
),

holders as (
    select
        ties.as_of_date,
        ties.account_id,
        ties.view_name,
        ties.hashed_value,
        accounts.created_at,
        case when accounts.status in ('banned', 'suspended') then accounts.status_changed_at end
            as stopped_at
    from ties
    inner join accounts
        on
            ties.as_of_date = accounts.as_of_date
            and ties.account_id = accounts.account_id
),

-- Values, not pairs: the stops of a value are counted a day at a time.
stop_days as (
    select
        as_of_date,
        view_name,
        hashed_value,
        cast(stopped_at as date) as stopped_date,
        count(*) as stopped_count
    from holders
    where stopped_at is not null
    group by all
),

followed as (
    select
        holders.as_of_date,
        holders.account_id,
        holders.hashed_value,
        sum(stop_days.stopped_count) as predecessors_count
    from holders
    inner join stop_days
        on
            holders.as_of_date = stop_days.as_of_date
            and holders.view_name = stop_days.view_name
            and holders.hashed_value = stop_days.hashed_value
            and cast(holders.created_at as date) - stop_days.stopped_date between 0 and 3
    where holders.stopped_at is null or holders.created_at > holders.stopped_at
    group by all
),

most as (
    select
        as_of_date,
        account_id,
        cast(max(predecessors_count) as bigint) as predecessors_count
    from followed
    group by as_of_date, account_id
)

select * from most
