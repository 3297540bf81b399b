"""The receipt adds up, on paper and to the published score, or says why it does not."""

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reading import Evidence, RankedAccount, read_account
from pipelines.report.receipt import (
    LineKind,
    log2_odds,
    probability_from_log2_odds,
    say_one_in,
    write_receipt,
)

from .conftest import AS_OF, PRIOR, PublishedHome, score_of

BITS = st.floats(min_value=-20, max_value=20)


def make_account(reasons: list[float], exculpatory: list[float]) -> RankedAccount:
    total = math.fsum(reasons) + math.fsum(exculpatory)
    return RankedAccount(
        as_of_date=AS_OF,
        rank=1,
        account_id="acct",
        org_id=None,
        score=score_of(total),
        evidence_bits=total,
        campaign_id=None,
        campaign_size=None,
        reasons=tuple(Evidence("sig_for", bits, "for") for bits in reasons),
        exculpatory=tuple(Evidence("sig_against", bits, "against") for bits in exculpatory),
        not_checked=(),
        first_seen=None,
        last_seen=None,
        requests_28d=None,
        output_tokens_28d=None,
        list_price_usd_28d=None,
        review_status=None,
    )


@given(st.lists(BITS, max_size=12), st.lists(BITS, max_size=6))
def test_printed_lines_add_up_as_printed_and_end_at_the_score(
    reasons: list[float], exculpatory: list[float]
) -> None:
    account = make_account(reasons, exculpatory)

    receipt = write_receipt(account, prior_probability=PRIOR)

    printed = [line.printed_bits for line in receipt.lines]
    assert sum(bits for bits in printed if bits is not None) == receipt.printed_total
    assert receipt.probability == pytest.approx(account.score)
    assert receipt.caveats == ()
    for line in receipt.lines:
        assert line.bits is not None
        assert abs(line.printed_bits - Decimal(line.bits)) <= Decimal("0.0101")


@given(st.lists(BITS, min_size=1, max_size=8))
def test_each_line_starts_where_the_former_ended(reasons: list[float]) -> None:
    lines = write_receipt(make_account(reasons, []), prior_probability=PRIOR).lines

    assert lines[0].before == 0
    assert [line.before for line in lines[1:]] == [line.after for line in lines[:-1]]


def test_the_full_case_line_by_line(published_home: PublishedHome) -> None:
    case = read_account(published_home.path, "acct_full", AS_OF)

    receipt = write_receipt(
        case.account, prior_probability=case.prior_probability, signals=case.signals
    )

    assert [(line.kind, str(line.printed_bits)) for line in receipt.lines] == [
        (LineKind.PRIOR, "-8.96"),
        (LineKind.REASON, "8.40"),
        (LineKind.REASON, "4.20"),
        (LineKind.REASON, "3.00"),
        (LineKind.EXCULPATORY, "-1.50"),
    ]
    assert str(receipt.printed_total) == "5.14"
    assert receipt.probability == pytest.approx(0.9724, abs=1e-4)
    assert receipt.lines[2].note == "+6.00 before the cap of the family content"
    assert receipt.lines[1].note is None
    assert receipt.neutral_signals == ("sig_logit_probe",)
    assert receipt.without_strongest_reason == pytest.approx(score_of(14.1 - 8.4))


def test_bits_without_a_line_get_one() -> None:
    account = replace(make_account([3.0], []), evidence_bits=4.5, score=score_of(4.5))

    receipt = write_receipt(account, prior_probability=PRIOR)

    assert receipt.lines[-1].kind is LineKind.REMAINDER
    assert receipt.lines[-1].bits == pytest.approx(1.5)
    assert receipt.caveats == ()


def test_a_score_that_the_lines_do_not_make_is_called_out() -> None:
    account = replace(make_account([3.0], []), score=0.9)

    (caveat,) = write_receipt(account, prior_probability=PRIOR).caveats

    assert "0.0158" in caveat
    assert "0.9000" in caveat


def test_without_a_prior_there_is_no_probability() -> None:
    receipt = write_receipt(make_account([3.0], []), prior_probability=None)

    assert receipt.probability is None
    assert receipt.total_bits == 3.0
    assert "No prior" in receipt.caveats[0]


def test_nothing_known_is_said_and_not_scored(published_home: PublishedHome) -> None:
    case = read_account(published_home.path, "acct_null", AS_OF)

    receipt = write_receipt(case.account, prior_probability=PRIOR)

    assert [line.kind for line in receipt.lines] == [LineKind.PRIOR]
    assert receipt.caveats == (
        "No sum of evidence is published for this account.",
        "No score is published for this account.",
    )


@given(st.floats(min_value=1e-6, max_value=1 - 1e-6))
def test_odds_and_probability_are_inverse(probability: float) -> None:
    assert probability_from_log2_odds(log2_odds(probability)) == pytest.approx(probability)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_of_bits_makes_a_probability(bits: float) -> None:
    assert 0 <= probability_from_log2_odds(bits) <= 1


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.002, "1 in 500"), (0.0001, "1 in 10,000"), (0.3, "3 in 10"), (0.25, "25 in 100")],
)
def test_a_prior_is_said_as_a_person_would(probability: float, words: str) -> None:
    assert say_one_in(probability) == words
