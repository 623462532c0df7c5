"""Deploys before an onset: told where they are near, evidence where so near is no accident, and only then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics import diagnose
from authforensics.diagnose.deploys import BY_CHANCE, NEAR_SECONDS, preceding
from authforensics.findings import Deploy
from script import play

DAY = datetime(2026, 3, 1, tzinfo=UTC)
BEGIN, END, ONSET = DAY.replace(hour=6), DAY.replace(hour=14), DAY.replace(hour=10)


def at(seconds: float, name: str = "v41") -> Deploy:
    return Deploy(time=ONSET + timedelta(seconds=seconds), name=name)


@pytest.mark.parametrize("seconds", [-NEAR_SECONDS - 1, 2, 3600])
def test_what_is_far_or_later_is_not_told(seconds):
    assert preceding([at(seconds)], ONSET, BEGIN, END) == ()


def test_the_last_before_comes_first():
    found = preceding([at(-600, "v40"), at(-0.2), at(-7200, "v39")], ONSET, BEGIN, END)
    assert [(one.name, one.seconds) for one in found] == [("v41", 0.2), ("v40", 600.0)]
    assert found[0].chance < BY_CHANCE / 10


def test_workers_that_come_and_go_all_day_make_no_deploy_likelier_by_accident():
    workers = [at(300 * number + 100, "restart of uvicorn") for number in range(-48, 48)]
    near = {one.name: one.chance for one in preceding([at(-30), *workers], ONSET, BEGIN, END)}
    assert near["v41"] == preceding([at(-30)], ONSET, BEGIN, END)[0].chance < BY_CHANCE
    assert near["restart of uvicorn"] > BY_CHANCE


def test_one_of_many_is_near_by_accident():
    daily = [at(60 * minute, f"v{minute}") for minute in range(-240, 240, 10)]
    near, *_ = preceding([at(-120), *daily[1:]], ONSET + timedelta(minutes=2), BEGIN, END)
    assert near.chance > BY_CHANCE


@given(st.lists(st.floats(-10_000, 10_000), max_size=30), st.floats(0, 800))
def test_more_deploys_and_longer_gaps_are_likelier_by_accident(others, gap):
    alone = preceding([at(-gap)], ONSET, BEGIN, END)[0].chance
    among = next(
        one.chance
        for one in preceding([at(-gap, "it"), *(at(other) for other in others)], ONSET, BEGIN, END)
        if one.name == "it"
    )
    assert 0 <= alone <= among <= 1
    assert alone <= preceding([at(-gap - 60)], ONSET, BEGIN, END)[0].chance


ROTATED = """
09:00:00 fleet login_ok     took=0.1
09:00:05 fleet api_ok       took=0.1 every=60 times=59
10:00:05 fleet api_denied   took=0.1 reason=signature_invalid
10:00:06 fleet refresh_ok   took=0.1
10:00:07 fleet api_ok       took=0.1 every=60 times=100
"""


@pytest.fixture
def first_cause(past):
    history, found = past(play(ROTATED, devices=5, stagger=2))

    def of(*deploys: Deploy):
        (incident,) = diagnose.diagnose(history, found, {}, deploys)
        return incident, incident.root_causes[0]

    return of


def test_a_deploy_just_before_is_evidence_with_a_sentence(first_cause):
    _, before = first_cause()
    incident, cause = first_cause(Deploy(time=DAY.replace(hour=10, second=4), name="v41"))
    assert cause.cause == before.cause == "key_rotated_without_overlap"
    assert "first at 10:00:05 UTC, 1 s after deploy v41" in cause.for_
    assert cause.score >= before.score
    assert [one.name for one in incident.deploys] == ["v41"]


def test_a_list_without_one_near_changes_nothing(first_cause):
    incident, cause = first_cause(at(-3600), at(3600))
    assert incident.deploys == ()
    assert cause == first_cause()[1]


def test_the_verdict_names_it(first_cause):
    incident, _ = first_cause(Deploy(time=DAY.replace(hour=10, second=4), name="restart 7"))
    told = diagnose.verdict([incident], None, systems=1, told=None)
    assert "from 10:00:05 (1 s after restart 7) to 10:00:13 UTC, over." in told.headline
