-- Which of an account's templates do unrelated owners work through too, and how rare are they?
with templates as (
    select * from {{ ref('int_templates') }}
    -- Strangers begin alike; five words in common tie nobody.
    where view_name <> 'short_opening'
),

population as (
    select
        as_of_date,
        count(distinct owner_id) as active_owners_count
    from {{ ref('int_account_values') }}
    group by as_of_date
),

held as (
    select
        as_of_date,
        view_name,
        hashed_value,
        count(distinct owner_id) as owners_count
    from templates
    group by as_of_date, view_name, hashed_value
    having count(distinct owner_id) >= {{ var('shared_owners_min') }}
),

rare as (
    select held.*
    from held
    inner join population on held.as_of_date = population.as_of_date
    where
        held.owners_count <= greatest(
            {{ var('popular_owners_floor') }},
            {{ var('popular_owners_share') }} * population.active_owners_count
        )
),

ties as (
    select
        templates.*,
        rare.owners_count
    from templates
    inner join rare
        on
            templates.as_of_date = rare.as_of_date
            and templates.view_name = rare.view_name
            and templates.hashed_value = rare.hashed_value
)

select * from ties
