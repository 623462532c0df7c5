"""What the measure of accuracy counts: found, wrong, missed; and when a bound is not met."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

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
    known = {"onset": effects["first_effect"], "intruders": [], "detectors": {}}
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


def run(variant="id-ms-app", **parts):
    return Judged(scenario="one", variant=variant, seed=1, lines=1_000_000, **{"healthy": False, **parts})


def test_bounds_are_met_or_not():
    right = Given("Refused", "high", 2, "clock_skew", "high", 0.8, ("clock_skew",), right=True)
    wrong = Given("Refused", "high", 2, "idle_expiry", "high", 0.8, ("clock_skew",), right=False)
    good = {"detectors": {"refresh_loop": Counts(right=("a",), hit=1)}, "given": (right,)}
    met = (Met("clock_skew", True, 2, right, rank=1, onset_error=3.0),)
    bad = {"detectors": {"refresh_loop": Counts(wrong=("a",), missed=("b",))}, "given": (wrong,)}
    missed = (Met("clock_skew", True, 2, wrong, rank=None, onset_error=300.0),)
    life = {"lifetimes": {"access": True, "refresh": True}}
    fine = [run(**good, incidents=met, **life), run("id-s-access", **good, incidents=met, **life)]
    healthy = {"detectors": {}, "incidents": (), "given": (), "healthy": True}
    assert [bound.name for bound in scores.bounds([*fine, run(**healthy)]) if not bound.met] == []
    poor = [
        run(**bad, incidents=missed, lifetimes={"access": False}),
        run(**{**healthy, "alarms": {"high": 1, "medium": 2}}),
    ]
    failed = {bound.name for bound in scores.bounds(poor) if not bound.met}
    assert failed >= {
        *("refresh_loop, precision, with device id", "refresh_loop, recall, with device id"),
        *("first cause right, with application log", "first cause right, access log only", "onset within 30 s"),
        *("access lifetime inside", "refresh lifetime inside", "wrong cause, high confidence"),
        *("high or critical on healthy days", "medium per million healthy lines"),
    }
    assert "NOT met" in scores.markdown(poor)
