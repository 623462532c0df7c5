"""Detect: sessions → findings. One module a pattern, in `patterns`; each sees one partition of devices, then all."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from authforensics import _registry
from authforensics.detect import patterns
from authforensics.detect.detector import DRAFTS, FOUND, SEEN, Detector, Fleet, Threshold
from authforensics.detect.runs import NAMES, OFTEN, changed, ends
from authforensics.detect.several import WEAK, by_turns, outlived
from authforensics.errors import BadValue, UnknownName
from authforensics.findings import Confidence, Evidence, Finding, Severity
from authforensics.schema import ROW, TEXT, Sessions
from authforensics.states import AuthEvent
from authforensics.tokens.carried import Carried

__all__ = [
    "Detector",
    "Fleet",
    "Observed",
    "Threshold",
    "check_thresholds",
    "chosen",
    "conclude",
    "detectors",
    "find",
    "fleet_of",
    "graded",
    "observe",
]

#: Severity that a finding has by itself; an incident it belongs to may lower it, never raise it.
_DECLARED = {1: Severity.CRITICAL, 2: Severity.HIGH, 3: Severity.LOW}


def detectors() -> dict[str, Detector]:
    """All detectors by name."""
    return _registry.load(patterns, "DETECTOR", Detector)


def graded() -> set[str]:
    """The detectors that look at logs and not at devices: their findings are as bad as they say, whatever happened."""
    return {name for name, one in detectors().items() if one.grade is not None}


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


@dataclass(frozen=True)
class Observed:
    """What the detectors keep of one partition: a frame each, by name, and the events named in any of them.

    `lines` has `row`, `source`, `line_number`, `timestamp`, `auth_event`.
    """

    frames: Mapping[str, pl.DataFrame]
    lines: pl.DataFrame


Overrides = Mapping[str, Mapping[str, float]]


def observe(sessions: Sessions, wanted: Sequence[Detector], overrides: Overrides | None = None) -> Observed:
    """Look at the devices of one partition.

    Args:
        sessions: what `correlate` made of them.
        wanted: the detectors to run.
        overrides: per detector name, values in place of the declared ones; see `check_thresholds`.
    """
    telling = _telling(sessions)
    told = replace(sessions, events=sessions.events.select(SEEN).filter(telling))
    frames = {
        one.name: one.observe(sessions if one.sees_all else told, one.limits((overrides or {}).get(one.name, {})))
        for one in wanted
    }
    named = [_rows(frame) for frame in frames.values()]
    lines = sessions.events.select("row", "source", "line_number", "timestamp", "auth_event")
    if not any(one.sees_all for one in wanted):
        lines = lines.filter(telling)
    return Observed(
        frames=frames,
        lines=lines.join(pl.concat(named).to_frame(), on="row", how="semi") if named else lines.clear(),
    )


def conclude(
    observed: Sequence[Observed], fleet: Fleet, wanted: Collection[Detector], overrides: Overrides | None = None
) -> list[Finding]:
    """What follows from that of all partitions.

    Args:
        observed: what `observe` gave of each, with the same `wanted` and `overrides`.
        fleet: what is known across devices; see `fleet_of`.
        wanted: the detectors to run.
        overrides: as for `observe`.

    Returns:
        Findings with evidence whose text is still empty, in order of system, time, detector and device.
    """
    found: list[Finding] = []
    for detector in sorted(wanted, key=lambda one: one.after_others) if observed else ():
        if detector.after_others:
            fleet = replace(fleet, found=_explaining(found, wanted))
        merged = _in_order(pl.concat([part.frames[detector.name] for part in observed]))
        limits = detector.limits((overrides or {}).get(detector.name, {}))
        found += _findings(detector, detector.conclude(merged, fleet, limits), observed, fleet)
    return sorted(found, key=lambda one: (one.system, one.first_seen, one.detector, one.device_id or ""))


def _explaining(findings: Iterable[Finding], detectors: Iterable[Detector]) -> pl.DataFrame:
    """What findings are about, as FOUND, of those that explain why calls are refused."""
    explain = {one.name for one in detectors if one.explains}
    rows = [(one.system, one.device_id, one.first_seen, one.last_seen) for one in findings if one.detector in explain]
    return pl.DataFrame(rows, schema=FOUND, orient="row")


def find(
    sessions: Sessions,
    wanted: Iterable[Detector],
    overrides: Overrides | None = None,
    carried: Carried | None = None,
) -> list[Finding]:
    """Run detectors over sessions that are all there are: `observe` and `conclude` in one."""
    chosen = list(wanted)
    fleet = fleet_of(sessions.devices, sessions.spans, carried)
    return conclude([observe(sessions, chosen, overrides)], fleet, chosen, overrides)


def fleet_of(
    devices: pl.DataFrame,
    spans: pl.DataFrame,
    carried: Carried | None = None,
    formats: Mapping[str, str] | None = None,
) -> Fleet:
    """What detectors need to know of the whole fleet, from its DEVICES, and of what its logs carry."""
    counts = devices.filter("alive").group_by("system").len()
    return Fleet(
        active=dict(counts.select(pl.col("system").cast(pl.String), "len").rows()),
        spans=spans,
        weak=devices.filter(pl.col("identity_key") == WEAK).select(NAMES),
        carried=carried or Carried(),
        formats=formats or {},
    )


def check_thresholds(thresholds: Mapping[str, Mapping[str, float]], place: Callable[..., str | None]) -> None:
    """Refuse thresholds of detectors, or by names, that don't exist, and values that nothing can be measured by.

    Args:
        thresholds: per detector name, values by threshold name.
        place: where a key of the configuration stands, for the message.

    Raises:
        UnknownName, BadValue: there is one.
    """
    known = detectors()
    for name, values in thresholds.items():
        if name not in known:
            raise UnknownName("detector", name, known, where=place("thresholds", name))
        declared = {threshold.name: threshold for threshold in known[name].thresholds}
        for key, value in values.items():
            where = place("thresholds", name, key)
            if key not in declared:
                raise UnknownName("threshold", key, declared, where=where)
            if not declared[key].least <= value < math.inf:
                stands = f"{where}: " if where else ""
                least = f"{declared[key].least:g} {declared[key].unit}"
                raise BadValue(f"{stands}thresholds.{name}.{key}: expected {least} or more, found {value:g}")


def _telling(sessions: Sessions) -> pl.Series:
    """Which events patterns are made of: all but accepted calls, and those accepted calls that say more than most.

    A few of a hundred, as a rule. Accepted calls say more with a token that was refused first, or often; in a session
    that goes on after its logout; and of a device that is seen under several addresses and user agents by turns.
    """
    events = sessions.events
    accepted = events["auth_event"] == AuthEvent.API_OK.value
    silent = (events["auth_event"] == AuthEvent.IGNORED.value) & events["reason"].is_null()
    telling = ~(accepted | silent)
    for key, doubted in (("grant", _doubted(events)), ("session", outlived(sessions))):
        if doubted.is_empty():
            continue
        # First by device, a matter of looking at one list: few have such tokens.
        mine = pl.repeat(False, events["device"][-1] + 1, dtype=pl.Boolean, eager=True)
        mine = mine.scatter(doubted["device"], True)
        held = (accepted & mine.gather(events["device"])).arg_true()
        used = events.select("device", key)[held].hstack([held.alias("at")])
        telling = telling.scatter(used.join(doubted, on=["device", key], how="semi")["at"], True)
    roaming = by_turns(events)
    return telling | events["device"].is_in(roaming.implode()) if len(roaming) else telling


def _doubted(events: pl.DataFrame) -> pl.DataFrame:
    """The tokens, `device` and `grant`, that were refused at their first use, or many times."""
    denied = events.select("device", "grant", "rejection")
    denied = denied.filter((events["auth_event"] == AuthEvent.API_DENIED.value) & ~events["straggler"])
    often = denied.with_columns(run=changed("device", "grant").cum_sum())
    first, last = ends(often)
    return pl.concat(
        [
            denied.filter("rejection").select("device", "grant"),
            denied.select("device", "grant")[first.filter(last - first + 1 >= OFTEN)],
        ]
    )


def _rows(frame: pl.DataFrame) -> pl.Series:
    """The events named in what a detector observed."""
    column = frame["rows"].explode() if "rows" in frame.columns else frame["row"]
    return column.alias("row").cast(ROW).drop_nulls()


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """In order of the devices' names; of one device, all in one partition, the order stays."""
    names = (
        frame.select(NAMES)
        .unique()
        .with_columns(pl.col(NAMES).cast(pl.String).name.prefix("_"))
        .sort("_system", "_device_id")
        .select(*NAMES, pl.int_range(pl.len()).alias("_place"))
    )
    return frame.join(names, on=NAMES, how="left").sort("_place", maintain_order=True).drop("_place")


