-- Which numbers, besides the weights, stand behind a score?
select
    'prior_probability' as name,
    cast({{ var('prior_probability') }} as double) as number,
    'Share of accounts that extract, before any evidence is seen.' as meaning
union all
select
    'window_days',
    {{ var('window_days') }},
    'Trailing days that a list takes into account, the as-of date included.'
union all
select
    'shared_owners_min',
    {{ var('shared_owners_min') }},
    'Unrelated owners from which on a value counts as shared.'
union all
select
    'popular_owners_share',
    {{ var('popular_owners_share') }},
    'Share of active owners above which a value is a default of some software and ties nobody.'
