"""Which of the document's records are shown first, where not all of them can be shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from authforensics.document import Document, Source
from authforensics.findings import Evidence, Finding, Incident

_STORY = 4


def findings_of(document: Document, incident: Incident) -> list[Finding]:
    """The findings that make up an incident, the worst and broadest first."""
    wanted = set(incident.findings)
    return ranked(finding for finding in document.findings if finding.id in wanted)


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Findings by severity, then devices, then confidence, then time."""
    return sorted(
        findings,
        key=lambda one: (-one.severity.rank, -one.devices, -one.confidence.rank, one.first_seen, one.id),
    )


def of_each_kind(findings: Iterable[Finding], most: int, room: int) -> list[Finding]:
    """At most `most` findings with about `room` characters of evidence, the worst first.

    Where not all fit, every detector of every system has its turn, so that a frequent pattern hides no rare one.
    """
    turns: Counter[tuple[str, str]] = Counter()
    queue: list[tuple[int, Finding]] = []
    for finding in ranked(findings):
        kind = (finding.system, finding.detector)
        queue.append((turns[kind], finding))
        turns[kind] += 1
    queue.sort(key=lambda turn: turn[0])
    chosen: list[Finding] = []
    for _, finding in queue[:most]:
        room -= sum(len(line.text) for line in finding.evidence)
        if room < 0 and chosen:
            break
        chosen.append(finding)
    return ranked(chosen)


def incidents(document: Document) -> list[Incident]:
    """Incidents, the worst first; among equals the one that is not over, then the one that cost most device time."""
    return sorted(
        document.incidents,
        key=lambda one: (-one.severity.rank, not one.ongoing, -one.device_seconds, one.first_seen, one.id),
    )


def evidence(findings: Sequence[Finding], limit: int) -> tuple[list[Evidence], int]:
    """At most `limit` distinct lines that carry the findings, in the order of time, and how many there are in all.

    First a line about the fleet and the story of one device, by the pattern that most devices show; then the others
    lend one line each (the breadth); what room is left is filled up in turns.
    """
    fleet = [finding for finding in findings if finding.device_id is None]
    single = [finding for finding in findings if finding.device_id is not None]
    common = Counter(finding.detector for finding in single)
    single.sort(key=lambda finding: -common[finding.detector])
    queue = [line for finding in fleet[:1] for line in finding.evidence[:1]]
    queue += [line for finding in single[:1] for line in finding.evidence[:_STORY]]
    rest = [sorted(finding.evidence, key=lambda line: line.role != "primary") for finding in findings]
    for turn in range(max((len(lines) for lines in rest), default=0)):
        queue += [lines[turn] for lines in rest if turn < len(lines)]
    distinct = list({(line.source, line.line_number): line for line in queue}.values())
    return sorted(distinct[:limit], key=lambda line: (line.timestamp, line.source, line.line_number)), len(distinct)


def left_alone(sources: Iterable[Source]) -> list[Source]:
    """Files that were not read at all."""
    return [source for source in sources if source.format is None]


def troubled(sources: Iterable[Source]) -> list[Source]:
    """Files that were read, but not whole: rejected lines, a break, or something to know."""
    return [source for source in sources if source.format and (source.rejects or source.broken or source.note)]
