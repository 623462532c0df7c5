"""Finds requests that two logs of one system tell of, as a proxy's and that of the server behind it do.

Each of them is to count once, told by the log that knows better who called. Logs tell of the same requests where their
counts agree for each call, status and window of time, closer than they would if a balancer had dealt the requests out
to two servers; or where they share request ids. Where that can't be told, both count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import combinations
from math import log2
from typing import TypeVar

import polars as pl

from authforensics.correlate import reasons
from authforensics.correlate.identity import COVERAGE, LADDER, PAIR
from authforensics.schema import MESSAGES, TEXT, TIMESTAMP

#: Seconds of a window. A request of which one log tells up to `JOIN_SECONDS` later than the other falls into the next
#: one in a tenth of all cases: ten times as long.
_WINDOW = int(10 * reasons.JOIN_SECONDS)
#: Mean of (x - y)² / (x + y) over the windows that x or y of a call fall into: 1, where each request was dealt to one
#: of two logs by chance; 0, where both tell of all; up to 2 / 10 by what falls into the next window.
_SAME = 0.3
#: What that mean must come to if one log is shifted by some windows: calls at regular intervals look alike anyway.
_SHIFTED, _SHIFT = 0.6, 3
#: Windows that a call must fall into to be judged, and all of these together; how many calls, and the share of them
#: that must agree; fewer than the share of all requests must be told by one log only.
_SEEN, _CELLS, _CALLS, _AGREE, _COMMON = 5, 20, 2, 0.9, 2 / 3
#: Request ids to judge by, and the share of them that the other log must have.
_IDS, _KNOWN = 20, 0.9
#: Requests looked at: whole windows, evenly over time.
_ROWS = 500_000
#: More logs than this are compared by their formats, not each with each.
_LOGS = 16
#: Where the log that counts has less than this share of the requests in so much time, the other one is needed.
_SLOT, _PART = "10m", 0.5
_CALL = ["method", "route"]
_Rows = TypeVar("_Rows", pl.DataFrame, pl.LazyFrame)
_ROUTES: dict[str, pl.DataType] = {"source": TEXT, "method": TEXT, "route": TEXT}
_SLOTS: dict[str, pl.DataType] = {"source": TEXT, "slot": TIMESTAMP}


@dataclass(frozen=True)
class Echoes:
    """The requests that another log tells of, too: those of `source` at one of its `routes` within one of its `slots`.

    `originals` has the log that counts for each source; `told` how many requests of each don't; `overheard` what these
    say that the other log may not: MESSAGES.
    """

    routes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_ROUTES))
    slots: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_SLOTS))
    originals: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, int] = field(default_factory=dict)
    overheard: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MESSAGES))

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
            .join(routes, on=["source", *_CALL], how="left", nulls_equal=True, maintain_order="left")
            .join(slots, on=["source", "_slot"], how="left", maintain_order="left")
            .with_columns(_echo=(pl.col("_route") & pl.col("_within")).fill_null(value=False))
            .drop("_slot", "_route", "_within")
        )


@dataclass(frozen=True, order=True)
class _Log:
    """One log, or all of a format together, by the names of their rotated sets."""

    system: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Twins:
    """Two logs of the same requests, `by_ids` or by their counts.

    `one_way`: `first` tells of no others than `second`, which may tell of more.
    """

    first: _Log
    second: _Log
    calls: pl.DataFrame
    by_ids: bool = False
    one_way: bool = False


def find(requests: pl.LazyFrame, sets: Mapping[str, str], kinds: Mapping[str, str]) -> Echoes:
    """Find them.

    Args:
        requests: all REQUESTS, by system.
        sets: by source, what its rotated set is called.
        kinds: by source, its format.
    """
    if len(set(sets.values())) < 2:
        return Echoes()
    named = requests.with_columns(set=pl.col("source").cast(pl.String).replace(dict(sets)))
    sizes = named.group_by(pl.col("system").cast(pl.String), "set").agg(pl.len(), ids=pl.col("request_id").count())
    known = sizes.collect(engine="streaming").sort("system", "set")
    formats = {sets[source]: kind for source, kind in kinds.items() if source in sets}
    logs = {
        str(system): [str(name) for name in part["set"]]
        for (system,), part in known.partition_by("system", as_dict=True, maintain_order=True).items()
        if part.height > 1
    }
    if not logs:
        return Echoes()
    named = named.filter(pl.col("system").cast(pl.String).is_in(list(logs)))
    cells = _cells(named, int(known["len"].sum()))
    traced = {name for name, count, ids in known.select("set", "len", "ids").rows() if ids >= _KNOWN * count}
    ids = _ids(named.filter(pl.col("set").is_in(sorted(traced))), known) if len(traced) > 1 else None
    twins = [twin for system, names in logs.items() for twin in _twins(cells, ids, _pairs(system, names, formats))]
    return _settled(named, twins, sets) if twins else Echoes()


def _cells(named: pl.LazyFrame, rows: int) -> pl.DataFrame:
    """How many requests of a log fall into which window, per call and status; of many requests some windows only."""
    every = -(-rows // _ROWS)
    window = pl.col("timestamp").dt.epoch("s") // _WINDOW
    counted = (
        named.with_columns(window=window)
        .filter(pl.col("window") % every == 0)
        .group_by(pl.col("system").cast(pl.String), "set", *_CALL, "status", window=pl.col("window") // every)
        .len()
    )
    return counted.collect(engine="streaming")


def _ids(named: pl.LazyFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The request ids of some requests, the same ones of each log."""
    share = _ROWS / max(int(known["ids"].sum()), 1)
    low = named.filter(pl.col("request_id") < int(share * 2**64)) if share < 1 else named
    told = low.filter(pl.col("request_id").is_not_null())
    return told.select(pl.col("system").cast(pl.String), "set", *_CALL, "request_id").unique().collect()


