-- What else do the accounts of a group have in common, in views that know nothing of templates?
with labels as (
    select * from {{ ref('int_campaign_labels') }}
),

account_values as (
    select * from {{ ref('int_account_values') }}
    where
        view_name in (
            'parameters', 'tools', 'tls', 'network', 'payment', 'device', 'signup_network'
        )
        and requests_share >= 0.5
),

shared_values as (
    select * from {{ ref('int_shared_values') }}
    where not is_popular
),

features as (
    select * from {{ ref('account_features') }}
),

sizes as (
    select
        labels.as_of_date,
        labels.group_name,
        count(*) as accounts_count,
        count(distinct features.owner_id) as owners_count,
        -- Training material is asked for by most of the group, not by one odd member.
        count_if(
            greatest(features.material_asked_share, features.reasoning_asked_share) >= 0.2
        ) / count(*) as eliciting_members_share,
        -- Ever new items, asked once: a way of working that people and classes do not share.
        count_if(
            features.distinct_prompts_share >= 0.9 and coalesce(features.follow_ups_share, 0) < 0.02
        ) / count(*) as single_item_members_share,
        -- The coefficient of variation from whole sums, which come out the same in any order.
        sqrt(
            cast(count(*) * sum(features.requests_28d * features.requests_28d) as double)
            - cast(sum(features.requests_28d) * sum(features.requests_28d) as double)
        ) / nullif(cast(sum(features.requests_28d) as double), 0) as load_variation
    from labels
    inner join features
        on labels.as_of_date = features.as_of_date and labels.account_id = features.account_id
    group by labels.as_of_date, labels.group_name
),

common_values as (
    select
        labels.as_of_date,
        labels.group_name,
        account_values.view_name,
        account_values.hashed_value,
        count(*) as holders_count
    from labels
    inner join account_values
        on
            labels.as_of_date = account_values.as_of_date
            and labels.account_id = account_values.account_id
    semi join shared_values
        on
            account_values.as_of_date = shared_values.as_of_date
            and account_values.view_name = shared_values.view_name
            and account_values.hashed_value = shared_values.hashed_value
    group by all
),

agreeing_views as (
    select
        common_values.as_of_date,
        common_values.group_name,
        common_values.view_name,
        max(common_values.holders_count) as holders_count
    from common_values
    inner join sizes
        on
            common_values.as_of_date = sizes.as_of_date
            and common_values.group_name = sizes.group_name
    where common_values.holders_count >= 0.5 * sizes.accounts_count
    group by all
),

listed_views as (
    select
        as_of_date,
        group_name,
        list(
            struct_pack(view_name := view_name, holders_count := holders_count)
            order by holders_count desc, view_name asc
        ) as agreeing_views
    from agreeing_views
    group by as_of_date, group_name
),

supported as (
    select
        sizes.*,
        coalesce(listed_views.agreeing_views, []) as agreeing_views,
        len(coalesce(listed_views.agreeing_views, [])) as agreeing_views_count
    from sizes
    left join listed_views
        on sizes.as_of_date = listed_views.as_of_date and sizes.group_name = listed_views.group_name
)

select * from supported
