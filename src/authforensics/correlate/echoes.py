"""Finds requests that two logs tell of, as a proxy's and that of the server behind it do: they are of one system.

Each of them is to count once, told by the log that knows better who called. Logs tell of the same requests where their
counts agree for each call, status and window of time, closer than they would if a balancer had dealt the requests out
to two servers; or where they share request ids. Where that can't be told, both count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
#: Of logs shorter than so many seconds it is a fifth of that, for too few windows prove nothing.
_SHORT = 30 * _WINDOW
#: Mean of (x - y)² / (x + y) over the windows that x or y of a call fall into: 1, where each request was dealt to one
#: of two logs by chance; 0, where both tell of all; up to 2 / 10 by what falls into the next window.
_SAME = 0.3
#: What that mean must come to if one log is shifted by some windows: calls at regular intervals look alike anyway.
_SHIFTED, _SHIFT = 0.6, 3
#: Windows that a call must fall into to be judged, and all of these together; how many calls, and the share of them
#: that must agree; fewer than the share of all requests must be told by one log only.
_SEEN, _CELLS, _CALLS, _AGREE, _COMMON = 5, 20, 2, 0.9, 2 / 3
#: Prefixes of paths that are tried for a call.
_TRIES = 10
#: Request ids to judge by, and the share of them that the other log must have.
_IDS, _KNOWN = 20, 0.9
#: Requests looked at: whole windows, evenly over time.
_ROWS = 200_000
#: More logs than this are compared only where one of so many calls, those that a log has most often, is in both; and
#: if that leaves too many pairs, no log is compared with another one of its format.
_LOGS, _MOST, _PAIRS = 16, 50, 200
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
    say that the other log may not: MESSAGES. `joined` has the new name of systems that turn out to be one.
    """

    routes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_ROUTES))
    slots: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_SLOTS))
    originals: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, int] = field(default_factory=dict)
    overheard: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MESSAGES))
    joined: Mapping[str, str] = field(default_factory=dict)

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


@dataclass(frozen=True)
class _Log:
    """One log of a system, or several together: its `files`, as the names of sources."""

    system: str
    files: tuple[str, ...]

    def of(self, rows: _Rows) -> _Rows:
        """Its rows."""
        return rows.filter(pl.col("source").is_in(pl.Series(self.files, dtype=TEXT).implode()))


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


def find(
    requests: pl.LazyFrame, sets: Mapping[str, str], kinds: Mapping[str, str], fixed: Collection[str] = ()
) -> Echoes:
    """Find them.

    Args:
        requests: all REQUESTS, by system.
        sets: by source, what its rotated set is called.
        kinds: by source, its format.
        fixed: systems that stay as they are; the logs of others are of one system if they tell of the same requests.
    """
    if len(set(sets.values())) < 2:
        return Echoes()
    at = pl.col("timestamp")
    called = (
        requests.group_by("system", "source", *_CALL)
        .agg(pl.len(), ids=pl.col("request_id").count(), begin=at.min(), end=at.max())
        .collect(engine="streaming")
    )
    logs = _logs(called, sets)
    pairs = _pairs(logs, kinds, fixed, called)
    if not pairs:
        return Echoes()
    several = _Log("", tuple({file: None for pair in pairs for log in pair for file in log.files}))
    cells = _cells(several.of(requests), several.of(called))
    twins = list(_twins(called, cells, _ids(several.of(requests), several.of(called)), pairs))
    return _settled(requests, twins) if twins else Echoes()


def _logs(called: pl.DataFrame, sets: Mapping[str, str]) -> list[_Log]:
    """The logs of requests."""
    files = called.select(pl.col("system", "source").cast(pl.String)).unique()
    places = {source: place for place, source in enumerate(sets)}
    logs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for system, source in sorted(files.rows(), key=lambda row: places[row[1]]):
        logs[system, sets[source]].append(source)
    return [_Log(system, tuple(log)) for (system, _), log in sorted(logs.items())]


