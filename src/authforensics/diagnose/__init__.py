"""Diagnose: findings and sessions → incidents → ranked root causes. One module a cause, in `causes`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from authforensics import _registry
from authforensics.diagnose import case, causes, incidents, scope
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Weight
from authforensics.diagnose.clusters import Cluster, cluster
from authforensics.diagnose.lifetimes import infer
from authforensics.diagnose.tally import Tally, tally
from authforensics.diagnose.verdict import verdict
from authforensics.document import Lifetimes
from authforensics.findings import Finding, Incident
from authforensics.schema import Sessions

__all__ = ["Cause", "Tally", "Weight", "diagnose", "infer", "known_causes", "tally", "verdict"]


def known_causes() -> dict[str, Cause]:
    """All root causes by name."""
    return _registry.load(causes, "CAUSE", Cause)


def diagnose(sessions: Sessions, findings: list[Finding], lifetimes: Mapping[str, Lifetimes]) -> list[Incident]:
    """Make incidents of findings and explain them.

    Args:
        sessions: what `correlate` gave.
        findings: what `detect` found in them.
        lifetimes: per system, what `infer` gave.

    Returns:
        Incidents, the worst first, then those still going on, then the earliest.
    """
    known = known_causes()
    found: list[Incident] = []
    for one in cluster(sessions, findings):
        built = _case(one, sessions, lifetimes)
        if known[incidents.rank(built, known)[0].cause].spares:
            built = _case(one.stuck(), sessions, lifetimes)
        if not built.denials.is_empty():
            found.append(incidents.incident(built, known))
    return sorted(found, key=lambda one: (-one.severity.rank, not one.ongoing, one.first_seen, one.system, one.id))


def _case(one: Cluster, sessions: Sessions, lifetimes: Mapping[str, Lifetimes]) -> Case:
    built = case.build(one, sessions, lifetimes.get(one.system, Lifetimes()))
    return built if built.denials.is_empty() else replace(built, scope=scope.measure(built))
