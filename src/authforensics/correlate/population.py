"""The fleet over time: how many devices are in which state, and how many events of which kind there are a minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from authforensics.correlate.order import DEVICE
from authforensics.schema import AUTH_EVENT, RATES, REASON, STATE, TEXT, TIMESTAMP, Reason
from authforensics.states import AuthEvent

#: Steps in time that a fleet chart has at most.
STEPS = 120
#: Their lengths, seconds: round ones, so that a person can name them.
_ROUND = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 604800)
#: Microseconds of a second and a minute.
_SECOND, _MINUTE = 1_000_000, 60_000_000


#: More than there are auth events, or reasons and none.
_CODES = 16

#: Devices that came into a state in a step of time less those that left it.
CHANGES: dict[str, pl.DataType] = {"system": TEXT, "at": TIMESTAMP, "state": STATE, "change": pl.Int64()}


def rates(events: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """The RATES of some devices, in no order, without what was ignored.

    Args:
        events: `device`, `timestamp`, `auth_event`, `reason`.
        names: `system` and `device_id` in order of `device`.
    """
    if events.is_empty():
        return pl.DataFrame(schema=RATES)
    systems = names["system"].unique(maintain_order=True)
    number = names.select(pl.col("system").rle_id().cast(pl.Int64)).to_series()
    # One number in place of four columns: a narrow key is grouped many times faster.
    told = events["auth_event"] != AuthEvent.IGNORED.value
    time = pl.col("timestamp").to_physical()
    begin, end = events.select(begin=time.min() // _MINUTE, end=time.max() // _MINUTE).row(0)
    wide = (end - begin + 1) * len(systems) * _CODES**2 >= 2**32
    key = (time // _MINUTE - begin).cast(pl.UInt64 if wide else pl.UInt32)
    if len(systems) > 1:
        key = key * len(systems) + number.cast(pl.UInt32).gather(events[DEVICE])
    key = (key * _CODES + pl.col("auth_event").to_physical()) * _CODES
    key += pl.col("reason").to_physical().fill_null(_CODES - 1)
    counts = events.select(key=key)["key"].filter(told).value_counts().with_columns(pl.col("key").cast(pl.Int64))
    code = pl.col("key")
    reason = (code % _CODES).cast(pl.UInt8)
    place = code // _CODES**2
    return counts.select(
        system=systems.gather(counts.select((place % len(systems)).cast(pl.UInt32)).to_series()),
        minute=((place // len(systems) + begin) * _MINUTE).cast(TIMESTAMP),
        auth_event=(code // _CODES % _CODES).cast(pl.UInt8).cat.to(AUTH_EVENT),
        reason=pl.when(reason < len(Reason)).then(reason).cat.to(REASON),
        count=pl.col("count").cast(pl.UInt32),
    )


def merge_rates(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The RATES table of all partitions."""
    keys = ("system", "minute", "auth_event", "reason")
    return (
        pl.concat(parts)
        .group_by(keys)
        .agg(pl.col("count").sum())
        .with_columns(pl.col("system").cast(pl.String))
        .sort(keys, nulls_last=True)
        .select(pl.col("system").cast(TEXT), *list(RATES)[1:])
    )


def step(begin: datetime, end: datetime) -> int:
    """The seconds between two points of a chart of this span."""
    seconds = (end - begin).total_seconds()
    return next((every for every in _ROUND if seconds / every <= STEPS), _ROUND[-1])


def changes(turns: pl.DataFrame, names: pl.DataFrame, steps: Mapping[str, int]) -> pl.DataFrame:
    """How the number of devices in each state changes in each step, as CHANGES.

    Args:
        turns: `device`, `timestamp`, `state`, in order.
        names: `system` and `device_id` in order of `device`.
        steps: what `step` says of each system.
    """
    own = pl.col(DEVICE) == pl.col(DEVICE).shift()
    moved = turns.select(DEVICE, "timestamp", "state").filter(
        turns.select((pl.col("state") != pl.col("state").shift()) | ~own).to_series().fill_null(value=True)
    )
    every = names.select(
        pl.col("system").cast(pl.String).replace_strict(dict(steps), return_dtype=pl.Int64) * _SECOND
    ).to_series()
    time = pl.col("timestamp").to_physical()
    number = moved.select(time // every.gather(moved[DEVICE])).to_series().alias("number")
    ends = ((pl.col("number") != pl.col("number").shift(-1)) | ~own.shift(-1)).fill_null(value=True)
    last = (
        moved.with_columns(number)
        .filter(ends)
        .with_columns(before=pl.when(own).then(pl.col("state").shift()))
        .filter(pl.col("state").ne_missing(pl.col("before")))
    )
    last = last.with_columns(
        at=(pl.col("number") * every.gather(last[DEVICE])).cast(TIMESTAMP), system=names["system"].gather(last[DEVICE])
    )
    came = last.select("system", "at", "state", change=pl.lit(1, pl.Int64))
    went = last.filter(pl.col("before").is_not_null()).select(
        "system", "at", state="before", change=pl.lit(-1, pl.Int64)
    )
    return pl.concat([came, went]).group_by("system", "at", "state").agg(pl.col("change").sum()).select(CHANGES.keys())


def merge(parts: Sequence[pl.DataFrame], spans: pl.DataFrame, steps: Mapping[str, int]) -> pl.DataFrame:
    """How many devices are in which state at the end of each step of time.

    Args:
        parts: the CHANGES of all partitions.
        spans: `system`, `end`: until when its requests reach.
        steps: as for `changes`.

    Returns:
        `system`, `at` (the step's begin), `state`, `devices`, for the states that any device is ever in.
    """
    total = (
        pl.concat(parts)
        .with_columns(pl.col("system").cast(pl.String))
        .group_by("system", "at", "state")
        .agg(pl.col("change").sum())
    )
    ends = dict(spans.select(pl.col("system").cast(pl.String), "end").rows())
    grids = [
        pl.DataFrame({"at": pl.datetime_range(begin, ends[system], f"{steps[system]}s", eager=True)}).select(
            pl.lit(system).alias("system"), "at"
        )
        for system, begin in total.group_by("system").agg(pl.col("at").min()).sort("system").rows()
    ]
    if not grids:
        return pl.DataFrame(schema={"system": TEXT, "at": TIMESTAMP, "state": STATE, "devices": pl.Int64})
    return (
        total.select("system", "state")
        .unique()
        .join(pl.concat(grids), on="system")
        .join(total, on=["system", "state", "at"], how="left")
        .sort("system", "state", "at")
        .with_columns(devices=pl.col("change").fill_null(0).cum_sum().over("system", "state"))
        .sort("system", "at", "state")
        .select(pl.col("system").cast(TEXT), "at", "state", "devices")
    )
