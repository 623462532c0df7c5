"""Tells which logs are of the same requests, as a proxy's and that of the server behind it are.

Where that can't be told they pass for logs of different requests: to lose those of a log is worse than to count some
twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from typing import TypeVar

import polars as pl

from authforensics.correlate.agreement import (
    CALL,
    CALLS,
    KNOWN,
    QUARTER,
    WINDOW,
    agreed,
    common_calls,
    contained,
    turned,
    zones_apart,
)
from authforensics.correlate.identity import PAIR
from authforensics.schema import TEXT

#: Of logs shorter than so many seconds a window is a fifth of what it is else, for too few windows prove nothing.
_SHORT = 30 * WINDOW
#: Requests looked at: whole windows, evenly over time.
_ROWS = 200_000
#: Of more logs than this only those are compared that have one of so many calls in common, those that each has most
#: often; fewer of each, for there are as many pairs as the square of the logs, where they would be more than so many of
#: all; and of these pairs so many at most.
_MANY, _MOST, _ALL, _PAIRS = 16, 50, 10_000, 200
_Rows = TypeVar("_Rows", pl.DataFrame, pl.LazyFrame)


@dataclass(frozen=True)
class Log:
    """One log, or several together: its `files`, as the names of sources, and the `systems` that these are of."""

    systems: tuple[str, ...]
    files: tuple[str, ...]

    def of(self, rows: _Rows) -> _Rows:
        """Its rows."""
        return rows.filter(pl.col("source").is_in(pl.Series(self.files, dtype=TEXT).implode()))


@dataclass(frozen=True)
class Twins:
    """Two logs of the same requests, `by_ids` or by their counts; the clock of `first` is so far `ahead`.

    `calls` are those that both have: `method`, `route` and, as the second one has it, `route_other`.
    `one_way`: `first` tells of no others than `second`, which may tell of more.
    """

    first: Log
    second: Log
    calls: pl.DataFrame
    by_ids: bool = False
    one_way: bool = False
    ahead: timedelta = timedelta(0)


def twins(
    requests: pl.LazyFrame,
    sets: Mapping[str, str],
    kinds: Mapping[str, str],
    fixed: Collection[str] = (),
    naive: Collection[str] = (),
) -> list[Twins]:
    """The logs that tell of the same requests.

    Args:
        requests: all REQUESTS, by system.
        sets: by source, what its rotated set is called.
        kinds: by source, its format.
        fixed: systems whose logs are compared with those of no other one.
        naive: sources that carry no zone, so that they may have been read in a wrong one.
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
    several = Log((), tuple({file: None for pair in pairs for log in pair for file in log.files}))
    cells, seconds = _cells(several.of(requests), several.of(called))
    ids = _ids(several.of(requests), several.of(called))
    found = list(_twins(called, cells, ids, pairs))
    met = {file for twin in found for log in (twin.first, twin.second) for file in log.files}
    unsure = [pair for pair in pairs if any({*naive} & {*log.files} for log in pair)]
    alone = [(one, other) for one, other in unsure if not met & {*one.files, *other.files}]
    return [*found, *_in_other_zones(called, cells, seconds, alone)]


def _logs(called: pl.DataFrame, sets: Mapping[str, str]) -> list[Log]:
    """The logs of requests."""
    files = called.select(pl.col("system", "source").cast(pl.String)).unique()
    places = {source: place for place, source in enumerate(sets)}
    logs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for system, source in sorted(files.rows(), key=lambda row: places[row[1]]):
        logs[system, sets[source]].append(source)
    return [Log((system,), tuple(log)) for (system, _), log in sorted(logs.items())]


