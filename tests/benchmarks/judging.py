"""Compares what an analysis says with what is true of a simulated run; see `accuracy` for the definitions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from authforensics.document import Document
from authforensics.findings import Confidence, Finding, Incident, Severity
from authforensics.simulate.labels import MET as OF_FLEETS

Truth = Mapping[str, Any]
UNDETERMINED = "undetermined"
#: By how much incidents may miss each other in time, and still overlap: a log tells seconds, and lines get lost.
_SLACK = timedelta(seconds=60)
#: The same for patterns of whole fleets, which are seen in windows of minutes.
_WINDOW = timedelta(minutes=5)
#: What is seen in reasons only: a log that tells none is no place to look for it.
_TOLD = frozenset({"signature_failure_burst", "malformed_token"})
#: What is for refusals that no other detector explains, and what only informs, where another says that something is
#: wrong: sessions that end at their own time each, or whose end no reason explains, are no wave.
_LEFT_OVER = frozenset({"denial_surge", "mass_logout"})
#: What is said of a log, and of no device.
_OF_LOGS = frozenset({"token_exposed"})
#: The share of the devices of one of them that two incidents which are one must have in common.
_COMMON = 0.5


@dataclass(frozen=True)
class Counts:
    """Of one detector: what it found rightly and wrongly, what it should have found, and what of that it missed."""

    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    #: How many of those it must find it found; `right` has those that it may find, too.
    hit: int = 0


@dataclass(frozen=True)
class Given:
    """An incident that was reported: its first cause, and whether that is right."""

    title: str
    severity: str
    devices: int
    cause: str
    confidence: str
    score: float
    #: The causes of the true incidents that it overlaps; none: there is nothing that it could be.
    about: tuple[str, ...]
    right: bool

    @property
    def misleads(self) -> bool:
        """A wrong cause, and sure of it."""
        return not self.right and self.cause != UNDETERMINED and self.confidence == Confidence.HIGH.value


@dataclass(frozen=True)
class Met:
    """A true incident, and what was said of it; `given` is null if it was not found."""

    cause: str
    decidable: bool
    devices: int
    given: Given | None = None
    #: The place of the right cause among those given, from 1; null: it is not among them.
    rank: int | None = None
    onset_error: float | None = None
    #: Devices: those of both, as shares of those found and of the true ones.
    precision: float | None = None
    recall: float | None = None

    @property
    def right(self) -> bool:
        """The first cause is the true one; `undetermined` is right only where nobody could tell."""
        if self.given is None:
            return False
        return self.rank == 1 or (not self.decidable and self.given.cause == UNDETERMINED)

    @property
    def among_three(self) -> bool:
        """The true cause is one of the first three."""
        return self.right or (self.rank is not None and self.rank <= 3)


@dataclass(frozen=True)
class Judged:
    """One run."""

    scenario: str
    variant: str
    seed: int
    healthy: bool
    lines: int
    detectors: Mapping[str, Counts]
    incidents: tuple[Met, ...]
    given: tuple[Given, ...]
    #: Findings on devices that nothing is wrong with, by severity, and of them those of medium and above in words.
    alarms: Mapping[str, int] = field(default_factory=dict)
    #: Which lifetime was inferred, and whether the true one is inside.
    lifetimes: Mapping[str, bool] = field(default_factory=dict)
    seconds: float = 0.0


def judge(truth: Truth, document: Document, variant: str, seconds: float = 0.0) -> Judged:
    """Judge one analysis."""
    people = _People(truth)
    incidents, given = _incidents(truth, document, people, application="app.log" in truth["logs"])
    return Judged(
        scenario=truth["scenario"],
        variant=variant,
        seed=truth["seed"],
        healthy=truth["healthy"],
        lines=sum(one["lines"] for one in truth["logs"].values()),
        detectors=_of_devices(truth, document.findings, people)
        | _of_fleets(truth, document, people)
        | _of_logs(truth, document.findings),
        incidents=incidents,
        given=given,
        alarms=_alarms(truth, document.findings, people),
        lifetimes=_lifetimes(truth, document),
        seconds=seconds,
    )


class _People:
    """Which devices an identity of the analysis is: more than one where the log doesn't tell them apart."""

    def __init__(self, truth: Truth) -> None:
        self._of: dict[str, set[str]] = defaultdict(set)
        for one in truth["devices"]:
            for identity in (one["device_id"], one["user"], *one["pairs"]):
                self._of[identity].add(one["device"])

    def devices(self, identity: str) -> set[str]:
        """The devices; a stranger is itself."""
        return self._of.get(identity) or {identity}


