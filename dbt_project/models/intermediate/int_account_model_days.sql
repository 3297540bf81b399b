-- How much did an account ask of each model on one day?
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ replace_run_rows('delivery_date', 'days_from', 'days_to') }}"
) }}

with requests as (
    select * from {{ ref('int_requests') }}
),

summed as (
    select
        delivery_date,
        event_date,
        account_id,
        model,
        count(*) as requests_count,
        sum(input_tokens) as input_tokens,
        sum(output_tokens) as output_tokens,
        {{ exact_sum('cost_usd') }} as cost_usd
    from requests
    group by delivery_date, event_date, account_id, model
)

select * from summed
