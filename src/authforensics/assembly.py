"""Puts together the document: frames and findings of the stages → the lists of `Document`, in stable order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from authforensics import correlate
from authforensics.document import (
    Device,
    Endpoint,
    Identity,
    Join,
    Lifetimes,
    Offset,
    Population,
    Rate,
    Source,
    System,
)
from authforensics.findings import Evidence, Finding, Incident, Severity, iso
from authforensics.redact import redact
from authforensics.schema import FINDINGS, History
from authforensics.timelines import keyed

#: Routes listed per system: those with most refusals first, then most requests. Scanners make up thousands.
MAX_ENDPOINTS = 100
#: Devices listed, the worst first.
MAX_DEVICES = 1000
_KEYS = ["system", "device_id"]


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
    crowds: Mapping[str, str],
) -> tuple[System, ...]:
    """One entry a system that has events; `crowds` says of some why their devices can't be told apart."""
    sizes = history.devices.group_by(pl.col("system").cast(pl.String)).agg(pl.col("requests").sum())
    requests: dict[str, int] = dict(sizes.rows())
    naive = {source.source for source in sources if source.naive}
    silent = any(not requests.get(name) for name in history.spans["system"].cast(pl.String))
    apart = {name: tuple(correlate.noted(one, naive) for one in found) for name, found in offsets.items()}
    return tuple(
        System(
            system=name,
            sources=tuple(sorted(source.source for source in sources if source.system == name)),
            requests=requests.get(name, 0),
            messages=messages.get(name, 0),
            first_seen=begin,
            last_seen=end,
            identity=identities.get(name, Identity(ladder=(), devices=0)).model_copy(
                update={"crowded": name in crowds}
            ),
            lifetimes=lifetimes.get(name, Lifetimes()),
            join=joins.get(name, Join(messages=messages.get(name, 0), denials=0, explained=0, how={})),
            out_of_order=round(out_of_order.get(name, 0.0), 6),
            offsets=apart.get(name, ()),
            notes=(
                *((crowds[name],) if name in crowds else ()),
                *_notes(requests.get(name, 0), joins.get(name), apart=silent and len(requests) > 0),
                *filter(None, (o.note for o in apart.get(name, ()))),
            ),
        )
        for name, begin, end in history.spans.select(pl.col("system").cast(pl.String), "begin", "end")
        .sort("system")
        .rows()
    )


def _notes(requests: int, join: Join | None, *, apart: bool) -> tuple[str, ...]:
    """What a system lacks; `apart`: some of the systems have requests, and some nothing but messages."""
    if not requests and apart:
        return (
            "only messages, and it is not known which system they are of: `[systems]` in authforensics.toml says it",
        )
    if not requests:
        return (
            "no access log in this folder: messages alone don't tell who was refused; add the access log beside it",
        )
    if join is not None and join.denials and not join.explained and not apart:
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
    wanted = keyed(listed, history.devices.schema).with_columns(found=pl.Series(listed.values(), dtype=pl.UInt32))
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
