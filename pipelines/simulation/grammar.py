"""Composes texts from the rules under `material/`; knows nothing of accounts or scenarios.

A rule is a name with several texts. `@name@` in a text is replaced by one of that rule's texts,
`@3-40@` by a number in that range. A rule may have a variant for a scope (`noun.garden`), which
is taken when the text is composed within that scope.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

MATERIAL = Path(__file__).parent / "material"
SLOT = re.compile(r"@(\d+-\d+|[a-z][a-z0-9_]*)@")
POOL_SIZE = 160

Piece = str | Callable[[Random], str]


class Grammar:
    """The rules, and the texts composed from them. Equal random states give equal texts."""

    def __init__(self, rules: dict[str, list[str]]) -> None:
        self._compiled: dict[tuple[str, str], list[tuple[Piece, ...]]] = {}
        self._pools: dict[tuple[str, str], list[str]] = {}
        self.topics = sorted(
            scope
            for rule, scope in (name.split(".", 1) for name in rules if "." in name)
            if rule == "noun" and f"ask.{scope}" not in rules
        )
        # Outside any topic, a noun is one of all topics.
        anywhere = [noun for topic in self.topics for noun in rules[f"noun.{topic}"]]
        self._rules = {"noun": anywhere, **rules}
        self.languages = sorted(name.split(".", 1)[1] for name in rules if name.startswith("ask."))

    def say(self, rng: Random, rule: str, scope: str = "") -> str:
        """Return one text of `rule`, composed within `scope`."""
        texts = self._compiled.get((rule, scope))
        if texts is None:
            texts = self._compile(rule, scope)
        return "".join(
            [
                piece if isinstance(piece, str) else piece(rng)
                for piece in texts[int(rng.random() * len(texts))]
            ]
        )

    def several(self, rng: Random, rule: str, scope: str, count: int) -> list[str]:
        """Return `count` texts of `rule` out of a fixed pool per scope, which is much faster.

        Meant for answers and long pasted documents, where the whole is new although its
        sentences return.
        """
        pool = self._pools.get((rule, scope))
        if pool is None:
            own = Random(f"pool/{rule}/{scope}")
            pool = [self.say(own, rule, scope) for _ in range(POOL_SIZE)]
            self._pools[rule, scope] = pool
        return [pool[int(rng.random() * POOL_SIZE)] for _ in range(count)]

    def _compile(self, rule: str, scope: str) -> list[tuple[Piece, ...]]:
        name = f"{rule}.{scope}" if f"{rule}.{scope}" in self._rules else rule
        if name not in self._rules:
            raise KeyError(f"no rule {rule!r} (scope {scope!r}) in {MATERIAL}")
        compiled = [self._compile_text(text, scope) for text in self._rules[name]]
        self._compiled[rule, scope] = compiled
        return compiled

    def _compile_text(self, text: str, scope: str) -> tuple[Piece, ...]:
        pieces: list[Piece] = []
        for index, part in enumerate(SLOT.split(text)):
            if index % 2 == 0:
                if part:
                    pieces.append(part)
            elif part[0].isdigit():
                low, high = part.split("-")
                pieces.append(_number(int(low), int(high)))
            else:
                pieces.append(self._slot(part, scope))
        return tuple(pieces)

    def _slot(self, rule: str, scope: str) -> Callable[[Random], str]:
        return lambda rng: self.say(rng, rule, scope)


def load_grammar() -> Grammar:
    """Return the grammar of every file under `material/`."""
    rules: dict[str, list[str]] = {}
    for path in sorted(MATERIAL.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                text = row["text"].replace("\\n", "\n").replace("\\t", "\t")
                rules.setdefault(row["rule"], []).append(text)
    return Grammar(rules)


def pick(rng: Random, options: Sequence[str]) -> str:
    """Return one of `options`; faster than `Random.choice`, which matters a million times."""
    return options[int(rng.random() * len(options))]


def _number(low: int, high: int) -> Callable[[Random], str]:
    span = high - low + 1
    return lambda rng: str(low + int(rng.random() * span))
