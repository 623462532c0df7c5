"""What the whole system went through while an incident lasted: small tables, measured in one go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from authforensics.states import AuthEvent

_API = [AuthEvent.API_OK.value, AuthEvent.API_DENIED.value]
_CALLS = [*_API, AuthEvent.REFRESH_OK.value, AuthEvent.REFRESH_DENIED.value]
_REFRESHES = [AuthEvent.REFRESH_OK.value, AuthEvent.REFRESH_DENIED.value, AuthEvent.REFRESH_FAILED.value]
_GRANTS = [AuthEvent.LOGIN_OK.value, AuthEvent.REFRESH_OK.value]
#: Values of `when`. The onset is part of what was before it, and of what came with it.
BEFORE, ONSET, SINCE = range(3)


@dataclass(frozen=True)
class Meanwhile:
    """From the onset to the last refusal of an incident, for the devices of its system, affected or not.

    `calls`: the `total` of those that show whether a token is good, per `upstream`, `route` and `auth_event`.
    `devices`, one row each: whether it made such a `call`, showed a `session`, had a `login`, and its `platform` and
    `app_version`. `refreshes`: `count` per `auth_event` and `when`. `tokens`: of those given, per `granted_by` and
    `when`, how many were `refused` at first use, and `accepted` at all. `refused`: GRANTS of affected devices that
    ended in a refused refresh, `session_age` seconds after their login. `proofs`: when affected devices were first
    accepted after the last refusal, sorted.
    """

    calls: pl.DataFrame
    devices: pl.DataFrame
    refreshes: pl.DataFrame
    tokens: pl.DataFrame
    refused: pl.DataFrame
    proofs: pl.Series


def measure(
    events: pl.LazyFrame,
    grants: pl.LazyFrame,
    affected: pl.DataFrame,
    *,
    onset: datetime,
    last: datetime,
    last_row: int,
) -> Meanwhile:
    """Look at all events, one table after the other: together they take as long, and more memory.

    Args:
        events: those of the system.
        grants: those of the system.
        affected: the `device_id` of each affected device.
        onset: the first refusal of the incident.
        last: the last one.
        last_row: and its place among all lines.
    """
    now = events.filter(pl.col("timestamp").is_between(onset, last))
    return Meanwhile(
        calls=_collected(
            now.filter(pl.col("auth_event").is_in(_CALLS))
            .group_by("upstream", "route", "auth_event")
            .agg(total=pl.len())
        ),
        devices=_devices(now),
        refreshes=_collected(
            events.filter(pl.col("auth_event").is_in(_REFRESHES), pl.col("timestamp") <= last, ~pl.col("straggler"))
            .group_by("auth_event", when=_when("timestamp", onset))
            .agg(count=pl.len())
        ),
        tokens=_tokens(grants, onset, last),
        refused=_refused(grants.join(affected.lazy(), on="device_id", how="semi"), onset, last),
        proofs=_proofs(events.join(affected.lazy(), on="device_id", how="semi"), last, last_row),
    )


def _collected(table: pl.LazyFrame) -> pl.DataFrame:
    return table.collect(engine="streaming")


def _devices(events: pl.LazyFrame) -> pl.DataFrame:
    call = pl.col("auth_event").is_in(_CALLS)
    return _collected(
        events.group_by("device_id").agg(
            call=call.any(),
            session=(pl.col("auth_event") != AuthEvent.LOGIN_DENIED.value).any(),
            login=(pl.col("auth_event") == AuthEvent.LOGIN_OK.value).any(),
            app_version=pl.when(call).then("app_version").drop_nulls().last(),
            platform=pl.when(call).then("platform").drop_nulls().last(),
        )
    )


def _tokens(grants: pl.LazyFrame, onset: datetime, last: datetime) -> pl.DataFrame:
    used = pl.col("accepted") + pl.col("refused") > 0
    return _collected(
        grants.filter(pl.col("granted_at") <= last, pl.col("granted_by").is_in(_GRANTS), used)
        .group_by("granted_by", when=_when("granted_at", onset))
        .agg(refused=pl.col("rejected").sum(), accepted=(pl.col("accepted") > 0).sum())
    )


def _refused(grants: pl.LazyFrame, onset: datetime, last: datetime) -> pl.DataFrame:
    return _collected(
        grants.filter(pl.col("refresh_denied_at").is_between(onset, last)).select(
            "device_id",
            "grant",
            "refreshes",
            "login_at",
            "refresh_denied_at",
            "refresh_denied_age",
            "refresh_denied_reason",
            session_age=(pl.col("refresh_denied_at") - pl.col("login_at")).dt.total_microseconds() / 1e6,
        )
    )


def _proofs(events: pl.LazyFrame, last: datetime, last_row: int) -> pl.Series:
    # Within one tick of the clock the order of the lines decides.
    later = (pl.col("timestamp") > last) | ((pl.col("timestamp") == last) & (pl.col("row") > last_row))
    accepted = events.filter(later, pl.col("auth_event") == AuthEvent.API_OK.value)
    return _collected(accepted.group_by("device_id").agg(pl.col("timestamp").min()))["timestamp"].sort()


def _when(moment: str, onset: datetime) -> pl.Expr:
    return (pl.col(moment) >= onset).cast(pl.UInt8) + (pl.col(moment) > onset).cast(pl.UInt8)
