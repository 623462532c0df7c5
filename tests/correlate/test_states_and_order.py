"""The state table run over devices, and what order and concurrency do to it."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.correlate import Options, correlate, sessions
from authforensics.schema import AUTH_EVENT
from authforensics.states import AuthEvent, AuthState, step
from script import ENDPOINTS, play

EVENTS = [event for event in AuthEvent if event != AuthEvent.IGNORED]


def states_of(script: str, device: str = "a") -> list[str]:
    sessions = correlate(play(script), Options(endpoints=ENDPOINTS)).sessions
    return sessions.events.filter(pl.col("device_id") == device)["state"].to_list()


def stragglers_of(script: str) -> list[bool]:
    return correlate(play(script), Options(endpoints=ENDPOINTS)).sessions.events["straggler"].to_list()


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(EVENTS)), min_size=1, max_size=40))
def test_the_fast_walk_is_the_table_walked_step_by_step(events):
    # An hour apart: nothing is a straggler, and every event counts.
    lines = [
        f"{index // 60 % 24:02}:{index % 60:02}:00.{index // 1440} {device} {event.value}"
        for index, (device, event) in enumerate(events)
    ]
    script = "\n".join(lines) + "\n23:59:59 z api_denied"
    found = correlate(play(script), Options(endpoints=ENDPOINTS)).sessions.events
    for device in "ab":
        mine = found.filter(pl.col("device_id") == device)
        told = mine["auth_event"].to_list()
        wanted = [event for name, event in events if name == device]
        # What a call without a credential is taken for is told by its neighbours: see test_unseen.py.
        assert all(one == event or event is AuthEvent.API_ANONYMOUS for one, event in zip(told, wanted, strict=True))
        now, expected = AuthState.UNKNOWN, []
        for one in told:
            now = step(now, AuthEvent(one))
            expected.append(now.value)
        assert mine["state"].to_list() == expected


@pytest.mark.parametrize(("clock", "late"), [(1.0, True), (0.001, False)], ids=["seconds", "milliseconds"])
def test_a_denial_within_the_tick_of_a_refresh_that_another_log_tells_may_have_come_before_it(clock, late):
    script = """
    10:00:00.0   a api_ok      took=0.01
    10:15:00.0   a refresh_ok  took=0.01
    10:15:00.85  a api_denied  took=0.01
    10:15:00.95  a api_ok      took=0.01
    """
    refresh = pl.col("path") == "/auth/refresh"
    told = play(script).with_columns(clock=pl.when(refresh).then(clock).otherwise(0.001).cast(pl.Float32))
    found = correlate(told, Options(endpoints=ENDPOINTS)).sessions.events
    assert found["straggler"].to_list() == [False, False, late, False]


def test_a_denial_that_started_before_the_refresh_ended_changes_nothing():
    script = """
    10:00:00.0 a api_ok      took=0.1
    10:15:00.0 a api_denied  took=0.1
    10:15:01.0 a refresh_ok  took=0.5
    10:15:01.2 a api_denied  took=0.6
    10:15:01.9 a api_denied  took=0.2
    """
    assert states_of(script) == ["authenticated", "challenged", "refreshed", "refreshed", "rejected"]
    assert stragglers_of(script) == [False, False, False, True, False]


@pytest.mark.parametrize(("late", "straggler"), [("10:15:02.9", True), ("10:15:03.5", False)])
def test_without_durations_a_grace_of_two_seconds_stands_for_them(late, straggler):
    script = f"""
    10:00:00 a api_ok
    10:15:00 a api_denied
    10:15:01 a refresh_ok
    {late} a api_denied
    """
    assert stragglers_of(script)[-1] is straggler


@pytest.mark.parametrize(
    ("call", "after", "straggler"),
    [
        ("path=/api/other", "10:15:01.4 a api_ok took=0.1", True),
        ("path=/api/other", "10:16:01.0 a api_ok took=0.1", True),
        ("", "10:15:01.4 a api_ok took=0.1", True),
        ("", "10:16:01.0 a api_ok took=0.1", False),
        ("path=/api/other reason=signature_invalid", "10:15:01.4 a api_ok took=0.1", False),
    ],
    ids=["another_call", "another_call_alone", "repeated_and_accepted", "repeated", "for_another_reason"],
)
@pytest.mark.parametrize("seen_before", [True, False])
def test_what_arrives_right_after_a_refresh_may_be_on_its_way_with_the_old_token(call, after, straggler, seen_before):
    script = f"""
    10:15:00 a api_denied    took=0.1 reason=token_expired
    10:15:01 a refresh_ok    took=0.1
    10:15:01.15 a api_denied took=0.1 {call}
    {after}
    """
    found = stragglers_of("10:00:00 a api_ok took=0.1\n" * seen_before + script)
    assert found[seen_before:] == [False, False, straggler, False]


def test_parallel_refreshes_are_one():
    script = """
    10:00:00.0 a api_ok      took=0.1
    10:15:00.0 a api_denied  took=0.1
    10:15:01.0 a refresh_ok  took=0.5
    10:15:01.1 a refresh_ok  took=0.5
    10:15:02.0 a api_ok      took=0.1
    """
    grants = correlate(play(script), Options(endpoints=ENDPOINTS)).sessions.grants
    assert grants["granted_by"].to_list() == [None, "refresh_ok"]


def test_recovered_is_proven_by_an_accepted_call_only():
    script = """
    10:00:00 a api_ok          took=0.1
    10:15:00 a refresh_denied  took=0.1
    10:15:10 a api_denied      took=0.1
    10:20:00 a refresh_ok      took=0.1
    10:20:10 a api_ok          took=0.1
    """
    assert states_of(script) == ["authenticated", "refresh_denied", "zombie", "refreshed", "authenticated"]
    episode = correlate(play(script), Options(endpoints=ENDPOINTS)).sessions.episodes.to_dicts()[0]
    assert episode["closed_at"].strftime("%H:%M:%S") == "10:20:10"


@given(st.lists(st.lists(st.sampled_from(list(AuthEvent)), min_size=1, max_size=12), min_size=1, max_size=5))
def test_states_looked_up_by_the_last_few_events_are_those_of_walking_step_by_step(devices):
    expected, events, first = [], [], []
    for one in devices:
        state = AuthState.UNKNOWN
        for number, event in enumerate(one):
            state = step(state, event)
            expected.append(state.value)
            events.append(event.value)
            first.append(number == 0)
    turns = pl.DataFrame({"auth_event": events, "first": first}, schema_overrides={"auth_event": AUTH_EVENT})
    found = sessions.add_states(turns.with_columns(straggler=pl.lit(value=False)))
    assert found["state"].to_list() == expected
