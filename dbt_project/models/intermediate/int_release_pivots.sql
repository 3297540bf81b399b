-- Did an account move to a new model at once, while others did not?
with as_of_dates as (
    select * from {{ ref('int_as_of_dates') }}
),

model_days as (
    select * from {{ ref('int_account_model_days') }}
),

releases as (
    select
        as_of_dates.as_of_date,
        listed.model,
        cast(listed.released_at as date) as released_date
    from as_of_dates
    inner join {{ ref('stg_model_releases') }} as listed
        on
            as_of_dates.as_of_date >= cast(listed.released_at as date)
            and as_of_dates.as_of_date - cast(listed.released_at as date) < {{ var('window_days') }}
),

-- The release day and the two days after it, of accounts that worked before it.
first_days as (
    select
        releases.as_of_date,
        releases.model,
        releases.released_date,
        model_days.account_id,
        sum(model_days.requests_count) filter (where model_days.event_date < releases.released_date)
            as before_count,
        sum(model_days.requests_count) filter (
            where model_days.event_date between releases.released_date and releases.released_date + 2
        ) as after_count,
        sum(model_days.requests_count) filter (
            where
            model_days.event_date between releases.released_date and releases.released_date + 2
            and model_days.model = releases.model
        ) as on_new_count
    from releases
    inner join as_of_dates on releases.as_of_date = as_of_dates.as_of_date
    inner join model_days on {{ in_window('model_days', 'as_of_dates') }}
    group by releases.as_of_date, releases.model, releases.released_date, model_days.account_id
    having before_count >= 10 and after_count >= 10
),

shares as (
    select
        *,
        coalesce(on_new_count, 0) / after_count as new_model_share
    from first_days
),

against_cohort as (
    select
        *,
        -- Rounded, because an average of fractions depends on the order in which they are added.
        round(avg(new_model_share) over (partition by as_of_date, model), 6) as cohort_share
    from shares
),

strongest as (
    select
        as_of_date,
        account_id,
        model as released_model,
        new_model_share,
        cohort_share
    from against_cohort
    qualify
        row_number() over (
            partition by as_of_date, account_id
            order by new_model_share desc, model asc
        ) = 1
)

select * from strongest
