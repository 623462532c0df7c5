"""Order and concurrency: what came first for a device, and which refusals say nothing about the newest token.

A log line is written when a request ends. A refusal whose request started before the last refresh ended was made with
the token before it: a straggler, no transition.
"""

from __future__ import annotations

import polars as pl

from authforensics.schema import TEXT
from authforensics.states import AuthEvent

#: Seconds that stand for the request's duration where none is logged (semantics, "Order and concurrency").
GRACE_SECONDS = 2.0
#: Tokens in a row without an accepted call: with two, two calls may have refreshed beside one another.
PATIENCE = 3

#: The number of a device within its partition, in order of system and name: comparing numbers is many times faster
#: than comparing names.
DEVICE = "device"
#: What is joined or grouped by in every partition, and therefore must be categories.
_NAMES = ("system", "device_id", "method", "route")
_VERDICTS = (AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED, AuthEvent.LOGOUT)
_REFUSALS = (AuthEvent.API_DENIED, AuthEvent.API_ANONYMOUS, AuthEvent.REFRESH_DENIED)
_GRANTS = (AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK)


def is_event(*events: AuthEvent) -> pl.Expr:
    """Whether `auth_event` is one of these, stragglers or not."""
    hit = pl.col("auth_event") == events[0].value
    for event in events[1:]:
        hit |= pl.col("auth_event") == event.value
    return hit


def by_device(requests: pl.DataFrame) -> pl.DataFrame:
    """Add `device`, numbered by system and name, and sort by it, then time, then the order of the files (`row`)."""
    frame = requests.with_columns(pl.col(*_NAMES).cast(TEXT))
    # First by device, as they come: what remains to be sorted is nearly in order then.
    pair = pl.col("system").to_physical().cast(pl.UInt64) * 2**32 + pl.col("device_id").to_physical()
    groups = frame.select(pair=pair).with_row_index("at").group_by("pair").agg("at")
    names = frame.select(pl.col("system", "device_id").gather(groups["at"].list.first()).cast(pl.String))
    groups = groups[names.select(pl.arg_sort_by("system", "device_id")).to_series()]
    at = groups["at"].explode()
    devices = groups.select(pl.int_range(pl.len(), dtype=pl.UInt32).repeat_by(pl.col("at").list.len()).explode())
    order = frame.select(pl.col("timestamp", "row").gather(at), device=devices.to_series()).select(_place().arg_sort())
    return frame[at.gather(order.to_series())].with_columns(devices.to_series().alias(DEVICE).set_sorted())


def _place() -> pl.Expr:
    """Device, time and row as one number: to sort by one is much faster than to sort by three."""
    time, row = pl.col("timestamp").to_physical().cast(pl.Int128), pl.col("row").cast(pl.Int128)
    times, rows = time.max() - time.min() + 1, row.max() - row.min() + 1
    return (pl.col(DEVICE).cast(pl.Int128) * times + time - time.min()) * rows + row - row.min()


def first_of_device() -> pl.Expr:
    """Whether a row is the first of its device."""
    return (pl.col(DEVICE) != pl.col(DEVICE).shift()).fill_null(value=True)


def latest(condition: pl.Expr, value: str | pl.Expr) -> pl.Expr:
    """`value` where `condition` last held for the device, this row included; `first` marks a device's first row."""
    inside = pl.when(condition).then(value)
    return inside.gather(pl.when(condition | pl.col("first")).then(pl.int_range(pl.len())).forward_fill())


def before(value: pl.Expr) -> pl.Expr:
    """`value` of the device's row before; `first` marks a device's first row."""
    return pl.when(~pl.col("first")).then(value.shift())


def count(condition: pl.Expr) -> pl.Expr:
    """How often `condition` held for the device so far, this row included; `first` marks a device's first row."""
    total = condition.cast(pl.UInt32).cum_sum()
    return total - latest(pl.col("first"), total - condition.cast(pl.UInt32))


def times_before(events: pl.DataFrame, condition: pl.Expr) -> pl.Series:
    """How often `condition` held for the device of each of `events`, in order of device, before it."""
    flow = events.select(
        DEVICE, so_far=condition.cast(pl.UInt32).cum_sum().shift(fill_value=0), first=first_of_device()
    )
    others = flow["so_far"].gather(flow["first"].arg_true())
    return flow["so_far"] - others.gather(flow[DEVICE])


