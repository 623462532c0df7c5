"""Every detector against its cases: each has two or more that fire, and three or more look-alikes that stay silent."""

from __future__ import annotations

import re
from importlib import import_module

import polars as pl
import pytest

from authforensics import detect
from authforensics.cli.entries import DETECTOR_PARTS, split
from authforensics.findings import Finding
from detector_cases import CASES, detector, load, played, sessions, shown

NAMES = list(detect.detectors())
#: Lines that come before what is found, and without which it can't be understood.
BEFORE = {"login_ok", "refresh_ok", "logout"}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name.removesuffix(".toml"))
def test_a_case_gives_exactly_its_findings(path):
    case = load(path)
    events = played(case)
    found = detect.find(sessions(events), [detect.detectors()[detector(path)]], carried=shown(case))
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
            "summary": one.summary,
            "evidence": [line.auth_event for line in one.evidence],
            "lines": [line.line_number for line in one.evidence],
            **one.measures,
        }
        assert {key: told[key] for key in {*wanted, "summary"}} == wanted
        assert_carried(one, events)


def defined(name: str) -> str:
    """The auth events of its primary lines, as the docstring says under `Evidence`: groups in order, each repeated."""
    told = split(import_module(f"authforensics.detect.patterns.{name}").__doc__, DETECTOR_PARTS)["Evidence"]
    groups = re.findall(r"`([^`]+)`", told)
    steps = [[f"(?:{step.replace('any', r'[a-z_]+')}) " for step in group.split(", ")] for group in groups]
    return "".join(f"(?:{''.join(group)})+" for group in steps)


def assert_carried(finding: Finding, events: pl.DataFrame) -> None:
    """The primary lines of a finding are those that its definition names, of its devices, from its time."""
    lines = [line for line in finding.evidence if line.role == "primary"]
    assert re.fullmatch(defined(finding.detector), "".join(f"{line.auth_event} " for line in lines))
    assert [line.timestamp for line in lines] == sorted(line.timestamp for line in lines) or finding.device_id is None
    for line in lines:
        assert finding.first_seen <= line.timestamp <= finding.last_seen or (
            line.timestamp < finding.first_seen and line.auth_event in BEFORE
        )
    told = events.filter(pl.col("line_number").is_in([line.line_number for line in lines]))
    owners = told["device_id"].cast(str)
    if finding.detector == "token_exposed":
        assert told["token"].null_count() == 0
        where = told["token_where"].cast(str).str.split(" ").list.first().replace("field", "body")
        assert set(where) == {finding.measures["where"]}
        return
    if finding.device_id is None:
        assert owners.n_unique() >= min(finding.devices, 3)
    else:
        assert owners.null_count() or set(owners) == {finding.device_id}


@pytest.mark.parametrize("name", NAMES)
def test_a_detector_has_two_cases_in_which_it_finds_something_and_three_look_alikes(name):
    fires = {path.name: bool(load(path).get("finding")) for path in CASES if detector(path) == name}
    assert sum(fires.values()) >= 2
    assert sum(not one for one in fires.values()) >= 3
    assert {one for one, fired in fires.items() if not fired} == {one for one in fires if ".silent_" in one}


@pytest.mark.parametrize("name", NAMES)
def test_a_case_of_a_detector_names_the_lines_that_carry_what_it_says(name):
    expected = [one for path in CASES if detector(path) == name for one in load(path).get("finding", [])]
    assert any("evidence" in one or "lines" in one for one in expected)


def test_a_case_has_a_detector():
    assert {detector(path) for path in CASES} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_detector_is_named_and_its_thresholds_have_units_and_sources(name):
    declared = detect.detectors()[name]
    assert declared.name == name
    for threshold in declared.thresholds:
        assert threshold.unit, threshold.name
        assert len(threshold.source) > 10, threshold.name
