"""What several patterns need: runs of events of one device, and the drafts made of them."""

from __future__ import annotations

import polars as pl

from authforensics.schema import Sessions
from authforensics.states import AuthEvent

DEVICE = ["system", "device_id"]


def is_event(*events: AuthEvent) -> pl.Expr:
    """Whether `auth_event` is one of these, stragglers left out."""
    return pl.col("auth_event").cast(pl.String).is_in([event.value for event in events]) & ~pl.col("straggler")


def number(events: pl.DataFrame, gap_seconds: float) -> pl.DataFrame:
    """Add `run`: a new one begins after `gap_seconds` of nothing, unless no call was accepted in between.

    Args:
        events: some events of each device, in order, with `timestamp` and `episode`.
        gap_seconds: how long the pattern may pause although the device was well meanwhile.
    """
    pause = (pl.col("timestamp") - pl.col("timestamp").shift()).dt.total_microseconds() / 1e6 > gap_seconds
    well = pl.col("episode") != pl.col("episode").shift()
    return events.with_columns(run=(pause & well).fill_null(value=False).cum_sum().over(DEVICE))


def with_ending(runs: pl.DataFrame, sessions: Sessions) -> pl.DataFrame:
    """Add `ongoing` to runs that have `episode`, their last: nothing was accepted after it, and no logout ended it."""
    ended = sessions.episodes.select(*DEVICE, "episode", ongoing=pl.col("closed_at").is_null() & ~pl.col("logged_out"))
    joined = runs.with_columns(pl.col("episode").cast(pl.UInt32)).join(
        ended, on=[*DEVICE, "episode"], how="left", maintain_order="left"
    )
    return joined.with_columns(pl.col("ongoing").fill_null(value=True))


def drafts(runs: pl.DataFrame, **measures: pl.Expr) -> pl.DataFrame:
    """DRAFTS of single devices, one a run, from runs that have their columns and `measures` besides."""
    return runs.select(
        *DEVICE,
        "first_seen",
        "last_seen",
        "ongoing",
        "count",
        "reason",
        "rows",
        devices=pl.lit(1, pl.UInt32),
        measures=pl.struct([value.alias(name) for name, value in measures.items()]),
    )


def dominant_reason() -> pl.Expr:
    """The reason most of a group's events have, null where none has one."""
    return pl.col("reason").drop_nulls().mode().sort().first()


def seconds(first: str = "first_seen", last: str = "last_seen") -> pl.Expr:
    """The seconds between two columns."""
    return (pl.col(last) - pl.col(first)).dt.total_microseconds() / 1e6
