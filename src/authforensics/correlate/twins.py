"""Tells which logs are of the same requests, as a proxy's and that of the server behind it are.

Their counts agree for each call, status and window of time, closer than they would if a balancer had dealt the requests
out to two servers; or they share request ids. Where that can't be told they pass for logs of different requests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import polars as pl

from authforensics.correlate.identity import PAIR
from authforensics.correlate.reasons import JOIN_SECONDS
from authforensics.schema import TEXT

#: Seconds of a window. A request of which one log tells up to `JOIN_SECONDS` later than the other falls into the next
#: one in a tenth of all cases: ten times as long.
_WINDOW = int(10 * JOIN_SECONDS)
#: Of logs shorter than so many seconds it is a fifth of that, for too few windows prove nothing.
_SHORT = 30 * _WINDOW
#: Mean of (x - y)² / (x + y) over the windows that x or y of a call fall into: 1, where each request was dealt to one
#: of two logs by chance; 0, where both tell of all; up to 2 / 10 by what falls into the next window.
_SAME = 0.3
#: What that mean must come to if one log is shifted by some windows: calls at regular intervals look alike anyway.
_SHIFTED, _SHIFT = 0.6, 3
#: Windows that a call must fall into to be judged, and all of these together; how many calls, and the share of them and
#: of their requests that must agree; fewer than the share of all requests must be told by one log only.
# By chance a mean of 20 windows is as low as `_SAME` once in a thousand pairs of logs, one of 40 once in 250,000 (χ²).
_SEEN, _CELLS, _CALLS, _AGREE, _COMMON = 5, 40, 2, 0.9, 2 / 3
#: Where so many of the requests of either log are of clients that the other one knows, too, they have to be the same.
_SHARED = 0.25
#: Prefixes of paths that are tried for a call.
_TRIES = 10
#: Request ids to judge by, and the share of them that the other log must have.
_IDS, _KNOWN = 20, 0.9
#: Requests looked at: whole windows, evenly over time.
_ROWS = 200_000
#: Of more logs than this only those are compared that have one of so many calls in common, those that each has most
#: often; fewer of each, for there are as many pairs as the square of the logs, where they would be more than so many of
#: all; and of these pairs so many at most.
_MANY, _MOST, _ALL, _PAIRS = 16, 50, 10_000, 200
CALL = ["method", "route"]
_Rows = TypeVar("_Rows", pl.DataFrame, pl.LazyFrame)


@dataclass(frozen=True)
class Log:
    """One log of a system, or several together: its `files`, as the names of sources."""

    system: str
    files: tuple[str, ...]

    def of(self, rows: _Rows) -> _Rows:
        """Its rows."""
        return rows.filter(pl.col("source").is_in(pl.Series(self.files, dtype=TEXT).implode()))


@dataclass(frozen=True)
class Twins:
    """Two logs of the same requests, `by_ids` or by their counts.

    `calls` are those that both have: `method`, `route` and, as the second one has it, `route_other`.
    `one_way`: `first` tells of no others than `second`, which may tell of more.
    """

    first: Log
    second: Log
    calls: pl.DataFrame
    by_ids: bool = False
    one_way: bool = False


def twins(
    requests: pl.LazyFrame, sets: Mapping[str, str], kinds: Mapping[str, str], fixed: Collection[str] = ()
) -> list[Twins]:
    """The logs that tell of the same requests.

    Args:
        requests: all REQUESTS, by system.
        sets: by source, what its rotated set is called.
        kinds: by source, its format.
        fixed: systems whose logs are compared with those of no other one.
    """
    if len(set(sets.values())) < 2:
        return []
    at = pl.col("timestamp")
    called = (
        requests.group_by("system", "source", *CALL)
        .agg(pl.len(), ids=pl.col("request_id").count(), begin=at.min(), end=at.max())
        .collect(engine="streaming")
    )
    logs = _logs(called, sets)
    pairs = _pairs(logs, kinds, fixed, called)
    if not pairs:
        return []
    several = Log("", tuple({file: None for pair in pairs for log in pair for file in log.files}))
    cells = _cells(several.of(requests), several.of(called))
    return list(_twins(called, cells, _ids(several.of(requests), several.of(called)), pairs))


def _logs(called: pl.DataFrame, sets: Mapping[str, str]) -> list[Log]:
    """The logs of requests."""
    files = called.select(pl.col("system", "source").cast(pl.String)).unique()
    places = {source: place for place, source in enumerate(sets)}
    logs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for system, source in sorted(files.rows(), key=lambda row: places[row[1]]):
        logs[system, sets[source]].append(source)
    return [Log(system, tuple(log)) for (system, _), log in sorted(logs.items())]


def _cells(requests: pl.LazyFrame, called: pl.DataFrame) -> pl.DataFrame:
    """How many requests of a log fall into which window, per call, status and client; of many some windows only."""
    rows, short = called.select(
        pl.col("len").sum(), short=(pl.col("end").max() - pl.col("begin").min()).dt.total_seconds() < _SHORT
    ).row(0)
    every, window = -(-rows // _ROWS), _WINDOW // 5 if short else _WINDOW
    counted = (
        requests.with_columns(window=pl.col("timestamp").dt.epoch("s") // window)
        .filter(pl.col("window") % every == 0)
        .group_by("source", *CALL, "status", *PAIR, window=pl.col("window") // every)
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
    first = named.group_by("source", *CALL, "request_id", *PAIR).agg(pl.col("timestamp").min())
    return first.with_columns(len=pl.lit(1, pl.UInt32)).collect(engine="streaming")


def _pairs(
    logs: Sequence[Log], kinds: Mapping[str, str], fixed: Collection[str], called: pl.DataFrame
) -> list[tuple[Log, Log]]:
    """The logs that may tell of the same requests: each with each, and with several others of a system as one.

    These are all that there are, all of one format, and all but one: servers behind a proxy, or proxies before one.
    """
    systems: dict[str, list[Log]] = defaultdict(list)
    for log in logs:
        systems[log.system].append(log)
    several = sorted({log for mine in systems.values() for log in _several(mine, kinds)}, key=lambda log: log.files)
    every = [*several, *logs]
    if len(logs) <= _MANY:
        numbers = list(combinations(range(len(every)), 2))
    else:
        formats = [None if log in several else kinds.get(log.files[0], "") for log in every]
        numbers = _likely(every, formats, called)
    pairs = [(every[one], every[other]) for one, other in numbers]
    if len(logs) <= _MANY:
        # Logs by themselves first, of one system first: several others may be compared, and too many.
        pairs.sort(key=lambda pair: sum(log in several for log in pair) + (pair[0].system != pair[1].system))
    return [
        (one, other)
        for one, other in pairs
        if not set(one.files) & set(other.files)
        and (one.system == other.system or not {one.system, other.system} & {*fixed})
    ][:_PAIRS]


def _several(logs: Sequence[Log], kinds: Mapping[str, str]) -> Iterator[Log]:
    """Logs of a system that may be looked at as one."""
    formats: dict[str, list[Log]] = defaultdict(list)
    for log in logs:
        formats[kinds.get(log.files[0], "")].append(log)
    rest = [[other for other in logs if other is not log] for log in logs] if len(logs) <= _MANY else []
    for some in (logs, *formats.values(), *rest):
        if len(some) > 1:
            yield Log(some[0].system, tuple(file for log in some for file in log.files))


def _likely(logs: Sequence[Log], formats: Sequence[str | None], called: pl.DataFrame) -> list[tuple[int, int]]:
    """Pairs among many logs: those of several formats or files first, then those that differ least in their counts."""
    files = pl.DataFrame(
        [(number, file) for number, log in enumerate(logs) for file in log.files],
        schema={"log": pl.UInt32, "source": TEXT},
        orient="row",
    )
    counts = files.join(called, on="source").group_by("log", *CALL).agg(pl.col("len").sum())
    most = min(_MOST, max(_CALLS, _ALL // len(logs)))
    counts = counts.with_columns(text=pl.concat_str((pl.col(name).cast(pl.String) for name in CALL), ignore_nulls=True))
    counts = counts.sort("len", "text", descending=[True, False]).group_by("log", maintain_order=True).head(most)
    met = counts.join(counts, on=CALL, nulls_equal=True, suffix="_other").filter(pl.col("log") < pl.col("log_other"))
    found = met.group_by("log", "log_other").agg(
        alike=pl.min_horizontal("len", "len_other").sum() / pl.max_horizontal("len", "len_other").sum()
    )
    form = pl.DataFrame({"log": range(len(logs)), "form": formats}, schema={"log": pl.UInt32, "form": pl.String})
    named = found.join(form, on="log").join(form, left_on="log_other", right_on="log", suffix="_other")
    same = (pl.col("form") == pl.col("form_other")).fill_null(value=False)
    ranked = named.sort(same, "alike", "log", "log_other", descending=[False, True, False, False])
    return ranked.select("log", "log_other").rows()


def _twins(
    called: pl.DataFrame, cells: pl.DataFrame, ids: pl.DataFrame | None, pairs: Iterable[tuple[Log, Log]]
) -> Iterator[Twins]:
    """Those of some pairs of logs that tell of the same requests."""
    proven: list[Twins] = []
    for one, other in pairs:
        calls = _calls(one.of(called), other.of(called))
        if calls.is_empty() or any(_covers(twin, one, other) >= calls.height for twin in proven):
            continue
        agreed = _agreed(one.of(cells), other.of(cells), calls)
        if not agreed.is_empty():
            proven.append(Twins(one, other, agreed))
            yield proven[-1]
        elif ids is not None:
            there = _contained(one.of(ids), other.of(ids), calls)
            back = _contained(other.of(ids), one.of(ids), turned(calls))
            if there:
                yield Twins(one, other, calls, by_ids=True, one_way=not back)
            elif back:
                yield Twins(other, one, turned(calls), by_ids=True, one_way=True)


def _covers(twin: Twins, one: Log, other: Log) -> int:
    """Of how many calls two logs are proven the same by logs that are part of them."""
    parts = {*twin.first.files}, {*twin.second.files}
    wholes = {*one.files}, {*other.files}
    met = any(mine <= wholes[0] and its <= wholes[1] for mine, its in (parts, parts[::-1]))
    return twin.calls.height if met else 0


def _calls(mine: pl.DataFrame, its: pl.DataFrame) -> pl.DataFrame:
    """The calls that two logs have in common, see `Twins`.

    A proxy may put a prefix in front of a path, or take it away: it is the one by which most calls are the same.
    """
    one, other = (frame.group_by(CALL).agg(pl.col("len").sum()) for frame in (mine, its))
    same = one.join(other, on=CALL, how="inner", suffix="_other").with_columns(route_other="route")
    if 2 * int(same["len"].sum()) >= min(int(one["len"].sum()), int(other["len"].sum())):
        return same.select(*CALL, "route_other")
    one, other = (
        frame.drop_nulls("route").with_columns(text=pl.col("route").cast(pl.String)) for frame in (one, other)
    )
    tries = [same.select(*CALL, "route_other", "len")]
    tries += [_shifted(one, other, prefix) for prefix in _prefixes(other, one)]
    tries += [_back(_shifted(other, one, prefix)) for prefix in _prefixes(one, other)]
    best = max(tries, key=lambda found: int(found["len"].sum()))
    return best.select(*CALL, "route_other")


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


def turned(calls: pl.DataFrame) -> pl.DataFrame:
    """`Twins.calls` of the same logs the other way round."""
    return calls.select("method", route="route_other", route_other="route")


def _agreed(mine: pl.DataFrame, its: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """Those of the calls that two logs tell of the same requests of, by how many there are when; none, if they don't.

    What some calls prove holds for those, too, of which too little is seen; not for those that differ.
    """
    keys = [*CALL, "status"]
    one = mine.join(calls, on=CALL, how="inner", nulls_equal=True)
    one = one.drop("route").rename({"route_other": "route"})
    named = calls.select("method", route="route_other").unique()
    other = its.join(named, on=CALL, how="semi", nulls_equal=True)
    if one.is_empty() or other.is_empty():
        return calls.clear()
    # What lies at the ends of one may be cut.
    begin = 1 + max(_number(frame["window"].min()) for frame in (one, other))
    end = min(_number(frame["window"].max()) for frame in (one, other)) - 1
    one, other = (frame.filter(pl.col("window").is_between(begin, end)) for frame in (one, other))
    both = one.select(keys).unique().join(other, on=keys, how="semi", nulls_equal=True)
    shared = [frame.join(both, on=keys, how="semi", nulls_equal=True) for frame in (one, other)]
    told = [_sum(frame, "len") for frame in (*shared, one, other)]
    if told[0] < _COMMON * told[2] or told[1] < _COMMON * told[3] or not min(told):
        return calls.clear()
    who = _who(*shared)
    if "client_ip" not in who and _of_others(*shared):
        return calls.clear()
    one, other = (frame.group_by(*keys, "window", *who).agg(pl.col("len").sum().cast(pl.Int64)) for frame in shared)
    seen, away = _apart(one, other, who)
    later = other.with_columns(window=pl.col("window") + _SHIFT).filter(pl.col("window") <= end)
    _, shifted = _apart(one.filter(pl.col("window") >= begin + _SHIFT), later, who)
    judged = away.join(shifted.select("call", shifted="apart"), on="call").filter(pl.col("shifted") >= _SHIFTED)
    agreed = judged.filter(pl.col("apart") <= _SAME)
    enough = agreed.height >= _AGREE * judged.height and _sum(agreed, "told") >= _AGREE * _sum(judged, "told")
    if judged.height < _CALLS or judged["cells"].sum() < _CELLS or not enough:
        return calls.clear()
    differs = pl.col("told").filter(pl.col("apart") > _SAME).sum() > pl.col("told").sum() / 2
    refuted = seen.join(away.select("call", "apart"), on="call").group_by(CALL).agg(differs=differs)
    refuted = refuted.filter("differs").select("method", route_other="route")
    return calls.join(refuted, on=["method", "route_other"], how="anti", nulls_equal=True)


def _who(one: pl.DataFrame, other: pl.DataFrame) -> list[str]:
    """What tells clients apart in both logs alike: not the address of a proxy that only one of them sees.

    A balancer that takes turns deals out requests so evenly that counts differ as little as if they were the same.
    Those of a client differ.
    """
    return [name for name in PAIR if min(_share(one, other, name), _share(other, one, name)) >= _SHARED]


def _share(one: pl.DataFrame, other: pl.DataFrame, name: str) -> float:
    """How many of the requests of one log are of a client that the other one knows, too."""
    known = one.join(other.select(name).unique(), on=name, how="semi")
    return _sum(known, "len") / max(_sum(one, "len"), 1)


def _sum(frame: pl.DataFrame, name: str) -> int:
    return int(frame[name].sum())


def _of_others(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Whether two logs know about as many clients, but others: a balancer sends each to the same server again."""
    known = sorted(frame["client_ip"].drop_nulls().n_unique() for frame in (one, other))
    return known[0] >= _SEEN and 2 * known[0] > known[1]


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _apart(one: pl.DataFrame, other: pl.DataFrame, who: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """As which `call` each is judged, rare ones as one; and how far `apart` their counts are, by those `who` called.

    Of each, `cells` is in how many windows they are, `told` how many requests both tell.
    """
    keys = [*CALL, "status"]
    cells = one.join(other, on=[*keys, "window", *who], how="full", coalesce=True, nulls_equal=True)
    x, y = (pl.col(name).fill_null(0) for name in ("len", "len_right"))
    cells = cells.with_columns(away=(x - y) ** 2 / (x + y), told=x + y, seen=pl.col("window").n_unique().over(keys))
    call = pl.concat_str((pl.col(name).cast(pl.String).fill_null("-") for name in keys), separator=" ")
    rare = pl.col("seen") < _SEEN
    cells = cells.with_columns(call=pl.when(~rare).then(call).otherwise(pl.lit("")))
    count = pl.struct(*keys, "window").n_unique()
    found = cells.group_by("call").agg(pl.col("told").sum(), apart=pl.col("away").mean(), cells=count)
    return cells.group_by(*keys, "call").agg(pl.col("told").sum()), found.filter(pl.col("cells") >= _SEEN)


def _contained(mine: pl.DataFrame, its: pl.DataFrame, calls: pl.DataFrame) -> bool:
    """Whether one log tells of no requests that the other doesn't, by their ids.

    Servers that count their requests from 1 have the same ids, but not of the same clients, nor always as far apart.
    """
    asked = mine.join(calls, on=CALL, how="inner", nulls_equal=True)
    on = ["method", "request_id", "route_other", *_who(mine, its)]
    had = its.rename({"route": "route_other"}).group_by(on).agg(there=pl.col("timestamp").min())
    met = asked.join(had, on=on, how="inner", nulls_equal=True)
    if asked.height < _IDS or met.height < _KNOWN * asked.height:
        return False
    later = met["there"] - met["timestamp"]
    near = (later - later.median()).dt.total_seconds().abs() <= _WINDOW
    return int(near.sum()) >= _KNOWN * asked.height
