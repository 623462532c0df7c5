"""What was refused and what became of it, counted: the facts of a verdict that finds no incident."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from authforensics.schema import Sessions
from authforensics.states import AuthEvent


@dataclass(frozen=True)
class Tally:
    """Counts over all systems.

    `healed`: refused calls whose device was accepted again; `strangers`: those of devices that showed no session at
    all; the rest of `refused` is left open.
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


def tally(sessions: Sessions) -> Tally:
    """Count."""
    counted = sessions.rates.group_by(pl.col("auth_event").cast(pl.String)).agg(pl.col("count").sum())
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
    )
