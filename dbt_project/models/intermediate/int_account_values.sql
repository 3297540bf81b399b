-- Which values does an account hold over the window, and what share of it do they make?
with as_of_dates as (
    select * from {{ ref('int_as_of_dates') }}
),

value_days as (
    select * from {{ ref('int_account_value_days') }}
),

windows as (
    select * from {{ ref('int_account_windows') }}
),

accounts as (
    select * from {{ ref('int_accounts_as_of') }}
),

merged as (
    select
        as_of_dates.as_of_date,
        value_days.account_id,
        value_days.view_name,
        value_days.hashed_value,
        cast(sum(value_days.requests_count) as bigint) as requests_count,
        cast(sum(value_days.distinct_prompts_count) as bigint) as distinct_prompts_count,
        cast(sum(value_days.followed_up_count) as bigint) as followed_up_count,
        count(distinct value_days.event_date) as days_count
    from as_of_dates
    inner join value_days on {{ in_window('value_days', 'as_of_dates') }}
    group by all
),

-- What was registered is held by the account as a whole.
{%- set registered = {
    'payment': 'payment_hash', 'device': 'device_hash', 'signup_network': 'signup_network'
} %}
{% for view_name, column_name in registered.items() %}
of_{{ view_name }} as (
    select
        as_of_date,
        account_id,
        '{{ view_name }}' as view_name,
        {{ stable_hash(column_name) }} as hashed_value,
        0 as requests_count,
        0 as distinct_prompts_count,
        0 as followed_up_count,
        0 as days_count
    from accounts
    where {{ column_name }} is not null
),

{% endfor %}
every_view as (
    select * from merged
    {% for view_name in registered %}
    union all
    select * from of_{{ view_name }}
    {% endfor %}
),

shared_out as (
    select
        every_view.*,
        windows.requests_count_28d,
        case
            when every_view.view_name in ('payment', 'device', 'signup_network') then 1.0
            else {{ share('every_view.requests_count', 'windows.requests_count_28d') }}
        end as requests_share,
        coalesce(accounts.declared_owner_id, windows.org_id, every_view.account_id) as owner_id
    from every_view
    inner join windows
        on
            every_view.as_of_date = windows.as_of_date
            and every_view.account_id = windows.account_id
    left join accounts
        on
            every_view.as_of_date = accounts.as_of_date
            and every_view.account_id = accounts.account_id
)

select * from shared_out
