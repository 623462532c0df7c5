"""What several patterns need: runs of events of one device, and the drafts made of them."""

from __future__ import annotations

import polars as pl

from authforensics.among import among
from authforensics.schema import REASON, Reason, Sessions
from authforensics.states import AuthEvent

#: What a device is called; within one partition its number `device` says the same, and compares faster.
NAMES = ["system", "device_id"]
#: What only those are told who had a session.
ENDED = [Reason.TOKEN_EXPIRED.value, Reason.REVOKED.value]
#: From so many refusals on, what was accepted with the same token is looked at: fewer is an expiry's parallel calls.
OFTEN = 5


def is_event(*events: AuthEvent) -> pl.Expr:
    """Whether `auth_event` is one of these, stragglers left out."""
    return one_of("auth_event", [event.value for event in events]) & ~pl.col("straggler")


def one_of(column: str, values: list[str]) -> pl.Expr:
    """Whether an enum has one of these values, compared by code; false where it has none."""
    return among(column, values).fill_null(value=False)


def tick() -> pl.Expr:
    """The seconds that an event's time may be off by: one of a clock that tells seconds, where order is a guess."""
    return pl.col("clock").fill_null(1e-6).cast(pl.Float64).round(6)


def changed(*columns: str) -> pl.Expr:
    """Whether one of these differs from the row before; true for the first row."""
    return pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in columns) | (
        pl.int_range(pl.len()) == 0
    )


