"""What clients did about their tokens: refreshes, logins and logouts, and what they show when set against refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from authforensics.parallel import by_part
from authforensics.states import GRACE_SECONDS, WAY_SECONDS, AuthEvent

#: A refresh refused so long after a granted one of the same device, in seconds, is its sibling: the shortest of the
#: reuse intervals that ship (pathologies 1.5, race window). One that is refused first comes beside it, or not at all.
AFTER, BEFORE = 10.0, 2.0
_STEPS = [
    AuthEvent.REFRESH_OK.value,
    AuthEvent.REFRESH_DENIED.value,
    AuthEvent.REFRESH_FAILED.value,
    AuthEvent.LOGIN_OK.value,
    AuthEvent.LOGIN_DENIED.value,
    AuthEvent.LOGOUT.value,
]
REFRESHES = _STEPS[:3]
_REFUSED = [AuthEvent.API_DENIED.value, AuthEvent.REFRESH_DENIED.value]


@dataclass(frozen=True)
class AfterFailure:
    """Devices whose refresh failed without a verdict, by what they did next.

    `left`: a logout or a login. `kept` their session: refreshed, or called on and were accepted.
    """

    left: int
    kept: int


def steps(events: Sequence[pl.LazyFrame], hit: pl.DataFrame) -> pl.DataFrame:
    """Refreshes, logins and logouts of some devices in the whole log, in order of device and time.

    Args:
        events: those of the system.
        hit: the `device_id` of each of the devices.
    """
    mine = by_part(
        events,
        lambda part: (
            part.filter(pl.col("auth_event").is_in(_STEPS))
            .select("device_id", "timestamp", "row", "auth_event", "status", "reason")
            .join(hit.lazy().select("device_id"), on="device_id", how="semi")
        ),
    )
    return mine.sort("device_id", "timestamp", "row")


def siblings(steps: pl.DataFrame, events: Sequence[pl.LazyFrame], onset: datetime, last: datetime) -> pl.DataFrame:
    """The refreshes refused from `onset` to `last`: `device_id`, `timestamp`, `reason`, whether `beside` a granted one.

    Of those with nothing granted in between the first.

    Beside is what is near in time, unless the token that was granted had been refused before: who is given a token,
    calls with it in vain and refreshes again does one after the other.

    Args:
        steps: what `steps` gave.
        events: those of the system.
        onset: the first refusal of the incident.
        last: the last one.
    """
    refused = pl.col("auth_event") == AuthEvent.REFRESH_DENIED.value
    mine = steps.filter(refused, pl.col("timestamp").is_between(onset, last)).select("device_id").unique()
    granted = pl.when(pl.col("auth_event") == AuthEvent.REFRESH_OK.value).then("timestamp")
    since = pl.col("timestamp") - granted.forward_fill().over("device_id")
    until = granted.backward_fill().over("device_id") - pl.col("timestamp")
    beside = (since.dt.total_microseconds() <= AFTER * 1e6).fill_null(value=False) | (
        until.dt.total_microseconds() <= BEFORE * 1e6
    ).fill_null(value=False)
    given = pl.col("auth_event").is_in([AuthEvent.REFRESH_OK.value, AuthEvent.LOGIN_OK.value])
    told = (
        steps.join(mine, on="device_id", how="semi", maintain_order="left")
        .with_columns(given=given.cum_sum().over("device_id"))
        .filter(pl.col("auth_event").is_in(REFRESHES))
        .with_columns(beside=beside)
        .filter(refused, pl.col("timestamp").is_between(onset, last))
        # What comes after the first is of a session that is at its end.
        .unique(["device_id", "given"], keep="first", maintain_order=True)
    )
    later = _after_a_trial(events, told.filter("beside").select("device_id").unique(), onset, last)
    return told.select(
        "device_id", "timestamp", "reason", beside=pl.col("beside") & ~pl.col("row").is_in(later["row"].implode())
    )


def _after_a_trial(events: Sequence[pl.LazyFrame], hit: pl.DataFrame, onset: datetime, last: datetime) -> pl.DataFrame:
    """The refused refreshes of some devices that had just tried their newest token in vain: `device_id`, `row`.

    What arrives within the way that an answer takes may carry the token before. Where no duration is logged nobody
    knows: it did if the new token is accepted, or if several calls were under way before.
    """
    given = pl.col("auth_event").is_in([AuthEvent.REFRESH_OK.value, AuthEvent.LOGIN_OK.value])
    refused = pl.col("auth_event") == AuthEvent.REFRESH_DENIED.value
    denied = pl.col("auth_event") == AuthEvent.API_DENIED.value
    accepted = (pl.col("auth_event") == AuthEvent.API_OK.value) & ~pl.col("timed")
    near, moment, since = timedelta(seconds=AFTER), pl.col("timestamp"), pl.col("timestamp") - pl.col("given_at")
    told = by_part(
        events,
        lambda part: (
            part.filter((given | refused | denied | accepted).fill_null(value=False))
            .filter(moment.is_between(onset - near, last + near))
            .select("device_id", "timestamp", "row", "auth_event", "timed", "straggler")
            .join(hit.lazy(), on="device_id", how="semi")
        ),
    )
    token = ["device_id", "token"]
    told = told.sort("device_id", "timestamp", "row").with_columns(token=given.cum_sum().over("device_id"))
    told = told.with_columns(
        given_at=pl.when(given).then(moment).forward_fill().over("device_id"),
        call_before=pl.when(denied).then(pl.when(denied).then(moment).forward_fill().shift().over(token)),
    ).with_columns(call_before=pl.col("call_before").forward_fill().over("device_id"))
    several = given & (moment - pl.col("call_before") <= timedelta(seconds=GRACE_SECONDS))
    sent_later = ~pl.col("straggler") & (since > timedelta(seconds=WAY_SECONDS))
    unsure = (accepted | several).fill_null(value=False).any().over(token)
    vain = denied & pl.when("timed").then(sent_later).otherwise(~unsure)
    # Of what came first: a refresh that was refused before any call had a sibling.
    return (
        told.with_columns(vain=vain)
        .with_columns(tried=pl.col("vain").filter(refused | pl.col("vain")).first().over(token))
        .filter(refused, pl.col("tried"), since <= near)
        .select("device_id", "row")
    )


def after_logout(denials: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """The refusals of an incident that came after a logout of their device; `again`: and after the next login.

    Args:
        denials: the refusals.
        steps: what `steps` gave of their devices.
    """
    left = steps.filter(pl.col("auth_event") == AuthEvent.LOGOUT.value).select("device_id").unique()
    told = denials.filter(pl.col("auth_event").is_in(_REFUSED)).join(left, on="device_id", how="semi").sort("timestamp")
    for name, event in (("logged_out_at", AuthEvent.LOGOUT), ("logged_in_at", AuthEvent.LOGIN_OK)):
        turns = steps.filter(pl.col("auth_event") == event.value).sort("timestamp")
        # What ended in the tick of the clock in which the logout did may have been sent before it.
        told = told.join_asof(
            turns.select("device_id", "timestamp", pl.col("timestamp").alias(name)),
            on="timestamp",
            by="device_id",
            strategy="backward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
    again = (pl.col("logged_in_at") > pl.col("logged_out_at")).fill_null(value=False)
    return told.filter(pl.col("logged_out_at").is_not_null()).with_columns(again=again)


def after_failure(events: Sequence[pl.LazyFrame], onset: datetime, last: datetime) -> AfterFailure:
    """What devices of a system did after a refresh that failed without a verdict, from `onset` to `last`.

    Each by its last failure in that time. What did neither until its log ends is not counted.
    """
    failed = pl.col("auth_event") == AuthEvent.REFRESH_FAILED.value

    def following(part: pl.LazyFrame) -> pl.LazyFrame:
        failures = (
            part.filter(failed, pl.col("timestamp").is_between(onset, last))
            .group_by("device_id")
            .agg(failed_at=pl.col("timestamp").max())
        )
        return (
            part.filter(pl.col("auth_event").is_in([*_STEPS, AuthEvent.API_OK.value]), ~failed, ~pl.col("straggler"))
            .select("device_id", "timestamp", "row", "auth_event")
            .join(failures, on="device_id")
            .filter(pl.col("timestamp") > pl.col("failed_at"))
            .group_by("device_id")
            .agg(next=pl.col("auth_event").sort_by("timestamp", "row").first())
        )

    counts = by_part(events, following)["next"]
    left = counts.is_in([AuthEvent.LOGOUT.value, AuthEvent.LOGIN_OK.value, AuthEvent.LOGIN_DENIED.value])
    kept = counts.is_in([AuthEvent.REFRESH_OK.value, AuthEvent.API_OK.value])
    return AfterFailure(int(left.sum()), int(kept.sum()))
