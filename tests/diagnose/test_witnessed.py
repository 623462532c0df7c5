"""Incidents that detectors of single devices make by themselves: two at once stay two, and what does no harm is none."""

from __future__ import annotations

import pytest

from authforensics import diagnose
from authforensics.diagnose import witnessed
from script import play

RACE = """
10:00:00 race api_ok            took=0.1
10:15:00 race api_denied        took=0.1 reason=token_expired
10:15:00.3 race refresh_ok      took=0.2
10:15:00.4 race refresh_denied  took=0.2 reason=refresh_reused
10:15:05 race login_ok          took=0.1
10:15:06 race api_ok            took=0.1
"""
MALFORMED = """
10:00:00 odd api_ok             took=0.1
10:14:00 odd api_denied         took=0.1 reason=malformed every=20 times=5
10:16:00 odd login_ok           took=0.1
10:16:01 odd api_ok             took=0.1
"""
GIVEN_UP = """
10:00:00 up api_ok              took=0.1
10:14:59 up api_denied          took=0.1
10:15:00 up refresh_failed      took=0.1 status=502
10:15:01 up logout              took=0.1
10:17:00 up login_ok            took=0.1
10:17:01 up api_ok              took=0.1
"""
SHARED_RACE = """
10:00:00 race api_ok            took=0.1
10:15:00 race api_denied        took=0.1
10:15:00.3 race refresh_ok      took=0.2
10:15:00.4 race refresh_ok      took=0.2
10:15:05 race api_ok            took=0.1
10:30:00.3 race refresh_ok      took=0.2
10:30:00.4 race refresh_ok      took=0.2
10:30:05 race api_ok            took=0.1
10:45:00 race refresh_denied    took=0.1 reason=refresh_expired
10:45:05 race login_ok          took=0.1
10:45:06 race api_ok            took=0.1
"""


def incidents(past, text):
    history, found = past(play(text))
    return found, diagnose.diagnose(history, found, {"case": diagnose.infer(history.grants)})


def test_two_at_once_stay_two(past):
    _, made = incidents(past, RACE + MALFORMED)
    assert {(one.title, one.device_ids) for one in made} == {
        (witnessed.TITLES["race"], ("race",)),
        (witnessed.TITLES["malformed"], ("odd",)),
    }


def test_what_was_not_refused_is_no_refused_call(past):
    _, (one,) = incidents(past, GIVEN_UP)
    assert (one.title, one.device_ids, one.requests_denied) == (witnessed.TITLES["given_up"], ("up",), 0)
    assert one.first_seen.strftime("%H:%M:%S") == "10:15:00"


def test_what_does_no_harm_is_no_incident(past):
    found, made = incidents(past, SHARED_RACE)
    assert {one.detector for one in found} == {"concurrent_refresh"}
    assert made == []


def test_a_symptom_of_another_incident_is_part_of_it(past):
    for_good = "\n".join(MALFORMED.splitlines()[:3]) + "\n10:15:40 odd api_denied took=0.1 every=20 times=20"
    found, (one,) = incidents(past, for_good)
    assert {each.detector for each in found} == {"malformed_token", "retry_without_refresh", "zombie_client"}
    assert set(one.detectors) == {each.detector for each in found}


@pytest.mark.parametrize("kind", witnessed.KINDS)
def test_a_kind_has_a_title(kind):
    assert kind in witnessed.TITLES