def number_turns(events: pl.DataFrame) -> pl.DataFrame:
    """Add `turn`: the number, over all devices, of the row that decides what is known of a device from there on.

    What is ignored, and an accepted call right after another, change nothing: they belong to the turn before. A
    device's first row is a turn whatever it is.

    Args:
        events: `device`, `auth_event`, in order of device and time.
    """
    flags = events.select(
        DEVICE, first=first_of_device(), acting=~is_event(AuthEvent.IGNORED), ok=is_event(AuthEvent.API_OK)
    )
    well = pl.when(pl.col("acting")).then("ok").when(pl.col("first")).then(pl.lit(value=False))
    is_turn = pl.col("first") | (pl.col("acting") & ~(pl.col("ok") & well.forward_fill().shift()))
    return events.with_columns(flags.select(turn=is_turn.cast(pl.UInt32).cum_sum() - 1)["turn"].set_sorted())


#: What a turn is told of the request it stands for.
_OF_TURN = (
    *(DEVICE, "row", "timestamp", "started_at", "timed", "clock", "auth_event", "reason", "reason_how", "write"),
    *("turn", "episode"),
)


def turns(events: pl.DataFrame) -> pl.DataFrame:
    """One row a turn that `number_turns` counted: its request, and what came after it until the next.

    Returns:
        The columns of its request, `first` (of its device) and `acting` (not ignored); `requests` and `calls` (those
        not ignored) of the turn, and `until` and `acted_until`, when the last of either was.
    """
    acting = ~is_event(AuthEvent.IGNORED)
    flow = events.select(
        until="timestamp",
        acted=acting.cast(pl.UInt32).cum_sum(),
        acted_until=pl.when(acting).then("timestamp").forward_fill(),
    )
    begins = events.select(at=pl.arg_where((pl.col("turn") != pl.col("turn").shift()).fill_null(value=True)))["at"]
    ends = pl.select(begins.shift(-1, fill_value=events.height) - 1).to_series()
    return (
        events.select(_OF_TURN)[begins]
        .with_columns(first=first_of_device(), acting=acting, requests=ends - begins + 1)
        .hstack(flow[ends])
        .with_columns(calls=pl.col("acted") - pl.col("acted").shift(fill_value=0))
        .drop("acted")
    )


def mark_stragglers(turns: pl.DataFrame) -> pl.DataFrame:
    """Add `straggler`: refusals made before the device's last verdict (refresh, login, logout) was in.

    Where no duration is logged, `GRACE_SECONDS` stand for it; of a clock that tells seconds only, ties count too. Both
    are guesses, so from the `PATIENCE`th token in a row that no accepted call follows they are not made any more: calls
    in flight end, a loop goes on. Refreshes granted beside one another count as one: those after the first are
    stragglers.
    """
    granted = count(is_event(*_GRANTS))
    frame = turns.with_columns(
        _verdict=before(latest(is_event(*_VERDICTS), "timestamp")),
        _grant=before(latest(is_event(*_GRANTS), "timestamp")),
        _in_row=granted - latest(is_event(AuthEvent.API_OK), granted).fill_null(0),
    )
    tie = pl.when(pl.col("clock") >= 1).then((pl.col("clock").cast(pl.Float64) * 1e6).cast(pl.Int64)).otherwise(0)

    def during(verdict: str) -> pl.Expr:
        started = (pl.col("started_at") - pl.col(verdict)).dt.total_microseconds()
        ended = (pl.col("timestamp") - pl.col(verdict)).dt.total_microseconds()
        perhaps = pl.when("timed").then((started < 0) | (ended < tie)).otherwise(ended <= GRACE_SECONDS * 1e6)
        surely = pl.col("timed") & (started < -tie)
        return (surely | (perhaps & (pl.col("_in_row") < PATIENCE))).fill_null(value=False)

    # A refresh that is refused again at once is a retry, not a straggler, unless a sibling was granted meanwhile.
    retry = is_event(AuthEvent.REFRESH_DENIED)
    refusal = is_event(*_REFUSALS) & pl.when(retry).then(during("_grant")).otherwise(during("_verdict"))
    granted_before = before(is_event(AuthEvent.REFRESH_OK)).fill_null(value=False)
    twin = is_event(AuthEvent.REFRESH_OK) & granted_before & during("_grant")
    return frame.with_columns(straggler=refusal | twin).drop("_verdict", "_grant", "_in_row")
