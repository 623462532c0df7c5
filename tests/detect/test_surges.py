"""What makes a surge and a spike: the exact test, baselines, and that what others explain is no surge."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from math import comb

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics import detect
from authforensics.correlate import Options, correlate
from authforensics.detect import surges
from script import ENDPOINTS, play

LIMITS = {
    "window": 300,
    "min_devices": 3,
    "min_share": 0.1,
    "min_ratio": 5,
    "min_score": 3.5,
    "max_p": 0.01,
    "min_baseline": 12,
}


@given(total=st.integers(1, 60), share=st.floats(0.001, 0.999), part=st.floats(0, 1))
def test_the_tail_is_exact(total, share, part):
    hit = round(part * total)
    found = surges.tail(hit, total, share)
    p = Fraction(share)
    exact = float(sum(comb(total, n) * p**n * (1 - p) ** (total - n) for n in range(hit, total + 1)))
    # Below its mean it is all the same to whoever asks whether there are too many.
    assert found == (1.0 if hit <= total * share else pytest.approx(exact, rel=1e-6, abs=1e-300))


def series(hits: list[int], totals: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"system": "shop", "at": range(len(hits)), "hit": hits, "total": totals})


def surging(hits: list[int], totals: list[int]) -> list[int]:
    return surges.surging(series(hits, totals), LIMITS)["at"].to_list()


def test_a_share_far_above_its_baseline_surges():
    assert surging([0, 1] * 10 + [40, 35] + [1, 0] * 10, [100] * 42) == [20, 21]


def test_a_share_that_rises_no_more_than_the_traffic_does_not():
    assert surging([1] * 20 + [50] * 5 + [1] * 20, [10] * 20 + [500] * 5 + [10] * 20) == []


def test_without_a_baseline_nothing_surges():
    assert surging([0] * 6 + [40] * 5, [100] * 11) == []


def test_what_lasts_longer_than_all_the_rest_is_no_baseline():
    assert surging([0] * 20 + [40] * 30, [100] * 50) == list(range(20, 50))
    assert surging([40] * 30 + [0] * 20, [100] * 50) == list(range(30))
    assert surging([0] * 20 + [40] * 60 + [0] * 8, [100] * 88) == list(range(20, 80))


def test_a_step_needs_a_calm_side_of_some_length_and_must_be_more_than_chance():
    assert surging([0] * 8 + [40] * 33, [100] * 41) == []
    assert surging([0] * 20 + [30] * 30, [100] * 20 + [300] * 30) == list(range(20, 50))
    assert surging([0] * 20 + [3] * 30, [1] * 20 + [30] * 30) == []


@pytest.mark.parametrize("p", [0.0, 1e9])
def test_a_step_is_looked_for_whatever_chance_is_allowed(p):
    found = surges.surging(series([0] * 20 + [40] * 30, [100] * 50), {**LIMITS, "max_p": p})
    assert found.is_empty() is (p == 0.0)


def test_a_few_of_a_few_are_chance():
    assert surging([1, 0, 2] * 8 + [3] + [0, 1, 2] * 8, [5] * 49) == []


def test_what_comes_at_the_same_time_every_day_is_its_rhythm():
    day = [0] * 100 + [40] * 3 + [0] * 185
    assert surging(day, [100] * 288) == [100, 101, 102]
    assert surging(day * 3, [100] * 288 * 3) == []
    quiet = [0] * 288
    assert surging(quiet + day + quiet, [100] * 288 * 3) == [388, 389, 390]


@given(st.permutations(range(42)))
def test_the_order_of_windows_does_not_matter(order):
    whole = series([0, 1] * 10 + [40, 35] + [1, 0] * 10, [100] * 42)
    assert surges.surging(whole[list(order)], LIMITS).equals(surges.surging(whole, LIMITS))


def spikes(devices: list[int], minutes: int = 120) -> list[int]:
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    spans = pl.DataFrame({"system": ["shop"], "begin": [begin], "end": [begin.replace(minute=0)]})
    spans = spans.with_columns(end=pl.col("begin") + pl.duration(minutes=minutes - 1))
    counts = pl.DataFrame(
        {"system": "shop", "at": range(len(devices)), "devices": devices, "around": 100},
        schema_overrides={"at": pl.Int64},
    )
    limits = {"window": 60, "radius": 1800, "min_devices": 20, "min_share": 0.1, "min_ratio": 5, "min_score": 3.5}
    return surges.spiking(counts.filter(pl.col("devices") > 0), spans, limits)["at"].to_list()


def test_a_minute_that_stands_out_spikes():
    assert spikes([2] * 60 + [50] + [2] * 59) == [60]


def test_a_rise_does_not():
    assert spikes(list(range(120))) == []


def test_empty_minutes_are_part_of_the_baseline():
    assert spikes([0] * 60 + [50] + [0] * 59) == [60]


def test_too_short_a_log_has_no_spike():
    assert spikes([2] * 5 + [50] + [2] * 5, minutes=11) == []


STUCK = """
10:00:00 fleet login_ok
10:00:05 fleet api_ok          every=60 times=115
12:00:00 fleet api_denied      reason=token_expired
12:00:01 fleet refresh_denied  reason=refresh_expired
12:00:20 fleet api_denied      reason=token_expired  every=60 times=20
13:30:00 other api_ok
"""


def test_what_other_detectors_explain_is_no_surge():
    sessions = correlate(play(STUCK, 20, 10), Options(endpoints=ENDPOINTS)).sessions
    known = detect.detectors()
    alone = detect.find(sessions, [known["denial_surge"]])
    assert [one.devices for one in alone] == [20]
    for others in (["zombie_client"], ["expired_refresh_storm"], ["zombie_client", "expired_refresh_storm"]):
        found = detect.find(sessions, [known[name] for name in ("denial_surge", *others)])
        assert {one.detector for one in found} == set(others)
    unrelated = detect.find(sessions, [known[name] for name in ("denial_surge", "refresh_stampede", "mass_logout")])
    assert "denial_surge" in {one.detector for one in unrelated}
