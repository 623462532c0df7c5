"""The terminal summary: what an engineer on call reads first, without opening anything.

It is built of `Text` only, never of markup, so that no log text is read as an instruction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from authforensics.redact import redact, visible
from authforensics.report import selection, wording
from authforensics.report.hanging import Hanging

if TYPE_CHECKING:
    from rich.console import RenderableType

    from authforensics.document import Document, Source
    from authforensics.findings import Evidence, Finding, Incident, RootCause

_STYLE = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "bold yellow",
    "low": "bold blue",
    "none": "bold green",
    "unknown": "bold",
}
_CAUSES = 3
_EVIDENCE_LINES = 4
_OTHERS = 12
_FILES = 6
_CODE = re.compile(r"`([^`]*)`")


def render(document: Document, report_path: str | None = None, verbose: int = 0) -> RenderableType:
    """The summary; `report_path` is where the page was written, `verbose` adds the findings (2: with their lines)."""
    severity = str(document.verdict.severity)
    word = "OK" if severity == "none" else severity.upper()
    parts: list[RenderableType] = [
        Hanging(Text.assemble((f" {word} ", _STYLE[severity]), " "), _prose(document.verdict.headline, "bold")),
        Hanging(Text(), Text(wording.read_line(document), "dim")),
    ]
    several = len(document.systems) > 1
    for incident in selection.incidents(document):
        parts += [Text(), *_incident(document, incident, several)]
    if not document.incidents:
        parts += _lifetimes(document)
    if verbose and document.findings:
        parts += [Text(), Text("Findings", "bold")]
        parts += [line for finding in selection.ranked(document.findings) for line in _finding(finding, verbose)]
    parts += _units(document) if verbose else ()
    files = _files(document)
    if files:
        parts += [Text(), *files]
    if report_path:
        parts += [Text(), Hanging(Text("Report: "), Text(visible(report_path), "bold"))]
    return Group(*parts)


def _incident(document: Document, incident: Incident, several: bool) -> Iterator[RenderableType]:
    severity = incident.severity.value
    name = f"{incident.title} ({incident.system})" if several else incident.title
    yield Hanging(Text.assemble((severity, _STYLE[severity]), " "), Text(visible(name), "bold"))
    yield Hanging(Text("  "), _prose(incident.summary))
    yield from _facts(incident)
    yield from _phases(incident)
    confined = [f"{name} {', '.join(values[:4])}" for name, values in wording.scope(incident.scope)]
    if confined:
        yield _named("Only", Text(visible("; ".join(confined))))
    for number, cause in enumerate(incident.root_causes[:_CAUSES], start=1):
        yield from _first_cause(cause) if number == 1 else _other_cause(cause)
    lines, total = selection.evidence(selection.findings_of(document, incident), _EVIDENCE_LINES)
    yield _named("Lines", Text(f"{len(lines)} of {wording.count(total, 'line')} of evidence"))
    for line in lines:
        yield from _evidence(line)


def _facts(incident: Incident) -> Iterator[RenderableType]:
    facts = dict(wording.facts(incident))
    yield _named("Since", Text(f"{facts['Since']}, for {facts['Lasted']}"))
    yield _named("Now", Text(wording.is_over(incident), "bold red" if incident.ongoing else ""))
    yield _named("Who", Text(f"{facts['Devices affected']} devices; afterwards {facts['Afterwards']}"))
    cost = f"{facts['Requests denied']} requests denied, {facts['Writes lost']} writes lost, {facts['Time lost']}"
    yield _named("Cost", Text(cost))


def _phases(incident: Incident) -> Iterator[RenderableType]:
    names = [wording.phase(one.name) for one in incident.phases]
    width = max(map(len, names), default=0)
    for number, (name, one) in enumerate(zip(names, incident.phases, strict=True)):
        length = wording.duration((one.last_seen - one.first_seen).total_seconds())
        text = Text(f"{wording.moment(one.first_seen)}  {name:<{width}}  {length}")
        yield _named("Phases" if number == 0 else "", text)


def _first_cause(cause: RootCause) -> Iterator[RenderableType]:
    """The first cause with all that a person needs to act on it."""
    yield _named("Why", _cause_title(cause))
    for text in cause.for_[:3]:
        yield _piece("+", "green", text)
    for text in cause.against[:2]:
        yield _piece("-", "red", text)
    yield _named("Check", _prose(cause.check))
    yield _named("Fix", _prose(cause.remediation))
    for text in cause.missing[:1]:
        yield _named("Log next", _prose(text))


def _other_cause(cause: RootCause) -> Iterator[RenderableType]:
    """A lesser cause, with what sets it apart."""
    yield _named("Or", _cause_title(cause))
    for text in cause.for_[:1]:
        yield _piece("+", "green", text)
    for text in cause.against[:1]:
        yield _piece("-", "red", text)


def _cause_title(cause: RootCause) -> Text:
    return Text.assemble(_prose(cause.title, "bold"), (f" ({cause.confidence.value} confidence)", "dim"))


def _evidence(line: Evidence) -> Iterator[RenderableType]:
    place = visible(f"{line.source}:{line.line_number}")
    when, what = wording.precise(line.timestamp)[11:], visible(wording.label(line.auth_event))
    yield _one_line(Text.assemble(f"    {when}  {what}  ", (place, "cyan")))
    if line.text:
        yield _one_line(Text(f"      {redact(line.text)}", "dim"))


def _finding(finding: Finding, verbose: int) -> Iterator[RenderableType]:
    who = visible(finding.device_id) if finding.device_id is not None else wording.count(finding.devices, "device")
    severity = finding.severity.value
    yield Hanging(Text.assemble((severity, _STYLE[severity]), " "), Text(f"{visible(finding.detector)}, {who}"))
    yield Hanging(Text("  "), _prose(finding.summary))
    if verbose > 1:
        for line in finding.evidence:
            yield from _evidence(line)


def _lifetimes(document: Document) -> Iterator[RenderableType]:
    for system in document.systems:
        pair = (("access token", system.lifetimes.access), ("refresh token", system.lifetimes.refresh))
        known = [f"{name} lives {wording.duration(life.seconds)}" for name, life in pair if life]
        if known:
            yield Hanging(Text(visible(f"{system.system}: ")), Text(", ".join(known)))


def _units(document: Document) -> Iterator[RenderableType]:
    told = [(one.source, "; ".join(map(wording.unit, one.units))) for one in document.sources if one.units]
    if told:
        yield from (Text(), Text("Units", "bold"))
    for name, text in told:
        yield Hanging(Text(), Text.assemble((visible(name), "cyan"), f"  {visible(text)}"))


def _files(document: Document) -> list[RenderableType]:
    told = [(one.source, _trouble(one)) for one in selection.troubled(document.sources)]
    others = [f"{one.source} ({one.note or 'no known log format'})" for one in selection.left_alone(document.sources)]
    rows: list[RenderableType] = [
        Hanging(Text(), Text.assemble((visible(name), "cyan"), f": {visible(text)}")) for name, text in told[:_FILES]
    ]
    if len(told) > _FILES:
        rows.append(
            Text(
                f"and {wording.count(len(told) - _FILES, 'further file')} with something to say: see the report", "dim"
            )
        )
    if others:
        more = f"; and {wording.count(len(others) - _OTHERS, 'more file')}" if len(others) > _OTHERS else ""
        rows.append(Hanging(Text("Left alone: "), Text(visible("; ".join(others[:_OTHERS]) + more), "dim")))
    return rows


def _trouble(source: Source) -> str:
    parts = []
    if source.rejects:
        sample = source.reject_samples[0] if source.reject_samples else None
        first = f", first at line {sample.line_number}: {sample.reason}" if sample else ""
        parts.append(f"{wording.count(source.rejects, 'line')} of {wording.number(source.lines)} not understood{first}")
    parts += ["broken off"] if source.broken else []
    parts += [source.note] if source.note else []
    return "; ".join(parts)


def _named(name: str, text: Text) -> RenderableType:
    return Hanging(Text(f"  {name:<8}  ", "bold"), text)


def _piece(sign: str, style: str, text: str) -> RenderableType:
    return Hanging(Text.assemble(" " * 12, (f"{sign} ", style)), _prose(text))


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _prose(text: str, style: str = "") -> Text:
    """Sentences of ours: lines are kept, `code` stands out; nothing in them is read as markup."""
    shown = Text("\n".join(visible(line) for line in text.split("\n")), style)
    shown.highlight_regex(_CODE, "cyan")
    return shown