def _cells(requests: pl.LazyFrame, called: pl.DataFrame) -> pl.DataFrame:
    """How many requests of a log fall into which window, per call and status; of many requests some windows only."""
    rows, short = called.select(
        pl.col("len").sum(), short=(pl.col("end").max() - pl.col("begin").min()).dt.total_seconds() < _SHORT
    ).row(0)
    every, window = -(-rows // _ROWS), _WINDOW // 5 if short else _WINDOW
    counted = (
        requests.with_columns(window=pl.col("timestamp").dt.epoch("s") // window)
        .filter(pl.col("window") % every == 0)
        .group_by("source", *_CALL, "status", window=pl.col("window") // every)
        .len()
    )
    return counted.collect(engine="streaming")


def _ids(requests: pl.LazyFrame, called: pl.DataFrame) -> pl.DataFrame | None:
    """The ids of some requests, the same ones of each log, of those that have them; None where fewer than two do."""
    sums = called.group_by("source").agg(pl.col("len", "ids").sum()).filter(pl.col("ids") >= _KNOWN * pl.col("len"))
    if sums.height < 2:
        return None
    share = _ROWS / max(int(sums["ids"].sum()), 1)
    low = requests.filter(pl.col("request_id") < int(share * 2**64)) if share < 1 else requests
    named = low.filter(pl.col("request_id").is_not_null(), pl.col("source").is_in(sums["source"].implode()))
    return named.select("source", *_CALL, "request_id").unique().collect(engine="streaming")


def _pairs(
    logs: Sequence[_Log], kinds: Mapping[str, str], fixed: Collection[str], called: pl.DataFrame
) -> list[tuple[_Log, _Log]]:
    """The logs that may tell of the same requests: each with each, and with several others of a system as one.

    These are all that there are, all of one format, and all but one: servers behind a proxy, or proxies before one.
    """
    systems: dict[str, list[_Log]] = defaultdict(list)
    for log in logs:
        systems[log.system].append(log)
    several = sorted({log for mine in systems.values() for log in _several(mine, kinds)}, key=lambda log: log.files)
    often = _often(called) if len(logs) > _LOGS else {}
    pairs = []
    for one, other in combinations([*several, *logs], 2):
        apart = one.system != other.system and {one.system, other.system} & {*fixed}
        strange = often and not any(often[mine] & often[its] for mine in one.files for its in other.files)
        if not (set(one.files) & set(other.files) or apart or strange):
            pairs.append((one, other))
    if len(pairs) <= _PAIRS:
        return pairs
    formats = {log: None if log in several else kinds.get(log.files[0], "") for log in (*several, *logs)}
    return [(one, other) for one, other in pairs if formats[one] is None or formats[one] != formats[other]]


def _several(logs: Sequence[_Log], kinds: Mapping[str, str]) -> Iterator[_Log]:
    """Logs of a system that may be looked at as one."""
    formats: dict[str, list[_Log]] = defaultdict(list)
    for log in logs:
        formats[kinds.get(log.files[0], "")].append(log)
    rest = [[other for other in logs if other is not log] for log in logs]
    for some in (logs, *formats.values(), *rest):
        if len(some) > 1:
            yield _Log(some[0].system, tuple(file for log in some for file in log.files))


def _often(called: pl.DataFrame) -> dict[str, set[tuple[str, str]]]:
    """What is called most often in each log."""
    most = (
        called.sort("len", *_CALL, descending=[True, False, False])
        .group_by("source")
        .agg(call=pl.concat_list(pl.col(name).cast(pl.String).fill_null("-") for name in _CALL).head(_MOST))
    )
    return {str(source): {(method, route) for method, route in calls} for source, calls in most.rows()}


def _twins(
    called: pl.DataFrame, cells: pl.DataFrame, ids: pl.DataFrame | None, pairs: Iterable[tuple[_Log, _Log]]
) -> Iterator[_Twins]:
    """Those of some pairs of logs that tell of the same requests."""
    for one, other in pairs:
        calls = _calls(one.of(called), other.of(called))
        if calls.is_empty():
            continue
        if _agree(one.of(cells), other.of(cells), calls):
            yield _Twins(one, other, calls)
        elif ids is not None:
            there = _contained(one.of(ids), other.of(ids), calls)
            back = _contained(other.of(ids), one.of(ids), _turned(calls))
            if there:
                yield _Twins(one, other, calls, by_ids=True, one_way=not back)
            elif back:
                yield _Twins(other, one, _turned(calls), by_ids=True, one_way=True)


def _calls(mine: pl.DataFrame, its: pl.DataFrame) -> pl.DataFrame:
    """The calls that two logs have in common: `method`, `route` and, as the second one has it, `route_other`.

    A proxy may put a prefix in front of a path, or take it away: it is the one by which most calls are the same.
    """
    one, other = (frame.group_by(_CALL).agg(pl.col("len").sum()) for frame in (mine, its))
    same = one.join(other, on=_CALL, how="inner", suffix="_other").with_columns(route_other="route")
    if 2 * int(same["len"].sum()) >= min(int(one["len"].sum()), int(other["len"].sum())):
        return same.select(*_CALL, "route_other")
    one, other = (
        frame.drop_nulls("route").with_columns(text=pl.col("route").cast(pl.String)) for frame in (one, other)
    )
    tries = [same.select(*_CALL, "route_other", "len")]
    tries += [_shifted(one, other, prefix) for prefix in _prefixes(other, one)]
    tries += [_back(_shifted(other, one, prefix)) for prefix in _prefixes(one, other)]
    best = max(tries, key=lambda found: int(found["len"].sum()))
    return best.select(*_CALL, "route_other")


def _prefixes(longer: pl.DataFrame, shorter: pl.DataFrame) -> list[str]:
    """What may stand in front of the routes of one log in those of another."""
    often = shorter.sort("len", "text", descending=[True, False])["text"][:_CALLS]
    found = (
        whole.removesuffix(text)
        for text in often
        for whole in longer["text"].filter(longer["text"].str.ends_with(text)).sort()[:_TRIES]
    )
    return sorted(set(found) - {""})


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


def _settled(requests: pl.LazyFrame, twins: Sequence[_Twins]) -> Echoes:
    """Which of these logs count, and which of their requests don't."""
    ranks = {log: _rank(log.of(requests)) for twin in twins for log in (twin.first, twin.second)}
    originals: dict[str, str] = {}
    kept: set[str] = set()
    routes, slots = [], []
    whole: list[str] = []
    met: list[tuple[str, str]] = []
    for twin in sorted(twins, key=lambda one: sorted((ranks[one.first], ranks[one.second]))):
        turned = not twin.one_way and ranks[twin.first] < ranks[twin.second]
        worse, better = (twin.second, twin.first) if turned else (twin.first, twin.second)
        calls = _turned(twin.calls) if turned else twin.calls
        if kept & set(worse.files) or originals.keys() & {*worse.files, *better.files}:
            continue
        kept |= set(better.files)
        met.append((worse.system, better.system))
        originals |= dict.fromkeys(worse.files, better.files[-1])
        every = pl.DataFrame({"source": pl.Series(worse.files, dtype=TEXT)})
        routes.append(every.join(calls.select(_CALL), how="cross"))
        slots.append(every.join(_slots(requests, worse, None if twin.by_ids else better, calls), how="cross"))
        if twin.one_way:
            whole += worse.files
    found = Echoes(pl.concat(routes), pl.concat(slots), originals, joined=_joined(met))
    echoed = found.only(requests)
    told = echoed.group_by(pl.col("source").cast(pl.String)).len().collect(engine="streaming").sort("source")
    says = pl.col("reason").is_not_null()
    # What tells devices apart there is to be known here, too: by the ids that both have.
    named_there = pl.any_horizontal(pl.col(one).is_not_null() for one in LADDER)
    says |= pl.col("source").cast(pl.String).is_in(whole) & named_there
    return replace(found, told=dict(told.rows()), overheard=reasons.overheard(echoed.filter(says).collect()))


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The name of each system that turns out to be one with others: the first of theirs."""
    names: dict[str, str] = {}
    for pair in pairs:
        one, other = sorted(names.get(system, system) for system in pair)
        names |= {system: one for system, name in names.items() if name == other}
        names |= {other: one, one: one}
    return {system: name for system, name in names.items() if system != name}


def _rank(requests: pl.LazyFrame) -> tuple[float, ...]:
    """How well a log knows who called, and what else it knows: of two the lesser one counts."""
    names = [*LADDER, "token", "reason", "upstream", "user_agent", "app_version"]
    counts = requests.select(
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


def _slots(requests: pl.LazyFrame, worse: _Log, better: _Log | None, calls: pl.DataFrame) -> pl.DataFrame:
    """When the better log has what the other one tells: `slot`; always, where there is none to be asked."""
    counts = []
    for log, route in ((worse, "route"), (better, "route_other")):
        if log is not None:
            common = calls.select("method", pl.col(route).alias("route")).unique().lazy()
            mine = log.of(requests).join(common, on=_CALL, how="semi", nulls_equal=True)
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
