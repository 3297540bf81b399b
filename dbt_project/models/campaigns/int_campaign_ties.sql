-- Which rare template does an account share with strangers?
with account_values as (
    select * from {{ ref('int_account_values') }}
    where view_name in ('opening', 'closing')
),

shared_values as (
    select * from {{ ref('int_shared_values') }}
    where not is_popular
),

ties as (
    select
        account_values.as_of_date,
        account_values.account_id,
        account_values.owner_id,
        account_values.view_name,
        account_values.hashed_value,
        account_values.requests_share,
        shared_values.rarity_bits
    from account_values
    inner join shared_values
        on
            account_values.as_of_date = shared_values.as_of_date
            and account_values.view_name = shared_values.view_name
            and account_values.hashed_value = shared_values.hashed_value
    where
        account_values.requests_count >= 5
        and account_values.requests_share >= 0.1
        -- Ever new items under one template; the same request sent again and again is no template.
        and account_values.distinct_prompts_count >= 0.5 * account_values.requests_count
)

select * from ties
