"""Order and concurrency: what came first for a device, and which refusals say nothing about the newest token.

A log line is written when a request ends. A refusal whose request started before the last refresh ended was made with
the token before it: a straggler, no transition.
"""

from __future__ import annotations

import polars as pl

from authforensics.states import AuthEvent

#: Seconds that stand for the request's duration where none is logged (semantics, "Order and concurrency").
GRACE_SECONDS = 2.0
#: Tokens in a row without an accepted call: with two, two calls may have refreshed beside one another.
PATIENCE = 3

#: The number of a device, by which events are grouped: comparing numbers is many times faster than comparing names.
DEVICE = "device"
_VERDICTS = [
    event.value for event in (AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED, AuthEvent.LOGOUT)
]
_REFUSALS = [event.value for event in (AuthEvent.API_DENIED, AuthEvent.API_ANONYMOUS, AuthEvent.REFRESH_DENIED)]
_GRANTS = [event.value for event in (AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK)]


def by_device(events: pl.DataFrame) -> pl.DataFrame:
    """Add `device`, numbered by system and name, and sort by it, then time, then the order of the files (`row`)."""
    names = events.select("system", "device_id").unique().sort("system", "device_id").with_row_index(DEVICE)
    return events.join(names, on=["system", "device_id"], how="left").sort(DEVICE, "timestamp", "row")


def out_of_order(events: pl.DataFrame) -> pl.DataFrame:
    """Per system the share of lines that are earlier than the line before them in the same file."""
    return (
        events.sort("row")
        .with_columns(_late=pl.col("timestamp") < pl.col("timestamp").shift().over("system", "source"))
        .group_by("system")
        .agg(share=pl.col("_late").fill_null(False).mean())
    )


def mark_stragglers(events: pl.DataFrame) -> pl.DataFrame:
    """Add `straggler`: refusals made before the device's last verdict (refresh, login, logout) was in.

    Where no duration is logged, `GRACE_SECONDS` stand for it; of a clock that tells seconds only, ties count too. Both
    are guesses, so from the `PATIENCE`th token in a row that no accepted call follows they are not made any more: calls
    in flight end, a loop goes on. Refreshes granted beside one another count as one: those after the first are
    stragglers.
    """
    name = pl.col("auth_event").cast(pl.String)
    granted = name.is_in(_GRANTS).cum_sum().over(DEVICE)
    accepted = pl.when(name == AuthEvent.API_OK.value)
    frame = events.lazy().with_columns(
        _verdict=pl.when(name.is_in(_VERDICTS)).then("timestamp").shift().forward_fill().over(DEVICE),
        _grant=pl.when(name.is_in(_GRANTS)).then("timestamp").shift().forward_fill().over(DEVICE),
        _before=pl.when(name != AuthEvent.IGNORED.value).then(name).shift().forward_fill().over(DEVICE),
        _in_row=granted - accepted.then(granted).forward_fill().over(DEVICE).fill_null(0),
    )
    tie = pl.when(pl.col("clock") >= 1).then(pl.col("clock").cast(pl.Float64)).otherwise(0.0)

    def during(verdict: str) -> pl.Expr:
        started = (pl.col("started_at") - pl.col(verdict)).dt.total_microseconds() / 1e6
        ended = (pl.col("timestamp") - pl.col(verdict)).dt.total_microseconds() / 1e6
        unknown = pl.col("duration_ms").is_null()
        perhaps = pl.when(unknown).then(ended <= GRACE_SECONDS).otherwise((started < 0) | (ended < tie))
        surely = ~unknown & (started < -tie)
        return (surely | (perhaps & (pl.col("_in_row") < PATIENCE))).fill_null(value=False)

    # A refresh that is refused again at once is a retry, not a straggler, unless a sibling was granted meanwhile.
    refusal = name.is_in(_REFUSALS) & pl.when(name == AuthEvent.REFRESH_DENIED.value).then(during("_grant")).otherwise(
        during("_verdict")
    )
    twin = (name == AuthEvent.REFRESH_OK.value) & (pl.col("_before") == AuthEvent.REFRESH_OK.value) & during("_grant")
    return frame.with_columns(straggler=refusal | twin).drop("_verdict", "_grant", "_before", "_in_row").collect()