def numbered(events: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """Add `run`: a new one begins where one of `keys` changes. `events` are sorted by them."""
    return events.with_columns(run=changed(*keys).cum_sum())


def number(events: pl.DataFrame, gap_seconds: float) -> pl.DataFrame:
    """Add `run`: a new one begins after `gap_seconds` of nothing, unless no call was accepted in between.

    Args:
        events: some events of each device, in order, with `timestamp` and `episode`.
        gap_seconds: how long the pattern may pause although the device was well meanwhile.
    """
    pause = (pl.col("timestamp") - pl.col("timestamp").shift()).dt.total_microseconds() > gap_seconds * 1e6
    return events.with_columns(run=(changed("device") | (pause & changed("episode"))).cum_sum())


def ends(rows: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Where each `run` begins, and where it ends."""
    first = rows.select(pl.arg_where(changed("run"))).to_series()
    return first, first.shift(-1, fill_value=rows.height) - 1


def lasting(rows: pl.DataFrame, count: float, seconds: float) -> pl.DataFrame:
    """The rows of runs that may be worth a closer look: of `count` rows at least, over about so many seconds."""
    first, last = ends(rows)
    times = rows["timestamp"]
    # A second less: whoever asks rounds.
    long = (times.gather(last) - times.gather(first)).dt.total_microseconds() >= (seconds - 1) * 1e6
    kept = rows["run"].gather(first).filter(long & (last - first + 1 >= count))
    return rows.filter(pl.col("run").is_in(kept.implode()))


def with_ending(runs: pl.DataFrame, sessions: Sessions) -> pl.DataFrame:
    """Add `ongoing` to runs that have `episode`, their last: nothing was accepted after it, and no logout ended it."""
    if runs.is_empty():
        return runs.with_columns(ongoing=pl.lit(value=True))
    # First by one name, which most devices don't have.
    ended = sessions.episodes.filter(pl.col("device_id").is_in(runs["device_id"].unique().implode())).select(
        *NAMES, "episode", ongoing=pl.col("closed_at").is_null() & ~pl.col("logged_out")
    )
    joined = runs.join(ended, on=[*NAMES, "episode"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("ongoing").fill_null(value=True))


def drafts(runs: pl.DataFrame, **measures: pl.Expr) -> pl.DataFrame:
    """DRAFTS of single devices, one a run, from runs that have their columns and `measures` besides."""
    return runs.select(
        *NAMES,
        "first_seen",
        "last_seen",
        "ongoing",
        "count",
        "reason",
        "rows",
        devices=pl.lit(1, pl.UInt32),
        measures=pl.struct([value.alias(name) for name, value in measures.items()]),
    )


def occurrences(found: pl.DataFrame, gap_seconds: float, **measures: pl.Expr) -> pl.DataFrame:
    """Runs of things that happen to a device now and then: a new one begins after `gap_seconds` of nothing.

    Args:
        found: one row each, in order: `device`, its names, when it `began`, its `timestamp` (when it was complete),
            `reason`, and `lines`, the events that it consists of.
        gap_seconds: how long it may pause.
        measures: what else is to be summed up of each run.

    Returns:
        One row a run: `measures`, `run`, `device`, its names, `first_seen`, `last_seen`, `count`, `reason`, and the
        `rows` of the first two and the last.
    """
    pause = (pl.col("began") - pl.col("timestamp").shift()).dt.total_microseconds() > gap_seconds * 1e6
    rows = found.with_columns(run=(changed("device") | pause).cum_sum())
    runs = rows.group_by("run", maintain_order=True).agg(
        pl.col("device", *NAMES).first(),
        first_seen=pl.col("began").first(),
        last_seen=pl.col("timestamp").last(),
        count=pl.len().cast(pl.UInt32),
        rows=pl.concat([pl.col("lines").head(2), pl.col("lines").tail(1)]).explode(),
        **measures,
    )
    return with_reason(runs, rows, "run")


def with_end(runs: pl.DataFrame, sessions: Sessions, gap_seconds: float) -> pl.DataFrame:
    """Add `ongoing`: the log ends less than `gap_seconds` after the run, so that it may go on."""
    ends_at = sessions.spans.select("system", "end")
    return (
        runs.join(ends_at, on="system", how="left", maintain_order="left")
        .with_columns(ongoing=(pl.col("end") - pl.col("last_seen")).dt.total_microseconds() < gap_seconds * 1e6)
        .drop("end")
    )


def acting(events: pl.DataFrame, *names: str) -> pl.DataFrame:
    """The events that change what is known of a session: `names` of them, see `is_acting`."""
    return events.select(names).filter(events.select(is_acting()).to_series())


def is_acting() -> pl.Expr:
    """Whether an event changes what is known of a session: accepted calls and stragglers don't."""
    return is_event(
        *(AuthEvent.LOGIN_OK, AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED, AuthEvent.REFRESH_FAILED),
        *(AuthEvent.API_DENIED, AuthEvent.API_ANONYMOUS, AuthEvent.LOGOUT),
    )


def follows(steps: pl.DataFrame, condition: pl.Expr, *earlier: str) -> pl.DataFrame:
    """The steps for which `condition` holds, each with what the step before it of the same device has.

    Args:
        steps: some events, in order.
        condition: of the later step alone; only those are looked at.
        earlier: columns of the step before, under these names with `_before`.
    """
    at = steps.select(pl.arg_where(condition & ~changed("device"))).to_series()
    before = steps.select(pl.col(*earlier).name.suffix("_before"))[pl.select(at - 1).to_series()]
    return steps[at].hstack(before)


def pair(first: str = "row_before") -> pl.Expr:
    """`lines` of something that two events are: `first`, and its own `row`."""
    return pl.concat_list(first, "row").alias("lines")


def with_reason(groups: pl.DataFrame, rows: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """Add to `groups` of `rows`, by `keys`, the `reason` that most of its rows have; null where none has one."""
    if rows["reason"].null_count() == rows.height:
        return groups.with_columns(reason=pl.lit(None, REASON))
    told = rows.filter(pl.col("reason").is_not_null())
    counts = told.group_by(*keys, "reason").len()
    most = counts.sort("len", "reason", descending=[True, False]).unique(keys, keep="first", maintain_order=True)
    return groups.join(most.select(*keys, "reason"), on=keys, how="left", maintain_order="left")


def seconds(first: str = "first_seen", last: str = "last_seen") -> pl.Expr:
    """The seconds between two columns.

    Rounded, because a division is not to the last bit the same in a frame of one row as in a longer one.
    """
    return ((pl.col(last) - pl.col(first)).dt.total_microseconds() / 1e6).round(6)
