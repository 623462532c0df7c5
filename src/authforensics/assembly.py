"""Puts together the document: frames and findings of the stages → the lists of `Document`, in stable order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from authforensics.document import (
    Band,
    Device,
    Endpoint,
    Identity,
    Join,
    Lifetimes,
    Mark,
    Population,
    Rate,
    Source,
    System,
    Timeline,
)
from authforensics.findings import Evidence, Finding, Incident
from authforensics.redact import redact
from authforensics.schema import Sessions
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


def systems(
    sessions: Sessions,
    *,
    messages: pl.DataFrame,
    sources: Sequence[Source],
    identities: Mapping[str, Identity],
    lifetimes: Mapping[str, Lifetimes],
    joins: Mapping[str, Join],
    out_of_order: Mapping[str, float],
) -> tuple[System, ...]:
    """One entry a system that has events."""
    requests = _sizes(sessions.events)
    told = _sizes(messages)
    return tuple(
        System(
            system=name,
            sources=tuple(sorted(source.source for source in sources if source.system == name)),
            requests=requests.get(name, 0),
            messages=told.get(name, 0),
            first_seen=begin,
            last_seen=end,
            identity=identities.get(name, Identity(ladder=(), devices=0)),
            lifetimes=lifetimes.get(name, Lifetimes()),
            join=joins.get(name, Join(messages=told.get(name, 0), denials=0, explained=0, how={})),
            out_of_order=round(out_of_order.get(name, 0.0), 6),
            notes=_notes(requests.get(name, 0), joins.get(name)),
        )
        for name, begin, end in sessions.spans.select("system", "begin", "end").rows()
    )


def _sizes(frame: pl.DataFrame) -> dict[str, int]:
    return dict(frame.group_by("system").len().rows())


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
    ranked = merged.sort(
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
    return tuple(Rate(**row) for row in table.to_dicts())


def populations(table: pl.DataFrame) -> tuple[Population, ...]:
    """The fleet over time; states without a device are left out."""
    if table.is_empty():
        return ()
    grouped = table.filter(pl.col("devices") > 0).group_by("system", "at", maintain_order=True).agg("state", "devices")
    return tuple(
        Population(system=system, at=at, states=dict(zip(states, counts, strict=True)))
        for system, at, states, counts in grouped.rows()
    )


def devices(
    sessions: Sessions, findings: Sequence[Finding], incidents: Sequence[Incident]
) -> tuple[tuple[Device, ...], int]:
    """Devices with a finding or in an incident, most findings and refusals first; and how many were left out."""
    ids: dict[tuple[str, str], list[str]] = {
        (incident.system, device): [] for incident in incidents for device in incident.device_ids
    }
    for finding in findings:
        if finding.device_id is not None:
            ids.setdefault((finding.system, finding.device_id), []).append(finding.id)
    wanted = pl.DataFrame(list(ids), schema={"system": pl.String, "device_id": pl.String}, orient="row")
    summed = (
        sessions.events.join(wanted, on=_KEYS, how="semi", maintain_order="left")
        .group_by(_KEYS, maintain_order=True)
        .agg(
            platform=pl.col("platform").drop_nulls().last(),
            app_version=pl.col("app_version").drop_nulls().last(),
            events=pl.len(),
            denied=_is(AuthEvent.API_DENIED, AuthEvent.REFRESH_DENIED).sum(),
            state=pl.col("state").last(),
        )
    )
    rows = sorted(
        summed.to_dicts(),
        key=lambda row: (
            -len(ids[row["system"], row["device_id"]]),
            -row.pop("denied"),
            row["system"],
            row["device_id"],
        ),
    )
    listed = tuple(
        Device(**row, findings=tuple(sorted(ids[row["system"], row["device_id"]]))) for row in rows[:MAX_DEVICES]
    )
    return listed, len(rows) - len(listed)


def _is(*events: AuthEvent) -> pl.Expr:
    return pl.col("auth_event").cast(pl.String).is_in([event.value for event in events])


def marks_of(sessions: Sessions, listed: Sequence[Device], findings: Iterable[Finding]) -> pl.DataFrame:
    """The requests to draw on the timelines of the first `MAX_TIMELINES` devices, thinned evenly to what they may have.

    A quarter of the marks is kept for calls that were simply accepted; of the others, evidence comes first, then
    changes of state.

    Returns:
        Rows of `sessions.events` with `omitted`, how many of the device's were left out.
    """
    wanted = pl.DataFrame(
        [(one.system, one.device_id) for one in listed[:MAX_TIMELINES]],
        schema={"system": pl.String, "device_id": pl.String},
        orient="row",
    )
    proof = _proof(findings).with_columns(proof=pl.lit(value=True))
    events = (
        sessions.events.join(wanted, on=_KEYS, how="semi", maintain_order="left")
        .filter(~_is(AuthEvent.IGNORED))
        .join(proof, on=["source", "line_number"], how="left", maintain_order="left")
    )
    most = min(max(ALL_MARKS // max(wanted.height, 1), MIN_MARKS), MAX_MARKS)
    changed = pl.col("state").ne_missing(pl.col("state").shift().over(_KEYS))
    plain = _is(AuthEvent.API_OK) & pl.col("proof").is_null()
    weight = pl.when("proof").then(0).when(changed).then(1).otherwise(2)
    # Within a weight, every second, then every fourth … would do; a fixed scramble of the index spreads as evenly.
    index = pl.int_range(pl.len()).over(_KEYS)
    spread = (index * 2654435761) % 4294967296
    ranked = events.with_columns(_plain=plain, _weight=weight, _spread=spread).with_columns(
        _rank=pl.struct("_weight", "_spread").rank("ordinal").over(*_KEYS, "_plain"),
        _calls=pl.col("_plain").sum().over(_KEYS),
        _all=pl.len().over(_KEYS),
    )
    others = (pl.col("_all") - pl.col("_calls")).cast(pl.Int64)
    accepted = pl.max_horizontal(most // 4, most - others)
    room = pl.when("_plain").then(accepted).otherwise(most - pl.min_horizontal("_calls", most // 4))
    return (
        ranked.filter(pl.col("_rank") <= room)
        .with_columns(omitted=pl.col("_all") - pl.len().over(_KEYS))
        .select(*sessions.events.columns, "omitted")
    )


def timelines(
    sessions: Sessions, listed: Sequence[Device], marks: pl.DataFrame, lines: Mapping[tuple[str, int], str]
) -> tuple[Timeline, ...]:
    """One timeline a device that has marks, in the order of `listed`."""
    drawn = marks.partition_by(_KEYS, as_dict=True)
    events = sessions.events.join(marks.select(_KEYS).unique(), on=_KEYS, how="semi", maintain_order="left")
    whole = events.partition_by(_KEYS, as_dict=True)
    keys = [(one.system, one.device_id) for one in listed if (one.system, one.device_id) in drawn]
    return tuple(timeline(*key, whole[key], drawn[key], lines) for key in keys)


def timeline(
    system: str, device: str, events: pl.DataFrame, marks: pl.DataFrame, lines: Mapping[tuple[str, int], str]
) -> Timeline:
    """The timeline of one device: `events` are all of its requests, `marks` those to draw, with `omitted`."""
    return Timeline(
        system=system,
        device_id=device,
        bands=bands(events),
        marks=tuple(_marks(marks, lines)),
        omitted=int(marks["omitted"][0]),
    )


def bands(events: pl.DataFrame) -> tuple[Band, ...]:
    """The states of one device as stretches of time; the last ends with its last event."""
    change = events.select("timestamp", "state").filter(pl.col("state").ne_missing(pl.col("state").shift()))
    stretches = change.with_columns(until=pl.col("timestamp").shift(-1).fill_null(events["timestamp"][-1]))
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
    for row in events.sort("timestamp", "row").select(columns).to_dicts():
        route = row.pop("route")
        yield Mark(
            **row,
            route=None if route is None else redact(route),
            text=lines.get((row["source"], row["line_number"]), ""),
        )


def lines_wanted(findings: Iterable[Finding], marks: pl.DataFrame) -> pl.DataFrame:
    """The log lines whose text is needed: `source`, `line_number`."""
    return pl.concat([_proof(findings), marks.select("source", "line_number")]).unique().sort("source", "line_number")


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
