{#- The grain of a model: no two rows with the same key, and no key with a hole. -#}
{% test unique_key(model, columns) %}
    select {{ columns | join(', ') }}
    from {{ model }}
    group by {{ columns | join(', ') }}
    having
        count(*) > 1
        {% for column_name in columns %}
        or {{ column_name }} is null
        {% endfor %}
{% endtest %}
