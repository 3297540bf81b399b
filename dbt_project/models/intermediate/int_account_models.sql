-- What would an account's window cost at list price, and how much of it runs on the top tier?
with as_of_dates as (
    select * from {{ ref('int_as_of_dates') }}
),

model_days as (
    select * from {{ ref('int_account_model_days') }}
),

releases as (
    select * from {{ ref('stg_model_releases') }}
),

prices as (
    select * from {{ ref('list_prices') }}
),

priced as (
    select
        as_of_dates.as_of_date,
        model_days.account_id,
        releases.tier,
        model_days.requests_count,
        coalesce(
            model_days.cost_usd,
            (
                model_days.input_tokens * prices.input_usd_per_million
                + model_days.output_tokens * prices.output_usd_per_million
            ) / 1e6
        ) as list_price_usd
    from as_of_dates
    inner join model_days on {{ in_window('model_days', 'as_of_dates') }}
    left join releases on model_days.model = releases.model
    left join prices on releases.tier = prices.tier
),

summed as (
    select
        as_of_date,
        account_id,
        {{ exact_sum('list_price_usd') }} as list_price_usd_28d,
        sum(requests_count) filter (where tier in ('top', 'frontier', 'flagship'))
        / nullif(sum(requests_count) filter (where tier is not null), 0) as top_tier_share
    from priced
    group by as_of_date, account_id
)

select * from summed
