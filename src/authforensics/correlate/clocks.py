"""Estimates how far the clocks of two logs of the same traffic are apart, by what both of them tell of.

Logs that share request ids are compared by these; application messages without any by the refusals they speak of. An
offset is told only where enough pairs agree: their median, with the median of what they differ from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import polars as pl

from authforensics.correlate.narrow import one_value
from authforensics.correlate.outcomes import REFUSED
from authforensics.correlate.reasons import JOIN_SECONDS
from authforensics.document import Offset
from authforensics.schema import TEXT, TIMESTAMP

#: Request ids that are kept of each file, and of all: those with the least hashes, so that of two files the same ones
#: are kept, in whatever order these are read.
KEPT, ALL = 2_000, 200_000
#: Pairs needed, and the share of them that must lie within the join's tolerance of their median.
PAIRS, AGREE = 5, 0.8
#: Isolated messages needed to find the refusals they speak of, and looked at; what lies between them and others.
MESSAGES, MOST, APART = 10, 300, timedelta(seconds=10)
#: How much of the best offset's hits another one may have.
RIVAL = 0.5
#: Zones differ by quarters of an hour; two of them by 26 hours at most. Clocks that nobody sets by minutes.
_QUARTER, _QUARTERS, _DRIFT = 900, 26 * 4, 900
_MICROS = 1_000_000
SKETCH: dict[str, pl.DataType] = {
    "system": TEXT,
    "source": TEXT,
    "request_id": pl.UInt64(),
    "at": TIMESTAMP,
    "request": pl.Boolean(),
}


@dataclass(frozen=True)
class Clocks:
    """The offsets found, by system; and the seconds by which the messages of a source are off where that matters."""

    offsets: Mapping[str, tuple[Offset, ...]] = field(default_factory=dict)
    skews: Mapping[str, float] = field(default_factory=dict)

    def set_right(self, messages: pl.DataFrame) -> pl.DataFrame:
        """MESSAGES, told by the clock of the log of their requests."""
        if not self.skews:
            return messages
        micros = {source: round(seconds * _MICROS) for source, seconds in self.skews.items()}
        off = pl.col("source").cast(pl.String).replace_strict(micros, default=0, return_dtype=pl.Int64)
        return messages.with_columns(timestamp=pl.col("timestamp") - pl.duration(microseconds=off))


def sketch(requests: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    """The first times of some request ids in REQUESTS and MESSAGES: SKETCH."""
    parts = [
        _least(part.select("system", "source", "request_id", at="timestamp", request=pl.lit(value)))
        for part, value in ((requests, True), (messages, False))
        if part["request_id"].count()
    ]
    return merged(parts) if parts else pl.DataFrame(schema=SKETCH)


def _least(part: pl.DataFrame) -> pl.DataFrame:
    """The rows of a part of a file among which those are that `merged` keeps of it, found without grouping all."""
    ids = part["request_id"]
    share = 4 * KEPT / max(ids.count(), 1)
    if share < 1 and one_value(part["source"]):
        least = part.filter(pl.col("request_id") < int(share * 2**64))
        if least["request_id"].n_unique() >= KEPT:
            return least
    return part.drop_nulls("request_id")


def merged(sketches: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Sketches of several blocks as one."""
    whole = pl.concat([pl.DataFrame(schema=SKETCH), *sketches])
    known = whole.group_by("source", "request_id", "request").agg(pl.col("system").first(), pl.col("at").min())
    if known.height > KEPT:
        known = known.filter(pl.col("request_id").rank("ordinal").over("source", "request") <= KEPT)
    if known.height > ALL:
        known = known.filter(pl.col("request_id").rank("min") <= ALL)
    return known.select(SKETCH.keys())


def compared(
    sketches: pl.DataFrame,
    requests: pl.LazyFrame,
    messages: pl.DataFrame,
    sets: Mapping[str, str],
    known: Mapping[tuple[str, str], Offset] | None = None,
) -> Clocks:
    """Compare the logs of each system.

    Args:
        sketches: SKETCH, by system.
        requests: all REQUESTS, by system.
        messages: MESSAGES, by system.
        sets: by source, in the order of their lines, what its rotated set is called; its last one stands for all.
        known: offsets that are known already, by system and set.
    """
    names = {one: source for source, one in sets.items()}
    found = dict(known or {})
    for system, one, other, differences in _pairs(sketches, sets):
        offset = offset_of(differences, names[one], names[other], "request_id")
        if offset is not None and (system, one) not in found:
            found[system, one] = offset
    told = messages.filter(pl.col("reason").is_not_null())
    if told.height >= MESSAGES:
        left = [key for key in _heard(told, sets) if key not in found]
        refused = _refused(requests) if left else pl.DataFrame()
        for system, one in left:
            sources = [source for source, name in sets.items() if name == one]
            mine = told.filter(pl.col("system") == system, pl.col("source").cast(pl.String).is_in(sources))
            offset = _by_refusals(mine["timestamp"], refused.filter(pl.col("system") == system), names[one], sets)
            if offset is not None:
                found[system, one] = offset
    heard = set(_heard(messages, sets))
    return Clocks(
        {
            system: tuple(found[key] for key in sorted(found) if key[0] == system)
            for system in sorted({system for system, _ in found})
        },
        {
            source: found[key].seconds
            for source, one in sets.items()
            for key in found
            if key[1] == one and key in heard and abs(found[key].seconds) > JOIN_SECONDS
        },
    )


