-- How far are an account's templates, prompts, networks and registration also those of strangers?
with account_values as (
    select * from {{ ref('int_account_values') }}
),

shared_values as (
    select * from {{ ref('int_shared_values') }}
),

compared as (
    select
        account_values.*,
        shared_values.owners_count,
        shared_values.accounts_count,
        shared_values.rarity_bits,
        shared_values.owners_count is not null and not shared_values.is_popular as is_rare_shared,
        -- A template is an opening or closing under which ever new items are sent.
        account_values.view_name in ('opening', 'closing')
        and account_values.requests_count >= 5
        and account_values.distinct_prompts_count >= 0.5 * account_values.requests_count as is_template
    from account_values
    left join shared_values
        on
            account_values.as_of_date = shared_values.as_of_date
            and account_values.view_name = shared_values.view_name
            and account_values.hashed_value = shared_values.hashed_value
),

signatures as (
    select
        as_of_date,
        hashed_value,
        count(*) as accounts_count
    from account_values
    where view_name = 'reasoning_signature'
    group by as_of_date, hashed_value
    having count(*) >= 2
),

summed as (
    select
        compared.as_of_date,
        compared.account_id,
        any_value(compared.owner_id) as owner_id,
        max(compared.requests_share) filter (where compared.is_template) as top_template_share,
        max(compared.owners_count) filter (
            where compared.is_template and compared.is_rare_shared and compared.requests_share >= 0.1
        ) as template_owners_count,
        max(compared.requests_share) filter (
            where compared.is_template and compared.is_rare_shared and compared.requests_share >= 0.1
        ) as shared_template_share,
        count_if(compared.view_name = 'prompt') as sampled_prompts_count,
        count_if(compared.view_name = 'prompt' and compared.owners_count is not null)
            as shared_prompts_count,
        count_if(compared.view_name = 'prompt' and compared.days_count >= 2)
            as repeated_prompts_count,
        max(compared.owners_count) filter (
            where compared.view_name in ('payment', 'device') and compared.is_rare_shared
        ) as registration_owners_count,
        count_if(compared.view_name in ('payment', 'device')) > 0 as has_registration,
        max(compared.owners_count) filter (
            where
            compared.view_name in ('network', 'signup_network')
            and compared.is_rare_shared
            and compared.requests_share >= 0.2
        ) as network_owners_count,
        count_if(compared.view_name in ('network', 'signup_network')) > 0 as has_network,
        max(compared.owners_count) filter (
            where
            compared.view_name = 'parameters'
            and compared.is_rare_shared
            and compared.requests_share >= 0.5
        ) as parameters_owners_count,
        count(signatures.hashed_value) as replayed_signatures_count,
        count_if(compared.view_name = 'reasoning_signature') as reasoning_signatures_count
    from compared
    left join signatures
        on
            compared.as_of_date = signatures.as_of_date
            and compared.view_name = 'reasoning_signature'
            and compared.hashed_value = signatures.hashed_value
    group by compared.as_of_date, compared.account_id
)

select * from summed
