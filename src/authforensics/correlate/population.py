"""The fleet over time: how many devices are in which state, and how many events of which kind there are a minute."""

from __future__ import annotations

import polars as pl

from authforensics.correlate.order import DEVICE
from authforensics.schema import RATES
from authforensics.states import AuthEvent

#: Steps in time that a fleet chart has at most.
STEPS = 120
#: Their lengths, seconds: round ones, so that a person can name them.
_ROUND = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 604800)


def rates(events: pl.DataFrame) -> pl.DataFrame:
    """The RATES table, without what was ignored."""
    return (
        events.filter(pl.col("auth_event").cast(pl.String) != AuthEvent.IGNORED.value)
        .group_by("system", pl.col("timestamp").dt.truncate("1m").alias("minute"), "auth_event", "reason")
        .agg(count=pl.len().cast(pl.UInt32))
        .sort("system", "minute", "auth_event", "reason", nulls_last=True)
        .select(RATES.keys())
    )


def populations(events: pl.DataFrame) -> pl.DataFrame:
    """How many devices are in which state at the end of each step of time.

    Returns:
        `system`, `at` (the step's begin), `state`, `devices`, for the states that any device is in.
    """
    parts = [_population(part) for part in events.partition_by("system", maintain_order=True)]
    return pl.concat(parts) if parts else pl.DataFrame(schema={"system": pl.String})


def _population(events: pl.DataFrame) -> pl.DataFrame:
    seconds = (events["timestamp"].max() - events["timestamp"].min()).total_seconds()  # type: ignore[operator,union-attr]
    every = next((step for step in _ROUND if seconds / step <= STEPS), _ROUND[-1])
    last = (
        events.lazy()
        .filter(
            (pl.col("state") != pl.col("state").shift()) | (pl.col(DEVICE) != pl.col(DEVICE).shift()).fill_null(True)
        )
        .with_columns(at=pl.col("timestamp").dt.truncate(f"{every}s"))
        .group_by(DEVICE, "at")
        .agg(pl.col("system").first(), state=pl.col("state").last())
        .sort(DEVICE, "at")
        .with_columns(_before=pl.col("state").shift().over(DEVICE))
        .filter(pl.col("state").ne_missing(pl.col("_before")))
    )
    came = last.select("system", "at", "state", change=pl.lit(1))
    went = last.filter(pl.col("_before").is_not_null()).select("system", "at", state="_before", change=pl.lit(-1))
    changes = pl.concat([came, went]).group_by("system", "at", "state").agg(pl.col("change").sum()).collect()
    steps = pl.DataFrame(
        {"at": pl.datetime_range(changes["at"].min(), events["timestamp"].max(), f"{every}s", eager=True)}  # type: ignore[arg-type]
    )
    grid = changes.select("system", "state").unique().join(steps, how="cross")
    return (
        grid.join(changes, on=["system", "state", "at"], how="left")
        .sort("system", "state", "at")
        .with_columns(devices=pl.col("change").fill_null(0).cum_sum().over("system", "state"))
        .sort("system", "at", "state")
        .select("system", "at", "state", "devices")
    )
