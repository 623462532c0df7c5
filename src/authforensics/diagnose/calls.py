"""The calls that were refused to each affected device, and what the same device was granted around them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from authforensics.parallel import by_part
from authforensics.states import AuthEvent

#: Pauses that differ from the median by no more than this share are one pace: timers are that exact, people are not.
_PACE = 0.2
_CALL = ["device_id", "route"]
#: What is usual is told by so many hours; of it, hardly any is less than a fifth.
_HOURS, _HARDLY = 3, 0.2


def refused(events: Sequence[pl.LazyFrame], denials: pl.DataFrame) -> pl.DataFrame:
    """One row a device and route refused to it: `device_id`, `route`, `refusals`, `first_refused`, `last_refused`.

    `steady`: the share of the pauses between refusals, in seconds, that are near their median, `pause`. `before`,
    `between`, `after`: how often the route was granted to that device before the first refusal there, up to the last,
    and later. `elsewhere`: how often other routes, never refused to it, were granted to it between its first and its
    last refusal anywhere.

    Args:
        events: those of the system.
        denials: the refusals of the incident.
    """
    told = denials.filter(pl.col("auth_event") == AuthEvent.API_DENIED.value, ~pl.col("straggler"))
    pauses = pl.col("timestamp").sort().diff().dt.total_microseconds() / 1e6
    calls = told.group_by(_CALL).agg(
        first_refused=pl.col("timestamp").min(),
        last_refused=pl.col("timestamp").max(),
        refusals=pl.len(),
        pause=pauses.median(),
        steady=((pauses - pauses.median()).abs() <= _PACE * pauses.median()).mean(),
    )
    devices = calls.group_by("device_id").agg(begin=pl.col("first_refused").min(), end=pl.col("last_refused").max())
    moment, own = pl.col("timestamp"), pl.col("first_refused").is_not_null()
    granted = by_part(
        events,
        lambda part: (
            part.filter(pl.col("auth_event") == AuthEvent.API_OK.value)
            .select(*_CALL, "timestamp")
            .join(devices.lazy(), on="device_id")
            .join(calls.lazy().select(*_CALL, "first_refused", "last_refused"), on=_CALL, how="left", nulls_equal=True)
            .group_by(_CALL)
            .agg(
                before=(moment < pl.col("first_refused")).sum(),
                between=moment.is_between("first_refused", "last_refused", closed="left").sum(),
                after=(moment >= pl.col("last_refused")).sum(),
                elsewhere=(~own & moment.is_between("begin", "end")).sum(),
            )
        ),
    )
    others = granted.group_by("device_id").agg(pl.col("elsewhere").sum())
    return (
        calls.join(granted.drop("elsewhere"), on=_CALL, how="left", nulls_equal=True)
        .join(others, on="device_id", how="left")
        .with_columns(pl.col("before", "between", "after", "elsewhere").fill_null(0))
    )


def accepted_on(events: Sequence[pl.LazyFrame], denials: pl.DataFrame, upstreams: Sequence[str]) -> int:
    """How many calls of the affected devices some instances accepted, from the first refusal of theirs to the last.

    Args:
        events: those of the system.
        denials: the refusals of the incident.
        upstreams: the instances.
    """
    spans = denials.group_by("device_id").agg(begin=pl.col("timestamp").min(), end=pl.col("timestamp").max())
    counted = by_part(
        events,
        lambda part: (
            part.filter(
                pl.col("auth_event") == AuthEvent.API_OK.value, pl.col("upstream").cast(pl.String).is_in(upstreams)
            )
            .select("device_id", "timestamp")
            .join(spans.lazy(), on="device_id")
            .filter(pl.col("timestamp").is_between("begin", "end"))
            .select(count=pl.len())
        ),
    )
    return int(counted["count"].sum())


def before(events: Sequence[pl.LazyFrame], denials: pl.DataFrame) -> int:
    """How many calls were granted before the first refusal, to anybody, on the routes that were refused since.

    Args:
        events: those of the system.
        denials: the refusals of the incident.
    """
    told = denials.filter(pl.col("auth_event") == AuthEvent.API_DENIED.value)
    routes, onset = told.select("route").unique(), told["timestamp"].min()
    counted = by_part(
        events,
        lambda part: (
            part.filter(pl.col("auth_event") == AuthEvent.API_OK.value, pl.col("timestamp") < onset)
            .select("route")
            .join(routes.lazy(), on="route", how="semi")
            .select(count=pl.len())
        ),
    )
    return int(counted["count"].sum())


def ever_accepted(grants: pl.LazyFrame, hit: pl.DataFrame) -> int:
    """How many devices had a call accepted at any time of the log.

    Args:
        grants: those of the system.
        hit: the `device_id` of each of the devices.
    """
    mine = grants.filter(pl.col("accepted") > 0).join(hit.lazy(), on="device_id", how="semi")
    return int(mine.select(pl.col("device_id").n_unique()).collect(engine="streaming").item())


def silence(events: Sequence[pl.LazyFrame], until: datetime) -> float:
    """For how many seconds before `until` hardly any call of a system was accepted, in whole minutes.

    Hardly any: fewer than a fifth of what is usual in a minute of the hours before.
    """
    begin = until - timedelta(hours=_HOURS)
    minutes = by_part(
        events,
        lambda part: (
            part.filter(pl.col("auth_event") == AuthEvent.API_OK.value, pl.col("timestamp").is_between(begin, until))
            .group_by(ago=(until - pl.col("timestamp")).dt.total_seconds() // 60)
            .len()
        ),
    )
    counts = pl.DataFrame({"ago": pl.int_range(60 * _HOURS, eager=True)}).join(
        minutes.group_by("ago").agg(pl.col("len").sum()), on="ago", how="left"
    )
    counts = counts.with_columns(pl.col("len").fill_null(0)).sort("ago")
    few = counts["len"] < _HARDLY * float(counts["len"].median())  # type: ignore[arg-type]
    ends = (~few).arg_true()
    return 60.0 * (int(ends[0]) if len(ends) else 0)


def versions(events: Sequence[pl.LazyFrame], hit: pl.DataFrame) -> pl.DataFrame:
    """Which versions some devices called with: `device_id`, `app_version`, when `first_seen`, calls `accepted`.

    Args:
        events: those of the system.
        hit: the `device_id` of each of the devices.
    """
    accepted = pl.col("auth_event") == AuthEvent.API_OK.value
    return by_part(
        events,
        lambda part: (
            part.filter(pl.col("app_version").is_not_null())
            .join(hit.lazy().select("device_id"), on="device_id", how="semi")
            .group_by("device_id", "app_version")
            .agg(first_seen=pl.col("timestamp").min(), accepted=accepted.sum())
        ),
    )
