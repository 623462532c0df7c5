"""Order and concurrency: what came first for a device, and which refusals say nothing about the newest token.

A log line is written when a request ends. A refusal whose request started before the last refresh ended was made with
the token before it: a straggler, no transition.
"""

from __future__ import annotations

import polars as pl

from authforensics.among import is_event
from authforensics.correlate.identity import FALLBACK, PAIR, pair_names
from authforensics.correlate.narrow import one_number, one_value
from authforensics.schema import TEXT, TIMESTAMP, Reason
from authforensics.states import GRACE_SECONDS, WAY_SECONDS, AuthEvent

#: Tokens in a row without an accepted call: with two, two calls may have refreshed beside one another.
PATIENCE = 3

#: The number of a device within its partition, in order of system and name: comparing numbers is many times faster
#: than comparing names.
DEVICE = "device"
#: What is joined or grouped by in every partition, and therefore must be categories.
_NAMES = ("system", "device_id", "method", "route")
#: What is known by the device and needed no more; so are address and user agent, where they are its name.
_TELLING = ("session_id",)
_VERDICTS = (AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED, AuthEvent.LOGOUT)
_REFUSALS = (AuthEvent.API_DENIED, AuthEvent.API_ANONYMOUS, AuthEvent.REFRESH_DENIED)
_GRANTS = (AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK)


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


def first_of(key: str) -> pl.Expr:
    """Whether a row is the first of those with its value of `key`, which stand side by side."""
    return (pl.col(key) != pl.col(key).shift()).fill_null(value=True)


def first_of_device() -> pl.Expr:
    """Whether a row is the first of its device."""
    return first_of(DEVICE)


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


#: What a client repeats when it has a new token.
_CALL = ("method", "route")
#: When the token that a request carries was issued.
_DATED = "issued_at"
#: What a turn is told of the request it stands for.
_OF_TURN = (
    *(DEVICE, "row", "timestamp", "started_at", "timed", "clock", "auth_event", "reason", "reason_how", "write"),
    *("turn", "episode", *_CALL),
)


def turns(events: pl.DataFrame) -> pl.DataFrame:
    """One row a turn that `number_turns` counted: its request, and what came after it until the next.

    Returns:
        The columns of its request (when its token was issued only if the lines have any), `first` (of its device) and
        `acting` (not ignored); `requests` and `calls` (those not ignored) of the turn, and `until` and `acted_until`,
        when the last of either was.
    """
    acting = ~is_event(AuthEvent.IGNORED)
    flow = events.select(
        until="timestamp",
        acted=acting.cast(pl.UInt32).cum_sum(),
        acted_until=pl.when(acting).then("timestamp").forward_fill(),
    )
    begins = events.select(at=pl.arg_where((pl.col("turn") != pl.col("turn").shift()).fill_null(value=True)))["at"]
    ends = pl.select(begins.shift(-1, fill_value=events.height) - 1).to_series()
    dated = [_DATED] if events[_DATED].null_count() < events.height else []
    return (
        events.select(*_OF_TURN, *dated)[begins]
        .with_columns(first=first_of_device(), acting=acting, requests=ends - begins + 1)
        .hstack(flow[ends])
        .with_columns(calls=pl.col("acted") - pl.col("acted").shift(fill_value=0))
        .drop("acted")
    )


def mark_stragglers(turns: pl.DataFrame) -> pl.DataFrame:
    """Add `straggler`: refusals made before the client knew the device's last verdict (refresh, login, logout).

    What was sent before the server had answered is one for sure. What arrives within `WAY_SECONDS` of a refresh's or
    logout's answer, or in the same tick of a clock that tells seconds only, may be one, too, unless nothing is accepted
    right after it and it is the call refused before, which is repeated with the new token, or follows a login; or it is
    refused for another reason than those before. Where no duration is logged, `GRACE_SECONDS` stand for it. These are
    guesses, so from the `PATIENCE`th token in a row that no accepted call follows they are not made any more: calls in
    flight end, a loop goes on; nor of a call whose token says itself that it was issued no earlier. Refreshes granted
    beside one another count as one: those after the first are stragglers.
    """
    verdict, grant, ok = is_event(*_VERDICTS), is_event(*_GRANTS), is_event(AuthEvent.API_OK)
    granted = grant.cast(pl.UInt32).cum_sum()
    place = pl.int_range(pl.len(), dtype=pl.UInt32)
    flow = turns.select(
        verdict=_last(verdict).shift(),
        grant=_last(grant).shift(),
        in_row=granted - (granted - grant.cast(pl.UInt32)).gather(_last(ok)),
        verdicts=verdict.cast(pl.UInt32).cum_sum(),
        next=pl.when(ok | verdict | pl.col("first").shift(-1, fill_value=True)).then(place).backward_fill(),
    )
    refresh = is_event(AuthEvent.REFRESH_OK)
    # Only what may be one is looked at, and a device's first refusal, which may be repeated.
    beside = refresh & refresh.shift() & ~pl.col("first")
    at = turns.select(pl.arg_where(is_event(*_REFUSALS) | beside)).to_series()
    times = turns.select(verdict=pl.when(verdict).then("timestamp"), grant=pl.when(grant).then("timestamp"))
    clocks = [turns["clock"].gather(flow[name].gather(at)).alias(f"{name}_clock") for name in times.columns]
    known = turns.select(
        by_login=is_event(AuthEvent.LOGIN_OK), next=pl.when(ok).then(pl.coalesce("started_at", "timestamp"))
    )
    asked = (DEVICE, *_CALL, "auth_event", "reason", "timestamp", "started_at", "timed", "clock", "first")
    issued = _DATED if _DATED in turns.columns else pl.lit(None, TIMESTAMP).alias(_DATED)
    found = (
        turns.select(*asked, issued)[at]
        .hstack([*(times[name].gather(flow[name].gather(at)) for name in times.columns), *clocks])
        .hstack([flow["in_row"].gather(at), flow["verdicts"].gather(at)])
        .with_columns(
            known["by_login"].gather(flow["verdict"].gather(at)), known["next"].gather(flow["next"].gather(at))
        )
    )
    # A refresh that is refused again at once is a retry, not a straggler, unless a sibling was granted meanwhile.
    by_grant = is_event(AuthEvent.REFRESH_DENIED, AuthEvent.REFRESH_OK)
    late = (
        found.with_columns(_repeated(found), _for_another_fault(found))
        .select(~pl.col("first") & pl.when(by_grant).then(_during("grant", sibling=True)).otherwise(_during("verdict")))
        .to_series()
    )
    straggler = pl.repeat(False, turns.height, dtype=pl.Boolean, eager=True).scatter(at.filter(late), True)
    return turns.drop(*_CALL, _DATED, strict=False).with_columns(straggler.alias("straggler"))


