"""Compares two logs: which calls they have in common, and whether these are the same requests.

They are, if their counts agree for each call, status and window of time, and for each client where both logs know it,
closer than they would if a balancer had dealt the requests out to two servers; or if they share request ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from authforensics.correlate.identity import PAIR
from authforensics.correlate.reasons import JOIN_SECONDS

#: Seconds of a window. A request of which one log tells up to `JOIN_SECONDS` later than the other falls into the next
#: one in a tenth of all cases: ten times as long.
WINDOW = int(10 * JOIN_SECONDS)
#: Mean of (x - y)² / (x + y) over the windows that x or y of a call fall into: 1, where each request was dealt to one
#: of two logs by chance; 0, where both tell of all; up to 2 / 10 by what falls into the next window.
_SAME = 0.3
#: What that mean must come to if one log is shifted by some windows: calls at regular intervals look alike anyway.
_SHIFTED, _SHIFT = 0.6, 3
#: Windows that a call must fall into to be judged, and all of these together; how many calls, where no client is known,
#: and the share of them and of their requests that must agree; fewer than the share of all requests must be told by one
#: log only.
# By chance a mean of 20 windows is as low as `_SAME` once in a thousand pairs of logs, one of 40 once in 250,000 (χ²).
_SEEN, _CELLS, CALLS, _AGREE, _COMMON = 5, 40, 2, 0.9, 2 / 3
#: Where so many of the requests of either log are of clients that the other one knows, too, they have to be the same.
_SHARED = 0.25
#: Prefixes of paths that are tried for a call.
_TRIES = 10
#: Request ids to judge by, and the share of them that the other log must have.
_IDS, KNOWN = 20, 0.9
#: Zones differ by quarters of an hour, two of them by 26 hours at most; calls by which that is looked for, and windows
#: that each may fall into.
QUARTER, _ZONES, _RARE, _RARELY = 900, 26 * 3600, 10, 500
CALL = ["method", "route"]


def common_calls(mine: pl.DataFrame, its: pl.DataFrame) -> pl.DataFrame:
    """The calls that two logs have in common: `method`, `route` and, as the second one has it, `route_other`.

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
    often = shorter.sort("len", "text", descending=[True, False])["text"][:CALLS]
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
    """`common_calls` of the same logs the other way round."""
    return calls.select("method", route="route_other", route_other="route")


def agreed(mine: pl.DataFrame, its: pl.DataFrame, calls: pl.DataFrame, ahead: int = 0) -> pl.DataFrame:
    """Those of the calls that two logs tell of the same requests of, by how many there are when; none, if they don't.

    What some calls prove holds for those, too, of which too little is seen; not for those that differ.

    Args:
        mine: how many requests (`len`) the first log has, by call, `status`, client and `window`.
        its: the same of the second one.
        calls: what `common_calls` gave.
        ahead: by how many windows the clock of the first one is ahead.
    """
    keys = [*CALL, "status"]
    one, other = _common(mine, its, calls)
    if one.is_empty() or other.is_empty():
        return calls.clear()
    other = other.with_columns(window=pl.col("window") + ahead)
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
    if judged.height < (1 if _many(one, who) else CALLS) or judged["cells"].sum() < _CELLS or not enough:
        return calls.clear()
    differs = pl.col("told").filter(pl.col("apart") > _SAME).sum() > pl.col("told").sum() / 2
    refuted = seen.join(away.select("call", "apart"), on="call").group_by(CALL).agg(differs=differs)
    refuted = refuted.filter("differs").select("method", route_other="route")
    return calls.join(refuted, on=["method", "route_other"], how="anti", nulls_equal=True)


def _common(mine: pl.DataFrame, its: pl.DataFrame, calls: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What two logs have of calls that both have, these called as in the second one."""
    one = mine.join(calls, on=CALL, how="inner", nulls_equal=True).drop("route").rename({"route_other": "route"})
    named = calls.select("method", route="route_other").unique()
    return one, its.join(named, on=CALL, how="semi", nulls_equal=True)


def zones_apart(mine: pl.DataFrame, its: pl.DataFrame, calls: pl.DataFrame, seconds: int) -> int:
    """By how many seconds the clock of one log seems to be ahead, if it is of another zone; else 0.

    What is asked for is that of `agreed`, and the `seconds` from window to window.
    """
    keys = [*CALL, "status"]
    one, other = (frame.select(*keys, "window").unique() for frame in _common(mine, its, calls))
    seen = one.group_by(keys).len().join(other.group_by(keys).len(), on=keys, suffix="_other")
    few = seen.filter(pl.max_horizontal("len", "len_other") <= _RARELY, pl.col("len") >= _SEEN)
    rare = few.sort("len", *keys, descending=[True, False, False, False])[:_RARE].select(keys)
    met = one.join(rare, on=keys, how="semi").join(other, on=keys, suffix="_other")
    off = (pl.col("window") - pl.col("window_other")).cast(pl.Int64) * seconds
    zones = met.select(off=off).filter(pl.col("off") % QUARTER == 0, pl.col("off").abs() <= _ZONES)
    best = zones.group_by("off").len().sort("len", "off", descending=[True, False])
    return int(best["off"][0]) if best.height else 0


def _who(one: pl.DataFrame, other: pl.DataFrame) -> list[str]:
    """What tells clients apart in both logs alike: not the address of a proxy that only one of them sees.

    A balancer that takes turns deals out requests so evenly that counts differ as little as if they were the same.
    Those of a client differ.
    """
    return [name for name in PAIR if min(_share(one, other, name), _share(other, one, name)) >= _SHARED]


def _many(one: pl.DataFrame, who: Sequence[str]) -> bool:
    """Whether none of the clients that are known makes more than half of the requests.

    Of one call that a single client makes, servers that take turns have the same counts; so of calls that most are.
    """
    counts = one.group_by(who).agg(pl.col("len").sum())["len"] if who else pl.Series([1])
    return 2 * int(counts.max()) <= int(counts.sum())  # type: ignore[arg-type]


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


def contained(mine: pl.DataFrame, its: pl.DataFrame, calls: pl.DataFrame) -> timedelta | None:
    """By how much the clock of one log is ahead, if it tells of no requests that the other doesn't, by their ids.

    Servers that count their requests from 1 have the same ids, but not of the same clients, nor always as far apart.
    """
    asked = mine.join(calls, on=CALL, how="inner", nulls_equal=True)
    on = ["method", "request_id", "route_other", *_who(mine, its)]
    had = its.rename({"route": "route_other"}).group_by(on).agg(there=pl.col("timestamp").min())
    met = asked.join(had, on=on, how="inner", nulls_equal=True)
    if asked.height < _IDS or met.height < KNOWN * asked.height:
        return None
    ahead = met["timestamp"] - met["there"]
    median = ahead.median()
    near = (ahead - median).dt.total_seconds().abs() <= WINDOW
    return median if isinstance(median, timedelta) and int(near.sum()) >= KNOWN * asked.height else None