def _pairs(system: str, names: Sequence[str], formats: Mapping[str, str]) -> Iterator[tuple[_Log, _Log]]:
    """The logs of a system that may tell of the same requests: each with each, and all of one format as one."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for name in names:
        kinds[formats.get(name, "")].append(name)
    together = [_Log(system, tuple(of_kind)) for of_kind in kinds.values() if len(of_kind) > 1]
    single = [_Log(system, (name,)) for name in names]
    for one, other in combinations([*together, *single], 2):
        alike = formats.get(one.names[0], "") == formats.get(other.names[0], "")
        if not set(one.names) & set(other.names) and not (alike and len(names) > _LOGS):
            yield one, other


def _twins(cells: pl.DataFrame, ids: pl.DataFrame | None, pairs: Iterable[tuple[_Log, _Log]]) -> Iterator[_Twins]:
    """Those of some pairs of logs that tell of the same requests."""
    for one, other in pairs:
        mine, its = _of(cells, one), _of(cells, other)
        calls = _calls(mine, its)
        if calls.is_empty():
            continue
        if _agree(mine, its, calls):
            yield _Twins(one, other, calls)
        elif ids is not None:
            there = _contained(_of(ids, one), _of(ids, other), calls)
            back = _contained(_of(ids, other), _of(ids, one), _turned(calls))
            if there:
                yield _Twins(one, other, calls, by_ids=True, one_way=not back)
            elif back:
                yield _Twins(other, one, _turned(calls), by_ids=True, one_way=True)


def _of(rows: _Rows, log: _Log) -> _Rows:
    """The rows of a log."""
    return rows.filter(pl.col("system").cast(pl.String) == log.system, pl.col("set").is_in(log.names))


def _calls(mine: pl.DataFrame, its: pl.DataFrame) -> pl.DataFrame:
    """The calls that two logs have in common: `method`, `route` and, as the second one has it, `route_other`.

    A proxy may put a prefix in front of a path, or take it away: it is the one by which most calls are the same.
    """
    one, other = (frame.group_by(_CALL).agg(pl.col("len").sum()) for frame in (mine, its))
    one, other = (frame.with_columns(text=pl.col("route").cast(pl.String)) for frame in (one, other))
    tries = [_shifted(one, other, "")]
    for longer, shorter, ahead in ((other, one, True), (one, other, False)):
        texts = longer["text"].drop_nulls()
        often = shorter.drop_nulls("text").sort("len", "text", descending=[True, False])["text"][:_CALLS]
        prefixes = {whole.removesuffix(text) for text in often for whole in texts if whole.endswith(text)} - {""}
        for prefix in sorted(prefixes):
            tries += [_shifted(one, other, prefix) if ahead else _back(_shifted(other, one, prefix))]
    best = max(tries, key=lambda found: int(found["len"].sum()))
    return best.select(*_CALL, "route_other")


def _shifted(one: pl.DataFrame, other: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """The calls of `one` that `other` has with a prefix."""
    return one.with_columns(text=pl.lit(prefix) + pl.col("text")).join(
        other.select("method", "text", route_other="route", len_other="len"), on=["method", "text"]
    )


def _back(found: pl.DataFrame) -> pl.DataFrame:
    return found.select("method", route="route_other", route_other="route", len="len_other", len_other="len")


def _turned(calls: pl.DataFrame) -> pl.DataFrame:
    return calls.select("method", route="route_other", route_other="route")


def _agree(mine: pl.DataFrame, its: pl.DataFrame, calls: pl.DataFrame) -> bool:
    """Whether two logs tell of the same requests, by how many there are when."""
    keys = [*_CALL, "status", "window"]
    one = mine.join(calls, on=_CALL, how="inner", nulls_equal=True)
    one = one.drop("route").rename({"route_other": "route"})
    named = calls.select("method", route="route_other").unique()
    other = its.join(named, on=_CALL, how="semi", nulls_equal=True)
    one, other = (frame.group_by(keys).agg(pl.col("len").sum().cast(pl.Int64)) for frame in (one, other))
    if one.is_empty() or other.is_empty():
        return False
    # What lies at the ends of one may be cut.
    begin = 1 + max(_number(frame["window"].min()) for frame in (one, other))
    end = min(_number(frame["window"].max()) for frame in (one, other)) - 1
    one, other = (frame.filter(pl.col("window").is_between(begin, end)) for frame in (one, other))
    both = one.select(*_CALL, "status").unique().join(other, on=keys[:-1], how="semi", nulls_equal=True)
    shared = [frame.join(both, on=keys[:-1], how="semi", nulls_equal=True) for frame in (one, other)]
    told = [int(frame["len"].sum()) for frame in (*shared, one, other)]
    if told[0] < _COMMON * told[2] or told[1] < _COMMON * told[3]:
        return False
    away = _apart(*shared).rename({"apart": "now"})
    later = shared[1].with_columns(window=pl.col("window") + _SHIFT).filter(pl.col("window") <= end)
    shifted = _apart(shared[0].filter(pl.col("window") >= begin + _SHIFT), later)
    judged = away.join(shifted.select("call", "apart"), on="call").filter(pl.col("apart") >= _SHIFTED)
    agreed = (judged["now"] <= _SAME).sum()
    return judged.height >= _CALLS and judged["cells"].sum() >= _CELLS and agreed >= _AGREE * judged.height


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _apart(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """How far the counts of each call are `apart`, and in how many `cells`; rare calls are judged as one."""
    keys = [*_CALL, "status", "window"]
    cells = one.join(other, on=keys, how="full", coalesce=True, nulls_equal=True)
    x, y = (pl.col(name).fill_null(0) for name in ("len", "len_right"))
    cells = cells.with_columns(away=(x - y) ** 2 / (x + y), seen=pl.len().over(keys[:-1]))
    call = pl.concat_str((pl.col(name).cast(pl.String).fill_null("-") for name in keys[:-1]), separator=" ")
    rare = pl.col("seen") < _SEEN
    cells = cells.with_columns(call=pl.when(~rare).then(call).otherwise(pl.lit("")))
    found = cells.group_by("call").agg(apart=pl.col("away").mean(), cells=pl.len())
    return found.filter(pl.col("cells") >= _SEEN)


def _contained(mine: pl.DataFrame, its: pl.DataFrame, calls: pl.DataFrame) -> bool:
    """Whether one log tells of no requests that the other doesn't, by their ids."""
    asked = mine.join(calls, on=_CALL, how="inner", nulls_equal=True)
    had = its.select("method", "request_id", route_other="route")
    met = asked.join(had, on=["method", "request_id", "route_other"], how="semi", nulls_equal=True)
    return asked.height >= _IDS and met.height >= _KNOWN * asked.height


