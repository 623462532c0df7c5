"""What the page shows, as plain data: which records belong together, and in which order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from authforensics.report import selection, specs, wording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authforensics.devices import Client
    from authforensics.document import Device, Document, Endpoint, Source, System, Timeline
    from authforensics.findings import Evidence, Finding, Incident, RootCause

# What a page of a large fleet can hold; whatever is left out, the page says so.
_CARDS = 60
_EVIDENCE_LINES = 10
_CHIPS, _ALL_CHIPS = 200, 2_000
_FINDING_ROWS, _FINDING_CHARACTERS = 200, 600_000
_SOURCE_ROWS = 300
_CLIENT_ROWS = 40
_DISPOSITIONS = ("events", "continuations", "rejects", "blank", "header", "filtered", "duplicates")


@dataclass(frozen=True)
class Stretch:
    """A phase of an incident and its share of the strip, in percent, widened where it would be too thin to see."""

    name: str
    first_seen: datetime
    last_seen: datetime
    since: str
    width: float


@dataclass(frozen=True)
class Chip:
    """A device with what a link to it shows: `state` is null where it isn't known, `link` where it has no timeline."""

    system: str
    device_id: str
    state: str | None
    severity: str
    link: str | None


@dataclass(frozen=True)
class Card:
    """One incident with all that belongs to it."""

    incident: Incident
    facts: list[tuple[str, str]]
    status: str
    phases: list[Stretch]
    first: RootCause
    others: tuple[RootCause, ...]
    evidence: list[Evidence]
    evidence_total: int
    devices: list[Chip]


class Page:
    """The document in the order in which the page tells it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.several = len(document.systems) > 1
        self.read_line = wording.read_line(document)
        self._devices = {(device.system, device.device_id): device for device in document.devices}
        self._drawn = {(line.system, line.device_id) for line in document.timelines}

    @cached_property
    def cards(self) -> list[Card]:
        """Incidents, the worst first."""
        return [self._card(incident) for incident in selection.incidents(self.document)[:_CARDS]]

    @cached_property
    def worst(self) -> dict[tuple[str, str], str]:
        """The highest severity of each device's findings, or of the incidents it belongs to."""
        claims = [(one.system, one.device_id, one.severity) for one in self.document.findings if one.device_id]
        claims += [(one.system, device, one.severity) for one in self.document.incidents for device in one.device_ids]
        found: dict[tuple[str, str], str] = {}
        for system, device, severity in sorted(claims, key=lambda claim: claim[2].rank):
            found[system, device] = severity.value
        return found

    @cached_property
    def picks(self) -> list[Chip]:
        """Devices that have a timeline, in the document's order."""
        return [self.chip(line.system, line.device_id) for line in self.document.timelines]

    @cached_property
    def severities(self) -> list[str]:
        """The severities by which the picker can be filtered."""
        return list(dict.fromkeys(chip.severity for chip in self.picks))

    @cached_property
    def findings(self) -> list[Finding]:
        """The findings that the table shows, the worst first."""
        return selection.of_each_kind(self.document.findings, _FINDING_ROWS, _FINDING_CHARACTERS)

    @cached_property
    def thinned(self) -> list[str]:
        """Of which pattern the table shows only some findings, and how many."""
        shown = Counter(finding.detector for finding in self.findings)
        found = Counter(finding.detector for finding in self.document.findings)
        return [
            f"{name} {wording.number(shown[name])} of {wording.number(total)}"
            for name, total in found.most_common()
            if shown[name] < total
        ]

    @cached_property
    def clients(self) -> list[Client]:
        """The versions of apps that are listed: those with most devices that met a refusal."""
        return sorted(self.document.clients, key=lambda one: -one.devices)[:_CLIENT_ROWS]

    def chip(self, system: str, device_id: str) -> Chip:
        """How a device is shown wherever it is named."""
        key = (system, device_id)
        device: Device | None = self._devices.get(key)
        return Chip(
            system=system,
            device_id=device_id,
            state=device.state if device else None,
            severity=self.worst.get(key, "none"),
            link=self._link(system, device_id) if key in self._drawn else None,
        )

    def endpoints(self, system: System) -> list[Endpoint]:
        """Endpoints of a system, the most denied first."""
        own = [one for one in self.document.endpoints if one.system == system.system]
        return sorted(own, key=lambda one: (-one.denied, -one.requests, one.route))

    @cached_property
    def read(self) -> list[Source]:
        """Files that were read; of very many, first those that were not read whole."""
        found = [source for source in self.document.sources if source.format]
        if len(found) > _SOURCE_ROWS:
            found.sort(key=lambda source: not (source.rejects or source.broken or source.note))
        return found

    @cached_property
    def left_alone(self) -> list[Source]:
        """Files that were not."""
        return selection.left_alone(self.document.sources)

    @property
    def most_sources(self) -> int:
        """How many files of a kind are listed."""
        return _SOURCE_ROWS

    def dispositions(self, source: Source) -> list[tuple[str, int, float]]:
        """What became of the lines: name, count and share in percent, without the empty ones."""
        counts = [(name, int(getattr(source, name))) for name in _DISPOSITIONS]
        return [(name, lines, 100 * lines / source.accounted) for name, lines in counts if lines]

    def _link(self, system: str, device_id: str) -> str:
        where = {"device": device_id} | ({"system": system} if self.several else {})
        return f"#{urlencode(where)}"

    def _card(self, incident: Incident) -> Card:
        found = selection.findings_of(self.document, incident)
        most = min(_CHIPS, _ALL_CHIPS // min(len(self.document.incidents), _CARDS))
        named = list(incident.device_ids)
        if len(named) > most:
            keys = {device: (incident.system, device) for device in named}
            named.sort(key=lambda device: (keys[device] not in self._drawn, keys[device] not in self._devices))
        lines, total = selection.evidence(found, _EVIDENCE_LINES)
        return Card(
            incident=incident,
            facts=wording.facts(incident),
            status=wording.is_over(incident),
            phases=_stretches(incident),
            first=incident.root_causes[0],
            others=incident.root_causes[1:],
            evidence=lines,
            evidence_total=total,
            devices=[self.chip(incident.system, device) for device in named[:most]],
        )


def _stretches(incident: Incident) -> list[Stretch]:
    lengths = [max((one.last_seen - one.first_seen).total_seconds(), 1.0) for one in incident.phases]
    total = sum(lengths)
    days = {one.first_seen.astimezone(UTC).date() for one in incident.phases}
    since = [wording.moment(one.first_seen)[11 if len(days) == 1 else 5 :] for one in incident.phases]
    return [
        Stretch(one.name, one.first_seen, one.last_seen, clock, round(max(100 * length / total, 3.0), 2))
        for one, length, clock in zip(incident.phases, lengths, since, strict=True)
    ]


def figures(document: Document) -> dict[str, Iterator[dict[str, object]]]:
    """Every figure of the page: per system the charts, per timeline its device, in the order of the document."""
    return {
        "systems": (_system(document, one) for one in document.systems),
        "devices": (figure(document, timeline) for timeline in document.timelines),
    }


def _system(document: Document, system: System) -> dict[str, object]:
    return {
        "system": system.system,
        "fleet": specs.fleet(document, system.system),
        "denials": specs.denials(document, system.system),
    }


def figure(document: Document, timeline: Timeline) -> dict[str, object]:
    """The figure of one device, with what the page says beside it."""
    return {
        "system": timeline.system,
        "device": timeline.device_id,
        "omitted": timeline.omitted,
        "figure": specs.device_timeline(document, timeline),
    }
