"""What clients did about their tokens, set against refusals; and the version on which an incident weighs."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from authforensics.diagnose import parts, steps
from script import DAY, play


def trail(past, text):
    history, _ = past(play(text))
    return history, steps.steps(history.events, history.devices)


def at(clock):
    hours, minutes, seconds = map(float, clock.split(":"))
    return DAY + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def test_a_refused_refresh_has_its_sibling_shortly_before_it_or_beside_it(past):
    history, told = trail(
        past,
        """
10:00:00 winner refresh_ok     took=0.1
10:00:09 winner refresh_denied took=0.1
10:00:00 alone  refresh_ok     took=0.1
10:00:11 alone  refresh_denied took=0.1
10:00:00 early  refresh_denied took=0.1
10:00:01 early  refresh_ok     took=0.1
10:00:00 again  refresh_denied took=0.1
10:00:03 again  refresh_ok     took=0.1
10:30:00 later  refresh_ok     took=0.1
10:30:01 later  refresh_denied took=0.1
""",
    )
    found = steps.siblings(told, history.events, at("10:00:00"), at("10:10:00"))
    assert dict(found.select(pl.col("device_id").cast(pl.String), "beside").rows()) == {
        "winner": True,
        "alone": False,
        "early": True,
        "again": False,
    }


def test_who_tries_the_new_token_in_vain_and_refreshes_again_does_not_race(past):
    history, told = trail(
        past,
        """
10:00:00   tried  api_denied
10:00:00   tried  refresh_ok
10:00:00   tried  api_denied
10:00:00   tried  refresh_denied
10:00:00.1 timed  refresh_ok     took=0.1
10:00:01   timed  api_denied     took=0.1
10:00:01.3 timed  refresh_denied took=0.1
10:00:00   tabs   api_denied
10:00:00.1 tabs   refresh_ok
10:00:00.2 tabs   api_denied
10:00:00.3 tabs   refresh_denied
10:00:00.4 tabs   api_ok
10:00:00   ended  api_denied
10:00:00.1 ended  refresh_ok
10:00:00.2 ended  refresh_denied
10:00:01   ended  api_denied
10:00:02   ended  refresh_denied
10:00:00.1 flight refresh_ok     took=0.1
10:00:00.2 flight api_denied     took=0.2
10:00:00.3 flight refresh_denied took=0.1
10:00:01   flight api_denied     took=0.1
09:59:50   often  login_ok
10:00:00   often  api_denied
10:00:00.1 often  api_denied
10:00:00.2 often  refresh_ok
10:00:00.3 often  api_denied
10:00:00.4 often  refresh_denied
09:00:00   worn   login_ok       took=0.1
09:15:00   worn   api_denied     took=0.1
10:00:00   worn   api_denied     took=0.1
10:00:00.2 worn   refresh_denied took=0.2
10:00:00.3 worn   refresh_ok     took=0.1
""",
    )
    found = steps.siblings(told, history.events, at("10:00:00"), at("10:00:10"))
    assert found.group_by(pl.col("device_id").cast(pl.String)).agg("beside").sort("device_id").rows() == [
        ("ended", [True]),
        ("flight", [True]),
        ("often", [True]),
        ("tabs", [True]),
        ("timed", [False]),
        ("tried", [False]),
        ("worn", [True]),
    ]


def test_what_comes_after_a_logout_is_told_from_what_comes_after_the_next_login(past):
    history, told = trail(
        past,
        """
10:00:00 app login_ok   took=0.1
10:00:30 app api_denied took=0.1
10:01:00 app logout     took=0.1
10:02:00 app api_denied took=0.1
10:03:00 app login_ok   took=0.1
10:04:00 app api_denied took=0.1
""",
    )
    refused = pl.concat(history.events).filter(pl.col("auth_event") == "api_denied").collect()
    found = steps.after_logout(refused, told)
    assert found.select(pl.col("timestamp").dt.strftime("%H:%M"), "again").rows() == [("10:02", False), ("10:04", True)]


def test_after_a_failure_some_leave_and_others_keep_their_session(past):
    history, _ = trail(
        past,
        """
10:00:00 left    refresh_failed took=0.1
10:00:01 left    logout         took=0.1
10:00:00 kept    refresh_failed took=0.1
10:00:05 kept    refresh_failed took=0.1
10:00:09 kept    refresh_ok     took=0.1
10:00:00 called  refresh_failed took=0.1
10:00:01 called  api_ok         took=0.1
10:00:00 refused refresh_failed took=0.1
10:00:01 refused refresh_denied took=0.1
10:00:00 silent  refresh_failed took=0.1
""",
    )
    assert steps.after_failure(history.events, at("10:00:00"), at("10:00:10")) == steps.AfterFailure(left=1, kept=2)
    assert steps.after_failure(history.events, at("10:00:03"), at("10:00:10")) == steps.AfterFailure(left=0, kept=1)


def fleet(**versions):
    rows = [
        (f"{version}-{number}", version, "ios", True) for version, count in versions.items() for number in range(count)
    ]
    return pl.DataFrame(rows, schema=["device_id", "app_version", "platform", "alive"], orient="row")


def test_an_incident_weighs_on_the_version_that_most_of_its_devices_have():
    known = fleet(old=40, new=100)
    hit = known.filter(pl.col("device_id").is_in([f"old-{n}" for n in range(30)] + ["new-1", "new-2"]))
    assert parts.heaviest(known, hit) == parts.Part("old", hit=30, total=40, others=2, rest=100)


def test_an_incident_that_meets_all_versions_alike_weighs_on_none():
    known = fleet(old=40, new=100)
    assert parts.heaviest(known, known) is None
    assert parts.heaviest(fleet(only=20), fleet(only=20)) is None
