"""The same result in plain form, for a ticket or a postmortem: GitHub-flavoured Markdown that log text can't break."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from authforensics.redact import redact, visible
from authforensics.report import clients, lifetimes, selection, tokens, wording

if TYPE_CHECKING:
    from authforensics.document import Document
    from authforensics.findings import Evidence, Incident, RootCause

_EVIDENCE_LINES = 10
_PIPE = "\\|"
_DEVICES = 30
_PLACES = 20
_SPECIAL = re.compile(r"[\\`*_\[\]|~]")
_ENTITY = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_AUTOLINK = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)")
_BLOCK_START = re.compile(r"^(\s*)([-+=#]|\d+(?=[.)](?:\s|$)))")


def render(document: Document) -> str:
    """The document as Markdown text that ends with a line break."""
    blocks = [f"# {_severity(document)}: {prose(document.verdict.headline)}", prose(wording.read_line(document))]
    several = len(document.systems) > 1
    for incident in selection.incidents(document):
        blocks += _incident(document, incident, several)
    blocks += _clients(document, several)
    blocks += _tokens(document)
    if document.systems:
        blocks += ["## Token lifetimes", _lifetimes(document)]
    if document.sources:
        blocks += ["## What was read", _sources(document)]
    blocks.append(
        f"authforensics {code(document.run.version)}, schema {code(document.schema_)}. All times are UTC. Made offline."
    )
    return "\n\n".join(blocks) + "\n"


def plain(text: str) -> str:
    """`text` with everything that Markdown, HTML or an autolink would react to made harmless; one line."""
    shown = "".join(_ENTITY.get(char, char) for char in visible(text))
    shown = _SPECIAL.sub(r"\\\g<0>", shown)
    shown = _AUTOLINK.sub(lambda match: f"{match[1]}&#58;" if match[2] else f"{match[3]}&#46;", shown)
    return _BLOCK_START.sub(r"\1\\\2" if not shown.lstrip()[:1].isdigit() else r"\1\2&#8203;", shown)


def code(text: str) -> str:
    """`text` as a code span that it can't end."""
    shown = visible(text)
    fence = "`" * (_longest_run(shown) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def prose(text: str) -> str:
    """Sentences of ours: lines are kept, `code` stays code, whatever they quote is made harmless."""
    return "<br>".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    parts = line.split("`")
    if len(parts) % 2 == 0:
        return plain(line)
    return "".join((code(part) if part else "") if n % 2 else plain(part) for n, part in enumerate(parts))


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _severity(document: Document) -> str:
    severity = str(document.verdict.severity)
    return "No incident" if severity == "none" else severity.capitalize()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells keep their pipes: inside a table, and only there, these need a backslash even in code."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', _PIPE) for cell in cells)} |" for cells in lines)


def _incident(document: Document, incident: Incident, several: bool) -> Iterator[str]:
    system = f" ({code(incident.system)})" if several else ""
    yield f"## {incident.severity.value.capitalize()}: {plain(incident.title)}{system}"
    yield prose(incident.summary)
    confined = [
        (f"Only {name}", ", ".join(code(value) for value in values)) for name, values in wording.scope(incident.scope)
    ]
    facts = [(name, plain(value)) for name, value in wording.facts(incident)]
    yield _table(("", ""), [*facts, ("Status", wording.is_over(incident)), *confined])
    if incident.phases:
        rows = [
            (
                wording.phase(one.name),
                wording.moment(one.first_seen),
                wording.duration((one.last_seen - one.first_seen).total_seconds()),
            )
            for one in incident.phases
        ]
        yield _table(("Phase", "Since (UTC)", "Lasted"), rows)
    first, *others = incident.root_causes
    yield f"### Why: {prose(first.title)}"
    yield from _cause(first)
    if others:
        yield "### Other causes considered"
    for cause in others:
        yield f"**{prose(cause.title)}**"
        yield from _cause(cause)
    lines, total = selection.evidence(selection.findings_of(document, incident), _EVIDENCE_LINES)
    yield f"### Evidence: {len(lines)} of {wording.count(total, 'line')}"
    yield _fenced(lines)
    yield f"### Affected: {wording.count(len(incident.device_ids), 'device')}"
    more = len(incident.device_ids) - _DEVICES
    yield ", ".join(map(code, incident.device_ids[:_DEVICES])) + (
        f" and {wording.number(more)} more" if more > 0 else ""
    )


