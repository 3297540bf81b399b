"""The receipt: how the published bits add up to the published score, line by line.

Here belongs the addition that a reader could do on paper, and the check that it ends at the
published score. The score itself is decided in `dbt_project/`; when the sum and the published
score disagree, the receipt says so and changes neither.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from pipelines.reading import RankedAccount, SignalReading

# Half of the last printed digit: a smaller gap cannot be seen in the printed sum.
UNSEEN_BITS = 0.005
# A score is printed to a tenth of a per cent.
UNSEEN_PROBABILITY = 0.0005


class LineKind(StrEnum):
    """What a line of the receipt stands for."""

    PRIOR = "prior"
    REASON = "reason"
    EXCULPATORY = "exculpatory"
    REMAINDER = "remainder"


@dataclass(frozen=True)
class ReceiptLine:
    """One addend. `printed_bits` are rounded so that the printed lines add up as printed.

    `bits` is None when none were published for the line: it then adds nothing.
    `before` and `after` are the exact running totals in bits.
    """

    kind: LineKind
    signal: str | None
    statement: str
    bits: float | None
    printed_bits: Decimal | None
    before: float
    after: float
    note: str | None


@dataclass(frozen=True)
class Receipt:
    """The lines, their sum and what they make.

    `total_bits` is the log2 odds that the lines end at; `probability` is None without a prior.
    `caveats` are sentences on whatever keeps the receipt from adding up to the published score.
    """

    lines: tuple[ReceiptLine, ...]
    total_bits: float
    printed_total: Decimal
    probability: float | None
    without_strongest_reason: float | None
    neutral_signals: tuple[str, ...]
    caveats: tuple[str, ...]


def log2_odds(probability: float) -> float:
    """Return log2(p / (1 - p)) for a probability strictly between 0 and 1."""
    return math.log2(probability / (1 - probability))


def probability_from_log2_odds(bits: float) -> float:
    """Return the probability whose log2 odds are `bits`, without overflow for any finite bits."""
    if bits >= 0:
        return 1 / (1 + math.exp2(-min(bits, 1000.0)))
    odds = math.exp2(max(bits, -1000.0))
    return odds / (1 + odds)


def print_bits(bits: float) -> Decimal:
    """Round to the two decimals that are printed."""
    return Decimal(f"{bits:.2f}") + 0  # + 0 turns -0.00 into 0.00


def write_receipt(
    account: RankedAccount,
    *,
    prior_probability: float | None,
    signals: Sequence[SignalReading] = (),
) -> Receipt:
    """Add up an account's published evidence.

    Lines are the prior, the reasons, the exculpatory evidence, and a remainder if the
    published sum holds more than the published lines. `signals` supplies what a family's cap
    took away and which signals were checked and said nothing.
    """
    lines: list[ReceiptLine] = []
    caveats: list[str] = []
    capped = {reading.signal_name: reading for reading in signals}
    running = 0.0

    def add(kind: LineKind, signal: str | None, statement: str, bits: float | None) -> None:
        nonlocal running
        before, running = running, running + (bits or 0.0)
        lines.append(
            ReceiptLine(
                kind=kind,
                signal=signal,
                statement=statement,
                bits=bits,
                printed_bits=None if bits is None else print_bits(running) - print_bits(before),
                before=before,
                after=running,
                note=None if signal is None else _say_cap(capped.get(signal), bits),
            )
        )

    if prior_probability is None:
        caveats.append(
            "No prior is published (scoring_settings.prior_probability), so this receipt adds "
            "the evidence alone and cannot end at a probability."
        )
    else:
        add(
            LineKind.PRIOR,
            None,
            f"Prior: {say_one_in(prior_probability)} accounts is assumed to extract, "
            "before any evidence.",
            log2_odds(prior_probability),
        )
    start = running
    for kind, entries in (
        (LineKind.REASON, account.reasons),
        (LineKind.EXCULPATORY, account.exculpatory),
    ):
        for entry in entries:
            add(kind, entry.signal, entry.statement, entry.bits)

    if account.evidence_bits is None:
        caveats.append("No sum of evidence is published for this account.")
    else:
        remainder = account.evidence_bits - (running - start)
        if abs(remainder) >= UNSEEN_BITS:
            add(
                LineKind.REMAINDER,
                None,
                "Evidence that is in the published sum without a line of its own.",
                remainder,
            )

    probability = None if prior_probability is None else probability_from_log2_odds(running)
    if account.score is None:
        caveats.append("No score is published for this account.")
    elif probability is not None and abs(probability - account.score) > UNSEEN_PROBABILITY:
        caveats.append(
            f"The lines add up to {probability:.4f}, but the published score is "
            f"{account.score:.4f}: trust neither until the run has been checked."
        )

    strongest = max((entry.bits for entry in account.reasons if entry.bits is not None), default=0)
    return Receipt(
        lines=tuple(lines),
        total_bits=running,
        printed_total=print_bits(running),
        probability=probability,
        without_strongest_reason=(
            probability_from_log2_odds(running - strongest)
            if probability is not None and strongest > 0
            else None
        ),
        neutral_signals=tuple(
            reading.signal_name
            for reading in signals
            if reading.is_checked and reading.bits is not None and abs(reading.bits) < UNSEEN_BITS
        ),
        caveats=tuple(caveats),
    )


def say_one_in(probability: float) -> str:
    """Say a probability as a person would: 0.002 is "1 in 500"; 0.3 is "3 in 10"."""
    if probability <= 0.2:
        return f"1 in {round(1 / probability):,}"
    if abs(probability * 10 - round(probability * 10)) < 1e-9:
        return f"{round(probability * 10)} in 10"
    return f"{probability * 100:.3g} in 100"


def _say_cap(reading: SignalReading | None, bits: float | None) -> str | None:
    if reading is None or reading.raw_bits is None or bits is None:
        return None
    if abs(reading.raw_bits - bits) < UNSEEN_BITS:
        return None
    family = f" of the family {reading.family}" if reading.family else ""
    return f"{reading.raw_bits:+.2f} before the cap{family}"
