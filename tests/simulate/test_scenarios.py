"""The scenarios that come with the package: their files, and what is true of each."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache

import pytest

from authforensics import simulate
from authforensics.errors import BadValue, MissingInput, UnknownName
from authforensics.simulate.clocks import HOUR
from authforensics.simulate.record import Actor
from authforensics.simulate.scenario import read
from authforensics.simulate.views import Faults
from authforensics.simulate.writer import writers

NAMES = list(simulate.packaged())
#: As many as a fast run takes; `make slow` takes all.
FEW = ("healthy_quiet", "signing_key_mismatch", "nat_equal_lifetimes", "rotation_race")
ALL = [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in NAMES]
#: The names that the documentation of the project fixes.
DETECTORS = {
    *("refresh_loop", "zombie_client", "retry_without_refresh", "refresh_retry_loop", "login_loop"),
    *("concurrent_refresh", "lost_refresh_response", "refresh_churn", "early_rejection", "silent_expiry"),
    *("logged_out_reuse", "malformed_token", "premature_logout", "session_shared", "signature_failure_burst"),
    *("expired_refresh_storm", "refresh_stampede", "denial_surge", "login_failure_surge", "mass_logout"),
    "token_exposed",
}
CAUSES = {
    *("signing_key_mismatch", "default_secret", "stale_key_on_instance", "unknown_key_id"),
    *("key_rotated_without_overlap", "ephemeral_key", "algorithm_mismatch", "audience_mismatch", "issuer_mismatch"),
    *("clock_skew", "replica_lag", "client_keeps_old_token", "permission_answered_401", "duplicate_cookie"),
    *("equal_lifetimes", "refresh_lifetime_elapsed", "idle_expiry", "cookie_expires_first", "rotation_race"),
    *("lost_response", "rotated_token_not_stored", "client_never_refreshes", "client_ignores_denial"),
    *("client_treats_failure_as_logout", "refresh_endpoint_broken", "login_endpoint_broken"),
    *("stampede_after_outage", "malformed_header", "header_stripped", "token_revoked", "token_store_lost"),
    *("logout_not_enforced", "client_uses_logged_out_session", "refresh_blocked_by_policy"),
    *("client_secret_expired", "stale_connection_token", "client_release", "header_too_large", "wrong_scheme"),
    *("cached_denial", "cloned_device_state", "token_replayed", "user_disabled", "policy_changed"),
    *("status_confusion", "credential_stuffing", "undetermined"),
}


@lru_cache(maxsize=4)
def simulated(name, seed=1):
    return simulate.simulate(name, seed)


@lru_cache(maxsize=4)
def true_of(name):
    return simulated(name).truth({})


def test_there_are_enough_and_every_cause_has_one():
    scenarios = [simulate.load(name) for name in NAMES]
    causes = {fault.cause for one in scenarios for fault in one.faults}
    assert causes == CAUSES
    assert {other for one in scenarios for fault in one.faults for other in fault.also} <= CAUSES
    assert {name for one in scenarios for fault in one.faults for name in fault.detectors} <= DETECTORS
    assert sum(one.healthy for one in scenarios) >= 8
    assert sum(not one.healthy for one in scenarios) >= 30
    assert sum(any(group.nat > 1 for group in one.clients) for one in scenarios) >= 3


def test_where_an_access_log_does_not_tell_the_cause_the_reason_is_said():
    faults = [(name, fault) for name in NAMES for fault in simulate.load(name).faults]
    assert [name for name, fault in faults if (fault.decidable == "access") is not (fault.undecided is None)] == []


def test_where_a_log_shows_nothing_of_an_incident_the_reason_is_said():
    faults = [(name, fault) for name in NAMES for fault in simulate.load(name).faults]
    assert [name for name, fault in faults if bool(fault.shown_by) is (fault.unseen is None)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_is_as_large_and_noisy_as_a_real_day(name):
    one = simulate.load(name)
    assert one.devices >= 200
    assert min(one.strangers.scanners, one.strangers.monitors) >= 2
    assert one.server.slow > 0
    assert one.logs.lost == 0.001
    assert one.margin > 0
    assert one.logs.format in writers()


@pytest.mark.parametrize("name", ALL)
def test_the_truth_holds_together(name):
    one = true_of(name)
    devices = {device["device"]: device for device in one["devices"]}
    unaffected = [device for device in one["devices"] if not device["affected"]]
    assert len(devices) >= 200
    assert len(unaffected) / len(devices) >= 0.3
    assert one["healthy"] == (not one["incidents"])
    for incident in one["incidents"]:
        assert one["since"] <= incident["first_effect"] <= incident["last_effect"] < one["until"]
        assert incident["began"] is None or incident["began"] <= incident["first_effect"]
        assert incident["devices"] or incident["intruders"]
        assert {device for device, seen in devices.items() if seen["affected"]} >= set(incident["devices"])
        assert not set(incident["recovered"]) & set(incident["ill"])
        assert set(incident["recovered"]) | set(incident["ill"]) <= set(incident["devices"])
        for name_of_detector, seen in incident["detectors"].items():
            assert name_of_detector in DETECTORS
            assert not set(seen["must"]) & set(seen["may"])
            assert set(seen["must"]) | set(seen["may"]) <= set(incident["devices"])
        assert incident["requests_denied"] <= incident["requests"]
        assert incident["writes_lost"] <= incident["requests"]


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("healthy")])
@pytest.mark.slow
def test_on_a_healthy_day_no_device_must_be_seen_by_a_detector(name):
    assert [device["device"] for device in true_of(name)["devices"] if device["must"]] == []


@pytest.mark.slow
def test_every_detector_has_a_scenario_that_it_must_see():
    seen = set()
    for name in NAMES:
        for incident in true_of(name)["incidents"]:
            seen |= {detector for detector, devices in incident["detectors"].items() if devices["must"]}
            seen |= {detector for detector in incident["detectors"] if incident["intruders"]}
        seen |= {detector for device in true_of(name)["devices"] for detector in device["must"]}
    assert seen == DETECTORS


def test_the_log_is_cut_at_both_ends_and_some_lines_are_lost():
    from authforensics.simulate.world import World

    scenario = simulate.load("healthy_quiet")
    written = simulated("healthy_quiet").written
    every = World(scenario, 1).run().exchanges
    inside = [one for one in every if 0 <= one.ended < scenario.hours * 3600]
    assert every[0].ended < 0
    assert every[-1].ended > scenario.hours * 3600
    assert 0.0003 < 1 - len(written) / len(inside) < 0.003
    assert any(one.age is not None and one.started - one.age < 0 for one in inside), "nobody was there before"


def test_a_call_may_be_refused_after_the_refresh_that_followed_it():
    """Stragglers: a slow refusal ends when a new token is there already."""
    found, renewed = 0, {}
    for one in sorted(simulated("healthy_quiet").written, key=lambda one: one.ended):
        if one.issued:
            renewed[one.actor.name] = one
        last = renewed.get(one.actor.name)
        found += bool(one.refused and one.grant and last and one.started < last.started and one.grant != last.issued)
    assert found > 3


def test_devices_behind_one_address_share_their_names():
    one = true_of("nat_equal_lifetimes")
    pairs = [pair for device in one["devices"] for pair in device["pairs"]]
    assert len(set(pairs)) < 0.9 * len(pairs)
    assert len({device["device_id"] for device in one["devices"]}) == len(one["devices"])


def _digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path):
    simulated("signing_key_mismatch").write(tmp_path / "first")
    simulate.simulate("signing_key_mismatch", 1).write(tmp_path / "again")
    simulate.simulate("signing_key_mismatch", 2).write(tmp_path / "other")
    first = _digest(tmp_path / "first")
    assert set(first) == {"logs/access.log", "logs/app.log", "deploys.jsonl", "truth.json"}
    assert first == _digest(tmp_path / "again")
    other = _digest(tmp_path / "other")
    assert all(first[name] != other[name] for name in first if name != "deploys.jsonl")


def test_a_fault_refuses_only_whom_it_concerns():
    """In the scenario of the wrong key, every refused signature comes of the fault, and nobody else's call does."""
    written = simulated("signing_key_mismatch").written
    wrong = [one for one in written if one.reason == "signature_invalid"]
    assert wrong
    assert {one.fault for one in wrong} == {"signing_key_mismatch"}
    assert {one.fault for one in written if one.accepted} == {None}


