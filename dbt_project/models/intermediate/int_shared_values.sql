-- Which values do unrelated owners share, and are they rare enough to mean something?
with account_values as (
    select * from {{ ref('int_account_values') }}
),

population as (
    select
        as_of_date,
        count(distinct owner_id) as active_owners_count
    from account_values
    group by as_of_date
),

held as (
    select
        as_of_date,
        view_name,
        hashed_value,
        count(*) as accounts_count,
        count(distinct owner_id) as owners_count
    from account_values
    -- Five words in common are no coincidence to speak of.
    where view_name <> 'short_opening'
    group by as_of_date, view_name, hashed_value
    having count(distinct owner_id) >= {{ var('shared_owners_min') }}
),

rated as (
    select
        held.*,
        population.active_owners_count,
        -- The rarer the value, the less likely that strangers hold it by chance.
        log2(population.active_owners_count / held.owners_count) as rarity_bits,
        held.owners_count > greatest(
            {{ var('popular_owners_floor') }},
            {{ var('popular_owners_share') }} * population.active_owners_count
        ) as is_popular
    from held
    inner join population on held.as_of_date = population.as_of_date
)

select * from rated
