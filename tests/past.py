"""The history of devices that were studied in one piece."""

from __future__ import annotations

import polars as pl

from authforensics import diagnose
from authforensics.correlate import telling
from authforensics.schema import TRAIL, History, Sessions


def history_of(sessions: Sessions) -> History:
    """The history of a single partition."""
    events = sessions.events.with_columns(traced=pl.col("request_id").is_not_null())
    return History(
        events=[events.filter(telling()).select(TRAIL.keys()).lazy()],
        sessions=sessions.sessions.lazy(),
        grants=sessions.grants.lazy(),
        episodes=diagnose.keep(sessions.episodes).lazy(),
        devices=sessions.devices,
        rates=sessions.rates,
        populations=pl.DataFrame(),
        spans=sessions.spans,
        counts=sessions.counts,
        closed=sessions.closed,
    )
