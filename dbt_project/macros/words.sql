{#- How numbers are said in statements. -#}

{% macro percent(expression) -%}
    cast(cast(round(100 * {{ expression }}) as bigint) as varchar) || ' %'
{%- endmacro %}

{% macro thousands(expression) -%}
    format('{:,}', cast({{ expression }} as bigint))
{%- endmacro %}

{#- A list of structs as `name (count), name (count)`. -#}
{% macro listed(structs, name_field, count_field) -%}
    array_to_string(
        list_transform({{ structs }}, lambda one: one.{{ name_field }} || ' (' || one.{{ count_field }} || ')'),
        ', '
    )
{%- endmacro %}

{#- The probability to which a prior and bits of evidence lead. -#}
{% macro probability(prior, bits) -%}
    1 / (1 + pow(2, -(log2({{ prior }} / (1 - {{ prior }})) + {{ bits }})))
{%- endmacro %}

{#- Money adds up to the same cent in any order; a sum of floating-point numbers does not. -#}
{% macro exact_sum(expression) -%}
    cast(sum(cast({{ expression }} as decimal(18, 9))) as double)
{%- endmacro %}

{#- A share, or null where there is nothing to take a share of. -#}
{% macro share(part, whole) -%}
    {{ part }} / nullif({{ whole }}, 0)
{%- endmacro %}
