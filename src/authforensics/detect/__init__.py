"""Detect: sessions → findings. One module a pattern, in `patterns`; each sees one partition of devices, then all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from authforensics import _registry
from authforensics.detect import patterns
from authforensics.detect.detector import DRAFTS, Detector, Fleet, Threshold
from authforensics.errors import UnknownName
from authforensics.findings import Confidence, Evidence, Finding, Severity
from authforensics.schema import Sessions
from authforensics.states import AuthEvent

__all__ = ["Detector", "Threshold", "check_thresholds", "chosen", "detectors", "find"]

#: Severity that a finding has by itself; an incident it belongs to may lower it, never raise it.
_DECLARED = {1: Severity.CRITICAL, 2: Severity.HIGH, 3: Severity.MEDIUM}
#: Rungs of the identity ladder on which one device may in truth be many.
_WEAK = "client_ip+user_agent"


def detectors() -> dict[str, Detector]:
    """All detectors by name."""
    return _registry.load(patterns, "DETECTOR", Detector)


def chosen(only: Sequence[str] = (), skip: Sequence[str] = ()) -> dict[str, Detector]:
    """The detectors that the user wants.

    Raises:
        UnknownName: `only` or `skip` names one that doesn't exist.
    """
    known = detectors()
    for name in (*only, *skip):
        if name not in known:
            raise UnknownName("detector", name, known)
    return {name: one for name, one in known.items() if (not only or name in only) and name not in skip}


def find(
    sessions: Sessions, wanted: Iterable[Detector], thresholds: Mapping[str, Mapping[str, float]] | None = None
) -> list[Finding]:
    """Run detectors over sessions.

    Args:
        sessions: what `correlate` gave.
        wanted: the detectors to run.
        thresholds: per detector name, values in place of the declared ones; see `check_thresholds`.

    Returns:
        Findings with evidence whose text is still empty, in order of system, time, detector and device.
    """
    overrides = thresholds or {}
    fleet = Fleet(active=_active(sessions), spans=sessions.spans)
    found: list[Finding] = []
    for detector in wanted:
        limits = detector.limits(overrides.get(detector.name, {}))
        drafts = detector.conclude(detector.observe(sessions, limits), fleet, limits)
        found += _findings(detector, drafts, sessions)
    return sorted(found, key=lambda one: (one.system, one.first_seen, one.detector, one.device_id or ""))


def check_thresholds(thresholds: Mapping[str, Mapping[str, float]], place: Callable[..., str | None]) -> None:
    """Refuse thresholds of detectors, or by names, that don't exist.

    Args:
        thresholds: per detector name, values by threshold name.
        place: where a key of the configuration stands, for the message.

    Raises:
        UnknownName: there is one.
    """
    known = detectors()
    for name, values in thresholds.items():
        if name not in known:
            raise UnknownName("detector", name, known, where=place("thresholds", name))
        for key in values:
            names = [threshold.name for threshold in known[name].thresholds]
            if key not in names:
                raise UnknownName("threshold", key, names, where=place("thresholds", name, key))


def _active(sessions: Sessions) -> dict[str, int]:
    """Devices per system that ever had a session, or a token to be refused."""
    alive = [event.value for event in AuthEvent if event not in (AuthEvent.IGNORED, AuthEvent.LOGIN_DENIED)]
    counts = (
        sessions.events.filter(pl.col("auth_event").cast(pl.String).is_in(alive))
        .group_by("system")
        .agg(pl.col("device_id").n_unique())
    )
    return dict(zip(counts["system"].to_list(), counts["device_id"].to_list(), strict=True))


def _findings(detector: Detector, drafts: pl.DataFrame, sessions: Sessions) -> list[Finding]:
    if drafts.is_empty():
        return []
    lines = _lines(drafts, sessions)
    weak = set(
        sessions.events.filter(pl.col("identity_key") == _WEAK).select("device_id").unique()["device_id"].to_list()
    )
    return [_finding(detector, draft, lines, weak) for draft in drafts.select(*DRAFTS.keys(), "measures").to_dicts()]


def _lines(drafts: pl.DataFrame, sessions: Sessions) -> dict[int, Evidence]:
    """The events that the drafts rest on, by row."""
    rows = drafts["rows"].explode().drop_nulls().unique()
    events = sessions.events.filter(pl.col("row").is_in(rows.implode())).select(
        "row", "source", "line_number", "timestamp", pl.col("auth_event").cast(pl.String)
    )
    return {event.pop("row"): Evidence(**event) for event in events.to_dicts()}


def _finding(detector: Detector, draft: dict[str, Any], lines: Mapping[int, Evidence], weak: set[str]) -> Finding:
    rows = list(dict.fromkeys(draft.pop("rows")))
    measures = {name: value for name, value in draft.pop("measures").items() if value is not None}
    device = draft["device_id"]
    identity = f"{draft['system']}\n{detector.name}\n{device}\n{draft['first_seen'].isoformat()}"
    return Finding(
        id=f"{detector.name}-{hashlib.sha256(identity.encode()).hexdigest()[:10]}",
        detector=detector.name,
        severity=_DECLARED[detector.severity],
        confidence=_confidence(draft["reason"], weak=device in weak),
        summary=detector.describe({**measures, "devices": draft["devices"], "count": draft["count"]}),
        measures=measures,
        evidence=tuple(lines[row] for row in rows),
        **draft,
    )


def _confidence(reason: str | None, *, weak: bool) -> Confidence:
    """High where the log says why; the pattern alone is medium, and low where the identity is weak."""
    if reason is not None:
        return Confidence.MEDIUM if weak else Confidence.HIGH
    return Confidence.LOW if weak else Confidence.MEDIUM
