"""Lifetimes inferred from what was accepted and refused at which age."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.diagnose.lifetimes import agree


def interval(accepted: list[float], refused: list[float]):
    return agree(pl.Series(accepted, dtype=pl.Float64), pl.Series(refused, dtype=pl.Float64))


@given(
    st.integers(60, 100_000),
    st.lists(st.floats(0, 1), min_size=5, max_size=60),
    st.lists(st.floats(0, 3), min_size=5, max_size=60),
)
def test_a_single_lifetime_is_always_inside(true, accepted, refused):
    found = interval([share * true for share in accepted], [true + share * true for share in refused])
    assert found is not None
    assert found.low <= true <= found.high
    assert found.agreement == 1


AGES = st.lists(st.integers(0, 30).map(float), max_size=25)


@given(AGES, AGES)
def test_no_interval_agrees_with_more_statements(accepted, refused):
    agreed = {
        high: sum(age <= high for age in accepted) + sum(age >= high for age in refused)
        for high in sorted(set(refused))
    }
    found = interval(accepted, refused)
    if found is None:
        assert len(refused) < 3 or max(agreed.values()) < 0.9 * len(accepted + refused)
    else:
        best = max(agreed.values())
        assert found.high == min(high for high, count in agreed.items() if count == best)
        assert found.low == max((age for age in accepted if age < found.high), default=0)
        assert found.agreement == best / len(accepted + refused)


def test_a_few_contradictions_don_t_move_it():
    accepted = [float(age) for age in range(0, 900, 9)]
    refused = [900.0 + age for age in range(0, 300, 3)]
    found = interval([*accepted, 5000.0, 7000.0], [*refused, 1.0, 2.0, 3.0])
    assert (found.low, found.high) == (891.0, 900.0)


def test_contradictory_statements_give_nothing():
    ages = [float(age) for age in range(0, 1000, 10)]
    assert interval(ages, ages) is None


@pytest.mark.parametrize("refused", [[], [900.0], [900.0, 901.0]])
def test_too_few_refusals_say_nothing(refused):
    assert interval([1.0, 2.0], refused) is None


def test_the_round_value_inside_is_named():
    found = interval([898.5, 100.0], [900.4, 901.0, 950.0])
    assert found.lifetime().seconds == 900
    assert interval([850.0], [870.0, 871.0, 872.0]).lifetime().seconds == pytest.approx(860)


def test_without_a_lower_bound_the_guess_stands_if_it_fits():
    found = interval([], [1201.0, 1202.0, 1203.0])
    assert found.lifetime(guess=1200.0).seconds == 1200
    assert found.lifetime(guess=3600.0).seconds < 1203
