"""Counts requests once that two logs tell of, as a proxy's and that of the server behind it do: they are of one system.

The log that knows better who called counts. What the other one says beyond that is heard as an application's messages
are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import polars as pl

from authforensics.addresses import proxies
from authforensics.correlate import reasons
from authforensics.correlate.agreement import CALL, turned
from authforensics.correlate.clocks import offset_of
from authforensics.correlate.identity import COVERAGE, LADDER, PAIR
from authforensics.correlate.twins import Log, Twins
from authforensics.document import Offset
from authforensics.schema import MESSAGES, TEXT, TIMESTAMP

#: Where the log that counts has less than this share of the requests in so much time, the other one is needed.
_SLOT, _PART = "2m", 0.5
#: Requests of a call by which two clocks are compared.
_SOME = 500
_ROUTES: dict[str, pl.DataType] = {"source": TEXT, "method": TEXT, "route": TEXT}
#: Logs of which one knows so many times the clients that the other one does know them alike.
_ALIKE = 1.1
_SLOTS: dict[str, pl.DataType] = {"source": TEXT, "slot": TIMESTAMP}


@dataclass(frozen=True)
class Echoes:
    """The requests that another log tells of, too: those of `source` at one of its `routes` within one of its `slots`.

    `originals` has the log that counts for each source; `told` how many requests of each don't; `overheard` what these
    say that the other log may not: MESSAGES. `joined` has the new name of systems that turn out to be one; `offsets`
    says, by the system and the rotated set of a log, how far its clock is from that of the log that counts, where it is
    of another zone.
    """

    routes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_ROUTES))
    slots: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_SLOTS))
    originals: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, int] = field(default_factory=dict)
    overheard: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MESSAGES))
    joined: Mapping[str, str] = field(default_factory=dict)
    offsets: Mapping[tuple[str, str], Offset] = field(default_factory=dict)

    def without(self, requests: pl.LazyFrame) -> pl.LazyFrame:
        """Those of some requests that count, in their order."""
        return self._marked(requests).filter(~pl.col("_echo")).drop("_echo") if self.originals else requests

    def left(self, requests: pl.DataFrame) -> pl.DataFrame:
        """The same, of a frame."""
        return self.without(requests.lazy()).collect() if self.originals else requests

    def only(self, requests: pl.LazyFrame) -> pl.LazyFrame:
        """Those that don't count."""
        return self._marked(requests).filter("_echo").drop("_echo")

    def _marked(self, requests: pl.LazyFrame) -> pl.LazyFrame:
        routes = self.routes.lazy().with_columns(_route=True)
        slots = self.slots.lazy().select("source", _slot="slot", _within=True)
        return (
            requests.with_columns(_slot=pl.col("timestamp").dt.truncate(_SLOT))
            .join(routes, on=["source", *CALL], how="left", nulls_equal=True, maintain_order="left")
            .join(slots, on=["source", "_slot"], how="left", maintain_order="left")
            .with_columns(_echo=(pl.col("_route") & pl.col("_within")).fill_null(value=False))
            .drop("_slot", "_route", "_within")
        )


def settled(requests: pl.LazyFrame, found: Sequence[Twins], sets: Mapping[str, str]) -> Echoes:
    """Decide which of the logs that tell of the same requests count.

    Args:
        requests: all REQUESTS, by system.
        found: those logs.
        sets: by source, what its rotated set is called.
    """
    if not found:
        return Echoes()
    ranks = {
        log: _rank(log.of(requests), len({sets[one] for one in log.files}))
        for twin in found
        for log in (twin.first, twin.second)
    }
    originals: dict[str, str] = {}
    kept: set[str] = set()
    routes, slots = [], []
    whole: list[str] = []
    met: list[tuple[str, str]] = []
    offsets: dict[tuple[str, str], Offset] = {}
    for twin in sorted(found, key=lambda one: sorted((ranks[one.first], ranks[one.second]))):
        swap = not twin.one_way and ranks[twin.first] < ranks[twin.second]
        worse, better = (twin.second, twin.first) if swap else (twin.first, twin.second)
        calls = turned(twin.calls) if swap else twin.calls
        if kept & set(worse.files) or originals.keys() & {*worse.files, *better.files}:
            continue
        kept |= set(better.files)
        met += [(system, better.systems[0]) for system in (*worse.systems, *better.systems)]
        originals |= dict.fromkeys(worse.files, better.files[-1])
        every = pl.DataFrame({"source": pl.Series(worse.files, dtype=TEXT)})
        routes.append(every.join(calls.select(CALL), how="cross"))
        ahead = -twin.ahead if swap else twin.ahead
        slots.append(every.join(_slots(requests, worse, better, calls, ahead), how="cross"))
        if twin.one_way:
            whole += worse.files
        if ahead and not twin.by_ids:
            offset = _offset(requests, worse, better, calls, ahead)
            offsets |= {(better.systems[0], sets[file]): offset for file in worse.files if offset is not None}
    echoes = Echoes(pl.concat(routes), pl.concat(slots), originals, joined=_joined(met), offsets=offsets)
    echoed = echoes.only(requests)
    told = echoed.group_by(pl.col("source").cast(pl.String)).len().collect(engine="streaming").sort("source")
    says = pl.col("reason").is_not_null()
    # What tells devices apart there is to be known here, too: by the ids that both have.
    named_there = pl.any_horizontal(pl.col(one).is_not_null() for one in LADDER)
    says |= pl.col("source").cast(pl.String).is_in(whole) & named_there
    heard = reasons.overheard(echoed.filter(says).collect())
    if offsets:
        told_by = {name: round(one.seconds * 1e6) for (_, name), one in offsets.items()}
        off = {source: told_by[name] for source, name in sets.items() if name in told_by}
        late = pl.col("source").cast(pl.String).replace_strict(off, default=0, return_dtype=pl.Int64)
        heard = heard.with_columns(timestamp=pl.col("timestamp") - pl.duration(microseconds=late))
    return replace(echoes, told=dict(told.rows()), overheard=heard)