def _cells(requests: pl.LazyFrame, called: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """How many requests of a log fall into which window, per call, status and client; and the seconds between windows.

    Of many requests some windows only, so many that a zone's difference is a number of them.
    """
    rows, short = called.select(
        pl.col("len").sum(), short=(pl.col("end").max() - pl.col("begin").min()).dt.total_seconds() < _SHORT
    ).row(0)
    window = WINDOW // 5 if short else WINDOW
    quarter, needed = QUARTER // window, -(-rows // _ROWS)
    every = next((part for part in range(needed, quarter + 1) if quarter % part == 0), -(-needed // quarter) * quarter)
    counted = (
        requests.with_columns(window=pl.col("timestamp").dt.epoch("s") // window)
        .filter(pl.col("window") % every == 0)
        .group_by("source", *CALL, "status", *PAIR, window=pl.col("window") // every)
        .len()
    )
    return counted.collect(engine="streaming"), every * window


def _ids(requests: pl.LazyFrame, called: pl.DataFrame) -> pl.DataFrame | None:
    """The ids of some requests, the same ones of each log, of those that have them; None where fewer than two do."""
    sums = called.group_by("source").agg(pl.col("len", "ids").sum()).filter(pl.col("ids") >= KNOWN * pl.col("len"))
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
    """The logs that may tell of the same requests: each with each, and with several others as one.

    These are all of a system, all of one format, and all but one, also of all systems together: servers behind a proxy,
    or proxies before one, in one folder or in several.
    """
    systems: dict[str, list[Log]] = defaultdict(list)
    for log in logs:
        systems[log.systems[0]].append(log)
    free = [log for log in logs if not {*log.systems} & {*fixed}]
    groups = [*systems.values(), *([free] if len(logs) <= _MANY else [])]
    several = sorted({log for mine in groups for log in _several(mine, kinds)}, key=lambda log: log.files)
    every = [*several, *logs]
    if len(logs) <= _MANY:
        numbers = list(combinations(range(len(every)), 2))
    else:
        formats = [None if log in several else kinds.get(log.files[0], "") for log in every]
        numbers = _likely(every, formats, called)
    pairs = [(every[one], every[other]) for one, other in numbers]
    if len(logs) <= _MANY:
        # Logs by themselves first, of one system first: several others may be compared, and too many.
        pairs.sort(key=lambda pair: sum(log in several for log in pair) + len({*pair[0].systems, *pair[1].systems}))
    return [
        (one, other)
        for one, other in pairs
        if not set(one.files) & set(other.files)
        and (len({*one.systems, *other.systems}) == 1 or not {*one.systems, *other.systems} & {*fixed})
    ][:_PAIRS]


def _several(logs: Sequence[Log], kinds: Mapping[str, str]) -> Iterator[Log]:
    """Some of these logs that may be looked at as one."""
    formats: dict[str, list[Log]] = defaultdict(list)
    for log in logs:
        formats[kinds.get(log.files[0], "")].append(log)
    rest = [[other for other in logs if other is not log] for log in logs] if len(logs) <= _MANY else []
    for some in (logs, *formats.values(), *rest):
        if len(some) > 1:
            systems = dict.fromkeys(system for log in some for system in log.systems)
            yield Log(tuple(systems), tuple(file for log in some for file in log.files))


def _likely(logs: Sequence[Log], formats: Sequence[str | None], called: pl.DataFrame) -> list[tuple[int, int]]:
    """Pairs among many logs: those of several formats or files first, then those that differ least in their counts."""
    files = pl.DataFrame(
        [(number, file) for number, log in enumerate(logs) for file in log.files],
        schema={"log": pl.UInt32, "source": TEXT},
        orient="row",
    )
    counts = files.join(called, on="source").group_by("log", *CALL).agg(pl.col("len").sum())
    most = min(_MOST, max(CALLS, _ALL // len(logs)))
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
        calls = common_calls(one.of(called), other.of(called))
        if calls.is_empty() or any(_covers(twin, one, other) >= calls.height for twin in proven):
            continue
        same = agreed(one.of(cells), other.of(cells), calls)
        if not same.is_empty():
            proven.append(Twins(one, other, same))
            yield proven[-1]
        elif ids is not None:
            there = contained(one.of(ids), other.of(ids), calls)
            back = contained(other.of(ids), one.of(ids), turned(calls))
            if there is not None:
                yield Twins(one, other, calls, by_ids=True, one_way=back is None, ahead=there)
            elif back is not None:
                yield Twins(other, one, turned(calls), by_ids=True, one_way=True, ahead=back)


def _in_other_zones(
    called: pl.DataFrame, cells: pl.DataFrame, seconds: int, pairs: Iterable[tuple[Log, Log]]
) -> Iterator[Twins]:
    """Those of some pairs of logs that tell of the same requests, but for the zone that one was read in."""
    for one, other in pairs:
        calls = common_calls(one.of(called), other.of(called))
        ahead = zones_apart(one.of(cells), other.of(cells), calls, seconds)
        same = agreed(one.of(cells), other.of(cells), calls, ahead // seconds) if ahead else calls.clear()
        if not same.is_empty():
            yield Twins(one, other, same, ahead=timedelta(seconds=ahead))


def _covers(twin: Twins, one: Log, other: Log) -> int:
    """Of how many calls two logs are proven the same by logs that are part of them."""
    parts = {*twin.first.files}, {*twin.second.files}
    wholes = {*one.files}, {*other.files}
    met = any(mine <= wholes[0] and its <= wholes[1] for mine, its in (parts, parts[::-1]))
    return twin.calls.height if met else 0
