"""What the measure of accuracy counts: found, wrong, missed; and when a bound is not met."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from authforensics import detect
from authforensics.findings import Severity
from benchmarks import judging, scores
from benchmarks.judging import Counts, Given, Judged, Met

START = datetime(2026, 3, 1, 10, tzinfo=UTC)


def device(name, *pairs, must=(), may=()):
    return {"device": name, "device_id": f"id-{name}", "user": f"user-{name}", "pairs": list(pairs)} | {
        "must": list(must),
        "may": list(may),
    }


def truth(*devices, incidents=(), logs=("access.log",)):
    told = {name: {"tells": [], "lines": 10} for name in logs}
    return {"devices": list(devices), "incidents": list(incidents), "logs": told, "healthy": not incidents}


def incident(**parts):
    effects = {"first_effect": START.isoformat(), "last_effect": (START + timedelta(hours=1)).isoformat()}
    own = {"cause": "stale_key_on_instance", "causes": ["stale_key_on_instance"], "devices": ["a", "b"]}
    known = {"onset": effects["first_effect"], "intruders": [], "detectors": {}, "unseen": None}
    return {**effects, **own, **known, "decidable": {"access": False, "application": True}, **parts}


def finding(detector, device_id, minutes=0, severity=Severity.HIGH):
    at = START + timedelta(minutes=minutes)
    return SimpleNamespace(
        detector=detector,
        device_id=device_id,
        severity=severity,
        first_seen=at,
        last_seen=at,
        id=f"{detector}-{minutes}",
    )


def document(*findings, incidents=()):
    return SimpleNamespace(findings=list(findings), incidents=list(incidents))


def reported(cause, devices, minutes=0, confidence="high", detectors=()):
    first = SimpleNamespace(cause=cause, confidence=SimpleNamespace(value=confidence), score=0.7)
    at = START + timedelta(minutes=minutes)
    return SimpleNamespace(
        first_seen=at,
        last_seen=at,
        device_ids=tuple(devices),
        detectors=tuple(detectors),
        devices=len(devices),
        title="Refused",
        severity=Severity.HIGH,
        root_causes=(first,),
    )


def test_devices_are_found_rightly_wrongly_or_missed():
    true = truth(device("a", must=["refresh_loop"]), device("b", may=["refresh_loop"]), device("c"), device("d"))
    true["devices"][3]["must"] = ["refresh_loop"]
    found = [finding("refresh_loop", f"id-{name}") for name in "abc"]
    counts = judging._of_devices(true, found, judging._People(true))["refresh_loop"]
    assert counts == Counts(right=("id-a", "id-b"), wrong=("id-c",), missed=("d",), hit=1)


def test_behind_one_address_a_finding_is_right_if_it_is_of_one_of_them():
    true = truth(device("a", "192.0.2.1|app", must=["login_loop"]), device("b", "192.0.2.1|app"))
    found = [finding("login_loop", "192.0.2.1|app"), finding("login_loop", "192.0.2.9|curl")]
    counts = judging._of_devices(true, found, judging._People(true))["login_loop"]
    assert (counts.right, counts.wrong, counts.missed) == (("192.0.2.1|app",), ("192.0.2.9|curl",), ())


def test_what_only_reasons_show_is_not_missed_where_none_are_told():
    true = truth(device("a", must=["malformed_token"]))
    assert "malformed_token" not in judging._of_devices(true, [], judging._People(true))
    told = {**true, "logs": {"access.log": {"tells": [], "lines": 1}, "app.log": {"tells": [], "lines": 1}}}
    assert judging._of_devices(told, [], judging._People(told))["malformed_token"].missed == ("a",)


def test_what_is_said_of_a_log_is_counted_once_a_log():
    true = truth(device("a", must=["token_exposed"]), device("b", must=["token_exposed"]))
    said = [finding("token_exposed", None, 0), finding("token_exposed", None, 5)]
    (told,) = judging._of_logs(true, said).values()
    assert (len(told.right), told.wrong, told.missed, told.hit) == (2, (), (), 1)
    assert judging._of_logs(true, [])["token_exposed"].missed == ("access.log",)
    assert judging._of_logs(truth(device("a")), said)["token_exposed"].wrong
    assert judging._of_logs(truth(device("a")), []) == {}
    assert "token_exposed" not in judging._of_devices(true, said, judging._People(true))


def test_of_waves_that_meet_the_same_devices_the_first_is_the_incident():
    true = truth(device("a"), device("b"), incidents=[incident()])
    waves = [reported("stale_key_on_instance", ["id-a", "id-b"], minutes) for minutes in (5, 40)]
    (met,), _ = judging._incidents(true, document(incidents=waves), judging._People(true), application=True)
    assert met.onset_error == 300
    waves[0].device_ids = ("id-a",)
    (met,), _ = judging._incidents(true, document(incidents=waves), judging._People(true), application=True)
    assert (met.onset_error, met.recall) == (300, 0.5)


def test_an_onset_is_right_from_the_first_effect_to_the_first_that_the_log_shows():
    true = truth(device("a"), device("b"), incidents=[incident(onset=(START + timedelta(minutes=10)).isoformat())])
    for minutes, error in ((-1, -60), (0, 0), (7, 0), (10, 0), (12, 120)):
        told = document(incidents=[reported("stale_key_on_instance", ["id-a", "id-b"], minutes)])
        (met,), _ = judging._incidents(true, told, judging._People(true), application=True)
        assert met.onset_error == error


def test_fleets_are_counted_by_incidents():
    due = incident(detectors={"denial_surge": {"must": ["a"], "may": []}})
    true = truth(device("a"), device("b"), incidents=[due])
    people = judging._People(true)
    found = document(finding("denial_surge", None, 30), finding("denial_surge", None, 300))
    counts = judging._of_fleets(true, found, people)["denial_surge"]
    assert (counts.right, counts.wrong, counts.hit) == (("denial_surge-30",), ("denial_surge-300",), 1)
    assert judging._of_fleets(true, document(), people)["denial_surge"].missed == ("stale_key_on_instance",)
    assert "denial_surge" not in judging._of_fleets(true, document(finding("refresh_loop", "id-a")), people)


def test_what_is_left_over_is_not_missed_where_others_made_an_incident_of_most_devices():
    true = truth(device("a"), device("b"), incidents=[incident(detectors={"mass_logout": {"must": ["a"], "may": []}})])
    people = judging._People(true)
    for detectors, missed in ((("mass_logout",), True), (("expired_refresh_storm", "mass_logout"), False)):
        one = reported("undetermined", ["id-a"], minutes=5, detectors=detectors)
        assert ("mass_logout" in judging._of_fleets(true, document(incidents=[one]), people)) is missed


@pytest.mark.parametrize(
    ("cause", "application", "right", "misleads"),
    [
        ("stale_key_on_instance", True, True, False),
        ("clock_skew", True, False, True),
        ("undetermined", True, False, False),
        ("undetermined", False, True, False),
    ],
)
def test_a_cause_is_right_by_the_truth_and_undetermined_where_nobody_could_tell(cause, application, right, misleads):
    true = truth(device("a"), device("b"), incidents=[incident()])
    document = SimpleNamespace(incidents=[reported(cause, ["id-a", "id-b"], minutes=5)])
    met, given = judging._incidents(true, document, judging._People(true), application=application)
    assert (met[0].right, given[0].misleads) == (right, misleads)
    assert (met[0].onset_error, met[0].precision, met[0].recall) == (300.0, 1.0, 1.0)


def test_an_incident_of_other_devices_or_another_time_is_another_one():
    true = truth(device("a"), device("b"), device("c"), incidents=[incident()])
    for other in (reported("clock_skew", ["id-c"]), reported("clock_skew", ["id-a", "id-b"], minutes=180)):
        met, given = judging._incidents(
            true, SimpleNamespace(incidents=[other]), judging._People(true), application=True
        )
        assert met[0].given is None
        assert given[0].about == ()


def test_an_incident_that_a_log_cannot_show_is_not_counted_nor_is_a_report_of_it_false():
    hidden = incident(unseen="nothing names devices", detectors={"mass_logout": {"must": ["a"], "may": []}})
    true = truth(device("a"), device("b"), incidents=[hidden])
    people, seen = judging._People(true), document(incidents=[reported("undetermined", ["id-a", "id-b"], minutes=5)])
    met, given = judging._incidents(true, seen, people, application=True)
    assert (met, given[0].about) == ((), ("stale_key_on_instance",))
    assert "mass_logout" not in judging._of_fleets(true, document(), people)


RIGHT = Given("Refused", "high", 2, "clock_skew", "high", 0.8, ("clock_skew",), right=True)
WRONG = Given("Refused", "high", 2, "idle_expiry", "high", 0.8, ("clock_skew",), right=False)
MET = Met("clock_skew", True, 2, RIGHT, rank=1, onset_error=3.0)
FOUND = {name: Counts(right=("a",), hit=1) for name in detect.detectors()}


def run(variant="id-ms-app", **parts):
    """One in which everything is right, but for `parts`."""
    fine = {"detectors": FOUND, "incidents": (MET,), "given": (RIGHT,), "lifetimes": {"access": True, "refresh": True}}
    return Judged(**{"scenario": "one", "variant": variant, "seed": 1, "healthy": False, "lines": 10, **fine, **parts})


def healthy(**parts):
    none = {"detectors": {}, "incidents": (), "given": (), "lifetimes": {}}
    return run(**{"healthy": True, "lines": 1_000_000, **none, **parts})


FINE = [run(variant) for variant in ("id-ms-app", "id-s-access", "noid-ms-access", "noid-s-app")]


def unmet(runs):
    return [bound.name for bound in scores.bounds(runs) if not bound.met]


def test_every_bound_is_met_where_everything_is_right():
    assert unmet([*FINE, healthy(alarms={"low": 5, "medium": 1})]) == []


@pytest.mark.parametrize(
    ("harm", "failed"),
    [
        (
            run(detectors={"refresh_loop": Counts(wrong=("a",), hit=1)}),
            ["refresh_loop, precision, with device id"],
        ),
        (
            run("id-s-access", detectors={"zombie_client": Counts(right=("b",), hit=1, missed=("a",))}),
            ["zombie_client, recall, with device id"],
        ),
        (
            run("noid-s-app", detectors={"login_loop": Counts(wrong=("a",), hit=1)}),
            ["login_loop, precision, without device id"],
        ),
        (
            run("noid-ms-access", detectors={"mass_logout": Counts(right=("b",), hit=1, missed=("a",))}),
            ["mass_logout, recall, without device id"],
        ),
        (run(detectors={"mass_logout": Counts(hit=1)}), []),
        (run("noid-s-app", detectors={"session_shared": Counts(right=("a",))}), []),
        (run(incidents=(replace(MET, rank=2),)), ["first cause right, with application log"]),
        (run("id-s-access", incidents=(Met("clock_skew", True, 2),)), ["first cause right, access log only"]),
        (run(incidents=(replace(MET, onset_error=-31.0),)), ["onset within 30 s"]),
        (run(lifetimes={"access": False}), ["access lifetime inside"]),
        (run("noid-s-app", lifetimes={"refresh": False}), ["refresh lifetime inside"]),
        (run("noid-s-app", given=(WRONG,)), ["wrong cause, high confidence"]),
        (healthy(alarms={"high": 1}), ["findings of high or critical on healthy days"]),
        (healthy(variant="noid-s-app", alarms={"critical": 1}), ["findings of high or critical on healthy days"]),
        (healthy(alarms={"medium": 3}), ["findings of medium per million healthy lines"]),
        (
            healthy(given=(replace(RIGHT, severity="critical", about=()),)),
            ["incidents of high or critical on healthy days"],
        ),
    ],
)
def test_a_bound_that_is_missed_is_named(harm, failed):
    runs = [*FINE, healthy(), harm]
    assert unmet(runs) == failed
    assert scores.markdown(runs).count("NOT met") == len(failed)
    assert [str(bound).split(":")[0] for bound in scores.bounds(runs) if not bound.met] == failed


def test_what_was_not_measured_is_no_bound_met():
    assert set(unmet([])) == {bound.name for bound in scores.bounds(FINE)} - {
        f"session_shared, {word}, without device id" for word in ("precision", "recall")
    }
    without = {name: counts for name, counts in FOUND.items() if name not in {"token_exposed", "session_shared"}}
    assert unmet([*(replace(one, detectors=without) for one in FINE), healthy()]) == [
        *(f"session_shared, {word}, with device id" for word in ("precision", "recall")),
        *(f"token_exposed, {word}, {log} device id" for log in ("with", "without") for word in ("precision", "recall")),
    ]