def _settled(named: pl.LazyFrame, twins: Sequence[_Twins], sets: Mapping[str, str]) -> Echoes:
    """Which of these logs count, and which of their requests don't."""
    ranks = {log: _rank(named, log) for twin in twins for log in (twin.first, twin.second)}
    sources: dict[str, list[str]] = defaultdict(list)
    for source, name in sets.items():
        sources[name].append(source)
    originals: dict[str, str] = {}
    kept: set[str] = set()
    routes, slots, whole = [], [], []
    for twin in sorted(twins, key=lambda one: sorted((ranks[one.first], ranks[one.second]))):
        turned = not twin.one_way and ranks[twin.first] < ranks[twin.second]
        worse, better = (twin.second, twin.first) if turned else (twin.first, twin.second)
        calls = _turned(twin.calls) if turned else twin.calls
        files = [source for name in worse.names for source in sources[name]]
        counting = [source for name in better.names for source in sources[name]]
        if kept & set(worse.names) or originals.keys() & {*files, *counting}:
            continue
        kept |= set(better.names)
        originals |= dict.fromkeys(files, counting[-1])
        every = pl.DataFrame({"source": pl.Series(files, dtype=TEXT)})
        routes.append(every.join(calls.select(_CALL), how="cross"))
        slots.append(every.join(_slots(named, worse, None if twin.by_ids else better, calls), how="cross"))
        if twin.one_way:
            whole += files
    found = Echoes(pl.concat(routes), pl.concat(slots), originals)
    echoed = found.only(named)
    told = echoed.group_by(pl.col("source").cast(pl.String)).len().collect(engine="streaming").sort("source")
    says = pl.col("reason").is_not_null()
    # What tells devices apart there is to be known here, too: by the ids that both have.
    named_there = pl.any_horizontal(pl.col(one).is_not_null() for one in LADDER)
    says |= pl.col("source").cast(pl.String).is_in(whole) & named_there
    return replace(found, told=dict(told.rows()), overheard=reasons.overheard(echoed.filter(says).collect()))


