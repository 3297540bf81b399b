{#- What differs between warehouses stands here and nowhere else. -#}

{#- One table of the lake, every delivery day of it. Naming the source is what draws the lineage. -#}
{% macro lake_table(table_name) -%}
    {%- set named = source('lake', 'lake_' ~ table_name) -%}
    read_parquet('{{ var("lake") }}/{{ table_name }}/*/data.parquet')
{%- endmacro %}

{#- A reference table, which is not kept by day. -#}
{% macro reference_table(table_name) -%}
    {%- set named = source('lake', 'lake_reference') -%}
    read_parquet('{{ var("lake") }}/reference/{{ table_name }}.parquet')
{%- endmacro %}

{#- The delivery days that the lake holds, empty ones included. -#}
{% macro lake_days() -%}
    {%- set named = source('lake', 'lake_requests') -%}
    (
        select cast(regexp_extract(file, '(\d{4}-\d{2}-\d{2})[/\\]data\.parquet$', 1) as date) as delivery_date
        from glob('{{ var("lake") }}/requests/*/data.parquet')
    )
{%- endmacro %}

{#- 63 bits of a text, the same in every release of every engine. -#}
{% macro stable_hash(expression) -%}
    cast(md5_number(cast({{ expression }} as varchar)) & cast(9223372036854775807 as uhugeint) as bigint)
{%- endmacro %}

{% macro bit_of(column_name, bit) -%}
    ({{ column_name }} & {{ 2 ** bit }}) <> 0
{%- endmacro %}
