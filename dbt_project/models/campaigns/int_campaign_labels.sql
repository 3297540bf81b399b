-- Which accounts hang together through rare templates? Labels spread from values to accounts and
-- back, so the work is linear in the ties and never in the pairs of accounts.
{%- set rounds = 6 %}

with ties as (
    select * from {{ ref('int_template_ties') }}
),

-- A value is named by itself at first; in every round a name gives way to the smallest it meets.
value_names_0 as (
    select distinct
        as_of_date,
        view_name,
        hashed_value,
        hashed_value as group_name
    from ties
),

{% for round in range(1, rounds + 1) %}
account_names_{{ round }} as (
    select
        ties.as_of_date,
        ties.account_id,
        min(value_names_{{ round - 1 }}.group_name) as group_name
    from ties
    inner join value_names_{{ round - 1 }}
        on
            ties.as_of_date = value_names_{{ round - 1 }}.as_of_date
            and ties.view_name = value_names_{{ round - 1 }}.view_name
            and ties.hashed_value = value_names_{{ round - 1 }}.hashed_value
    group by ties.as_of_date, ties.account_id
),

value_names_{{ round }} as (
    select
        ties.as_of_date,
        ties.view_name,
        ties.hashed_value,
        min(account_names_{{ round }}.group_name) as group_name
    from ties
    inner join account_names_{{ round }}
        on
            ties.as_of_date = account_names_{{ round }}.as_of_date
            and ties.account_id = account_names_{{ round }}.account_id
    group by ties.as_of_date, ties.view_name, ties.hashed_value
),

{% endfor %}
labelled as (
    select * from account_names_{{ rounds }}
)

select * from labelled
