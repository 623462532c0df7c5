"""What was refused and what became of it, counted: the facts of a verdict that finds no incident."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from authforensics.schema import Sessions
from authforensics.states import AuthEvent

#: Refreshes that fail in a row, and devices they are of, before a row is worth a word: fewer happen by chance.
ROW_LENGTH, ROW_DEVICES = 20, 5


@dataclass(frozen=True)
class Row:
    """Refreshes in a row that did not succeed."""

    count: int
    devices: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class Tally:
    """Counts over all systems.

    `healed`: refused calls whose device was accepted again; `strangers`: those of devices that showed no session at
    all; the rest of `refused` is left open. `row`: the longest row of refreshes of one system, of several devices, none
    of which succeeded.
    """

    requests: int
    devices: int
    accepted: int
    refused: int
    healed: int
    strangers: int
    refreshes_refused: int
    refreshes_failed: int
    logins_refused: int
    row: Row | None = None


def tally(sessions: Sessions) -> Tally:
    """Count."""
    # Stragglers are left out, as in the episodes: they say nothing about the token held.
    counted = sessions.events.filter(~pl.col("straggler")).group_by(pl.col("auth_event").cast(pl.String)).len()
    events = dict(counted.rows())
    ends = sessions.episodes.select(
        healed=pl.col("denied").filter(pl.col("closed_at").is_not_null()).sum(),
        strangers=pl.col("denied").filter(pl.col("closed_at").is_null(), ~pl.col("session_seen")).sum(),
    )
    return Tally(
        requests=sessions.events.height,
        devices=sessions.events.select("system", "device_id").n_unique(),
        accepted=events.get(AuthEvent.API_OK.value, 0),
        refused=events.get(AuthEvent.API_DENIED.value, 0),
        healed=int(ends["healed"][0]),
        strangers=int(ends["strangers"][0]),
        refreshes_refused=events.get(AuthEvent.REFRESH_DENIED.value, 0),
        refreshes_failed=events.get(AuthEvent.REFRESH_FAILED.value, 0),
        logins_refused=events.get(AuthEvent.LOGIN_DENIED.value, 0),
        row=_row(sessions.events),
    )


def _row(events: pl.DataFrame) -> Row | None:
    name = pl.col("auth_event").cast(pl.String)
    refreshes = events.filter(
        name.is_in([AuthEvent.REFRESH_OK.value, AuthEvent.REFRESH_DENIED.value, AuthEvent.REFRESH_FAILED.value])
    ).sort("system", "timestamp", "row")
    rows = (
        refreshes.with_columns(row=(name == AuthEvent.REFRESH_OK.value).cum_sum().over("system"))
        .filter(name != AuthEvent.REFRESH_OK.value)
        .group_by("system", "row", maintain_order=True)
        .agg(
            count=pl.len(),
            devices=pl.col("device_id").n_unique(),
            first_seen=pl.col("timestamp").first(),
            last_seen=pl.col("timestamp").last(),
        )
        .filter(pl.col("count") >= ROW_LENGTH, pl.col("devices") >= ROW_DEVICES)
        .sort("count", "first_seen", descending=[True, False])
    )
    return Row(**rows.drop("system", "row").row(0, named=True)) if rows.height else None
