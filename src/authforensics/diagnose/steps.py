"""What clients did about their tokens: refreshes, logins and logouts, and what they show when set against refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from authforensics.parallel import by_part
from authforensics.states import AuthEvent

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
    told = (
        steps.filter(pl.col("auth_event").is_in(REFRESHES))
        .join(mine, on="device_id", how="semi", maintain_order="left")
        .with_columns(beside=beside)
        .filter(refused, pl.col("timestamp").is_between(onset, last))
    )
    later = _after_a_trial(events, told.filter("beside").select("device_id").unique(), onset, last)
    return told.join(later, on=["device_id", "row"], how="left", maintain_order="left").select(
        "device_id", "timestamp", "reason", beside=pl.col("beside") & pl.col("tried").is_null()
    )


def _after_a_trial(events: Sequence[pl.LazyFrame], hit: pl.DataFrame, onset: datetime, last: datetime) -> pl.DataFrame:
    """The refused refreshes of some devices whose newest token had been refused before: `device_id`, `row`, `tried`.

    Where no duration is logged, nobody knows whether a call right after a grant carried the new token or the old one:
    it was the old one if the new one was ever accepted.
    """
    given = pl.col("auth_event").is_in([AuthEvent.REFRESH_OK.value, AuthEvent.LOGIN_OK.value])
    refused = pl.col("auth_event") == AuthEvent.REFRESH_DENIED.value
    vain = (pl.col("auth_event") == AuthEvent.API_DENIED.value) & ~(pl.col("timed") & pl.col("straggler"))
    works = (pl.col("auth_event") == AuthEvent.API_OK.value) & ~pl.col("timed")
    kept = given | refused | vain | works
    near = timedelta(seconds=AFTER)
    return by_part(
        events,
        lambda part: (
            part.filter(kept.fill_null(value=False), pl.col("timestamp").is_between(onset - near, last + near))
            .select("device_id", "timestamp", "row", "auth_event", "timed", "straggler")
            .join(hit.lazy(), on="device_id", how="semi")
            .sort("device_id", "timestamp", "row")
            .with_columns(token=given.cum_sum().over("device_id"))
            # What came first, of the calls and the refreshes with a token: one that was refused first had a sibling.
            .with_columns(
                tried=vain.filter(vain | refused).first().over("device_id", "token"),
                works=works.any().over("device_id", "token"),
            )
            .filter(refused, pl.col("token") > 0, pl.col("tried"), ~pl.col("works"))
            .select("device_id", "row", "tried")
        ),
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
