"""The history of devices that were studied in one piece."""

from __future__ import annotations

import polars as pl

from authforensics import diagnose
from authforensics.correlate import telling
from authforensics.diagnose.signed import Signed
from authforensics.schema import MESSAGES, TRAIL, History, Sessions
from authforensics.tokens.carried import Carried


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


def signed_of(history: History, carried: Carried, *unset: str) -> Signed:
    """Who signed the tokens in the logs of that history, of which no message speaks."""
    return diagnose.signed(carried, history.events, pl.DataFrame(schema=MESSAGES), unset)
