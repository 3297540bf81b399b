"""The fingerprint of a request, as one DuckDB SELECT.

Everything is an expression over columns, so a batch of any size is one vectorised pass. The
hashes are the lower bits of MD5, which unlike DuckDB's own `hash` stays the same in every
release: fingerprints of last month must compare with tonight's. MD5 is used to spread values,
not to protect them.

Openings and closings are what survives when a fixed instruction is filled with ever new items:
letters are lower-cased, numbers and quoted text are masked, and the first or last few words are
hashed: twelve of them, because strangers often begin alike and seldom go on alike. A text too short
for that has an opening of five words, which says something of one account and nothing of two. In
scripts that are written without spaces, characters stand in for words.
"""

from pipelines.fingerprints.cues import elicitation_sql

TEMPLATE_WORDS = 12
# A template is only told apart from its item where the text is long enough to have both.
TEMPLATE_NEEDS_WORDS = 20
SHORT_OPENING_WORDS = 5
# Fewer words than a short opening in a text of this length: its script is written without spaces.
UNSPACED_CHARS = 24
# Templates live at both ends; what lies between is the item. Splitting words is a dear part of a
# fingerprint (4 microseconds at each end), so no more is split than the words need.
EDGE_CHARS = 160
CUE_CHARS = 1500

PLACEHOLDER_PROMPTS = ("redacted-by-litellm", "default-message-value", "[redacted]", "redacted")

FINGERPRINT_TYPES: dict[str, str] = {
    "prompt_state": "VARCHAR",
    "prompt_chars": "INTEGER",
    "response_chars": "INTEGER",
    "prompt_hash": "BIGINT",
    "previous_prompt_hash": "BIGINT",
    "system_hash": "BIGINT",
    "short_opening": "BIGINT",
    "opening_template": "BIGINT",
    "closing_template": "BIGINT",
    "elicitation": "INTEGER",
    "script": "VARCHAR",
    "has_code": "BOOLEAN",
}


def fingerprint_sql(relation: str) -> str:
    """A SELECT that replaces the text columns of `relation` by fingerprints.

    `relation` holds, besides any other columns, the VARCHAR columns `system_prompt`, `prompt`,
    `previous_prompt`, `response` (null = not in the export) and `prompt_state_hint` (null, or
    `redacted`, `placeholder`, `truncated`, `pointer` where the adapter knows it). The result has
    the other columns unchanged, followed by `FINGERPRINT_TYPES`:

    prompt_state: full, truncated, redacted, placeholder, pointer or absent; unless it is full or
    truncated, all fingerprints but the lengths are null, since a placeholder would make strangers
    alike. prompt_chars, response_chars: lengths in characters. prompt_hash, previous_prompt_hash,
    system_hash: exact content, trimmed. short_opening: masked first five words. opening_template,
    closing_template: masked first and last twelve words, null in short texts. elicitation: one bit
    per family of `ELICITATION_FAMILIES`. script: the main script of the prompt. has_code: the
    prompt holds source code.
    """
    placeholders = ", ".join(f"'{text}'" for text in PLACEHOLDER_PROMPTS)
    opening = _masked_words(f"left(readable_prompt, {EDGE_CHARS})")
    closing = _masked_words(f"right(readable_prompt, {EDGE_CHARS})")
    return f"""
with stated as (
    select
        *,
        case
            when prompt is null or trim(prompt) = '' then 'absent'
            when prompt_state_hint is not null then prompt_state_hint
            when lower(trim(prompt)) in ({placeholders}) then 'placeholder'
            else 'full'
        end as prompt_state
    from {relation}
),

readable as (
    select
        *,
        case when prompt_state in ('full', 'truncated') then prompt end as readable_prompt
    from stated
),

worded as (
    select
        *,
        {opening} as opening_words,
        {closing} as closing_words,
        lower(
            coalesce(left(system_prompt, {CUE_CHARS}), '') || chr(10)
            || case
                when length(readable_prompt) <= {2 * CUE_CHARS} then readable_prompt
                else
                    left(readable_prompt, {CUE_CHARS})
                    || chr(10) || right(readable_prompt, {CUE_CHARS})
            end
        ) as cue_text
    from readable
)

select
    * exclude (
        system_prompt, prompt, previous_prompt, response, prompt_state_hint, prompt_state,
        readable_prompt, opening_words, closing_words, cue_text
    ),
    prompt_state,
    case when prompt_state <> 'absent' then length(prompt) end::integer as prompt_chars,
    length(response)::integer as response_chars,
    {_hash("trim(readable_prompt)")} as prompt_hash,
    {_hash("trim(previous_prompt)")} as previous_prompt_hash,
    {_hash("nullif(trim(system_prompt), '')")} as system_hash,
    {_hash(f"array_to_string(opening_words[1:{SHORT_OPENING_WORDS}], ' ')")} as short_opening,
    {_hash(_edge("opening_words", f"[1:{TEMPLATE_WORDS}]", "left"))} as opening_template,
    {_hash(_edge("closing_words", f"[-{TEMPLATE_WORDS}:]", "right"))} as closing_template,
    ({elicitation_sql("cue_text")})::integer as elicitation,
    {_script("left(readable_prompt, 200)")} as script,
    (
        contains(readable_prompt, '```') or regexp_matches(
            left(readable_prompt, {CUE_CHARS}),
            '(?m)^\\s*(def |class |import |#include|function |const |public |SELECT |func |fn )'
        )
    ) as has_code
from worded
"""


def _masked_words(text: str) -> str:
    """Lower-case words with numbers as `0` and quoted text as `q`; empty strings left out.

    Punctuation stays with its word: a fixed instruction is fixed in its commas too, and splitting
    by a regular expression costs twice as much as all the rest.
    """
    quoted = f"regexp_replace({text}, '\"[^\"]*\"', ' q ', 'g')"
    masked = f"lower(regexp_replace({quoted}, '[0-9]+([.,:][0-9]+)*', '0', 'g'))"
    words = f"string_split(replace({masked}, chr(10), ' '), ' ')"
    return f"list_filter({words}, lambda word: word <> '')"


def _edge(words: str, cut: str, side: str) -> str:
    """The words of a template, or characters where there are no words; null in a short text."""
    return (
        f"case when len({words}) >= {TEMPLATE_NEEDS_WORDS} "
        f"then array_to_string({words}{cut}, ' ') "
        f"when len({words}) < {SHORT_OPENING_WORDS} and length(readable_prompt) > {UNSPACED_CHARS} "
        f"then {side}(array_to_string({words}, ' '), {UNSPACED_CHARS}) end"
    )


def _hash(text: str) -> str:
    """63 bits, so that the value is a signed integer wherever the lake is read."""
    return f"(md5_number({text}) & {2**63 - 1}::uhugeint)::bigint"


def _script(text: str) -> str:
    scripts = {
        "cjk": "\\p{Han}|\\p{Hiragana}|\\p{Katakana}",
        "hangul": "\\p{Hangul}",
        "cyrillic": "\\p{Cyrillic}",
        "arabic": "\\p{Arabic}",
        "devanagari": "\\p{Devanagari}",
        "greek": "\\p{Greek}",
        "latin": "\\p{Latin}",
    }
    cases = " ".join(
        f"when regexp_matches({text}, '{rule}') then '{name}'" for name, rule in scripts.items()
    )
    # Most texts are plain ASCII, which is told by its length in bytes at a fortieth of the cost.
    return (
        f"case when readable_prompt is null then null "
        f"when strlen({text}) = length({text}) and regexp_matches({text}, '[A-Za-z]') then 'latin' "
        f"{cases} else 'other' end"
    )