def _cause(cause: RootCause) -> Iterator[str]:
    yield f"{code(cause.cause)}, {cause.confidence.value} confidence, score {cause.score:.2f}"
    pieces = [f"- For: {prose(text)}" for text in cause.for_] + [f"- Against: {prose(text)}" for text in cause.against]
    if pieces:
        yield "\n".join(pieces)
    advice = [
        ("What to do now", cause.remediation),
        ("Check it", cause.check),
        *(("Log this next", text) for text in cause.missing),
    ]
    yield from (f"**{name}:** {prose(text)}" for name, text in advice if text)


def _fenced(lines: Sequence[Evidence]) -> str:
    rows = [
        f"{visible(f'{one.source}:{one.line_number}')}  [{visible(one.auth_event)}]  {redact(one.text)}"
        for one in lines
    ]
    fence = "`" * max(3, max(map(_longest_run, rows), default=0) + 1)
    return "\n".join([f"{fence}text", *rows, fence])


def _clients(document: Document, several: bool) -> Iterator[str]:
    """The versions of apps that do wrong after a refusal; nothing where none does."""
    found = clients.worth_a_word(document)
    if not found:
        return
    yield "## What apps do after a refusal"
    yield clients.RIGHT
    rows = [
        (
            *([code(one.system)] if several else []),
            plain(clients.name(one)),
            wording.number(one.devices),
            clients.share(one.right, one),
            *(clients.share(getattr(one, field), one) for field in clients.HEADS),
        )
        for one in found
    ]
    heads = (*(["System"] if several else []), "Client", "Devices refused", "Right", *clients.HEADS.values())
    yield _table(heads, rows)
    yield from clients.notes(found)


def _tokens(document: Document) -> Iterator[str]:
    """Where tokens can be read, who signed them, and what the environment lacks; nothing where there is none."""
    if not tokens.told(document):
        return
    yield "## Tokens in the logs"
    said = tokens.summary(document.tokens)
    if said:
        yield prose(said)
    found = tokens.places(document)
    if found:
        rows = [(code(one.name), one.tokens, one.lines, code(one.first)) for one in found[:_PLACES]]
        yield _table(("Where", "Tokens", "Lines", "First"), rows)
        if len(found) > _PLACES:
            yield f"{wording.count(len(found) - _PLACES, 'further place')} in the JSON document."
        yield "\n".join(f"- {where}: {prose(advice)}" for where, advice in tokens.stops(document.tokens.leaks))
    keys = [(code(key.name), prose(key.whose), key.tokens) for key in tokens.keys(document)]
    if keys:
        yield _table(("Signed by", "Whose key", "Tokens"), keys)
    remarks = [f"- {one.level}: {prose(one.text)}" for one in document.tokens.environment]
    if remarks:
        yield "### The environment that was named"
        yield "\n".join(remarks)


def _lifetimes(document: Document) -> str:
    rows = []
    for system in document.systems:
        name = code(system.system)
        rows += [(name, row.name, row.value, row.detail, prose(row.whom)) for row in lifetimes.rows(system.lifetimes)]
        if system.lifetimes.note:
            rows.append((name, "Note", "", prose(system.lifetimes.note), ""))
    return _table(("System", "Token", "Lives", "How known", "Which"), rows)


def _sources(document: Document) -> str:
    rows = [
        (
            code(one.source),
            f"{plain(one.format)} ({wording.percent(one.confidence, 1)} sure)" if one.format else "left alone",
            wording.number(one.lines),
            wording.number(one.rejects),
            code(one.timezone) if one.timezone else "",
            prose(one.note or ""),
        )
        for one in document.sources
    ]
    return _table(("File", "Format", "Lines", "Not understood", "Zone", "Note"), rows)
