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
from authforensics.report import clients, lifetimes, selection, tokens, wording
from authforensics.report.hanging import Hanging, one_line

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
_MISSING = 3
_EVIDENCE_LINES = 4
_OTHERS = 12
_FILES = 6
_CLIENTS = 4
_PLACES = 4
_LEVELS = {"error": "red", "warning": "yellow", "note": "dim"}
#: A method in quotes, or the key before it in JSON; no further to the right than this, it is seen anyway.
_REQUEST = re.compile(r'"(?:(?:request_)?method": ?"|request": ?")?(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\b')
_FAR = 60
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
    for number, incident in enumerate(selection.incidents(document)):
        shown = _further(document, incident, several, advice=number == 1) if number else None
        parts += [Text(), *(shown or _incident(document, incident, several))]
    parts += _clients(document, several)
    parts += _tokens(document)
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
    """The worst incident, with all that a person needs to act on it."""
    yield _title(incident, several)
    yield from _facts(incident)
    yield from _phases(incident)
    yield from _scope(incident)
    for number, cause in enumerate(incident.root_causes[:_CAUSES], start=1):
        yield from _first_cause(cause) if number == 1 else _other_cause(cause)
    lines, total = selection.evidence(selection.findings_of(document, incident), _EVIDENCE_LINES)
    yield _named("Lines", Text(f"{len(lines)} of {wording.count(total, 'line')} of evidence"))
    for line in lines:
        yield from _evidence(line)


def _further(document: Document, incident: Incident, several: bool, *, advice: bool) -> Iterator[RenderableType]:
    """Another one, in brief, the second one with advice: all of it should fit on a screen."""
    yield _title(incident, several)
    yield from _facts(incident)
    yield from _scope(incident)
    if advice:
        yield from _first_cause(incident.root_causes[0])
    else:
        yield _named("Why", _cause_title(incident.root_causes[0]))
    lines, _ = selection.evidence(selection.findings_of(document, incident), 1)
    for line in lines:
        yield _named("Line", Text.assemble((visible(f"{line.source}:{line.line_number}"), "cyan")))


def _title(incident: Incident, several: bool) -> RenderableType:
    severity = incident.severity.value
    name = f"{incident.title} ({incident.system})" if several else incident.title
    return Hanging(Text.assemble((severity, _STYLE[severity]), " "), Text(visible(name), "bold"))


def _scope(incident: Incident) -> Iterator[RenderableType]:
    confined = [f"{name} {', '.join(values[:4])}" for name, values in wording.scope(incident.scope)]
    if confined:
        yield _named("Only", Text(visible("; ".join(confined))))


def _facts(incident: Incident) -> Iterator[RenderableType]:
    facts = dict(wording.facts(incident))
    yield _named("Since", Text(f"{facts['Since']}, for {facts['Lasted']}"))
    if incident.deploys:
        yield _named("Before", Text(visible(facts["Just before"])))
    yield _named("Now", Text(wording.is_over(incident), "bold red" if incident.outcome == "ongoing" else ""))
    who = facts["Devices affected"].replace(")", ") devices", 1)
    if not wording.failed(incident):
        yield _named("Who", Text(who))
        return
    yield _named("Who", Text(f"{who}; afterwards {facts['Afterwards']}"))
    counts = ((incident.requests_denied, "request", " denied"), (incident.writes_lost, "write", " lost"))
    cost = [f"{wording.count(value, noun)}{what}" for value, noun, what in counts if value]
    yield _named("Cost", Text(", ".join([*cost, facts["Time lost"]])))


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
    for number, text in enumerate(cause.missing[: _MISSING if cause.cause == "undetermined" else 1]):
        yield _named("" if number else "Log next", _prose(text))
    yield _named("More", Text(f"authforensics explain {visible(cause.cause)}"))


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
    yield one_line(Text.assemble(f"    {when}  {what}  ", (place, "cyan")))
    if line.text:
        yield one_line(Text(f"      {_from_request(redact(line.text))}", "dim"))


def _from_request(text: str) -> str:
    """A line from its request on, where that stands far behind: what is before it are time and address."""
    request = _REQUEST.search(text)
    return f"…{text[request.start() :]}" if request and request.start() > _FAR else text


def _finding(finding: Finding, verbose: int) -> Iterator[RenderableType]:
    fleet = wording.count(finding.devices, "device") if finding.devices else "the log"
    who = visible(finding.device_id) if finding.device_id is not None else fleet
    severity = finding.severity.value
    yield Hanging(Text.assemble((severity, _STYLE[severity]), " "), Text(f"{visible(finding.detector)}, {who}"))
    yield Hanging(Text("  "), _prose(finding.summary))
    if verbose > 1:
        for line in finding.evidence:
            yield from _evidence(line)


def _clients(document: Document, several: bool) -> Iterator[RenderableType]:
    """What apps do wrong after a refusal; nothing where none does."""
    found = clients.worth_a_word(document)
    if found:
        yield from (Text(), Text("Apps after a refusal", "bold"))
    for one in found[:_CLIENTS]:
        named = f"{clients.name(one)} ({one.system})" if several else clients.name(one)
        yield Hanging(Text(f"  {visible(named)}: "), Text(clients.sentence(one)))
    if len(found) > _CLIENTS:
        yield Text(f"  and {wording.count(len(found) - _CLIENTS, 'further version')}: see the report", "dim")


def _tokens(document: Document) -> Iterator[RenderableType]:
    """Where tokens can be read, who signed them, and what the environment lacks; nothing where there is none."""
    if not tokens.told(document):
        return
    yield from (Text(), Text("Tokens in the logs", "bold"))
    said = tokens.summary(document.tokens)
    if said:
        yield Hanging(Text("  "), _prose(said))
    found = tokens.places(document)
    for one in found[:_PLACES]:
        yield Hanging(Text("  "), Text(visible(f"{one.name}: {one.tokens} on {one.lines}, first at {one.first}")))
    if len(found) > _PLACES:
        yield Text(f"  and {wording.count(len(found) - _PLACES, 'further place')}: see the report", "dim")
    for key in tokens.keys(document):
        line = f"{key.tokens} of them signed by {key.name} ({key.whose})"
        yield Hanging(Text("  "), Text(visible(line), "bold red" if key.alarming else ""))
    for remark in document.tokens.environment:
        yield Hanging(Text("  environment: "), _prose(remark.text, _LEVELS[remark.level]))


def _lifetimes(document: Document) -> Iterator[RenderableType]:
    for system in document.systems:
        for row in lifetimes.rows(system.lifetimes):
            if row.known:
                whom = f"; {row.whom}" if row.whom else ""
                text = visible(f"{row.name.lower()} lives {row.value} ({row.detail}{whom})")
                yield Hanging(Text(visible(f"{system.system}: ")), Text(text))


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


def _prose(text: str, style: str = "") -> Text:
    """Sentences of ours: lines are kept, `code` stands out; nothing in them is read as markup."""
    shown = Text("\n".join(visible(line) for line in text.split("\n")), style)
    shown.highlight_regex(_CODE, "cyan")
    return shown
