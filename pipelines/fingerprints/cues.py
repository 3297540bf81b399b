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

    Null where `text` is null. The last slot of every family is looked for in one pass of a regular
    expression first; only what passes it is held against every cue. Measured on prompts of 280
    characters: 8.6 microseconds a row where 18 % pass, 24 without the gate.
    """
    gate = "|".join(
        _pattern(cue) for family in cue_families() for cue in list(family.slots.values())[-1]
    )
    families = " + ".join(
        f"({_meets(family, text)})::int * {1 << family.bit}" for family in cue_families()
    )
    return (
        f"case when {text} is null then null "
        f"when regexp_matches({text}, {_literal(gate)}) then {families} else 0 end"
    )


def _meets(family: CueFamily, text: str) -> str:
    return " and ".join(
        "(" + " or ".join(f"contains({text}, {_literal(cue)})" for cue in cues) + ")"
        for cues in family.slots.values()
    )


def _pattern(cue: str) -> str:
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", cue)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
