"""Diagnose: findings and sessions → incidents → ranked root causes. One module a cause, in `causes`."""

from __future__ import annotations

from collections.abc import Mapping

from authforensics import _registry
from authforensics.diagnose import case, causes, incidents
from authforensics.diagnose.cause import Cause, Weight
from authforensics.diagnose.clusters import cluster, keep
from authforensics.diagnose.lifetimes import infer
from authforensics.diagnose.refusals import denials
from authforensics.diagnose.tally import Tally, tally
from authforensics.diagnose.verdict import verdict
from authforensics.document import Lifetimes
from authforensics.findings import Finding, Incident
from authforensics.schema import History

__all__ = ["Cause", "Tally", "Weight", "diagnose", "infer", "keep", "known_causes", "tally", "verdict"]


def known_causes() -> dict[str, Cause]:
    """All root causes by name."""
    return _registry.load(causes, "CAUSE", Cause)


def diagnose(history: History, findings: list[Finding], lifetimes: Mapping[str, Lifetimes]) -> list[Incident]:
    """Make incidents of findings and explain them.

    Args:
        history: what `correlate` gave of all devices.
        findings: what `detect` found in it.
        lifetimes: per system, what `infer` gave.

    Returns:
        Incidents, the worst first, then those still going on, then the earliest.
    """
    known = known_causes()
    clusters = cluster(history.episodes, findings)
    found: list[Incident] = []
    for one, refused in zip(clusters, denials(history.events, clusters), strict=True):
        if refused.is_empty():
            continue
        built = case.build(one, refused, history, lifetimes.get(one.system, Lifetimes()))
        causes_found = incidents.rank(built, known)
        if known[causes_found[0].cause].spares and built.stuck() is not built:
            built = built.stuck()
            if built.denials.is_empty():
                continue
            causes_found = incidents.rank(built, known)
        found.append(incidents.incident(built, causes_found))
    return sorted(found, key=lambda one: (-one.severity.rank, not one.ongoing, one.first_seen, one.system, one.id))