def _pairs(sketches: pl.DataFrame, sets: Mapping[str, str]) -> list[tuple[str, str, str, pl.Series]]:
    """Per system, logs that share ids: the differences in microseconds, of those with most pairs first."""
    texts = [pl.col(name).cast(pl.String) for name in ("system", "source")]
    named = sketches.with_columns(*texts).with_columns(set=pl.col("source").replace(dict(sets)))
    first = named.group_by("system", "set", "request", "source", "request_id").agg(pl.col("at").min())
    both = first.join(first, on=["system", "request_id"], suffix="_other").filter(pl.col("set") != pl.col("set_other"))
    # A log of messages is compared with one of requests; of two of a kind the one that is named later with the other.
    later = (pl.col("request_other") & ~pl.col("request")) | (
        (pl.col("request") == pl.col("request_other")) & (pl.col("set") > pl.col("set_other")) & pl.col("request")
    )
    pairs = (
        both.filter(later)
        .group_by("system", "set", "set_other", "request_id")
        .agg(off=(pl.col("at") - pl.col("at_other")).dt.total_microseconds().min())
        .group_by("system", "set", "set_other")
        .agg(pl.col("off").sort(), count=pl.len())
        .sort("count", "system", "set", "set_other", descending=[True, False, False, False])
    )
    return [(system, one, other, pl.Series(off)) for system, one, other, off, _ in pairs.rows()]


def offset_of(
    micros: pl.Series, source: str, against: str, how: Literal["request_id", "requests", "refusals"]
) -> Offset | None:
    """The offset that differences come to; None where they don't agree."""
    median = micros.median()
    if len(micros) < PAIRS or not isinstance(median, float):
        return None
    away = (micros - median).abs()
    spread = away.median()
    if int((away <= JOIN_SECONDS * _MICROS).sum()) < AGREE * len(micros) or not isinstance(spread, float):
        return None
    return Offset(
        source=source,
        against=against,
        seconds=round(median / _MICROS, 3),
        spread=round(spread / _MICROS, 3),
        pairs=len(micros),
        how=how,
    )


def _heard(messages: pl.DataFrame, sets: Mapping[str, str]) -> list[tuple[str, str]]:
    """The systems and sets that messages are of."""
    known = messages.select(pl.col("system").cast(pl.String), pl.col("source").cast(pl.String)).unique()
    return sorted({(system, sets[source]) for system, source in known.rows() if source in sets})


def _refused(requests: pl.LazyFrame) -> pl.DataFrame:
    """When what was refused, by which log."""
    refusals = requests.filter(pl.col("status").is_in((*REFUSED, 400, 403)))
    return refusals.select("system", "source", "timestamp").collect(engine="streaming").sort("timestamp")


def _by_refusals(times: pl.Series, refused: pl.DataFrame, source: str, sets: Mapping[str, str]) -> Offset | None:
    """The offset at which messages that stand alone find refusals, and at no other; None where there is none."""
    told = times.sort()
    alone = told.filter((told.diff() >= APART).fill_null(value=True)).dt.epoch("us")
    if len(alone) < MESSAGES or refused.is_empty():
        return None
    alone = alone.gather_every(-(-len(alone) // MOST))
    at = refused["timestamp"].dt.epoch("us")
    quarters = [count * _QUARTER for count in range(-_QUARTERS, _QUARTERS + 1)]
    lags = pl.Series("lag", sorted({*quarters, *range(-_DRIFT, _DRIFT + 1)}), dtype=pl.Int64) * _MICROS
    reach = int(JOIN_SECONDS * _MICROS)
    tried = lags.to_frame().join(alone.alias("time").to_frame(), how="cross")
    aim = tried["time"] - tried["lag"]
    hit = at.search_sorted(aim - reach, side="left") < at.search_sorted(aim + reach, side="right")
    share = tried.select("lag", hit=hit).group_by("lag").agg(pl.col("hit").mean()).sort("hit", "lag")
    near = share.filter(pl.col("lag").abs() <= reach)["hit"].max()
    hits = share["hit"][-1]
    ties = share.filter(pl.col("hit") == hits)["lag"]
    middle = int(ties.sort()[len(ties) // 2])
    rival = share.filter((pl.col("lag") - middle).abs() > 2 * reach)["hit"].max()
    if near is None or rival is None or hits < AGREE or near == hits or rival > RIVAL * hits:
        return None
    return _refined(alone, refused.select("source", at=at, time=at + middle), source, sets)


def _refined(times: pl.Series, refused: pl.DataFrame, source: str, sets: Mapping[str, str]) -> Offset | None:
    """The offset by the refusals next to messages: `at`, and the `time` by the clock of the messages."""
    nearest = (
        times.alias("time")
        .to_frame()
        .join_asof(
            refused,
            on="time",
            strategy="nearest",
            tolerance=int(2 * JOIN_SECONDS * _MICROS),
            check_sortedness=False,
        )
        .drop_nulls("at")
    )
    if nearest.is_empty():
        return None
    logs = nearest.group_by(pl.col("source").cast(pl.String)).len().sort("len", "source", descending=[True, False])
    names = {one: name for name, one in sets.items()}
    against = names[sets[str(logs["source"][0])]]
    return offset_of(nearest["time"] - nearest["at"], source, against, "refusals")
