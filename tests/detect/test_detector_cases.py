"""Every detector against its cases: each has at least one that fires and one look-alike that stays silent."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from authforensics import detect
from authforensics.correlate import Options, correlate
from script import ENDPOINTS, play

CASES = sorted((Path(__file__).parent.parent / "cases" / "detectors").glob("*.toml"))
NAMES = list(detect.detectors())


def _load(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name.removesuffix(".toml"))
def test_a_case_gives_exactly_its_findings(path):
    case = _load(path)
    name = path.name.split(".")[0]
    events = play(case["script"], case.get("devices", 1), case.get("stagger", 0.0))
    sessions = correlate(events, Options(endpoints=ENDPOINTS)).sessions
    found = detect.find(sessions, [detect.detectors()[name]])
    expected = case.get("finding", [])
    assert len(found) == len(expected), [one.summary for one in found]
    for one, wanted in zip(found, expected, strict=True):
        told = {
            "device_id": one.device_id,
            "devices": one.devices,
            "count": one.count,
            "ongoing": one.ongoing,
            "reason": one.reason,
            "first_seen": one.first_seen.strftime("%H:%M:%S"),
            "last_seen": one.last_seen.strftime("%H:%M:%S"),
            "severity": one.severity.value,
            "confidence": one.confidence.value,
            "evidence": [line.auth_event for line in one.evidence],
            "lines": [line.line_number for line in one.evidence],
            **one.measures,
        }
        assert {key: told[key] for key in wanted} == wanted


@pytest.mark.parametrize("name", NAMES)
def test_a_detector_has_a_firing_and_a_silent_case(name):
    cases = [_load(path) for path in CASES if path.name.split(".")[0] == name]
    assert any(case.get("finding") for case in cases), "no case fires"
    assert any(not case.get("finding") for case in cases), "no case is silent"


def test_a_case_has_a_detector():
    assert {path.name.split(".")[0] for path in CASES} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_detector_is_named_and_documented(name):
    from importlib import import_module

    detector = detect.detectors()[name]
    text = import_module(f"authforensics.detect.patterns.{name}").__doc__ or ""
    assert detector.name == name
    for part in (
        "What it sees:",
        "Why it matters:",
        "False positives:",
        "At the log's edges:",
        "Remediation:",
        "References:",
    ):
        assert part in text, part
    for threshold in detector.thresholds:
        assert threshold.unit, threshold.name
        assert len(threshold.source) > 10, threshold.name
