"""Recovery: proven only by accepted calls where they used to be refused; the ill and the unseen are never counted well."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from authforensics import diagnose
from authforensics.correlate import Options, correlate
from past import history_of
from script import DAY, ENDPOINTS, play

#: Everybody is refused before ten o'clock, and the refresh as well.
ILL = """
09:00:00 {0} api_ok platform={1}
09:10:00 {0} api_denied reason=signature_invalid platform={1}
09:10:05 {0} refresh_denied reason=refresh_revoked platform={1}
09:11:00 {0} api_denied every=60 times=5 reason=signature_invalid platform={1}
"""
#: The log goes on: somebody else is well.
END = "\n11:00:00 other api_ok platform=web\n"
LOGIN = "10:05:00 {0} login_ok platform={1}\n"


def verify(text: str, parts: int = 1, hour: float = 10.0, began: float = 9.0):
    correlated = correlate(play(text + END), Options(endpoints=ENDPOINTS))
    history = history_of(correlated.sessions)
    if parts > 1:
        names = pl.col("device_id").cast(pl.String).str.len_chars() % parts
        history = replace(history, events=[history.events[0].filter(names == n) for n in range(parts)])
    sick = tuple(sorted(set(history.episodes.collect()["device_id"].cast(pl.String))))
    incidents = [SimpleNamespace(system="case", device_ids=sick, first_seen=DAY + timedelta(hours=began))]
    return diagnose.recovery(history, incidents, correlated.endpoints, DAY + timedelta(hours=hour))


def ill(*devices: str, platform: str = "ios") -> str:
    return "".join(ILL.format(device, platform) for device in devices)


def cells(found) -> dict[str, tuple[int, ...]]:
    """Per platform and class: ill before, well, ill, unproven, not seen, new."""
    return {
        f"{one.platform} {one.endpoint_class}": (one.devices, one.well, one.ill, one.unproven, one.unseen, one.new)
        for one in found.cells
    }


def test_an_accepted_call_and_a_refresh_with_one_after_it_are_proof():
    found = verify(ill("a") + "10:05:00 a login_ok\n10:06:00 a api_ok\n10:20:00 a refresh_ok\n10:20:01 a api_ok")
    assert found.outcome == "recovered"
    assert cells(found) == {"ios api": (1, 1, 0, 0, 0, 0), "ios refresh": (1, 1, 0, 0, 0, 0)}
    assert found.headline == "Recovered: of 1 device ill before 2026-03-01 10:00:00 UTC, 1 proven well; none is ill."
    assert (found.devices, found.well, found.ill_devices) == (1, 1, ())


@pytest.mark.parametrize(
    "since",
    [
        "10:05:00 a refresh_ok",
        "10:05:00 a login_ok",
        "10:05:00 a login_ok\n10:06:00 a api_ok path=/api/other",
        "10:05:00 a forbidden",
        "10:05:00 a login_ok\n10:06:00 a logout",
    ],
)
def test_nothing_else_is_proof(since):
    found = verify(ill("a") + since)
    assert found.outcome == "unproven"
    assert cells(found)["ios api"] == (1, 0, 0, 1, 0, 0)


def test_a_login_proves_no_refresh():
    found = verify(ill("a") + LOGIN.format("a", "ios") + "10:06:00 a api_ok")
    assert found.outcome == "unproven"
    assert cells(found) == {"ios api": (1, 1, 0, 0, 0, 0), "ios refresh": (1, 0, 0, 1, 0, 0)}


def test_a_refresh_that_is_refused_with_a_token_given_since_is_ill_though_calls_are_accepted():
    text = (
        LOGIN.format("a", "ios")
        + "10:06:00 a api_ok\n10:20:00 a refresh_denied\n10:21:00 a login_ok\n10:22:00 a api_ok"
    )
    found = verify(ill("a") + text)
    assert found.outcome == "ill"
    assert cells(found) == {"ios api": (1, 1, 0, 0, 0, 0), "ios refresh": (1, 0, 1, 0, 0, 0)}


def test_who_is_still_refused_is_ill_and_named():
    found = verify(ill("a", "b") + "10:30:00 a api_denied every=60 times=3 reason=signature_invalid platform=ios")
    assert found.outcome == "ill"
    assert cells(found)["ios api"] == (2, 0, 1, 0, 1, 0)
    (one,) = found.ill_devices
    assert (one.device_id, one.refused, one.endpoint, one.reason) == ("a", 3, "GET /api/items", "signature_invalid")
    assert found.cells[0].endpoints == ("GET /api/items",)
    assert not one.new


def test_a_platform_of_which_nobody_was_seen_is_told():
    well = LOGIN.format("a", "ios") + "10:06:00 a api_ok\n10:20:00 a refresh_ok\n10:20:01 a api_ok\n"
    found = verify(ill("a") + ill("b", platform="android") + well)
    assert found.outcome == "unseen"
    assert "no device of android was seen since" in found.headline
    assert cells(found)["android api"] == (1, 0, 0, 0, 1, 0)


def test_who_is_not_seen_is_not_counted_well_but_others_of_the_platform_prove_it():
    well = LOGIN.format("a", "ios") + "10:06:00 a api_ok\n10:20:00 a refresh_ok\n10:20:01 a api_ok\n"
    found = verify(ill("a", "bb") + well)
    assert found.outcome == "recovered"
    assert (found.well, found.unseen) == (1, 1)


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("10:59:50 a api_denied reason=token_expired", "well"),  # the log ends before the refresh
        ("10:40:00 a api_denied\n10:40:01 a refresh_denied reason=refresh_expired", "well"),  # the session ended
        ("10:40:00 a api_denied every=60 times=4 reason=token_expired", "ill"),
        ("10:40:00 a api_denied reason=signature_invalid", "ill"),
        ("10:40:00 a api_denied\n10:40:01 a refresh_denied\n10:41:00 a api_denied every=60 times=4", "ill"),
    ],
)
def test_an_ending_is_no_relapse_and_a_relapse_is_one(last, status):
    well = LOGIN.format("a", "ios") + "10:06:00 a api_ok\n10:20:00 a refresh_ok\n10:20:01 a api_ok\n"
    found = verify(ill("a") + well + last)
    assert getattr(found, status) == 1


def test_an_endpoint_that_goes_on_refusing_is_ill_though_others_accept():
    before = "".join(f"09:1{n}:00 a api_denied path=/api/vault\n09:1{n}:30 a api_ok\n" for n in range(5))
    since = "".join(f"10:1{n}:00 a api_denied path=/api/vault\n10:1{n}:30 a api_ok\n" for n in range(5))
    assert verify(before + since).outcome == "ill"
    assert verify(before + since + "10:20:00 a api_ok path=/api/vault").outcome == "recovered"


def test_who_falls_ill_only_since_is_told_apart():
    found = verify("10:30:00 b api_ok\n" + ILL.format("b", "ios").replace("09:1", "10:4"))
    assert found.outcome == "ill"
    assert (found.devices, found.new) == (0, 1)
    assert found.ill_devices[0].new


def test_a_session_that_ended_before_the_incident_was_no_illness():
    text = "08:00:00 b api_ok\n08:10:00 b refresh_denied\n08:11:00 b login_ok\n08:12:00 b api_ok\n"
    found = verify(text + ILL.format("b", "ios").replace("09:1", "10:4"), began=10.5)
    assert (found.devices, found.new) == (0, 1)


def test_without_anybody_ill_there_is_nothing_to_prove():
    found = verify("09:00:00 a api_ok\n10:30:00 a api_ok")
    assert (found.outcome, found.cells) == ("nothing", ())


def test_partitions_change_nothing():
    well = LOGIN.format("a", "ios") + "10:06:00 a api_ok\n10:20:00 a refresh_ok\n10:20:01 a api_ok\n"
    text = ill("a", "bb", "ccc") + ill("dddd", platform="android") + well + "10:30:00 bb api_denied platform=ios"
    assert verify(text, parts=3) == verify(text)
