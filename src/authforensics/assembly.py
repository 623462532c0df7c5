"""Puts together the document: frames and findings of the stages → the lists of `Document`, in stable order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import polars as pl

from authforensics import collect, correlate
from authforensics.document import (
    Band,
    Device,
    Endpoint,
    Identity,
    Join,
    Lifetimes,
    Mark,
    Offset,
    Population,
    Rate,
    Source,
    System,
    Timeline,
)
from authforensics.findings import Evidence, Finding, Incident, Severity, iso
from authforensics.parallel import by_part
from authforensics.redact import redact
from authforensics.schema import FINDINGS, TRAIL, History
from authforensics.states import AuthEvent

#: Routes listed per system: those with most refusals first, then most requests. Scanners make up thousands.
MAX_ENDPOINTS = 100
#: Devices listed, and those of them with a timeline: the worst first.
MAX_DEVICES = 1000
MAX_TIMELINES = 60
#: Requests drawn on all timelines together, and on one at least and at most: more can't be told apart on a screen.
ALL_MARKS = 4000
MIN_MARKS, MAX_MARKS = 50, 600
#: Stretches of state on one timeline; of more, the state that lasted longest in each slot of time stands for it.
MAX_BANDS = 160
_KEYS = ["system", "device_id"]
#: What is needed of each request of a device to draw its timeline.
_TRAIL = [
    *_KEYS,
    "timestamp",
    "row",
    "source",
    "line_number",
    "method",
    "route",
    "status",
    "auth_event",
    "reason",
    "state",
    "straggler",
]


def systems(
    history: History,
    *,
    messages: Mapping[str, int],
    sources: Sequence[Source],
    identities: Mapping[str, Identity],
    lifetimes: Mapping[str, Lifetimes],
    joins: Mapping[str, Join],
    out_of_order: Mapping[str, float],
    offsets: Mapping[str, Sequence[Offset]],
) -> tuple[System, ...]:
    """One entry a system that has events."""
    sizes = history.devices.group_by(pl.col("system").cast(pl.String)).agg(pl.col("requests").sum())
    requests: dict[str, int] = dict(sizes.rows())
    zones = {source.source: source.timezone for source in sources}
    apart = {name: tuple(correlate.noted(one, zones) for one in found) for name, found in offsets.items()}
    return tuple(
        System(
            system=name,
            sources=tuple(sorted(source.source for source in sources if source.system == name)),
            requests=requests.get(name, 0),
            messages=messages.get(name, 0),
            first_seen=begin,
            last_seen=end,
            identity=identities.get(name, Identity(ladder=(), devices=0)),
            lifetimes=lifetimes.get(name, Lifetimes()),
            join=joins.get(name, Join(messages=messages.get(name, 0), denials=0, explained=0, how={})),
            out_of_order=round(out_of_order.get(name, 0.0), 6),
            offsets=apart.get(name, ()),
            notes=(
                *_notes(requests.get(name, 0), joins.get(name)),
                *filter(None, (o.note for o in apart.get(name, ()))),
            ),
        )
        for name, begin, end in history.spans.select(pl.col("system").cast(pl.String), "begin", "end")
        .sort("system")
        .rows()
    )


def _notes(requests: int, join: Join | None) -> tuple[str, ...]:
    if not requests:
        return (
            "no access log in this folder: messages alone don't tell who was refused; add the access log beside it",
        )
    if join is not None and join.denials and not join.explained:
        return ("no refusal has a reason: add the application's log, or log the reason ($sent_http_www_authenticate)",)
    return ()


def endpoints(classified: pl.DataFrame) -> tuple[Endpoint, ...]:
    """Routes with their class, per system; methods of one route and class are one entry."""
    merged = classified.group_by("system", "route", "endpoint_class", "how").agg(
        pl.col("requests").sum(), denied=pl.col("refused").sum()
    )
    named = merged.with_columns(pl.col(name).cast(pl.String) for name in ("system", "route", "endpoint_class", "how"))
    ranked = named.sort(
        "system", "denied", "requests", "route", "endpoint_class", "how", descending=[False, True, True, *[False] * 3]
    ).filter(pl.int_range(pl.len()).over("system") < MAX_ENDPOINTS)
    return tuple(
        Endpoint(
            system=row["system"],
            route=redact(row["route"] or "-"),
            endpoint_class=row["endpoint_class"],
            how=row["how"],
            requests=row["requests"],
            denied=row["denied"],
        )
        for row in ranked.to_dicts()
    )


def rates(table: pl.DataFrame) -> tuple[Rate, ...]:
    """The RATES table as records."""
    ordered = table.with_columns(pl.col("system").cast(pl.String)).sort(
        "system", "minute", "auth_event", "reason", nulls_last=True
    )
    return tuple(Rate(**row) for row in ordered.to_dicts())


def populations(table: pl.DataFrame) -> tuple[Population, ...]:
    """The fleet over time; states without a device are left out."""
    if table.is_empty():
        return ()
    grouped = (
        table.filter(pl.col("devices") > 0)
        .with_columns(pl.col("system").cast(pl.String))
        .sort("system", "at", "state")
        .group_by("system", "at", maintain_order=True)
        .agg("state", "devices")
    )
    return tuple(
        Population(system=system, at=at, states=dict(zip(states, counts, strict=True)))
        for system, at, states, counts in grouped.rows()
    )


def devices(
    history: History, findings: Sequence[Finding], incidents: Sequence[Incident]
) -> tuple[tuple[Device, ...], int]:
    """Devices with a finding or in an incident, most findings and refusals first; and how many were left out."""
    ids: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        if finding.device_id is not None:
            ids.setdefault((finding.system, finding.device_id), []).append(finding.id)
    listed = {(one.system, device): 0 for one in incidents for device in one.device_ids}
    listed |= {key: len(found) for key, found in ids.items()}
    wanted = _keyed(listed, history.devices.schema).with_columns(found=pl.Series(listed.values(), dtype=pl.UInt32))
    ranked = (
        history.devices.join(wanted, on=_KEYS)
        .with_columns(pl.col(name).cast(pl.String) for name in _KEYS)
        .sort("found", "denied", *_KEYS, descending=[True, True, False, False])
    )
    top = ranked.head(MAX_DEVICES).select(*_KEYS, "platform", "app_version", "state", events="requests")
    return (
        tuple(
            Device(**row, findings=tuple(sorted(ids.get((row["system"], row["device_id"]), ()))))
            for row in top.to_dicts()
        ),
        ranked.height - top.height,
    )


def _keyed(keys: Iterable[tuple[str, str]], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Devices as a frame that can be joined with one of this schema."""
    named = pl.DataFrame(list(keys), schema=dict.fromkeys(_KEYS, pl.String), orient="row")
    return named.cast({name: schema[name] for name in _KEYS})


