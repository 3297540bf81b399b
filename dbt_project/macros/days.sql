{#- The days of this run, for models that are built day by day. -#}

{% macro in_run_days(column_name) -%}
    {{ column_name }} between date '{{ var("days_from") }}' and date '{{ var("days_to") }}'
{%- endmacro %}

{% macro in_run_as_of(column_name) -%}
    {{ column_name }} between date '{{ var("as_of_from") }}' and date '{{ var("as_of_to") }}'
{%- endmacro %}

{#- A day's rows, as a list of that as-of date may see them: delivered by then, and in the window. -#}
{% macro in_window(days, as_of) -%}
    {{ days }}.delivery_date <= {{ as_of }}.as_of_date
    and {{ days }}.event_date <= {{ as_of }}.as_of_date
    and {{ days }}.event_date > {{ as_of }}.as_of_date - {{ var("window_days") }}
{%- endmacro %}

{#- Takes out what a run is about to write again; a day that came back smaller leaves no old rows. -#}
{% macro replace_run_rows(column_name, from_var, to_var) -%}
    {% if is_incremental() -%}
        delete from {{ this }}
        where {{ column_name }} between date '{{ var(from_var) }}' and date '{{ var(to_var) }}'
    {%- else -%}
        select 1
    {%- endif %}
{%- endmacro %}
