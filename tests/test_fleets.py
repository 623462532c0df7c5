"""Simulated fleets, healthy and ill, against what the simulator knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from authforensics.findings import Incident
from authforensics.pipeline import Analysis, analyze
from fleet import DAY, HOUR, LOG_STARTS, LOGIN, MINUTE, Device, LogStyle, Refusal, Request, Server, World

pytestmark = pytest.mark.slow

STYLES = tuple(LogStyle)
WITH_DEVICES = (LogStyle.JSON, LogStyle.JSON_REASONS)


def fleet(count: int, **manners: Any) -> list[Device]:
    """Devices that start one after the other in the first ten minutes."""
    return [replace(Device(number, start=number * 10 * MINUTE / count), **manners) for number in range(count)]


@lru_cache(maxsize=2)
def simulated(build: Callable[..., World], *given: str) -> World:
    """The world, kept for the next style of log."""
    return build(*given)


def examine(world: World, style: LogStyle, folder: Path) -> Analysis:
    log = folder / "access.log"
    world.write(log, style)
    return analyze(log)


def the_incident(analysis: Analysis) -> Incident:
    assert len(analysis.incidents) == 1, [one.summary for one in analysis.incidents]
    return analysis.incidents[0]


def assert_devices(analysis: Analysis, incident: Incident, refused: Iterable[Request], least: float = 0.97) -> None:
    """Compare an incident's devices with the simulator's, by their addresses: no two share one."""
    addresses = dict(analysis.events.select("device_id", "client_ip").unique().rows())
    found, wronged = {addresses[name] for name in incident.device_ids}, {one.device.ip for one in refused}
    both = len(found & wronged)
    assert both / len(wronged) >= least, f"missed {sorted(wronged - found)}"
    assert both / len(found) >= least, f"wrongly counted {sorted(found - wronged)}"


def seconds(moment: datetime) -> float:
    return (moment - LOG_STARTS) / timedelta(seconds=1)


# Healthy


def proactive() -> World:
    return World(Server()).live(fleet(100, proactive=True))


def mixed() -> World:
    devices = [replace(one, proactive=one.number % 3 > 0, signed_in=one.number % 4 > 0) for one in fleet(100)]
    return World(Server()).live(devices)


def tokens_of_a_minute() -> World:
    return World(Server(access_lifetime=lambda _: MINUTE), hours=2).live(fleet(60, pause=20.0))


def tokens_of_an_hour() -> World:
    return World(Server(access_lifetime=lambda _: HOUR)).live(fleet(60))


def one_address_for_thirty() -> World:
    shared = fleet(30, address="198.51.100.7", user_agent="ShopApp/3.4.1 (ios)")
    shared = [replace(one, signed_in=one.number % 2 > 0) for one in shared]
    return World(Server()).live(shared + fleet(80)[30:])


def anonymous_polling() -> World:
    world = World(Server()).live(fleet(80))
    for device in fleet(110)[80:]:
        polls = 30 + device.number % 7 * 40
        for poll in range(polls):
            world.refuse(device.start + poll * 10, device, ("GET", "/api/session"), Refusal.NO_TOKEN)
        if device.number % 2:
            world.live([replace(device, start=device.start + polls * 10)])
    return world


def deploy_with_a_gap() -> World:
    return World(Server(is_down=lambda at: 2 * HOUR < at < 2 * HOUR + 5 * MINUTE)).live(fleet(100))


def sessions_of_an_hour() -> World:
    return World(Server(session_lifetime=HOUR)).live(fleet(100))


def synchronised_sessions_of_an_hour() -> World:
    devices = [replace(one, start=one.number * 0.5) for one in fleet(100)]
    return World(Server(session_lifetime=HOUR)).live(devices)


def idle_expiry() -> World:
    return World(Server(refresh_lifetime=lambda _: HOUR / 2), hours=8).live(fleet(150, pause=25 * MINUTE))


def brute_force() -> World:
    world = World(Server()).live(fleet(80))
    for attempt in range(3000):
        stranger = Device(900 + attempt % 5, user_agent="python-requests/2.32.3")
        world.refuse(HOUR + attempt, stranger, LOGIN, Refusal.PASSWORD)
    return world


def three_devices() -> World:
    return World(Server()).live(fleet(3))


def parallel_bursts() -> World:
    return World(Server(), slow_refusals=True).live(fleet(80, parallel=8, pause=60.0))


EVERYWHERE = (
    proactive,
    mixed,
    tokens_of_a_minute,
    tokens_of_an_hour,
    anonymous_polling,
    deploy_with_a_gap,
    sessions_of_an_hour,
    synchronised_sessions_of_an_hour,
    idle_expiry,
    brute_force,
    three_devices,
    parallel_bursts,
)
HEALTHY = [(build, style) for build in EVERYWHERE for style in STYLES] + [(one_address_for_thirty, LogStyle.COMBINED)]


@pytest.mark.parametrize(("build", "style"), HEALTHY, ids=[f"{build.__name__}-{style}" for build, style in HEALTHY])
def test_a_healthy_fleet_has_no_incident(build: Callable[[], World], style: LogStyle, tmp_path: Path):
    analysis = examine(simulated(build), style, tmp_path)
    verdict = analysis.document.verdict
    assert not analysis.incidents, verdict.headline
    assert verdict.severity == "none"
    if build is brute_force:
        assert "3,000 logins refused" in verdict.headline


# Tokens are signed with a key that the verifier doesn't have


@dataclass(frozen=True)
class Stretch:
    """When something is wrong, in seconds since the log starts."""

    start: float
    end: float

    def __contains__(self, at: float) -> bool:
        return self.start <= at < self.end


MISMATCHES = {
    "at the start": Stretch(-HOUR, HOUR),
    "in the middle": Stretch(2 * HOUR, 3 * HOUR),
    "to the end": Stretch(3 * HOUR, 5 * HOUR),
}


def with_key_mismatch(wrong: Stretch) -> Server:
    return Server(signs_with=lambda at: "other" if at in wrong else "current")


def with_bystanders(devices: Iterable[Device]) -> list[Device]:
    """Every fifth is there only while all is well, whichever of the stretches is the wrong one."""
    seen = {"start": 80 * MINUTE, "stop": 110 * MINUTE}
    return [replace(one, **seen) if one.number % 5 == 0 else one for one in devices]


def key_mismatch(when: str) -> World:
    devices = [replace(one, gives_up=one.number % 2 > 0) for one in fleet(100, signed_in=when == "at the start")]
    return World(with_key_mismatch(MISMATCHES[when])).live(with_bystanders(devices))


def assert_undetermined(incident: Incident, listed: str) -> None:
    """That no cause is said to be the one, and which is among those listed."""
    first, *others = incident.root_causes
    assert first.cause == "undetermined"
    assert listed in {one.cause for one in others}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("when", MISMATCHES)
def test_key_mismatch(when: str, style: LogStyle, tmp_path: Path):
    world = simulated(key_mismatch, when)
    refused = list(world.refused(Refusal.SIGNATURE))
    analysis = examine(world, style, tmp_path)
    incident = the_incident(analysis)
    cause = incident.root_causes[0]
    if style is LogStyle.JSON_REASONS:
        assert (cause.cause, cause.confidence) == ("signing_key_mismatch", "high")
    else:
        # A wrong audience or issuer leaves the very same lines.
        assert_undetermined(incident, "signing_key_mismatch")
    assert incident.ongoing == (when == "to the end")
    assert seconds(incident.first_seen) == pytest.approx(min(one.ended for one in refused), abs=60)
    assert_devices(analysis, incident, refused)


def test_key_mismatch_in_a_tight_loop_without_durations(tmp_path: Path):
    world = World(with_key_mismatch(MISMATCHES["in the middle"])).live(with_bystanders(fleet(100)))
    analysis = examine(world, LogStyle.COMBINED, tmp_path)
    assert_devices(analysis, the_incident(analysis), world.refused(Refusal.SIGNATURE))


@pytest.mark.parametrize("style", WITH_DEVICES)
def test_one_bad_upstream_of_three(style: LogStyle, tmp_path: Path):
    good, bad = ("10.1.0.1:8080", "10.1.0.2:8080"), "10.1.0.3:8080"
    server = Server(upstreams=(*good, bad), accepts=lambda at, _, upstream: at < 2 * HOUR or upstream != bad)
    world = World(server).live(with_bystanders(fleet(100)))
    analysis = examine(world, style, tmp_path)
    incident = the_incident(analysis)
    assert incident.scope.upstream == (bad,)
    cause = incident.root_causes[0]
    assert cause.confidence != "high" or cause.cause == "stale_key_on_instance"
    assert_devices(analysis, incident, world.refused(Refusal.SIGNATURE))


# The refresh token lives no longer than the access token


def equal_from(changed: float) -> Callable[[float], float]:
    return lambda at: 15 * MINUTE if at > changed else 30 * DAY


def equal_lifetimes() -> World:
    manners: tuple[dict[str, Any], ...] = ({"gives_up": False}, {"proactive": True}, {"stop": 2 * HOUR}, {}, {})
    devices = [replace(one, start=one.number * 180, **manners[one.number % 5]) for one in fleet(100)]
    return World(Server(refresh_lifetime=equal_from(2 * HOUR)), hours=6).live(devices)


@pytest.mark.parametrize("style", STYLES)
def test_equal_lifetimes(style: LogStyle, tmp_path: Path):
    world = simulated(equal_lifetimes)
    analysis = examine(world, style, tmp_path)
    incident = the_incident(analysis)
    cause = incident.root_causes[0]
    # With or without a reason: clients that refresh early show that new refresh tokens are accepted, while young.
    assert (cause.cause, cause.confidence) == ("equal_lifetimes", "high")
    assert_devices(analysis, incident, world.refused(Refusal.REFRESH_EXPIRED))


def mismatch_then_equal_lifetimes() -> World:
    server = replace(with_key_mismatch(Stretch(HOUR, 1.5 * HOUR)), refresh_lifetime=equal_from(200 * MINUTE))
    return World(server, hours=6).live(fleet(100))


@pytest.mark.parametrize("style", STYLES)
def test_two_incidents_of_different_kind(style: LogStyle, tmp_path: Path):
    world = simulated(mismatch_then_equal_lifetimes)
    analysis = examine(world, style, tmp_path)
    first, second = sorted(analysis.incidents, key=lambda one: one.first_seen)
    assert second.root_causes[0].cause == "equal_lifetimes"
    if style is LogStyle.JSON_REASONS:
        assert first.root_causes[0].cause == "signing_key_mismatch"
    else:
        assert_undetermined(first, "signing_key_mismatch")
    assert not first.ongoing
    assert second.ongoing
    assert_devices(analysis, first, world.refused(Refusal.SIGNATURE))
    assert_devices(analysis, second, world.refused(Refusal.REFRESH_EXPIRED))


# The refresh endpoint gives no verdict for half an hour


def without_refresh(patience: str) -> World:
    server = Server(refresh_is_down=lambda at: at in Stretch(2 * HOUR, 2.5 * HOUR))
    return World(server).live(fleet(100, patient=patience == "tries until it is back"))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("patience", ["tries until it is back", "logs in again"])
def test_refresh_endpoint_down(patience: str, style: LogStyle, tmp_path: Path):
    analysis = examine(simulated(without_refresh, patience), style, tmp_path)
    incident = the_incident(analysis)
    assert incident.root_causes[0].cause == "refresh_endpoint_broken"
    assert not incident.ongoing
    assert 2 * HOUR <= seconds(incident.first_seen) <= 2 * HOUR + MINUTE
    assert incident.devices >= 97


# One version misbehaves


def one_version(**manners: Any) -> list[Device]:
    """Fifteen of 150 devices have a version with these manners."""
    return [replace(one, version="3.5.0", **manners) if one.number % 10 == 0 else one for one in fleet(150)]


def never_refreshing() -> World:
    return World(Server()).live(one_version(refreshes=False))


def calling_on() -> World:
    return World(Server(session_lifetime=HOUR)).live(one_version(gives_up=False))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("build", "cause"), [(never_refreshing, "client_never_refreshes"), (calling_on, "client_ignores_denial")]
)
def test_one_version_ignores_denials(build: Callable[[], World], cause: str, style: LogStyle, tmp_path: Path):
    world = simulated(build)
    analysis = examine(world, style, tmp_path)
    incident = the_incident(analysis)
    assert incident.root_causes[0].cause == cause
    assert incident.scope.app_version == ("3.5.0",)
    assert incident.scope.platform == ()
    refused = world.refused(Refusal.EXPIRED, Refusal.REFRESH_EXPIRED)
    assert_devices(analysis, incident, (one for one in refused if one.device.version == "3.5.0"), least=1.0)
