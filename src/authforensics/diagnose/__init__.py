"""Diagnose: findings and sessions → incidents → ranked root causes. One module a cause, in `causes`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from authforensics import _registry
from authforensics.diagnose import behavior, causes, claimed, forged, incidents, recalled
from authforensics.diagnose.case import Case
from authforensics.diagnose.cases import cases
from authforensics.diagnose.cause import UNDETERMINED, Cause, Weight
from authforensics.diagnose.crowds import Crowd, crowds
from authforensics.diagnose.ill import keep
from authforensics.diagnose.lifetimes import infer
from authforensics.diagnose.recovery import recovery
from authforensics.diagnose.refusals import EXPIRED, reasons
from authforensics.diagnose.signed import UNSIGNED, Signed, signed
from authforensics.diagnose.tally import Tally, tally
from authforensics.diagnose.united import Judged, alone, united
from authforensics.diagnose.verdict import verdict
from authforensics.document import Lifetimes
from authforensics.findings import Deploy, Finding, Incident
from authforensics.schema import History
from authforensics.states import AuthEvent

__all__ = [
    "Cause",
    "Crowd",
    "Tally",
    "Weight",
    "behavior",
    "claimed",
    "crowds",
    "diagnose",
    "infer",
    "keep",
    "known_causes",
    "recovery",
    "signed",
    "tally",
    "verdict",
]

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
    *,
    crowded: Collection[str] = (),
) -> list[Incident]:
    """Make incidents of findings and explain them.

    Args:
        history: what `correlate` gave of all devices.
        findings: what `detect` found in it.
        lifetimes: per system, what `infer` gave.
        deploys: what is known of deploys and restarts.
        signers: what `signed` gave of the tokens in the logs.
        crowded: the systems whose devices can't be told apart.

    Returns:
        Incidents, the worst first, of these those whose devices are known, then those that go on, then the largest.
    """
    known = known_causes()
    built = cases(history, findings, lifetimes, deploys, signers, crowded=crowded)
    judged = [_judged(one, known) for one in built if not _is_sign(one)]
    judged += _signs([one for one in built if _is_sign(one)], judged, known)
    found = [
        incidents.incident(one.case, one.causes, harmless=one.harmless, obeyed=one.obeyed)
        for one in united(judged, lambda joined: _judged(joined, known), UNDETERMINED)
    ]
    found = forged.adopted(found, forged.incidents(signers, history, findings, known[forged.CAUSE]), findings)
    return sorted(found, key=lambda one: (-one.severity.rank, one.system in crowded, *_worst_first(one)))


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
    """What hurts somebody comes before what could, and what hurts many before what hurts few.

    What all are accepted after hurts nobody any more, though refusals go on.
    """
    ill = one.outcome == "ongoing"
    return not ill, not one.requests_denied, -one.devices, one.first_seen, one.system, one.id


def _judged(whole: Case, known: Mapping[str, Cause]) -> Judged:
    """A case and its causes. Of what spares clients that obey, only the others are affected, if there are any.

    Unless most obey and are much of the fleet, and their sessions did not end by design: who ended them is asked first,
    and how clients take it tells neither what did it nor to whom.
    """
    ranked = incidents.rank(whole, known)
    first = known[ranked[0].cause]
    if not first.spares:
        return Judged(whole, ranked)
    stuck = whole.stuck()
    if stuck is whole or stuck.denials.is_empty():
        explained = first.name != UNDETERMINED or whole.cluster.informs or _only_expired(whole)
        return Judged(whole, ranked, explained and bool(whole.cluster.episodes["obeyed"].all()))
    if not (first.by_design or _only_expired(whole)) and _much(whole, stuck):
        return Judged(whole, ranked)
    again = incidents.rank(stuck, known)
    # What ended the sessions of all is known, though these few alone would not tell.
    obeyed = len(whole.devices) - len(stuck.devices)
    return Judged(stuck, ranked if again[0].cause == UNDETERMINED else again, obeyed=obeyed)


def _much(whole: Case, stuck: Case) -> bool:
    """Whether most devices of a case obeyed, and it is about much of the fleet."""
    devices = len(whole.devices)
    return devices > 2 * len(stuck.devices) and incidents.much(devices, whole.active)


def _only_expired(whole: Case) -> bool:
    """Whether all that was refused had expired, as every session does some day, and nothing says otherwise.

    Without a word of the server: sessions end at one age, always the same, and after their access tokens.
    """
    said = reasons(whole.denials)
    if said:
        return said <= EXPIRED
    access, ends = whole.lifetimes.access, whole.lifetimes.refresh
    if access is None or ends is None or ends.partial or ends.since is not None:
        return False
    return ends.low > access.high
