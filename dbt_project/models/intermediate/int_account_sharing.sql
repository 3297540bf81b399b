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
        shared_values.owners_count is not null and not shared_values.is_popular as is_rare_shared
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
),

top_templates as (
    select
        as_of_date,
        account_id,
        max(requests_share) as top_template_share
    from {{ ref('int_templates') }}
    group by as_of_date, account_id
),

-- The template that the most owners share, and the account's share of it.
widest_ties as (
    select
        as_of_date,
        account_id,
        owners_count as template_owners_count,
        requests_share as shared_template_share
    from {{ ref('int_template_ties') }}
    qualify
        row_number() over (
            partition by as_of_date, account_id
            order by owners_count desc, requests_share desc, hashed_value asc
        ) = 1
),

joined as (
    select
        summed.*,
        top_templates.top_template_share,
        widest_ties.template_owners_count,
        widest_ties.shared_template_share
    from summed
    left join top_templates
        on
            summed.as_of_date = top_templates.as_of_date
            and summed.account_id = top_templates.account_id
    left join widest_ties
        on
            summed.as_of_date = widest_ties.as_of_date
            and summed.account_id = widest_ties.account_id
)

select * from joined