def _when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _visible(detector: str, truth: Truth) -> bool:
    """Whether the log tells what a detector needs."""
    logs = truth["logs"]
    return detector not in _TOLD or "app.log" in logs or "reason" in logs["access.log"]["tells"]


def _of_devices(truth: Truth, findings: Sequence[Finding], people: _People) -> dict[str, Counts]:
    """Detectors that name devices."""
    must: dict[str, set[str]] = defaultdict(set)
    may: dict[str, set[str]] = defaultdict(set)
    for device in truth["devices"]:
        for name in device["must"]:
            if _visible(name, truth) and name not in _OF_LOGS:
                must[name].add(device["device"])
        for name in device["may"]:
            may[name].add(device["device"])
    found: dict[str, set[str]] = defaultdict(set)
    for one in findings:
        if one.device_id is not None:
            found[one.detector].add(one.device_id)
    told: dict[str, Counts] = {}
    for name in {*must, *found}:
        right = {one for one in found[name] if people.devices(one) & (must[name] | may[name])}
        seen = {device for one in found[name] for device in people.devices(one)}
        told[name] = Counts(
            right=tuple(sorted(right)),
            wrong=tuple(sorted(found[name] - right)),
            missed=tuple(sorted(must[name] - seen)),
            hit=len(must[name] & seen),
        )
    return told


def _explained(true: Truth, detector: str, document: Document, people: _People) -> bool:
    """Whether other findings are about most devices of an incident, of a detector that is for what these leave over.

    By themselves, or through an incident that they made: a finding about a whole fleet names no device.
    """
    if detector not in _LEFT_OVER:
        return False
    named = [one.device_id for one in document.findings if one.device_id is not None]
    made = [one for one in document.incidents if set(one.detectors) - _LEFT_OVER and _beside(one, true, _WINDOW)]
    groups = [named, *(one.device_ids for one in made)]
    affected = set(true["devices"])
    seen = max(len(affected & set[str]().union(*map(people.devices, group))) for group in groups)
    return seen >= _COMMON * len(affected)


def _of_fleets(truth: Truth, document: Document, people: _People) -> dict[str, Counts]:
    """Detectors of whole fleets: counted are true incidents, and findings that are of none."""
    told: dict[str, Counts] = {}
    for name in OF_FLEETS:
        mine = [one for one in document.findings if one.detector == name]
        due = [one for one in truth["incidents"] if name in one["detectors"] and one["onset"] is not None]
        due = [one for one in due if not one["unseen"]]
        due = [one for one in due if not _explained(one, name, document, people)] if _visible(name, truth) else []
        may = [one for one in truth["incidents"] if one["onset"] is not None]
        hit = [one for one in due if any(_beside(finding, one, _WINDOW) for finding in mine)]
        # What is for information only claims no incident.
        claims = [one for one in mine if one.severity is not Severity.NONE]
        right = [finding for finding in claims if any(_beside(finding, one, _WINDOW) for one in may)]
        if mine or due:
            told[name] = Counts(
                right=tuple(one.id for one in right),
                wrong=tuple(one.id for one in claims if one not in right),
                missed=tuple(one["cause"] for one in due if one not in hit),
                hit=len(hit),
            )
    return told


def _of_logs(truth: Truth, findings: Sequence[Finding]) -> dict[str, Counts]:
    """Detectors of logs: each log is counted once, by whether any device left in it what they look for."""
    told: dict[str, Counts] = {}
    for name in _OF_LOGS:
        found = tuple(sorted({one.id for one in findings if one.detector == name}))
        due = any(name in device["must"] for device in truth["devices"])
        if found or due:
            told[name] = Counts(
                right=found if due else (),
                wrong=() if due else found,
                missed=() if found or not due else ("access.log",),
                hit=int(bool(found) and due),
            )
    return told


def _beside(one: Finding | Incident, true: Truth, slack: timedelta) -> bool:
    """Whether something overlaps a true incident in time."""
    if true["first_effect"] is None:
        return False
    return one.first_seen <= _when(true["last_effect"]) + slack and one.last_seen >= _when(true["first_effect"]) - slack


