"""Logs that tell whole seconds: what lies within one of them has no order, and proves none."""

from __future__ import annotations

import polars as pl
import pytest

from authforensics import detect
from authforensics.schema import Sessions
from detector_cases import sessions
from script import play


def in_seconds(script: str, devices: int = 1, stagger: float = 0.0) -> Sessions:
    """The sessions of a log of whole seconds with durations."""
    events = play(script, devices, stagger)
    began = pl.col("timestamp") - pl.col("started_at")
    told = events.with_columns(
        clock=pl.lit(1.0).cast(events.schema["clock"]), timestamp=pl.col("timestamp").dt.truncate("1s")
    )
    return sessions(told.with_columns(started_at=pl.col("timestamp") - events.select(began).to_series()))


def found(name: str, script: str, **fleet: float) -> list[str]:
    """The devices that a detector finds."""
    told = detect.find(in_seconds(script, **fleet), [detect.detectors()[name]])  # type: ignore[arg-type]
    return [str(one.device_id) for one in told]


def test_two_refreshes_granted_within_a_second_may_have_followed_one_another():
    script = "\n".join(
        f"10:{minute:02}:00.1 a refresh_ok took=0.05\n10:{minute:02}:00.4 a refresh_ok took=0.05\n10:{minute:02}:30 a api_ok took=0.1"
        for minute in (0, 15, 30)
    )
    assert found("concurrent_refresh", script) == []


@pytest.mark.parametrize("apart", ["00", "01"])
def test_nor_do_they_prove_more_where_no_duration_is_logged(apart):
    script = "\n".join(
        f"10:{minute:02}:00 a refresh_ok\n10:{minute:02}:{apart} a refresh_ok\n10:{minute:02}:30 a api_ok"
        for minute in (0, 15, 30)
    )
    assert found("concurrent_refresh", script) == []
    refused = script.replace(f":{apart} a refresh_ok\n10:30:30", f":{apart} a refresh_denied\n10:30:30")
    assert found("concurrent_refresh", refused) == ["a"]


def test_a_refresh_refused_in_the_second_in_which_another_is_granted_ran_beside_it():
    script = """
10:00:00 a api_ok          took=0.1
10:15:00.1 a refresh_ok     took=0.05
10:15:00.2 a refresh_denied took=0.1 reason=refresh_reused
"""
    assert found("concurrent_refresh", script) == ["a"]


def test_refusals_within_a_second_of_the_refresh_are_no_surge():
    script = """
10:00:00 fleet login_ok      took=0.1
10:00:05 fleet api_ok        took=0.1 every=60 times=115
12:00:00 fleet refresh_ok    took=0.05
12:00:00.2 fleet api_ok      took=0.05
12:00:00.3 fleet api_denied  took=0.1
12:00:20 fleet api_ok        took=0.1 every=60 times=60
"""
    assert found("denial_surge", script, devices=20, stagger=10.0) == []
