"""Order and concurrency: what came first for a device, and which refusals say nothing about the newest token.

A log line is written when a request ends. A refusal whose request started before the last refresh ended was made with
the token before it: a straggler, no transition.
"""

from __future__ import annotations

import polars as pl

from authforensics.correlate.identity import FALLBACK, PAIR, pair_names
from authforensics.correlate.narrow import one_number, one_value
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
#: What is known by the device and needed no more; so are address and user agent, where they are its name.
_TELLING = ("user_id", "session_id")
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
    """Add `device`, numbered by system and name, and sort by it, then time, then the order of the files (`row`).

    Where `device_id` is null, address and user agent are the name. What only told devices apart is left behind.
    """
    frame = requests.with_columns(pl.col(*_NAMES).cast(TEXT)).rechunk()
    # First by device, as they come: what remains to be sorted is in order then, or nearly.
    groups = _codes(frame).to_frame().with_row_index("at").group_by("code").agg("at")
    names = _names(frame, groups["at"].list.first())
    in_line = names.cast(pl.String).select(pl.arg_sort_by("system", "device_id")).to_series()
    names, at = names[in_line], groups["at"].gather(in_line)
    # Two may be called the same.
    number = names.select(number=pl.struct(pl.all()).rle_id(), size=at.list.len())
    devices = number.select(pl.col("number").repeat_by("size").explode().alias(DEVICE)).to_series()
    at = at.explode()
    order = frame.select("timestamp", "row")[at].with_columns(devices)
    if order.select(_out_of_order()).item():
        at = at.gather(order.select(_place().arg_sort()).to_series())
    told = names.unique(maintain_order=True)["device_id"].gather(devices)
    frame = frame.drop(_TELLING, strict=False)
    if one_value(frame["identity_key"]) and frame["identity_key"].first() == FALLBACK:
        frame = frame.with_columns(pl.lit(None, TEXT).alias(name) for name in PAIR)
    # Of one value, any order is the same.
    varied = [column.name for column in frame if not one_value(column)]
    return frame.with_columns(pl.col(varied).gather(at)).with_columns(told, devices.set_sorted())


def _codes(frame: pl.DataFrame) -> pl.Series:
    """One number for all requests of a device."""
    known = frame["device_id"]
    if not known.null_count():
        return one_number([frame["system"], known])
    pair = frame.select(pl.when(known.is_null()).then(pl.col(*PAIR)))
    return one_number([frame["system"], known, *pair])


def _names(frame: pl.DataFrame, first: pl.Series) -> pl.DataFrame:
    """What devices are called, by a request of each."""
    names = frame.select("system", "device_id")[first]
    if not names["device_id"].null_count():
        return names
    return names.with_columns(pl.coalesce("device_id", pair_names(frame.select(PAIR)[first])).alias("device_id"))


def _out_of_order() -> pl.Expr:
    """Whether any row comes after its place."""
    time, row = pl.col("timestamp"), pl.col("row")
    late = (time < time.shift()) | ((time == time.shift()) & (row < row.shift()))
    return (late & (pl.col(DEVICE) == pl.col(DEVICE).shift())).any()


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
    return pl.when(condition).then(value).gather(_last(condition))


def before(value: pl.Expr) -> pl.Expr:
    """`value` of the device's row before; `first` marks a device's first row."""
    return pl.when(~pl.col("first")).then(value.shift())


def starts(events: pl.DataFrame) -> pl.Series:
    """Where each device begins."""
    return events.select(pl.arg_where(first_of_device())).to_series()


def times_before(events: pl.DataFrame, condition: pl.Expr, first: pl.Series, at: pl.Series | None = None) -> pl.Series:
    """How often `condition` held before each of `events` for its device, where they are in order of device.

    Args:
        events: those of all devices.
        condition: what is counted.
        first: what `starts` gave.
        at: only the events at these places.
    """
    so_far = events.select(condition.cast(pl.UInt32).cum_sum().shift(fill_value=0)).to_series()
    others, device = so_far.gather(first), events[DEVICE]
    if at is not None:
        so_far, device = so_far.gather(at), device.gather(at)
    return so_far - others.gather(device)


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
    verdict, grant, ok = is_event(*_VERDICTS), is_event(*_GRANTS), is_event(AuthEvent.API_OK)
    granted = grant.cast(pl.UInt32).cum_sum()
    flow = turns.select(
        verdict=_last(verdict).shift(),
        grant=_last(grant).shift(),
        in_row=granted - (granted - grant.cast(pl.UInt32)).gather(_last(ok)),
    )
    refresh = is_event(AuthEvent.REFRESH_OK)
    # Only what may be one is looked at.
    at = turns.select(pl.arg_where(~pl.col("first") & (is_event(*_REFUSALS) | (refresh & refresh.shift())))).to_series()
    times = turns.select(verdict=pl.when(verdict).then("timestamp"), grant=pl.when(grant).then("timestamp"))
    found = (
        turns.select("auth_event", "timestamp", "started_at", "timed", "clock")[at]
        .hstack([times[name].gather(flow[name].gather(at)) for name in times.columns])
        .hstack([flow["in_row"].gather(at)])
    )
    # A refresh that is refused again at once is a retry, not a straggler, unless a sibling was granted meanwhile.
    by_grant = is_event(AuthEvent.REFRESH_DENIED, AuthEvent.REFRESH_OK)
    late = found.select(pl.when(by_grant).then(_during("grant")).otherwise(_during("verdict"))).to_series()
    straggler = pl.repeat(False, turns.height, dtype=pl.Boolean, eager=True).scatter(at.filter(late), True)
    return turns.with_columns(straggler.alias("straggler"))


def _last(condition: pl.Expr) -> pl.Expr:
    """Where `condition` last held for the device, this row included, else the device's first row."""
    return pl.when(condition | pl.col("first")).then(pl.int_range(pl.len(), dtype=pl.UInt32)).forward_fill()


def _during(verdict: str) -> pl.Expr:
    """Whether a request was made before `verdict` was in; `in_row` counts the tokens that no accepted call followed."""
    tie = pl.when(pl.col("clock") >= 1).then((pl.col("clock").cast(pl.Float64) * 1e6).cast(pl.Int64)).otherwise(0)
    started = (pl.col("started_at") - pl.col(verdict)).dt.total_microseconds()
    ended = (pl.col("timestamp") - pl.col(verdict)).dt.total_microseconds()
    perhaps = pl.when("timed").then((started < 0) | (ended < tie)).otherwise(ended <= GRACE_SECONDS * 1e6)
    surely = pl.col("timed") & (started < -tie)
    return (surely | (perhaps & (pl.col("in_row") < PATIENCE))).fill_null(value=False)
