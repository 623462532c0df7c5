"""Diagnose: findings and sessions → incidents → ranked root causes. One module a cause, in `causes`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from authforensics import _registry
from authforensics.diagnose import behavior, case, causes, claimed, forged, incidents, recalled
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import UNDETERMINED, Cause, Weight
from authforensics.diagnose.clusters import Cluster, cluster, keep
from authforensics.diagnose.lifetimes import infer
from authforensics.diagnose.recovery import recovery
from authforensics.diagnose.refusals import denials
from authforensics.diagnose.signed import UNSIGNED, Signed, signed
from authforensics.diagnose.tally import Tally, tally
from authforensics.diagnose.united import Judged, alone, united
from authforensics.diagnose.verdict import verdict
from authforensics.document import Lifetimes
from authforensics.findings import Deploy, Finding, Incident
from authforensics.schema import History, Reason
from authforensics.states import AuthEvent

__all__ = [
    "Cause",
    "Tally",
    "Weight",
    "behavior",
    "claimed",
    "diagnose",
    "infer",
    "keep",
    "known_causes",
    "recovery",
    "signed",
    "tally",
    "verdict",
]


#: Whoever logs in all day long asks why, even if it is by design.
_EXPIRIES = "expired_refresh_storm"
#: What sessions end by some day: where they do so together, and log in again, there is no incident.
_EXPIRED = {Reason.TOKEN_EXPIRED.value, Reason.REFRESH_EXPIRED.value}


#: Kinds that may be what another incident did to the same devices: then they are none by themselves.
_SIGNS = (recalled.KIND, "forgotten")


def known_causes() -> dict[str, Cause]:
    """All root causes by name."""
    return _registry.load(causes, "CAUSE", Cause)


def diagnose(
    history: History,
    findings: list[Finding],
    lifetimes: Mapping[str, Lifetimes],
    deploys: Sequence[Deploy] = (),
    signers: Signed = UNSIGNED,
) -> list[Incident]:
    """Make incidents of findings and explain them.

    Args:
        history: what `correlate` gave of all devices.
        findings: what `detect` found in it.
        lifetimes: per system, what `infer` gave.
        deploys: what is known of deploys and restarts.
        signers: what `signed` gave of the tokens in the logs.

    Returns:
        Incidents, the worst first, then those still going on, then the earliest.
    """
    known = known_causes()
    clusters = cluster(history.episodes, findings, dict(history.spans.select("system", "begin").rows()))
    built = [
        replace(
            case.build(
                one,
                refused,
                history,
                lifetimes.get(one.system, Lifetimes()),
                deployed=deploys,
                findings=findings,
                signed=signers,
            ),
            witnessed_at=first,
        )
        for one, refused, first in _refusals(clusters, history, lifetimes)
    ]
    judged = [_judged(one, known) for one in built if not _is_sign(one)]
    judged += _signs([one for one in built if _is_sign(one)], judged, known)
    found = [
        incidents.incident(one.case, one.causes, harmless=one.harmless)
        for one in united(judged, lambda joined: _judged(joined, known), UNDETERMINED)
    ]
    found = forged.adopted(found, forged.incidents(signers, history, findings, known[forged.CAUSE]), findings)
    return sorted(found, key=_worst_first)


def _refusals(
    clusters: Sequence[Cluster], history: History, lifetimes: Mapping[str, Lifetimes]
) -> Iterator[tuple[Cluster, pl.DataFrame, datetime | None]]:
    """Each cluster that may be an incident, with its refusals, and what `denials` gives besides."""
    for one, (told, first) in zip(clusters, denials(history.events, clusters), strict=True):
        if one.kind == recalled.KIND:
            refused = recalled.early(told, lifetimes.get(one.system, Lifetimes()).access)
        elif _informs(one) and _reasons(told) <= _EXPIRED:
            continue
        else:
            refused = told
        if not refused.is_empty():
            yield one, refused, first


def _is_sign(one: Case) -> bool:
    """Whether it may be what another incident did: so are logins that are refused, not those that get no verdict."""
    verdicts = one.denials["auth_event"] == AuthEvent.LOGIN_DENIED.value
    return one.cluster.kind in _SIGNS or (one.cluster.kind == "login" and 2 * int(verdicts.sum()) > len(verdicts))


def _signs(cases: Sequence[Case], judged: Sequence[Judged], known: Mapping[str, Cause]) -> Iterator[Judged]:
    """Of signs those that no other incident did."""
    others = [one.case for one in judged]
    for sign in cases:
        if not alone(sign, others):
            continue
        if sign.cluster.kind != recalled.KIND:
            yield _judged(sign, known)
        elif recalled.stands(sign):
            yield replace(_judged(sign, known), harmless=True)


def _worst_first(one: Incident) -> tuple[object, ...]:
    """What hurts somebody comes before what could."""
    return -one.severity.rank, not one.ongoing, not one.requests_denied, one.first_seen, one.system, one.id


def _judged(whole: Case, known: Mapping[str, Cause]) -> Judged:
    """A case and its causes. Of what spares clients that obey, only the others are affected, if there are any."""
    ranked = incidents.rank(whole, known)
    first = known[ranked[0].cause]
    if not first.spares:
        return Judged(whole, ranked)
    stuck = whole.stuck()
    if stuck is whole or stuck.denials.is_empty():
        explained = first.name != UNDETERMINED or _informs(whole.cluster) or _only_expired(whole)
        return Judged(whole, ranked, explained and bool(whole.cluster.episodes["obeyed"].all()))
    again = incidents.rank(stuck, known)
    # What ended the sessions of all is known, though these few alone would not tell.
    return Judged(stuck, ranked if again[0].cause == UNDETERMINED else again)


def _informs(one: Cluster) -> bool:
    """Whether it is known only by what informs: sessions that ended together, and logins that followed."""
    return all(finding.detector != _EXPIRIES and finding.measures.get("benign") for finding in one.findings)


def _reasons(denials: pl.DataFrame) -> set[str]:
    return set(denials["reason"].drop_nulls().cast(pl.String).unique())


def _only_expired(whole: Case) -> bool:
    """Whether all that was refused had expired, as every session does some day, and nothing says otherwise.

    Without a word of the server: sessions end at one age, always the same, and after their access tokens.
    """
    said = _reasons(whole.denials)
    if said:
        return said <= _EXPIRED
    access, ends = whole.lifetimes.access, whole.lifetimes.refresh
    if access is None or ends is None or ends.partial or ends.since is not None:
        return False
    return ends.low > access.high