def _findings(detector: Detector, drafts: pl.DataFrame, observed: Sequence[Observed], fleet: Fleet) -> list[Finding]:
    if drafts.is_empty():
        return []
    rows = _rows(drafts).unique().to_frame()
    shown = [part.lines for part in observed] if detector.lines is None else [detector.lines(fleet)]
    lines = pl.concat([frame.join(rows, on="row", how="semi") for frame in shown])
    texts = pl.col("source", "auth_event").cast(pl.String)
    by_row = {event.pop("row"): Evidence(**event) for event in lines.with_columns(texts).to_dicts()}
    named = drafts.with_columns(pl.col(NAMES).cast(TEXT))
    weak = set(
        fleet.weak.with_columns(pl.col(NAMES).cast(TEXT))
        .join(named, on=NAMES, how="semi")
        .with_columns(pl.col(NAMES).cast(pl.String))
        .rows()
    )
    told = drafts.select(*DRAFTS.keys(), "measures").with_columns(pl.col(NAMES).cast(pl.String))
    return [_finding(detector, draft, by_row, weak) for draft in told.to_dicts()]


def _finding(
    detector: Detector, draft: dict[str, Any], lines: Mapping[int, Evidence], weak: set[tuple[str, str]]
) -> Finding:
    rows = list(dict.fromkeys(draft.pop("rows")))
    measures = {name: value for name, value in draft.pop("measures").items() if value is not None}
    device = draft["device_id"]
    place = "".join(value for value in measures.values() if isinstance(value, str))
    identity = f"{draft['system']}\n{detector.name}\n{place or device}\n{draft['first_seen'].isoformat()}"
    return Finding(
        id=f"{detector.name}-{hashlib.sha256(identity.encode()).hexdigest()[:10]}",
        detector=detector.name,
        severity=_severity(detector, measures),
        # What a line shows is certain.
        confidence=Confidence.HIGH
        if detector.grade is not None
        else _confidence(draft["reason"], weak=(draft["system"], device) in weak),
        summary=detector.describe({**measures, "devices": draft["devices"], "count": draft["count"]}),
        measures=measures,
        evidence=tuple(lines[row] for row in rows),
        **draft,
    )


def _severity(detector: Detector, measures: Mapping[str, Any]) -> Severity:
    if detector.grade is not None:
        return detector.grade(measures)
    return Severity.NONE if measures.get("benign") else _DECLARED[detector.severity]


def _confidence(reason: str | None, *, weak: bool) -> Confidence:
    """High where the log says why; the pattern alone is medium, and low where the identity is weak."""
    if reason is not None:
        return Confidence.MEDIUM if weak else Confidence.HIGH
    return Confidence.LOW if weak else Confidence.MEDIUM
