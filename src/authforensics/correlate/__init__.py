"""Correlate: who a line belongs to, what the call meant, why it was refused, and where that leaves the device.

COLLECTED events → REQUESTS and MESSAGES → systems → identity → endpoint classes → reasons → auth events → stragglers →
states → tables. What is decided once for everything is a `Ground`; the rest is done to one partition of devices at a
time, in two passes: `survey` finds the refusals that messages may explain, `sessionize` does the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from authforensics.correlate import (
    clocks,
    condense,
    echoes,
    endpoints,
    identity,
    instances,
    joining,
    partition,
    population,
    reasons,
    systems,
    templates,
)
from authforensics.correlate.apart import noted
from authforensics.correlate.clocks import Clocks
from authforensics.correlate.echoes import Echoes
from authforensics.correlate.identity import Ladder
from authforensics.correlate.instances import Instances
from authforensics.correlate.outcomes import telling
from authforensics.correlate.starts import restarts
from authforensics.correlate.twins import twins
from authforensics.document import Join
from authforensics.errors import UnknownName
from authforensics.schema import ROW, TEXT, TIMESTAMP, EndpointClass, Sessions

__all__ = [
    "RUNGS",
    "Clocks",
    "Correlated",
    "Ground",
    "Options",
    "Survey",
    "arrange",
    "condense",
    "correlate",
    "endpoints",
    "explain",
    "ground",
    "identified",
    "identity",
    "joins",
    "noted",
    "population",
    "restarts",
    "sessionize",
    "survey",
    "telling",
]

#: What a user may name to tell devices apart.
RUNGS = (*identity.LADDER, identity.FALLBACK)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may decide about correlation.

    `device_key`: a rung of the identity ladder to use; `fingerprint_key`: what session ids and tokens are fingerprinted
    with, by default what comes from all of them.
    """

    device_key: str | None = None
    endpoints: Mapping[str, EndpointClass] = field(default_factory=dict)
    systems: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fingerprint_key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.device_key is not None and self.device_key not in RUNGS:
            raise UnknownName("device key", self.device_key, RUNGS)


