-- Which delivered requests count, once each, and which of them are, or have, true follow-up turns?
{{ config(materialized='view') }}

with delivered as (
    select * from {{ ref('stg_requests') }}
    where {{ in_run_days('delivery_date') }}
),

-- A row can only have been delivered before if its event lies before its delivery day.
late_again as (
    select distinct
        late.delivery_date,
        late.request_key
    from delivered as late
    inner join {{ ref('stg_requests') }} as earlier
        on
            late.request_key = earlier.request_key
            and late.delivery_date > earlier.delivery_date
            and late.delivery_date - earlier.delivery_date <= {{ var('duplicate_lookback_days') }}
    where late.event_date < late.delivery_date
),

once as (
    select delivered.*
    from delivered
    anti join late_again
        on
            delivered.delivery_date = late_again.delivery_date
            and delivered.request_key = late_again.request_key
),

prompts_sent as (
    select distinct
        delivery_date,
        account_id,
        prompt_hash
    from once
    where has_prompt
),

turns_taken as (
    select distinct
        delivery_date,
        account_id,
        session_id,
        turn
    from once
    where session_id is not null and turn is not null
),

-- What was asked back on, by the hash of the turn before or by its place in the session.
prompts_continued as (
    select distinct
        delivery_date,
        account_id,
        previous_prompt_hash
    from once
    where turn > 1 and previous_prompt_hash is not null
),

-- A caller can write any earlier turn into a request. It is a follow-up when that turn was sent.
answered_back as (
    select
        once.*,
        once.turn > 1 and (
            prompts_sent.prompt_hash is not null or turns_taken.turn is not null
        ) as is_follow_up,
        prompts_continued.previous_prompt_hash is not null
        or turns_continued.turn is not null as is_followed_up
    from once
    left join prompts_sent
        on
            once.delivery_date = prompts_sent.delivery_date
            and once.account_id = prompts_sent.account_id
            and once.previous_prompt_hash = prompts_sent.prompt_hash
    left join turns_taken
        on
            once.delivery_date = turns_taken.delivery_date
            and once.account_id = turns_taken.account_id
            and once.session_id = turns_taken.session_id
            and once.turn - 1 = turns_taken.turn
            and once.previous_prompt_hash is null
    left join prompts_continued
        on
            once.delivery_date = prompts_continued.delivery_date
            and once.account_id = prompts_continued.account_id
            and once.prompt_hash = prompts_continued.previous_prompt_hash
    left join turns_taken as turns_continued
        on
            once.delivery_date = turns_continued.delivery_date
            and once.account_id = turns_continued.account_id
            and once.session_id = turns_continued.session_id
            and once.turn + 1 = turns_continued.turn
)

select * from answered_back
