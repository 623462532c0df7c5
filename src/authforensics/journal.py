"""One device, complete: its timeline, as a figure takes it, and its journal, where calls alike are one entry."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence

import polars as pl

from authforensics import collect, timelines
from authforensics.devices import Entry, Journal
from authforensics.document import Timeline
from authforensics.errors import UnknownName
from authforensics.findings import Finding
from authforensics.schema import History
from authforensics.states import AuthEvent

#: Calls alike in a row, from which on they are one entry: fewer are as quickly read.
FOLDED = 4
#: Entries of one journal; of more, those in the middle are left out.
MAX_ENTRIES = 10_000
#: Names offered for one that is not known, and names looked through for those that are like it.
_OFFERED, _COMPARED = 3, 10_000


def systems_of(history: History, device: str, system: str | None = None) -> list[str]:
    """The systems (only `system`, if given) that have a device of this name; one as a rule.

    Raises:
        UnknownName: none has; offers the names that are nearest.
    """
    known = history.devices if system is None else history.devices.filter(pl.col("system") == system)
    mine = known.filter(pl.col("device_id") == device)
    if mine.is_empty():
        some = known["device_id"].unique().cast(pl.String).sort().head(_OFFERED).to_list()
        raise UnknownName("device", device, [*some, "…"], near=_near(known["device_id"], device))
    return mine["system"].cast(pl.String).sort().to_list()


def _near(names: pl.Series, device: str) -> list[str]:
    """Names that are like one that is not known: first those that it is a part of."""
    known = names.unique().cast(pl.String).sort()
    parts = known.filter(known.str.contains(device, literal=True)).head(_OFFERED).to_list()
    if known.len() > _COMPARED:
        known = known.filter(known.str.starts_with(device[: len(device) // 2])).head(_COMPARED)
    near = difflib.get_close_matches(device, known.to_list(), n=_OFFERED, cutoff=0.5)
    return list(dict.fromkeys([*parts, *near]))[:_OFFERED]


def timeline(
    history: History,
    collected: collect.Collected,
    system: str,
    device: str,
    *,
    thinned: bool,
    shown: Callable[[str], str | None] | None = None,
) -> Timeline:
    """One device over time: its states, and its requests with their log lines.

    Args:
        history: that of all devices.
        collected: what knows where the lines are.
        system: that of the device.
        device: its name.
        thinned: whether only as many requests are drawn as a report draws of one device; else all are.
        shown: what is shown of a token in a line in place of its shape.
    """
    trail = timelines.trail(history, system, device)
    marks = timelines.marks_of(trail, ()) if thinned else trail.with_columns(omitted=pl.lit(0))
    lines = timelines.lines(collected, timelines.lines_wanted((), marks), shown)
    return timelines.timeline(system, device, trail, marks, lines)


def journal(history: History, findings: Sequence[Finding], system: str, device: str) -> Journal:
    """Everything that one device did.

    Args:
        history: that of all devices.
        findings: all of them; its own begin and end in it.
        system: that of the device.
        device: its name.
    """
    own = [one for one in findings if (one.system, one.device_id) == (system, device)]
    trail = timelines.trail(history, system, device)
    (known,) = history.devices.filter(pl.col("system") == system, pl.col("device_id") == device).to_dicts()
    entries = _folded(trail, own)
    half = MAX_ENTRIES // 2
    shown = entries if entries.height <= MAX_ENTRIES else pl.concat([entries.head(half), entries.tail(half)])
    return Journal(
        system=system,
        device_id=device,
        platform=known["platform"],
        app_version=known["app_version"],
        state=known["state"],
        requests=known["requests"],
        denied=known["denied"],
        told=trail.height,
        findings=tuple(own),
        entries=tuple(_entries(shown, own)),
        omitted=trail.height - int(shown["count"].sum()),
    )


def _folded(trail: pl.DataFrame, findings: Sequence[Finding]) -> pl.DataFrame:
    """The trail with runs of calls alike as one row: `count` of them, until `last_seen`.

    Accepted calls are alike whatever they ask for, others if the answer is the same. No run goes across the begin or
    end of a finding.
    """
    times = trail["timestamp"]
    begins = pl.Series([times.search_sorted(one.first_seen, "left") for one in findings], dtype=pl.UInt32)
    ends = pl.Series([times.search_sorted(one.last_seen, "right") for one in findings], dtype=pl.UInt32)
    at = pl.int_range(pl.len(), dtype=pl.UInt32)
    accepted = pl.col("auth_event") == AuthEvent.API_OK.value
    alike = ["auth_event", "state", "straggler", "_answer", "_stretch"]
    answer = pl.when(~accepted).then(pl.struct("reason", "status"))
    runs = trail.with_columns(
        at=at, _answer=answer, _stretch=(at.is_in(begins.implode()) | at.is_in(ends.implode())).cum_sum()
    ).with_columns(_run=pl.struct(alike).rle_id())
    few = pl.len().over("_run") < FOLDED
    numbered = runs.with_columns(_run=pl.when(few).then(pl.col("at")).otherwise(pl.col("at").min().over("_run")))
    return numbered.group_by("_run", maintain_order=True).agg(
        pl.exclude("_run", "_answer", "_stretch", "at").first(),
        last_seen=pl.col("timestamp").last(),
        count=pl.len(),
        first_at=pl.col("at").first(),
        last_at=pl.col("at").last(),
    )


def _entries(folded: pl.DataFrame, findings: Sequence[Finding]) -> Iterator[Entry]:
    columns = ("auth_event", "reason", "method", "status", "state", "straggler", "source", "line_number", "count")
    rows = folded.select(*columns, "route", "last_seen", first_seen="timestamp").to_dicts()
    waiting = sorted(findings, key=lambda one: (one.first_seen, one.id))
    open_: list[Finding] = []
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        begun = [one for one in waiting if one.first_seen <= row["last_seen"]]
        waiting = waiting[len(begun) :]
        open_ += begun
        over = [one for one in open_ if following is None or one.last_seen < following["first_seen"]]
        route = row.pop("route")
        yield Entry(
            **row,
            route=None if route is None else timelines.shown_route(route),
            begins=tuple(one.id for one in begun),
            ends=tuple(one.id for one in over),
            inside=len(open_),
        )
        open_ = [one for one in open_ if one not in over]