@dataclass(frozen=True)
class Ground:
    """What is decided once for all partitions.

    `folders` has the system of every folder; `bases` how many lines come before each source's first; `spans` when the
    log of each system begins and ends (`system`, `begin`, `end`), `steps` the seconds of a step of its fleet chart;
    `clocks` says how far those of its logs are apart, `echoes` which requests another log tells of, too. `called` is
    what `endpoints.seen` says of everything, and `templates` are those of its routes. `instances` tells
    who answered, where no line does.
    """

    folders: Mapping[str, str]
    bases: Mapping[str, int]
    ladder: Ladder
    spans: pl.DataFrame
    steps: Mapping[str, int]
    clocks: Clocks = field(default_factory=Clocks)
    echoes: Echoes = field(default_factory=Echoes)
    called: pl.DataFrame = field(default_factory=lambda: condense.all_seen((), {}))
    templates: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=templates.TEMPLATES))
    instances: Instances = field(default_factory=Instances)

    def heard(self, messages: pl.DataFrame) -> pl.DataFrame:
        """All MESSAGES with `row` and templates: those there are, and what requests say that another log tells, too."""
        return reasons.with_templates(_heard(messages, self.echoes, self.folders, self.bases), self.templates)

    def placed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows with `row`, templates of their routes, who answered, and their folder's system in its place."""
        frame = self.instances.filled(frame)
        return templates.templated(placed(frame, self.folders, self.bases), self.templates)

    def in_systems(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Any rows, with their folder's system in place of the folder."""
        return in_systems(frame, self.folders)


def placed(frame: pl.DataFrame, folders: Mapping[str, str], bases: Mapping[str, int]) -> pl.DataFrame:
    """REQUESTS or MESSAGES with `row`, and their folder's system in place of the folder."""
    here = frame["source"].unique().cast(pl.String).to_list()
    if len(here) == 1:
        base = pl.lit(bases[here[0]], ROW)
    else:
        base = pl.col("source").cast(pl.String).replace_strict(dict(bases), return_dtype=ROW)
    return in_systems(frame, folders).with_columns(row=base + pl.col("line_number").cast(ROW))


def _heard(
    messages: pl.DataFrame, echoed: Echoes, folders: Mapping[str, str], bases: Mapping[str, int]
) -> pl.DataFrame:
    """All MESSAGES with `row`, in this order where requests say some of them."""
    told = placed(pl.concat([messages, echoed.overheard]), folders, bases)
    return told if echoed.overheard.is_empty() else told.sort("row")


def in_systems(frame: pl.DataFrame, folders: Mapping[str, str]) -> pl.DataFrame:
    """Any rows, with their folder's system in place of the folder."""
    moved = {folder: system for folder, system in folders.items() if folder != system}
    if not moved:
        return frame
    return frame.with_columns(pl.col("system").cast(pl.String).replace(moved).cast(TEXT))


def ground(
    requests: pl.LazyFrame,
    messages: pl.DataFrame,
    covered: Mapping[str, Mapping[str, int]],
    extents: Mapping[str, tuple[datetime, datetime]],
    bases: Mapping[str, int],
    *,
    options: Options,
    sketches: pl.DataFrame,
    seen: Sequence[pl.DataFrame],
    sets: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
    naive: Collection[str] = (),
) -> Ground:
    """Decide what holds for everything.

    Args:
        requests: all REQUESTS, `system` being the folder.
        messages: all MESSAGES, likewise.
        covered: what `condense.coverage` says of each folder that has requests.
        extents: first and last event of each folder; what counts of those with requests is when these begin and end.
        bases: how many lines come before each source's first.
        options: what the user decided.
        sketches: what `clocks.merged` gave of everything.
        seen: what `endpoints.seen` says of each part of the requests.
        sets: what the rotated set of each source is called; by default each is one of its own.
        kinds: the format of each source; by default all have the same.
        naive: the sources that carry no zone.
    """
    called = condense.all_seen(seen, {})
    folders = systems.join_folders(list(extents), requests, messages, called, options.systems)
    requests = _renamed(requests, folders)
    sets = sets or {one: one for one in bases}
    fixed = set(systems.named_folders(list(extents), options.systems).values())
    echoed = echoes.settled(requests, twins(requests, sets, kinds or {}, fixed, naive), sets)
    every, requests = requests, _renamed(echoed.without(requests), echoed.joined)
    folders = {folder: echoed.joined.get(system, system) for folder, system in folders.items()}
    served = _extents(requests)
    zoneless = set(messages.filter(pl.col("source").cast(pl.String).is_in([*naive]))["system"].cast(pl.String))
    folders = systems.with_messages(folders, extents, served, zoneless, fixed)
    heard = _heard(messages, echoed, folders, bases)
    told = identity.told_by(heard)
    whole: dict[str, tuple[datetime, datetime]] = {}
    for folder, (begin, end) in extents.items():
        first, last = whole.get(folders[folder], (begin, end))
        whole[folders[folder]] = min(begin, first), max(end, last)
    # What an application says before and after them, perhaps by a clock that is hours ahead, is no time to be seen in.
    whole |= served
    shares: dict[str, dict[str, int]] = {}
    for folder, counts in covered.items():
        sums = shares.setdefault(folders[folder], {})
        for name, count in counts.items():
            sums[name] = sums.get(name, 0) + count
    if echoed.originals:
        shares = identity.coverage(requests)
        called = endpoints.seen(requests.select("system", "method", "route", "status").collect())
    called = condense.all_seen([called], folders)
    changed = templates.templates(called, options.endpoints)
    names = sorted(whole)
    return Ground(
        folders=folders,
        bases=bases,
        ladder=identity.climb(requests, shares, told, options.device_key, options.fingerprint_key),
        spans=pl.DataFrame(
            {
                "system": pl.Series(names, dtype=TEXT),
                "begin": pl.Series([whole[name][0] for name in names], dtype=TIMESTAMP),
                "end": pl.Series([whole[name][1] for name in names], dtype=TIMESTAMP),
            }
        ),
        steps={name: population.step(*whole[name]) for name in names},
        clocks=clocks.compared(
            in_systems(sketches, folders),
            requests,
            heard,
            sets,
            {(echoed.joined.get(system, system), name): one for (system, name), one in echoed.offsets.items()},
        ),
        echoes=echoed,
        called=condense.all_seen([templates.templated(called, changed)], {}),
        templates=changed,
        instances=instances.found(requests, echoed.only(every), echoed.originals, sets, kinds or {}),
    )


def _extents(events: pl.LazyFrame) -> dict[str, tuple[datetime, datetime]]:
    """First and last event of each system."""
    at = pl.col("timestamp")
    times = events.group_by("system").agg(begin=at.min(), end=at.max()).collect(engine="streaming")
    return {name: (begin, end) for name, begin, end in times.cast({"system": pl.String}).rows()}


def _renamed(requests: pl.LazyFrame, systems: Mapping[str, str]) -> pl.LazyFrame:
    """The same with other names of systems."""
    if all(one == other for one, other in systems.items()):
        return requests
    return requests.with_columns(pl.col("system").cast(pl.String).replace(dict(systems)).cast(TEXT))


def arrange(requests: pl.DataFrame, known: Ground) -> pl.DataFrame:
    """REQUESTS of one partition: placed, identified (unless they are), in order of device and time."""
    if "identity_key" not in requests.columns:
        requests = identity.known(known.placed(known.echoes.left(requests)), known.ladder)
    return partition.arrange(requests)


def identified(requests: pl.DataFrame, known: Ground) -> pl.DataFrame:
    """REQUESTS of one partition: placed and identified."""
    return identity.identify(known.placed(known.echoes.left(requests)), known.ladder)


@dataclass(frozen=True)
class Survey:
    """The refusals of a partition that messages may explain, and the request ids that messages name and it has."""

    refused: pl.DataFrame
    known_ids: pl.DataFrame


def survey(arranged: pl.DataFrame, table: pl.DataFrame, messages: pl.DataFrame) -> Survey:
    """Look at one partition before its reasons are known.

    Args:
        arranged: what `arrange` gave.
        table: what `endpoints.classify` gave.
        messages: MESSAGES with `row`, all of them.
    """
    asked = messages.select("system", "request_id").drop_nulls().unique()
    held = arranged.select("system", "request_id").join(asked, on=["system", "request_id"], how="semi")
    return Survey(partition.refused(partition.classed(arranged, table)), held.unique())


def explain(surveys: Sequence[Survey], messages: pl.DataFrame, known_clocks: Clocks) -> pl.DataFrame:
    """Which refusals the messages explain: `row`, `reason`, `how`."""
    refused = pl.concat([one.refused for one in surveys]).sort("row")
    known = pl.concat([one.known_ids for one in surveys]).unique()
    told = known_clocks.set_right(messages)
    found = joining.join(refused.filter(pl.col("reason").is_null()), told, known)
    return found.select("row", "reason", "how")


def sessionize(
    arranged: pl.DataFrame, table: pl.DataFrame, explained: pl.DataFrame | None, known: Ground
) -> tuple[Sessions, pl.DataFrame]:
    """The sessions of one partition; and its refusals by how their reason was found, for `joins`.

    Args:
        arranged: what `arrange` gave.
        table: what `endpoints.classify` gave.
        explained: what `explain` gave; None where there are no messages.
        known: what was decided for all partitions.
    """
    classed = partition.classed(arranged, table)
    refused = partition.refused(classed).with_columns(how=pl.when(pl.col("reason").is_not_null()).then(pl.lit("log")))
    if explained is not None and not explained.is_empty():
        told = explained.select("row", _how=pl.col("how").cast(pl.String))
        refused = refused.join(told, on="row", how="left").with_columns(how=pl.coalesce("how", "_how"))
    counted = refused.filter(pl.col("counted") | pl.col("how").is_not_null()).group_by("system", "how").len()
    return partition.sessions_of(classed, explained, known.spans, known.steps), counted


def joins(counted: Sequence[pl.DataFrame], messages: Mapping[str, int]) -> dict[str, Join]:
    """Per system, how many refusals have a reason, and how it was found.

    Args:
        counted: what `sessionize` gave of every partition.
        messages: how many messages there are per system.
    """
    summed = pl.concat(counted).group_by(pl.col("system").cast(pl.String), "how").agg(pl.col("len").sum())
    found: dict[str, dict[str | None, int]] = {}
    for system, how, count in summed.sort("system", "how", nulls_last=True).rows():
        found.setdefault(system, {})[how] = count
    return {
        system: Join(
            messages=messages.get(system, 0),
            denials=sum(hows.values()),
            explained=sum(count for how, count in hows.items() if how is not None),
            how={how: count for how, count in hows.items() if how is not None},
        )
        for system, hows in found.items()
    }


@dataclass(frozen=True)
class Correlated:
    """The sessions of a single partition that holds everything, and what was decided on the way."""

    sessions: Sessions
    ground: Ground
    endpoints: pl.DataFrame
    joins: dict[str, Join]


def correlate(collected: pl.DataFrame, options: Options | None = None) -> Correlated:
    """Make sessions of events, all at once.

    Args:
        collected: COLLECTED events, in the order of their files.
        options: what the user decided; by default nothing.

    Raises:
        UnknownName: the device key is no rung of the identity ladder.
    """
    chosen = options or Options()
    requests, messages = condense.requests(collected), condense.messages(collected)
    lasts = collected.group_by("source", maintain_order=True).agg(pl.col("line_number").max())
    bases: dict[str, int] = {}
    before = 0
    for source, lines in lasts.rows():
        bases[source] = before
        before += lines
    folders = requests.partition_by("system", as_dict=True)
    covered = {str(folder): condense.coverage(part) for (folder,), part in folders.items()}
    sketches = clocks.sketch(requests, messages)
    known = ground(
        requests.lazy(),
        messages,
        covered,
        _extents(collected.lazy()),
        bases,
        options=chosen,
        sketches=sketches,
        seen=[endpoints.seen(requests)],
    )
    arranged, told = arrange(requests, known), known.heard(messages)
    refreshes = endpoints.learned([endpoints.observe(arranged)])
    table = endpoints.classify(known.called, refreshes, told, chosen.endpoints)
    explained = None
    if told["reason"].count():
        explained = explain([survey(arranged, table, told)], told, known.clocks)
    sessions, counted = sessionize(arranged, table, explained, known)
    heard = messages.group_by(pl.col("system").cast(pl.String).replace(known.folders)).len()
    return Correlated(sessions, known, table, joins([counted], dict(heard.rows())))
