-- What does one delivered request say, with the plain questions about it answered once?
with delivered as (
    select * from {{ lake_table('requests') }}
),

-- A client that retries multiplies its rows, so only what was answered counts as asked. Where the
-- source gives no status, an answer of no tokens is no answer.
told_apart as (
    select
        *,
        coalesce(http_status < 400, coalesce(output_tokens, 1) > 0) as is_success
    from delivered
),

answered as (
    select
        *,
        cast(started_at as date) as event_date,
        is_success and prompt_hash is not null as has_prompt,
        coalesce(http_status = 429, false) as is_rate_limited,
        coalesce(stop_reason = 'refusal', false) as is_refused,
        coalesce(stop_category = 'reasoning_extraction', false) as is_extraction_refusal,
        -- The parameters as one value; a request that sets fewer than two says too little to compare.
        case
            when
                cast(temperature is not null as integer) + cast(top_p is not null as integer)
                + cast(max_tokens is not null as integer) + cast(seed is not null as integer) >= 2
                then {{ stable_hash("concat_ws(
                    '|', coalesce(temperature, -1), coalesce(top_p, -1), coalesce(max_tokens, -1),
                    coalesce(n, -1), seed is not null, coalesce(logprobs, false)
                )") }}
        end as parameters_hash
    from told_apart
)

select * from answered