def _offset(requests: pl.LazyFrame, worse: Log, better: Log, calls: pl.DataFrame, ahead: timedelta) -> Offset | None:
    """By how much the clock of one log is ahead, by some requests of each call; about `ahead`."""
    mine = worse.of(requests).join(calls.lazy(), on=CALL, nulls_equal=True).sort("timestamp")
    some = mine.filter(pl.int_range(pl.len()).over(*CALL) < _SOME).drop("route").rename({"route_other": "route"})
    its = better.of(requests).select(*CALL, time=pl.col("timestamp") + ahead, at="timestamp")
    pairs = (
        some.select(*CALL, time="timestamp", mine="timestamp")
        .join_asof(
            its.sort("time"),
            on="time",
            by=CALL,
            strategy="nearest",
            tolerance=timedelta(seconds=reasons.JOIN_SECONDS),
            check_sortedness=False,
        )
        .drop_nulls("at")
        .collect()
    )
    return offset_of(
        (pairs["mine"] - pairs["at"]).dt.total_microseconds(), worse.files[-1], better.files[-1], "requests"
    )


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The name of each system that turns out to be one with others: the first of theirs."""
    names: dict[str, str] = {}
    for pair in pairs:
        one, other = sorted(names.get(system, system) for system in pair)
        names |= {system: one for system, name in names.items() if name == other}
        names |= {other: one, one: one}
    return {system: name for system, name in names.items() if system != name}


def _rank(requests: pl.LazyFrame, files: int) -> tuple[float, ...]:
    """How well a log in so many `files` knows who called, in which order, and what else: of two the lesser one counts.

    Files that are rotated are one.
    """
    names = [*LADDER, "token", "reason", "upstream", "user_agent", "app_version"]
    counts = requests.select(
        pl.len(),
        *(pl.col(name).count() for name in names),
        timed=pl.col("timed").sum(),
        fine=(pl.col("timestamp").dt.microsecond() > 0).sum(),
        pairs=pl.struct(PAIR).n_unique(),
    )
    row = counts.collect(engine="streaming").to_dicts()[0]
    enough = COVERAGE * row["len"]
    rung = next((place for place, name in enumerate(LADDER) if row[name] >= enough), len(LADDER))
    behind, pairs = False, 0
    if rung == len(LADDER):
        # Where addresses have to tell devices apart, a log that knows many is better than one that knows a proxy's.
        behind = len(proxies(requests.group_by("client_ip").len().collect(engine="streaming"))) > 0
        pairs = -int(math.log(max(row["pairs"], 1), _ALIKE))
    # What several servers did within one second is in no order.
    mixed = files > 1 and row["fine"] < enough
    rich = sum(row[name] >= enough for name in (*names, "timed", "fine")) + (row["reason"] > 0)
    return (rung, behind, pairs, mixed, -rich, -row["len"])


def _slots(requests: pl.LazyFrame, worse: Log, better: Log, calls: pl.DataFrame, ahead: timedelta) -> pl.DataFrame:
    """When the better log has what the other one tells, by the clock of that: `slot`."""
    counts = []
    for log, route, off in ((worse, "route", timedelta(0)), (better, "route_other", ahead)):
        common = calls.select("method", pl.col(route).alias("route")).unique().lazy()
        mine = log.of(requests).join(common, on=CALL, how="semi", nulls_equal=True)
        at = pl.col("timestamp") + off
        sums = mine.group_by(slot=at.dt.truncate(_SLOT)).agg(pl.len(), begin=at.min(), end=at.max())
        counts.append(sums.collect(engine="streaming").sort("slot"))
    both = counts[0].join(counts[1].select("slot", other="len"), on="slot", how="left", maintain_order="left")
    both = both.with_columns(has=pl.col("other").fill_null(0) >= _PART * pl.col("len"))
    # What is at the edge of a slot in one log may be beyond it in the other.
    near, slot = timedelta(seconds=reasons.JOIN_SECONDS), pl.col("slot")
    late = (pl.col("begin") >= slot.dt.offset_by(_SLOT) - near) & pl.col("has").shift(-1)
    early = (pl.col("end") <= slot + near) & pl.col("has").shift()
    return both.filter(pl.col("has") | late.fill_null(value=False) | early.fill_null(value=False)).select("slot")
