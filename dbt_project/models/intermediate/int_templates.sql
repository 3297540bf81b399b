-- Under which templates does an account send ever new items whose answers nobody asks back on?
with account_values as (
    select * from {{ ref('int_account_values') }}
    where view_name in ('short_opening', 'opening', 'closing')
),

templates as (
    select
        as_of_date,
        account_id,
        owner_id,
        view_name,
        hashed_value,
        requests_count,
        requests_share
    from account_values
    where
        requests_count >= 5
        and requests_share >= 0.1
        -- The same request sent again and again is no template.
        and distinct_prompts_count >= 0.5 * requests_count
        -- An assignment or a question of many people is discussed; a harvested item is not.
        and followed_up_count < 0.1 * requests_count
)

select * from templates