def _incidents(
    truth: Truth, document: Document, people: _People, *, application: bool
) -> tuple[tuple[Met, ...], tuple[Given, ...]]:
    true = [one for one in truth["incidents"] if one["onset"] is not None]
    affected = [{*one["devices"], *one["intruders"]} for one in true]
    found = document.incidents
    shares: list[tuple[float, int, int, float, float]] = []
    for at, one in enumerate(found):
        identities = [people.devices(identity) for identity in one.device_ids]
        reached = set().union(*identities)
        for number, devices in enumerate(affected):
            precision = sum(bool(mine & devices) for mine in identities) / len(identities)
            recall = len(reached & devices) / len(devices)
            if _beside(one, true[number], _SLACK) and max(precision, recall) >= _COMMON:
                shares.append((min(precision, recall), at, number, precision, recall))
    given = [
        _given(one, [true[number] for _, mine, number, *_ in shares if mine == at]) for at, one in enumerate(found)
    ]
    pairs: dict[int, tuple[int, float, float]] = {}
    for _, at, number, *_ in sorted(shares, key=lambda one: (-one[0], found[one[1]].first_seen)):
        taken = {mine for mine, *_ in pairs.values()}
        if number not in pairs and at not in taken:
            # Of waves the first is it, whichever met the most devices: the others repeat it.
            waves = [one for one in shares if one[2] == number and found[one[1]].title == found[at].title]
            first = min((one for one in waves if one[1] not in taken), key=lambda one: found[one[1]].first_seen)
            pairs[number] = first[1], *first[3:]
    decided = "application" if application else "access"
    met = []
    for number, one in enumerate(true):
        if one["unseen"]:
            continue
        base = Met(one["cause"], one["decidable"][decided], len(affected[number]))
        if number in pairs:
            at, precision, recall = pairs[number]
            base = _met(base, one, found[at], given[at], (precision, recall))
        met.append(base)
    return tuple(met), tuple(given)


def _met(base: Met, true: Truth, found: Incident, given: Given, shares: tuple[float, float]) -> Met:
    ranks = [place for place, one in enumerate(found.root_causes, 1) if one.cause in true["causes"]]
    # Between the first effect and the first one that the log shows, any time is right.
    nearest = min(max(found.first_seen, _when(true["first_effect"])), _when(true["onset"]))
    error = (found.first_seen - nearest).total_seconds()
    return Met(base.cause, base.decidable, base.devices, given, min(ranks, default=None), error, *shares)


def _given(one: Incident, about: Iterable[Truth]) -> Given:
    first = one.root_causes[0]
    met = list(about)
    return Given(
        title=one.title,
        severity=one.severity.value,
        devices=one.devices,
        cause=first.cause,
        confidence=first.confidence.value,
        score=first.score,
        about=tuple(true["cause"] for true in met),
        right=any(first.cause in true["causes"] for true in met),
    )


def _alarms(truth: Truth, findings: Iterable[Finding], people: _People) -> dict[str, int]:
    """Findings about devices that nothing is wrong with, by severity; of fleets only on a healthy day."""
    ill = {device for one in truth["incidents"] for device in (*one["devices"], *one["intruders"])}
    ill |= {one["device"] for one in truth["devices"] if one["must"] or one["may"]}
    found: dict[str, int] = {}
    for one in findings:
        mine = set() if one.device_id is None else people.devices(one.device_id)
        if truth["healthy"] or (mine and not mine & ill):
            found[one.severity.value] = found.get(one.severity.value, 0) + 1
    return found


def _lifetimes(truth: Truth, document: Document) -> dict[str, bool]:
    """Whether what was inferred contains a lifetime that was in force."""
    kinds = {"access": ("access_lifetime", "cookie_lifetime"), "refresh": ("refresh_lifetime", "session_lifetime")}
    leeway = max((one.get("leeway") or 0.0 for one in truth["lifetimes"]), default=0.0)
    told: dict[str, bool] = {}
    for system in document.systems:
        for kind, names in kinds.items():
            given = getattr(system.lifetimes, kind)
            if given is not None:
                values = [one[name] for one in truth["lifetimes"] for name in names if one.get(name)]
                told[kind] = any(given.low <= value + leeway and value <= given.high for value in values)
    return told
