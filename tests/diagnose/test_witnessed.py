"""Incidents that detectors of single devices make by themselves: two at once stay two, and what does no harm is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
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
    return found, diagnose.diagnose(history, found, {"case": diagnose.infer(history.grants, history.devices)})


def test_two_at_once_stay_two(past):
    _, made = incidents(past, RACE + MALFORMED)
    assert {(one.title, one.device_ids) for one in made} == {
        (witnessed.TITLES["race"], ("race",)),
        (witnessed.TITLES["malformed"], ("odd",)),
    }


def test_what_findings_saw_of_one_incident_is_no_part_of_another():
    at = datetime(2026, 3, 1, 10, 15, tzinfo=UTC)
    seen = [("up", 5, 6, None), ("up", 8, 60, None), ("after", 30, 31, None)]
    rest = [("up", 600, 700, None), ("two", 0, 10, None), ("after", 0, 10, 20)]

    def frame(rows: list[tuple[str, int, int, int | None]]) -> pl.DataFrame:
        return pl.DataFrame(
            [
                ("case", who, *(None if after is None else at + timedelta(seconds=after) for after in spans))
                for who, *spans in rows
            ],
            schema=["system", "device_id", "first_seen", "last_seen", "closed_at"],
            schema_overrides={"closed_at": pl.Datetime("us", "UTC")},
            orient="row",
        )

    ill = [("up", 0, 10, None), ("after", 0, 10, None), *rest]
    assert witnessed.unexplained(frame(ill), frame(seen)).equals(frame(rest))


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


def test_a_client_that_goes_on_after_its_logout_is_one_incident_whatever_else_it_looks_like(past):
    found, made = incidents(
        past,
        """
        10:00:00 kiosk login_ok         took=0.1
        10:00:05 kiosk api_ok           took=0.1 every=60 times=13
        10:13:00 kiosk logout           took=0.1
        10:13:20 kiosk api_ok           took=0.1 every=20 times=6
        10:15:20 kiosk api_denied       took=0.1 every=20 times=12
        """,
    )
    assert {one.detector for one in found} >= {"logged_out_reuse", "zombie_client"}
    assert [one.title for one in made] == [witnessed.TITLES["outlived"]]


def test_of_a_fleet_everybody_who_met_it_then_is_affected(past):
    text = "\n".join(
        f"{8 + index // 12:02}:{5 * (index % 12):02}:00 user-{index:02} {event} every=60 times={times}"
        for index in range(60)
        for event, times in (("login_ok", 1), ("api_ok", 30))
    )
    text += "".join(f"\n12:3{index}:05 user-{index:02} login_failed" for index in range(7))
    _, made = incidents(past, text + "\n13:30:00 user-59 api_ok")
    assert [one.device_ids for one in made] == [tuple(f"user-{index:02}" for index in range(7))]
    assert [(one.devices, one.requests_denied, one.title) for one in made] == [(7, 7, witnessed.TITLES["login"])]
    assert made[0].devices_seen > 7
