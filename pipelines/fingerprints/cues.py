"""The cues by which a request that elicits training material is recognised.

`cues.csv` holds them. A family (reasoning behind a finished answer, a rubric judge, ...) has
two or more slots, and a text belongs to the family when it holds at least one cue of every
slot: a mixture, so that no single common word accuses anybody. A cue is a lower-case piece of
text that must occur as it stands. Adding a cue is adding a row; adding a family is adding its
rows and its name here, at the end, because the position is the bit in the lake.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pipelines.errors import RunError

ELICITATION_FAMILIES: tuple[str, ...] = (
    "reasoning_inline",
    "reasoning_post_hoc",
    "fake_mode",
    "translated_memory",
    "rubric_judge",
    "task_generator",
    "transcript_cleaning",
    "policy_rewrite",
)


@dataclass(frozen=True)
class CueFamily:
    """One way of eliciting training material: every slot must be met by one of its cues."""

    name: str
    bit: int
    slots: Mapping[str, tuple[str, ...]]


@cache
def cue_families() -> tuple[CueFamily, ...]:
    """The families of `cues.csv` in the order of `ELICITATION_FAMILIES`.

    Raises `RunError` when the file names a family that has no bit, or a family has fewer than
    two slots.
    """
    slots: dict[str, dict[str, list[str]]] = {name: {} for name in ELICITATION_FAMILIES}
    source = files("pipelines.fingerprints").joinpath("cues.csv")
    with source.open(encoding="utf-8") as lines:
        for line, row in enumerate(csv.DictReader(lines), start=2):
            if row["family"] not in slots:
                raise RunError(
                    f"cues.csv line {line}: the family {row['family']!r} is not listed in "
                    "ELICITATION_FAMILIES; add it there, at the end"
                )
            slots[row["family"]].setdefault(row["slot"], []).append(row["cue"])
    for name, of_family in slots.items():
        if len(of_family) < 2:
            raise RunError(f"cues.csv: the family {name!r} needs cues in two slots or more")
    return tuple(
        CueFamily(name, bit, {slot: tuple(cues) for slot, cues in slots[name].items()})
        for bit, name in enumerate(ELICITATION_FAMILIES)
    )


def elicitation_sql(text: str) -> str:
    """A DuckDB expression over a lower-case `text` expression: one bit per family it meets.

    Null where `text` is null. A slot is one regular expression, whose automaton reads the text once
    for all its cues. The last slot of every family is looked for in one pass first, and only what
    passes is held against each slot. Measured on prompts of 280 characters, 18 % of which pass: 6.7
    microseconds a row, against 15 without that gate and 24 with a search for each cue.
    """
    gate = _any_of(
        tuple(cue for family in cue_families() for cue in list(family.slots.values())[-1])
    )
    families = " + ".join(
        f"({_meets(family, text)})::int * {1 << family.bit}" for family in cue_families()
    )
    return (
        f"case when {text} is null then null "
        f"when regexp_matches({text}, {gate}) then {families} else 0 end"
    )


def _meets(family: CueFamily, text: str) -> str:
    # The last slot first: it is the rarer one, and what fails it need not be held against the rest.
    return " and ".join(
        f"regexp_matches({text}, {_any_of(cues)})" for cues in reversed(list(family.slots.values()))
    )


def _any_of(cues: tuple[str, ...]) -> str:
    """A regular expression, as a SQL literal, that finds any of the cues as they stand."""
    patterns = "|".join(re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", cue) for cue in cues)
    return "'" + patterns.replace("'", "''") + "'"
