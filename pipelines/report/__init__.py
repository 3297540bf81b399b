"""What an analyst reads in a browser: one self-contained HTML page per as-of date.

`receipt` does the arithmetic that is shown, `wording` turns values into words, `page` fills
`report.html.j2` and writes it. Queries belong to `pipelines.reading`, the score to
`dbt_project/`.
"""

from pipelines.report.page import write_report

__all__ = ["write_report"]