def _rank(named: pl.LazyFrame, log: _Log) -> tuple[float, ...]:
    """How well a log knows who called, and what else it knows: of two the lesser one counts."""
    names = [*LADDER, "token", "reason", "upstream", "user_agent", "app_version"]
    counts = _of(named, log).select(
        pl.len(),
        *(pl.col(name).count() for name in names),
        timed=pl.col("timed").sum(),
        pairs=pl.struct(PAIR).n_unique(),
    )
    row = counts.collect(engine="streaming").to_dicts()[0]
    enough = COVERAGE * row["len"]
    rung = next((place for place, name in enumerate(LADDER) if row[name] >= enough), len(LADDER))
    # Where addresses have to tell devices apart, a log that knows many is better than one that knows a proxy's.
    pairs = -round(log2(max(row["pairs"], 1))) if rung == len(LADDER) else 0
    rich = sum(row[name] >= enough for name in (*names, "timed")) + (row["reason"] > 0)
    return (rung, pairs, -rich, -row["len"])


def _slots(named: pl.LazyFrame, worse: _Log, better: _Log | None, calls: pl.DataFrame) -> pl.DataFrame:
    """When the better log has what the other one tells: `slot`; always, where there is none to be asked."""
    counts = []
    for log, route in ((worse, "route"), (better, "route_other")):
        if log is not None:
            common = calls.select("method", pl.col(route).alias("route")).unique().lazy()
            mine = _of(named, log).join(common, on=_CALL, how="semi", nulls_equal=True)
            at = pl.col("timestamp")
            sums = mine.group_by(slot=at.dt.truncate(_SLOT)).agg(pl.len(), begin=at.min(), end=at.max())
            counts.append(sums.collect(engine="streaming").sort("slot"))
    if len(counts) == 1:
        return counts[0].select("slot")
    both = counts[0].join(counts[1].select("slot", other="len"), on="slot", how="left", maintain_order="left")
    both = both.with_columns(has=pl.col("other").fill_null(0) >= _PART * pl.col("len"))
    # What is at the edge of a slot in one log may be beyond it in the other.
    near, slot = timedelta(seconds=reasons.JOIN_SECONDS), pl.col("slot")
    late = (pl.col("begin") >= slot.dt.offset_by(_SLOT) - near) & pl.col("has").shift(-1)
    early = (pl.col("end") <= slot + near) & pl.col("has").shift()
    return both.filter(pl.col("has") | late.fill_null(value=False) | early.fill_null(value=False)).select("slot")
