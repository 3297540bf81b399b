-- Which requests did the gateway count for an account that were never delivered?
with as_of_dates as (
    select * from {{ ref('int_as_of_dates') }}
),

usage_counters as (
    select * from {{ ref('stg_usage_counters') }}
),

days as (
    select * from {{ ref('int_account_days') }}
),

-- A counter may be delivered again; the newest that had come by the as-of date holds.
counted as (
    select
        as_of_dates.as_of_date,
        usage_counters.account_id,
        usage_counters.usage_date,
        usage_counters.request_count
    from as_of_dates
    inner join usage_counters
        on
            as_of_dates.as_of_date >= usage_counters.delivery_date
            and as_of_dates.as_of_date >= usage_counters.usage_date
            and as_of_dates.as_of_date - usage_counters.usage_date < {{ var('window_days') }}
    where usage_counters.request_count is not null
    qualify
        row_number() over (
            partition by as_of_dates.as_of_date, usage_counters.account_id, usage_counters.usage_date
            order by usage_counters.delivery_date desc, usage_counters.request_count desc
        ) = 1
),

delivered as (
    select
        as_of_dates.as_of_date,
        days.account_id,
        days.event_date,
        sum(days.requests_count) as requests_count
    from as_of_dates
    inner join days on {{ in_window('days', 'as_of_dates') }}
    group by as_of_dates.as_of_date, days.account_id, days.event_date
),

gaps as (
    select
        counted.as_of_date,
        counted.account_id,
        cast(sum(counted.request_count) as bigint) as counter_requests_28d,
        cast(
            sum(greatest(counted.request_count - coalesce(delivered.requests_count, 0), 0)) as bigint
        ) as missing_requests_28d
    from counted
    left join delivered
        on
            counted.as_of_date = delivered.as_of_date
            and counted.account_id = delivered.account_id
            and counted.usage_date = delivered.event_date
    group by counted.as_of_date, counted.account_id
),

-- What is missing of everybody else is the exporter's doing and no account's.
against_others as (
    select
        *,
        coalesce(
            cast(sum(missing_requests_28d) over (partition by as_of_date) - missing_requests_28d as double)
            / nullif(
                cast(sum(counter_requests_28d) over (partition by as_of_date) - counter_requests_28d as double),
                0
            ),
            0
        ) as missing_share_of_others
    from gaps
)

select * from against_others
