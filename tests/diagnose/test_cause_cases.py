"""Every root cause against its cases: where it must come first, and where its look-alike must."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from authforensics import diagnose
from past import signed_of
from script import play, tokens

CASES = sorted((Path(__file__).parent.parent / "cases" / "causes").glob("*.toml"))
NAMES = list(diagnose.known_causes())


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name.removesuffix(".toml"))
def test_a_case_gives_its_incident_and_cause(path, past):
    case = tomllib.loads(path.read_text(encoding="utf-8"))
    how = (case["script"], case.get("devices", 1), case.get("stagger", 0.0))
    carried = tokens(*how)
    history, found = past(play(*how), carried)
    lifetimes = {"case": diagnose.infer(history.grants, history.devices)}
    signers = signed_of(history, carried, *case.get("unset", []))
    incidents = diagnose.diagnose(history, found, lifetimes, signers=signers)
    wanted = case["incident"]
    assert len(incidents) == len(wanted), [one.title for one in incidents]
    for one, expected in zip(incidents, wanted, strict=True):
        cause = one.root_causes[0]
        told = {
            "cause": cause.cause,
            "confidence": cause.confidence.value,
            "severity": one.severity.value,
            "devices": one.devices,
            "devices_seen": one.devices_seen,
            "ongoing": one.ongoing,
            "devices_recovered": one.devices_recovered,
            "devices_obeyed": one.devices_obeyed,
            "requests_denied": one.requests_denied,
            "writes_lost": one.writes_lost,
            "phases": [phase.name for phase in one.phases],
            "first_seen": one.first_seen.strftime("%H:%M:%S"),
            "upstream": list(one.scope.upstream),
            "app_version": list(one.scope.app_version),
            "title": cause.title,
        }
        assert {key: told[key] for key in expected if key in told} == {
            key: expected[key] for key in expected if key in told
        }
        for word in expected.get("for", []):
            assert any(word in sentence for sentence in cause.for_), (word, cause.for_)
        for word in expected.get("missing", []):
            assert any(word in sentence for sentence in cause.missing), (word, cause.missing)
        assert expected.get("remediation", "") in cause.remediation
        for name in expected.get("not_first", []):
            assert cause.cause != name
        assert path.name.split(".")[0] in {cause.cause, *expected.get("not_first", [])}


@pytest.mark.parametrize("name", NAMES)
def test_a_cause_has_a_case_in_which_it_is_first(name):
    first = [
        path
        for path in CASES
        if path.name.split(".")[0] == name
        and any(one.get("cause") == name for one in tomllib.loads(path.read_text(encoding="utf-8"))["incident"])
    ]
    assert first


def test_a_case_has_a_cause():
    assert {path.name.split(".")[0] for path in CASES} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_cause_says_what_to_check_and_how_its_evidence_counts(name):
    cause = diagnose.known_causes()[name]
    assert cause.name == name
    assert len(cause.check) > 40
    assert len(cause.remediation) > 40
    for weight in cause.weights.values():
        assert weight.value != 0
        assert len(weight.why) > 10