def _is(*events: AuthEvent) -> pl.Expr:
    return pl.col("auth_event").is_in([event.value for event in events])


def trails(history: History, listed: Sequence[Device]) -> pl.DataFrame:
    """What the first `MAX_TIMELINES` devices did, in order of time: all that their timelines need."""
    wanted = _keyed(((one.system, one.device_id) for one in listed[:MAX_TIMELINES]), TRAIL)
    # Names alone are sought for where the table is read; the join is exact.
    named = pl.col("device_id").is_in(wanted["device_id"].implode())
    return _trail(history, named).join(wanted, on=_KEYS, how="semi", maintain_order="left")


def trail(history: History, system: str, device: str) -> pl.DataFrame:
    """What one device did, in order of time."""
    return _trail(history, (pl.col("system") == system) & (pl.col("device_id") == device))


def _trail(history: History, wanted: pl.Expr) -> pl.DataFrame:
    return by_part(history.events, lambda part: part.filter(wanted).select(_TRAIL)).sort("timestamp", "row")


def marks_of(trails: pl.DataFrame, findings: Iterable[Finding]) -> pl.DataFrame:
    """The requests to draw on timelines, thinned evenly to what each may have.

    A quarter of the marks is kept for calls that were simply accepted; of the others, evidence comes first, then
    changes of state.

    Args:
        trails: what the devices did.
        findings: those whose evidence is to be seen.

    Returns:
        Rows of `trails` with `omitted`, how many of the device's were left out.
    """
    proof = _proof(findings).cast({"source": trails.schema["source"]}).with_columns(proof=pl.lit(value=True))
    events = trails.join(proof, on=["source", "line_number"], how="left", maintain_order="left")
    most = min(max(ALL_MARKS // max(trails.select(_KEYS).n_unique(), 1), MIN_MARKS), MAX_MARKS)
    changed = pl.col("state").ne_missing(pl.col("state").shift().over(_KEYS))
    plain = _is(AuthEvent.API_OK) & pl.col("proof").is_null()
    weight = pl.when("proof").then(0).when(changed).then(1).otherwise(2).cast(pl.Int64)
    # Within a weight, every second, then every fourth … would do; a fixed scramble of the index spreads as evenly.
    index = pl.int_range(pl.len()).over(_KEYS)
    spread = (index * 2654435761) % 4294967296
    ranked = events.with_columns(_plain=plain, _order=weight * 4294967296 + spread).with_columns(
        _rank=pl.col("_order").rank("ordinal").over(*_KEYS, "_plain"),
        _calls=pl.col("_plain").sum().over(_KEYS),
        _all=pl.len().over(_KEYS),
    )
    others = (pl.col("_all") - pl.col("_calls")).cast(pl.Int64)
    accepted = pl.max_horizontal(most // 4, most - others)
    room = pl.when("_plain").then(accepted).otherwise(most - pl.min_horizontal("_calls", most // 4))
    return (
        ranked.filter(pl.col("_rank") <= room)
        .with_columns(omitted=pl.col("_all") - pl.len().over(_KEYS))
        .select(*trails.columns, "omitted")
    )


def timelines(
    trails: pl.DataFrame, listed: Sequence[Device], marks: pl.DataFrame, lines: Mapping[tuple[str, int], str]
) -> tuple[Timeline, ...]:
    """One timeline a device that has marks, in the order of `listed`."""
    drawn = marks.sort("timestamp", "row").partition_by(_KEYS, as_dict=True)
    stretches = _stretches(trails)
    stretched = stretches.partition_by(_KEYS, as_dict=True)
    keys = [(one.system, one.device_id) for one in listed if (one.system, one.device_id) in drawn]
    return tuple(_timeline(*key, stretched.get(key, stretches.clear()), drawn[key], lines) for key in keys)


def timeline(
    system: str, device: str, events: pl.DataFrame, marks: pl.DataFrame, lines: Mapping[tuple[str, int], str]
) -> Timeline:
    """The timeline of one device: `events` is its trail, `marks` those requests to draw, with `omitted`."""
    return _timeline(system, device, _stretches(events), marks.sort("timestamp", "row"), lines)


def _timeline(
    system: str, device: str, stretches: pl.DataFrame, marks: pl.DataFrame, lines: Mapping[tuple[str, int], str]
) -> Timeline:
    return Timeline(
        system=system,
        device_id=device,
        bands=_bands(stretches),
        marks=tuple(_marks(marks, lines)),
        omitted=0 if marks.is_empty() else int(marks["omitted"][0]),
    )


def _stretches(trails: pl.DataFrame) -> pl.DataFrame:
    """The states of devices as stretches of time, `timestamp` to `until`.

    The last one ends with the device's last event that says anything of its session.
    """
    changed = pl.col("state").ne_missing(pl.col("state").shift().over(_KEYS))
    until = pl.col("timestamp").shift(-1).over(_KEYS).fill_null(pl.col("_last"))
    told = trails.select(*_KEYS, "timestamp", "state", _last=pl.col("timestamp").last().over(_KEYS))
    return told.filter(changed).with_columns(until=until).drop("_last")


def _bands(stretches: pl.DataFrame) -> tuple[Band, ...]:
    if stretches.height > MAX_BANDS:
        stretches = _coarser(stretches)
    return tuple(
        Band(state=state, first_seen=begin, last_seen=end)
        for begin, state, end in stretches.select("timestamp", "state", "until").rows()
    )


def _coarser(stretches: pl.DataFrame) -> pl.DataFrame:
    """At most `MAX_BANDS` stretches: in each slot of time the state that lasted longest, neighbours alike joined."""
    begin, end = stretches["timestamp"][0], stretches["until"][-1]
    slot = (end - begin) / MAX_BANDS
    slots = pl.DataFrame({"slot": [begin + slot * index for index in range(MAX_BANDS)]})
    shared = stretches.join_where(
        slots.with_columns(slot_end=pl.col("slot") + slot),
        pl.col("timestamp") < pl.col("slot_end"),
        pl.col("until") > pl.col("slot"),
    ).with_columns(lasted=pl.min_horizontal("until", "slot_end") - pl.max_horizontal("timestamp", "slot"))
    longest = (
        shared.group_by("slot", "state")
        .agg(pl.col("lasted").sum())
        .sort("slot", "lasted", "state", descending=[False, True, False])
        .unique("slot", keep="first", maintain_order=True)
        .filter(pl.col("state").ne_missing(pl.col("state").shift()))
    )
    return longest.select("state", timestamp=pl.col("slot"), until=pl.col("slot").shift(-1).fill_null(end))


def _marks(events: pl.DataFrame, lines: Mapping[tuple[str, int], str]) -> Iterable[Mark]:
    columns = ("timestamp", "auth_event", "reason", "method", "route", "status", "source", "line_number")
    for row in events.select(columns).to_dicts():
        route = row.pop("route")
        yield Mark(
            **row,
            route=None if route is None else _redacted(route),
            text=lines.get((row["source"], row["line_number"]), ""),
        )


@lru_cache(maxsize=1024)
def _redacted(route: str) -> str:
    return redact(route)


def lines_wanted(findings: Iterable[Finding], marks: pl.DataFrame) -> pl.DataFrame:
    """The log lines whose text is needed: `source`, `line_number`."""
    drawn = marks.select(pl.col("source").cast(pl.String), "line_number")
    return pl.concat([_proof(findings), drawn]).unique().sort("source", "line_number")


def lines(
    collected: collect.Collected, wanted: pl.DataFrame, shown: Callable[[str], str | None] | None = None
) -> dict[tuple[str, int], str]:
    """The text of the log lines of `lines_wanted`, by source and number; redacted, tokens as `shown` says."""
    fetched = collect.fetch_lines(collected.files, wanted, shown)
    return {(source, number): text for source, number, text in fetched.select("source", "line_number", "text").rows()}


def _proof(findings: Iterable[Finding]) -> pl.DataFrame:
    """The lines that findings rest on: `source`, `line_number`."""
    return pl.DataFrame(
        sorted({(line.source, line.line_number) for one in findings for line in one.evidence}),
        schema={"source": pl.String, "line_number": pl.UInt32},
        orient="row",
    )


def with_text(finding: Finding, lines: Mapping[tuple[str, int], str]) -> Finding:
    """The finding with the text of its evidence."""
    evidence: tuple[Evidence, ...] = tuple(
        line.model_copy(update={"text": lines.get((line.source, line.line_number), "")}) for line in finding.evidence
    )
    return finding.model_copy(update={"evidence": evidence})


def capped(finding: Finding, severity: Severity) -> Finding:
    """A finding is never worse than its incident; one that belongs to none is low."""
    return finding if finding.severity.rank <= severity.rank else finding.model_copy(update={"severity": severity})


def findings_frame(findings: Sequence[Finding]) -> pl.DataFrame:
    """Findings as the FINDINGS table; `measures` and `evidence` are JSON text."""
    rows: list[dict[str, Any]] = []
    for one in findings:
        row = one.model_dump(mode="python", by_alias=True)
        row["measures"] = json.dumps(row["measures"], ensure_ascii=False)
        row["evidence"] = json.dumps(
            [{**line, "timestamp": iso(line["timestamp"])} for line in row["evidence"]], ensure_ascii=False
        )
        rows.append({name: row[name] for name in FINDINGS})
    return pl.DataFrame(rows, schema=FINDINGS, orient="row")