def _repeated(refused: pl.DataFrame) -> pl.Series:
    """Which of some calls were refused before the last verdict, too; `verdicts` numbers these."""
    known = refused.select(pl.all_horizontal(pl.col(*_CALL).is_not_null())).to_series()
    if one_value(refused["verdicts"]):
        return pl.repeat(False, refused.height, dtype=pl.Boolean, eager=True).alias("repeated")
    # The last of the columns counts by ones.
    call = one_number([refused[name] for name in (DEVICE, *_CALL, "verdicts")])
    return (known & (call - 1).is_in(call.unique().implode())).alias("repeated")


def _for_another_fault(refused: pl.DataFrame) -> pl.Series:
    """Which of some calls were refused for a reason that none before the last verdict had: not with the old token.

    Too young is no old token, whatever was refused before.
    """
    turn = [DEVICE, "verdicts"]
    before = refused.filter(pl.col("reason").is_not_null()).select(DEVICE, pl.col("verdicts") + 1, "reason").unique()
    some = before.select(turn).unique().with_columns(some=pl.lit(value=True))
    same = before.with_columns(same=pl.lit(value=True))
    told = refused.select(*turn, "reason").join(some, on=turn, how="left", maintain_order="left")
    told = told.join(same, on=[*turn, "reason"], how="left", maintain_order="left")
    other = pl.col("reason").is_not_null() & pl.col("some").is_not_null() & pl.col("same").is_null()
    other |= (pl.col("reason") == Reason.NOT_YET_VALID.value).fill_null(value=False)
    return told.select(other_fault=other).to_series()


def _last(condition: pl.Expr) -> pl.Expr:
    """Where `condition` last held for the device, this row included, else the device's first row."""
    return pl.when(condition | pl.col("first")).then(pl.int_range(pl.len(), dtype=pl.UInt32)).forward_fill()


def _during(verdict: str, *, sibling: bool = False) -> pl.Expr:
    """Whether a request was made before `verdict` was known; `in_row` counts tokens that no accepted call followed.

    `sibling`: it is a refresh like the one that was granted.
    """
    # The two may stand in logs that don't tell time as exactly.
    clock = pl.max_horizontal("clock", f"{verdict}_clock").fill_null(0.0)
    tick = (clock.cast(pl.Float64) * 1e6).round().cast(pl.Int64)
    coarse = tick >= 1_000_000
    started = (pl.col("started_at") - pl.col(verdict)).dt.total_microseconds()
    ended = (pl.col("timestamp") - pl.col(verdict)).dt.total_microseconds()
    follows = (pl.lit(value=False) if sibling else pl.col("repeated") | pl.col("by_login")).fill_null(value=False)
    other = pl.lit(value=False) if sibling else pl.col("other_fault")
    way = int(WAY_SECONDS * 1e6)
    soon = ((pl.col("next") - pl.col("timestamp")).dt.total_microseconds() <= tick + way).fill_null(value=False)
    # In one tick of a clock that tells seconds nobody knows what came first.
    near = (started < way) | (coarse & ((started < tick + way) | (ended < tick)))
    on_way = ((started < 0) & ~coarse) | (near & (~follows | soon) & ~other)
    perhaps = pl.when("timed").then(on_way).otherwise(ended <= GRACE_SECONDS * 1e6)
    surely = pl.col("timed") & (started < -tick)
    return (surely | (perhaps & (pl.col("in_row") < PATIENCE) & ~_with_new_token(verdict))).fill_null(value=False)


def _with_new_token(verdict: str) -> pl.Expr:
    """Whether a call carries a token that was issued with `verdict`; tokens tell whole seconds."""
    since = (pl.col(_DATED) - pl.col(verdict).dt.truncate("1s")).dt.total_microseconds()
    return (since >= -GRACE_SECONDS * 1e6).fill_null(value=False)
