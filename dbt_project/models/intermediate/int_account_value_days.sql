-- Which values (templates, parameters, networks, prompts) did an account show on one day?
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ replace_run_rows('delivery_date', 'days_from', 'days_to') }}"
) }}

{#- view name: the expression that gives its value. One scan of narrow columns a view. -#}
{%- set views = {
    'short_opening': 'short_opening',
    'opening': 'opening_template',
    'closing': 'closing_template',
    'system': 'system_hash',
    'tools': stable_hash('tools_hash'),
    'parameters': 'parameters_hash',
    'network': stable_hash('ip_network'),
    'tls': stable_hash('tls_fingerprint'),
    'reasoning_signature': stable_hash('reasoning_signature'),
} -%}

with requests as (
    select * from {{ ref('int_requests') }}
    where is_success
),

{% for view_name, expression in views.items() %}
of_{{ view_name }} as (
    select
        delivery_date,
        event_date,
        account_id,
        '{{ view_name }}' as view_name,
        {{ expression }} as hashed_value,
        count(*) as requests_count,
        count(distinct prompt_hash) as distinct_prompts_count,
        count_if(is_followed_up) as followed_up_count
    from requests
    where {{ expression }} is not null
    group by delivery_date, event_date, account_id, {{ expression }}
    -- An account's habits are its commonest values; the tail ties nobody.
    qualify
        row_number() over (
            partition by delivery_date, event_date, account_id
            order by requests_count desc, hashed_value asc
        ) <= 12
),

{% endfor %}
-- The prompts with the smallest hashes: the same choice in every account, so that two accounts
-- with a common pool of prompts show common samples (a bottom-k sketch).
of_prompt as (
    select
        delivery_date,
        event_date,
        account_id,
        'prompt' as view_name,
        prompt_hash as hashed_value,
        count(*) as requests_count,
        1 as distinct_prompts_count,
        count_if(is_followed_up) as followed_up_count
    from requests
    where has_prompt
    group by delivery_date, event_date, account_id, prompt_hash
    qualify
        row_number() over (
            partition by delivery_date, event_date, account_id
            order by hashed_value asc
        ) <= 32
),

every_view as (
    {% for view_name in views %}
    select * from of_{{ view_name }}
    union all
    {% endfor %}
    select * from of_prompt
)

select * from every_view
