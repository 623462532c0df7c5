"""Since when an incident is: the first event of it on an affected device, and no other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from authforensics import diagnose
from authforensics.diagnose import witnessed
from script import DAY, play

#: Refused from the log's first second on, with no word of a session; then the same with one that is known.
NEVER_REFRESHES = """
10:00:00 old api_denied         took=0.1 every=30 times=10
10:06:00 old login_ok           took=0.1
10:06:01 old api_ok             took=0.1 every=60 times=5
10:12:00 old api_denied         took=0.1 every=30 times=10
"""
#: The same beginning of a device that never shows that it is ill.
WELL_LATER = """
10:00:00 new api_denied         took=0.1 every=30 times=10
10:10:00 new login_ok           took=0.1
10:10:01 new api_ok             took=0.1 every=60 times=10
10:25:10 new api_denied         took=0.1
10:25:11 new refresh_ok         took=0.1
10:25:12 new api_ok             took=0.1 every=60 times=10
"""
CALLS_ON = """
10:05:00 on api_ok              took=0.1
10:20:00 on api_denied          took=0.1 reason=token_expired
10:20:01 on refresh_denied      took=0.1 reason=refresh_expired
10:20:02 on write_denied        took=0.1 reason=token_expired every=30 times=20
10:06:00 so api_ok              took=0.1
10:21:00 so api_denied          took=0.1 reason=token_expired
10:21:01 so refresh_denied      took=0.1 reason=refresh_expired
10:21:02 so write_denied        took=0.1 reason=token_expired every=30 times=20
"""
#: One whose refresh was refused before the log began.
CUT_OFF = """
10:00:00 cut write_denied       took=0.1 reason=token_expired every=30 times=60
"""
SHARED = """
10:00:00 two api_ok             took=0.1 every=60 times=20 from=192.0.2.1 ua=App/1.0-Pixel-8
10:10:30 two api_ok             took=0.1 every=60 times=9  from=198.51.100.9 ua=App/1.0-S9
10:21:00 two refresh_denied     took=0.1 reason=refresh_reused from=198.51.100.9 ua=App/1.0-S9
10:21:10 two api_denied         took=0.1 reason=revoked every=30 times=20 from=198.51.100.9 ua=App/1.0-S9
"""
#: A call in flight is refused after the first refresh; an hour later new tokens are.
LATE = """
10:00:00 loop api_ok            took=0.1
10:15:00 loop api_denied        took=0.1
10:15:00.3 loop refresh_ok      took=0.2
10:15:00.4 loop api_ok          took=0.05
10:15:00.5 loop api_denied      took=0.4 path=/api/other
11:00:00 loop api_denied        took=0.1
11:00:00.3 loop refresh_ok      took=0.2
11:00:01 loop api_denied        took=0.1
11:00:02 loop refresh_ok        took=0.2
11:00:03 loop api_denied        took=0.1
11:00:04 loop refresh_ok        took=0.2
11:00:05 loop api_denied        took=0.1
"""
#: Nothing tells how long requests took: the first two refusals may be of calls that were on their way.
UNTIMED = "".join(f"10:{minute:02}:00 loop refresh_ok\n10:{minute:02}:01 loop api_denied\n" for minute in range(15, 25))
#: The same after a call that was on its way long before.
UNTIMED_LATE = """
10:00:00 loop api_ok
10:05:00 loop refresh_ok
10:05:01 loop api_denied
""" + UNTIMED.replace("10:", "11:")
#: One that never refreshes, refused without a word first, before new tokens of everybody are refused for their key.
ALONE = """
10:15:00 lone api_ok            took=0.1 every=60 times=15
10:29:00 lone api_denied        took=0.1
10:29:10 lone api_denied        took=0.1 reason=token_expired every=30 times=4
10:31:30 lone api_denied        took=0.1 reason=signature_invalid every=10 times=12
"""
KEY = """
10:15:00 fleet api_ok           took=0.1 every=60 times=15
10:30:57 fleet refresh_ok       took=0.1
10:31:00 fleet api_denied       took=0.1 every=10 times=2
10:31:20 fleet api_denied       took=0.1 reason=signature_invalid every=10 times=12
"""


def made(past, text, devices=1):
    history, found = past(play(text, devices=devices, stagger=2))
    return diagnose.diagnose(history, found, {"case": diagnose.infer(history.grants, history.devices)})


def began(incident):
    return incident.first_seen - DAY - timedelta(hours=10)


def test_a_run_at_the_logs_begin_is_part_of_what_its_device_does_later(past):
    (incident,) = made(past, NEVER_REFRESHES)
    assert began(incident) == timedelta(0)
    assert incident.phases[0].first_seen == incident.first_seen


@pytest.mark.parametrize("text", [WELL_LATER, WELL_LATER + CALLS_ON])
def test_a_run_at_the_logs_begin_is_none_of_a_device_that_is_well_later(past, text):
    assert all("new" not in one.device_ids for one in made(past, text))


def test_who_calls_on_since_before_the_log_is_part_of_those_that_do_later(past):
    (incident,) = made(past, CUT_OFF + CALLS_ON)
    assert (incident.device_ids, began(incident)) == (("cut", "on", "so"), timedelta(0))


def test_who_calls_on_since_before_the_log_alone_is_not_said_to_have_never_refreshed_for_sure(past):
    (incident,) = made(past, CUT_OFF)
    assert incident.root_causes[0].confidence.value != "high"


def test_what_a_finding_saw_before_the_first_refusal_is_the_onset(past):
    (incident,) = made(past, SHARED)
    assert incident.title != witnessed.TITLES["shared"]
    assert began(incident) == timedelta(minutes=10, seconds=30)
    assert incident.phases[0].first_seen > incident.first_seen


def test_a_call_in_flight_long_before_is_no_onset(past):
    (incident,) = made(past, LATE)
    assert began(incident) >= timedelta(hours=1)


def test_a_loop_begins_with_its_first_cycle_where_no_durations_are_logged(past):
    (incident,) = made(past, "10:00:00 loop login_ok\n10:00:09 loop api_ok\n" + UNTIMED)
    assert began(incident) == timedelta(minutes=15, seconds=1)
    assert incident.requests_denied == 10


def test_a_loop_does_not_begin_with_a_call_in_flight_an_hour_before(past):
    (incident,) = made(past, UNTIMED_LATE)
    assert began(incident) == timedelta(hours=1, minutes=15, seconds=1)


def test_one_refused_without_a_reason_long_before_the_others_is_no_onset(past):
    (incident,) = made(past, ALONE + KEY, devices=12)
    assert (incident.devices, began(incident)) == (13, timedelta(minutes=31))


def test_nor_are_two_at_the_same_time(past):
    two = ALONE + ALONE.replace(" lone ", " other ").replace("10:29:00", "10:29:05")
    (incident,) = made(past, two + KEY, devices=12)
    assert began(incident) == timedelta(minutes=31)


def test_those_refused_without_a_reason_just_before_are_the_onset(past):
    (incident,) = made(past, ALONE.replace("10:29:00", "10:30:10") + KEY, devices=12)
    assert (incident.devices, began(incident)) == (13, timedelta(minutes=30, seconds=10))


def test_refreshes_without_an_answer_are_an_incident_though_all_were_also_refused_once(past):
    script = """
    09:55:00 fleet login_ok
    09:55:05 fleet api_ok          every=20 times=29
    10:05:00 fleet api_denied
    10:05:01 fleet refresh_failed  status=500 every=20 times=3
    10:06:20 fleet refresh_denied  reason=other
    10:06:30 fleet refresh_failed  status=500 every=20 times=3
    10:08:20 fleet refresh_ok
    10:08:21 fleet api_ok          every=10 times=60
    """
    history, found = past(play(script, devices=8, stagger=5))
    incidents = diagnose.diagnose(history, found, {"case": diagnose.infer(history.grants, history.devices)})
    assert [(one.devices, f"{one.first_seen:%H:%M:%S}", one.ongoing) for one in incidents] == [(8, "10:05:00", False)]
