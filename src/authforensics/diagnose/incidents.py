"""Clusters → incidents: how bad, since when, in which phases, to whom, why, and whether it is over."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

import polars as pl

from authforensics.diagnose import witnessed
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import CARRIES, UNDETERMINED, WORTH_A_LOOK, Cause
from authforensics.diagnose.phases import phases
from authforensics.diagnose.wording import clock, plural
from authforensics.findings import Finding, Incident, RootCause, Scope, Severity, duration

_TITLES = {
    "key": "Tokens are refused: their signature does not verify",
    "rejected": "New tokens are refused",
    "refresh": "Refresh tokens are refused",
    "unanswered": "Refreshes get no answer",
    "ignored": "Clients keep calling with tokens that are refused",
    **witnessed.TITLES,
}
#: The severity scale of the pathologies: shares of the active devices, and numbers of them.
_MANY_SHARE = 0.1
_MANY = 20
_SOME = 3
_LONG_SECONDS = 3600.0
#: What locks users out or loses data (S1), and what hits a group or bleeds slowly (S2), by the severity of its
#: findings.
_LOCKED_OUT = Severity.CRITICAL
_GROUP = Severity.HIGH


def incident(case: Case, ranked: tuple[RootCause, ...], *, harmless: bool = False, obeyed: int = 0) -> Incident:
    """Judge one case, whose causes are `ranked`.

    `harmless`: sessions ended, and every client did what it should; `obeyed`: so many others that did.
    """
    findings = sorted(case.cluster.findings, key=lambda one: (one.first_seen, one.detector, one.device_id or ""))
    steps = phases(case)
    identity = f"{case.cluster.system}\n{case.cluster.kind}\n{began(case).isoformat()}"
    ill_seconds = _device_seconds(case)
    return Incident(
        id=f"incident-{hashlib.sha256(identity.encode()).hexdigest()[:10]}",
        system=case.cluster.system,
        title=_TITLES[case.cluster.kind],
        summary=_summary(case),
        detectors=tuple(sorted({one.detector for one in findings})),
        severity=Severity.LOW if harmless else severity(case, findings),
        first_seen=began(case),
        last_seen=case.last,
        ongoing=not case.quiet,
        devices=len(case.devices),
        users=case.users,
        device_ids=tuple(case.devices),
        devices_seen=case.active,
        devices_recovered=case.recovered,
        devices_ill=case.ill,
        devices_obeyed=obeyed,
        requests_denied=case.refused,
        writes_lost=case.writes_lost,
        device_seconds=round(ill_seconds, 3),
        findings=tuple(one.id for one in findings),
        scope=_scope(case),
        deploys=case.preceding(began(case)),
        renewed=case.renewed,
        phases=steps,
        root_causes=_advised(case, ranked),
    )


def _advised(case: Case, ranked: tuple[RootCause, ...]) -> tuple[RootCause, ...]:
    """What to do where new tokens are accepted again, before what to do about the cause."""
    if not (case.renewed and case.ill):
        return ranked
    first = ranked[0]
    told = "New tokens are accepted again: have the clients that go on with old ones log in anew, or restart them."
    return (
        first.model_copy(update={"remediation": f"{told} If the cause is still there: {first.remediation}"}),
        *ranked[1:],
    )


def _scope(case: Case) -> Scope:
    """What it is confined to: where refreshes get no answer, the instances that give none, not those that say so."""
    if case.cluster.kind != "unanswered":
        return case.scope
    return case.scope.model_copy(update={"upstream": case.failing})


def began(case: Case) -> datetime:
    """When the first event of an incident was, refused or not."""
    return min(case.onset, case.witnessed_at or case.onset)


def rank(case: Case, causes: Mapping[str, Cause]) -> tuple[RootCause, ...]:
    """All causes worth a look, best first; `undetermined` first where none carries."""
    weighed = [
        cause.weigh(case)
        for name, cause in causes.items()
        if name != UNDETERMINED and (cause.for_all or not case.crowded)
    ]
    spoken = sorted(
        (one for one in weighed if one.for_ and one.score >= WORTH_A_LOOK), key=lambda one: (-one.score, one.cause)
    )
    if spoken and spoken[0].score >= CARRIES:
        return tuple(spoken)
    return (causes[UNDETERMINED].weigh(case), *spoken)


def severity(case: Case, findings: list[Finding]) -> Severity:
    """The scale of the pathologies (S1-S3 by number and share of devices), as declared in `findings.Severity`."""
    devices = len(case.devices)
    many = devices / case.active >= _MANY_SHARE
    worst = max({one.severity for one in findings}, key=lambda one: one.rank)
    locked_out = worst is _LOCKED_OUT
    if devices >= _SOME and (many or devices >= _MANY) and (locked_out or case.writes_lost):
        return Severity.CRITICAL
    if devices >= _SOME and (locked_out or (worst is _GROUP and many)):
        return Severity.HIGH
    long = (case.last - began(case)).total_seconds() > _LONG_SECONDS
    if (devices >= _SOME and worst is _GROUP) or (long and worst in (_LOCKED_OUT, _GROUP)):
        return Severity.MEDIUM
    return Severity.LOW


def much(devices: int, active: int) -> bool:
    """Whether so many devices are several, and much of those that are active."""
    return devices >= _SOME and devices / active >= _MANY_SHARE


def _device_seconds(case: Case) -> float:
    """How long devices were ill, added up: each until it was accepted again, or last refused."""
    until = pl.coalesce("closed_at", "last_seen")
    return float(
        case.cluster.episodes.select((until - pl.col("first_seen")).dt.total_microseconds().sum() / 1e6).item()
    )


def _summary(case: Case) -> str:
    devices, lasted = len(case.devices), (case.last - began(case)).total_seconds()
    many = (
        f"All {devices:,} active devices"
        if devices == case.active > 1
        else (f"{devices:,} of {plural(case.active, 'active device')}")
    )
    cost = [f"{plural(case.refused, 'call')} refused"] if case.refused else []
    cost += [f"{plural(case.writes_lost, 'write')} lost"] if case.writes_lost else []
    when = f"since {began(case):%Y-%m-%d %H:%M:%S} UTC" + (f", for {duration(lasted)}" if lasted >= 1 else "")
    return "; ".join([f"{many} affected {when}", *cost, _ending(case)]) + "."


def _ending(case: Case) -> str:
    if not case.quiet:
        if case.recovered == len(case.devices):
            return "refusals go on when the log ends, but every device was accepted again"
        return case.renewed.told(case.ill) if case.renewed else "still going on when the log ends"
    if case.recovered:
        return f"over since {clock(case.last)} UTC"
    return f"none since {clock(case.last)} UTC, but no device was seen to be well again"
