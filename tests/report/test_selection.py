"""What is shown first is the worst, and evidence tells a story before it repeats itself."""

from __future__ import annotations

import documents

from authforensics.findings import Severity
from authforensics.report import selection


def test_evidence_tells_one_device_in_full_then_others_once() -> None:
    document = documents.incident()
    found = selection.findings_of(document, document.incidents[0])
    lines, total = selection.evidence(found, 10)
    assert total == 4 * 44
    assert [line.timestamp for line in lines] == sorted(line.timestamp for line in lines)
    assert {(line.source, line.line_number) for line in lines} >= {
        ("access.log", 2000),
        ("access.log", 2001),
        ("access.log", 2002),
        ("app-error.log", 40),
        ("access.log", 2011),
        ("access.log", 2021),
    }
    assert len({(line.source, line.line_number) for line in lines}) == len(lines) == 10


def test_a_frequent_pattern_hides_no_rare_one() -> None:
    findings = documents.incident().findings
    assert selection.of_each_kind(findings, 100, 10**9) == selection.ranked(findings)
    rare = findings[-1].model_copy(update={"id": "rare", "detector": "login_loop", "severity": Severity.LOW})
    chosen = selection.of_each_kind((*findings, rare), 5, 10**9)
    assert [one.detector for one in chosen] == ["signature_failure_burst", *["refresh_loop"] * 3, "login_loop"]


def test_findings_with_long_lines_are_fewer_but_never_none() -> None:
    findings = selection.ranked(documents.incident().findings)
    size = sum(len(line.text) for line in findings[1].evidence)
    assert 1 < len(selection.of_each_kind(findings, 100, 10 * size)) < 12
    assert len(selection.of_each_kind(findings, 100, 0)) == 1
    assert selection.of_each_kind((), 100, 0) == []


def test_no_finding_no_evidence() -> None:
    assert selection.evidence([], 10) == ([], 0)


def test_the_worst_incident_comes_first_and_the_fleet_before_its_devices() -> None:
    document = documents.several()
    turned = document.model_copy(update={"incidents": document.incidents[::-1]})
    assert [one.severity.value for one in selection.incidents(turned)] == ["critical", "medium"]
    assert selection.ranked(document.findings[::-1])[0].device_id is None


def test_files_are_sorted_by_their_trouble() -> None:
    sources = documents.incident().sources
    assert [one.source for one in selection.left_alone(sources)] == ["core.1234"]
    assert [one.source for one in selection.troubled(sources)] == ["access.log"]
