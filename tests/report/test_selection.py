"""What is shown first is the worst, and evidence tells a story before it repeats itself."""

from __future__ import annotations

import documents

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
