"""The interval that most tokens agree on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.diagnose.intervals import TOKENS, agree, at_least, best

START = datetime(2025, 10, 7, 9, tzinfo=UTC)


def tokens(accepted: list[float], refused: list[float], *, apart: float = 60.0, stated: bool = False) -> pl.DataFrame:
    """One token a statement, each of its own device, given `apart` seconds after the one before it."""
    ages = [(age, None) for age in accepted] + [(None, age) for age in refused]
    rows = [
        {
            "device_id": f"d{number}",
            "given_at": START + timedelta(seconds=apart * number),
            "alive": 0.0,
            "accepted": good,
            "refused": bad,
            "stated": stated and bad is not None,
        }
        for number, (good, bad) in enumerate(ages)
    ]
    return pl.DataFrame(rows, schema=TOKENS)


@given(
    st.integers(60, 100_000),
    st.lists(st.floats(0.5, 1), min_size=5, max_size=60),
    st.lists(st.floats(0, 3), min_size=5, max_size=60),
)
def test_a_single_lifetime_is_always_inside(true, accepted, refused):
    given_ages = [share * true for share in accepted], [true + share * true for share in refused]
    found = agree(tokens(*given_ages, stated=True))
    assert found is not None
    assert found.low <= true <= found.high
    assert found.samples == len(refused)


AGES = st.lists(st.integers(0, 30).map(float), max_size=25)


@given(AGES, AGES)
def test_no_lifetime_contradicts_fewer_statements(accepted, refused):
    wrong = {
        high: sum(age > high for age in accepted) + sum(age < high for age in refused) for high in sorted(set(refused))
    }
    high, cost = best(tokens(accepted, refused))
    least = min([*wrong.values(), len(refused)])
    assert cost == least
    assert high is None or (high in wrong and wrong[high] == least)


def test_a_few_contradictions_don_t_move_it():
    accepted = [float(age) for age in range(0, 900, 9)]
    refused = [900.0 + age for age in range(0, 300, 3)]
    found = agree(tokens([*accepted, 5000.0, 7000.0], [*refused, 1.0, 2.0, 3.0]))
    assert found is not None
    assert (found.low, found.high) == (891.0, 900.0)


def test_refusals_by_an_incident_are_outvoted_by_what_was_accepted_later():
    accepted = [float(age) for age in range(0, 900, 2)]
    expired = [905.0 + age for age in range(100)]
    early = [float(age) for age in range(1, 400, 4)]
    found = agree(tokens(accepted, [*expired, *early]))
    assert found is not None
    assert found.low < 900 < found.high
    assert found.samples == len(expired)


@pytest.mark.parametrize("refused", [[], [900.0], [900.0, 901.0]])
def test_too_few_devices_say_nothing(refused):
    assert agree(tokens([700.0, 800.0, 850.0], refused)) is None


def test_contradictory_statements_give_nothing():
    ages = [float(age) for age in range(0, 1000, 10)]
    assert agree(tokens(ages, ages)) is None


def test_refusals_without_any_token_accepted_shortly_before_must_say_expired():
    refused = [901.0, 905.0, 930.0, 1000.0]
    assert agree(tokens([5.0, 8.0, 9.0], refused)) is None
    assert agree(tokens([5.0, 8.0, 9.0], refused, stated=True)) is not None


def test_what_died_at_one_moment_did_not_die_of_its_age():
    """All logged in within seconds of each other: an hour later all are refused, by age or by what happened then."""
    refused, accepted = [3600.0] * 20, [3590.0] * 20
    assert agree(tokens(accepted, refused, apart=0.1)) is None
    assert agree(tokens(accepted, refused, apart=0.1, stated=True)) is not None
    assert agree(tokens(accepted, refused, apart=600.0)) is not None


def test_a_lower_bound_is_what_several_devices_reached():
    assert at_least(tokens([10.0, 500.0, 840.0, 850.0, 99_999.0], [])) == 840
    assert at_least(tokens([840.0, 850.0], [])) is None