def test_a_share_is_one_of_users_and_none_of_strangers():
    scenario = simulate.load("user_disabled")
    faults = Faults(scenario.faults, seed=1)
    phones = [Actor(f"p{number}", f"u{number}", "ios", "1", "192.0.2.1", "app", "phones") for number in range(50)]
    scanners = [replace(one, user=None, known=False) for one in phones]
    hit = [sum(bool(faults.active(4 * HOUR, one)) for one in group) for group in (phones, scanners)]
    assert 0 < hit[0] < 50
    assert hit[1] == 0


def test_a_policy_differs_by_design_and_is_nobodys_fault():
    written = simulated("healthy_two_clients").written
    lifetimes = {(one.actor.platform == "web", one.lifetime) for one in written if one.lifetime is not None}
    assert lifetimes == {(True, 300.0), (False, 1200.0)}
    assert {one.fault for one in written} == {None}
    told = true_of("healthy_two_clients")["lifetimes"]
    assert [(one["access_lifetime"], one["scope"].get("group", [])) for one in told] == [
        (1200.0, []),
        (300.0, ["browsers"]),
    ]


GROUP = '[[clients]]\nname = "phones"\ncount = 3\n'
FAULT = '[[faults]]\ncause = "clock_skew"\ndecidable = "access"\n'


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ('title = "x"\nhealthy = true\n', BadValue, "own.toml:1: 'clients' is missing"),
        (
            f'title = "x"\nhealty = true\n{GROUP}',
            UnknownName,
            "own.toml:2: unknown key 'healty'; did you mean 'healthy'?",
        ),
        (
            f'title = "x"\nhours = "eight"\nhealthy = true\n{GROUP}',
            BadValue,
            "own.toml:2: hours: expected number, found 'eight'",
        ),
        (
            f'title = "x"\n{GROUP}{FAULT}[faults.server]\nlagg = 3\n',
            UnknownName,
            "own.toml:9: unknown key 'lagg'; did you mean 'lag'?",
        ),
        (
            f'title = "x"\n{GROUP}{FAULT}{FAULT}groups = ["tablets"]\n',
            BadValue,
            "groups of 'clock_skew' that exist, not tablets",
        ),
        (f'title = "x"\n{GROUP}', BadValue, "own.toml:1: expected faults, or 'healthy = true'"),
        ('title = "x\n', BadValue, "own.toml:1: expected TOML"),
        (f'title = "x"\nhealthy = true\n{GROUP}count = 4\n', BadValue, "own.toml:6: expected TOML"),
    ],
)
def test_a_mistake_in_a_scenario_is_told_with_its_place(text, error, told):
    with pytest.raises(error) as raised:
        read(text, "own.toml")
    assert told in str(raised.value)


def test_a_scenario_that_is_not_there():
    with pytest.raises(UnknownName, match="did you mean 'healthy_quiet'"):
        simulate.load("healthy_quite")
    with pytest.raises(MissingInput, match=r"own\.toml: scenario can't be read"):
        simulate.load("own.toml")
