"""What the whole system went through while an incident lasted: small tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import polars as pl

from authforensics.parallel import PARTS, in_order
from authforensics.states import AuthEvent

_API = [AuthEvent.API_OK.value, AuthEvent.API_DENIED.value]
_FAILED = pl.col("auth_event") == AuthEvent.REFRESH_FAILED.value
_CALLS = [*_API, AuthEvent.REFRESH_OK.value, AuthEvent.REFRESH_DENIED.value]
_ATTEMPTS = [
    AuthEvent.REFRESH_OK.value,
    AuthEvent.REFRESH_DENIED.value,
    AuthEvent.REFRESH_FAILED.value,
    AuthEvent.LOGIN_OK.value,
    AuthEvent.LOGIN_DENIED.value,
]
#: What callers without a session may meet, too.
_OF_NONE = [AuthEvent.LOGIN_DENIED.value, AuthEvent.IGNORED.value]
_GRANTS = [AuthEvent.LOGIN_OK.value, AuthEvent.REFRESH_OK.value]
_PROOFS = [*_GRANTS, AuthEvent.API_OK.value]
_COLUMNS = (
    "device_id",
    "timestamp",
    "row",
    "status",
    "upstream",
    "route",
    "app_version",
    "platform",
    "token",
    "key_id",
    "auth_event",
    "straggler",
)
#: What is over sooner meets few: apps that are in use call every minute or two.
_LEAST = timedelta(minutes=3)
#: Values of `when`. The onset is part of what was before it, and of what came with it.
_BEFORE, _ONSET, _SINCE = range(3)


@dataclass(frozen=True)
class Meanwhile:
    """From the onset to the last refusal of an incident, for the devices of its system, affected or not.

    `upstreams`: the `total` of the calls that show whether a token is good, per `upstream`; `routes`: that of those on
    the API, per `route`; `keys`: that of the first with a token that can be read, per `key_id` that it names; of all,
    how many calls on the API were `accepted`.
    `devices`, one row each: whether it made such a `call`, had a `login`, was refused one (`login_denied`), and its
    `platform` and `app_version`; `there`: the `device_id` of those with a session, and where the time was short of
    those that were accepted within some minutes around. `attempts`: `count` of refreshes and logins per `auth_event`,
    `when`, `status` and `upstream`. `tokens`: of those given, per `granted_by` and `when`, how many were `refused` at
    first use, and `accepted` at all. `refused`: GRANTS of affected devices that ended in a refused refresh,
    `session_age` seconds after their login, and whether they were `used` before. `proofs`: when affected devices were
    first accepted after the last refusal, sorted.
    """

    upstreams: pl.DataFrame
    routes: pl.DataFrame
    keys: pl.DataFrame
    accepted: int
    devices: pl.DataFrame
    there: pl.DataFrame
    attempts: pl.DataFrame
    tokens: pl.DataFrame
    refused: pl.DataFrame
    proofs: pl.Series

    def outcomes(self, event: AuthEvent, *, before: bool) -> tuple[int, int]:
        """How many of the tokens that `event` gave were refused at first use, how many accepted at all."""
        given = self.tokens.filter(pl.col("granted_by") == event.value, _stretch(before=before))
        return int(given["refused"].sum()), int(given["accepted"].sum())

    def refreshes(self, *, before: bool) -> dict[str, int]:
        """How many were `ok`, `denied`, `failed`."""
        found = self._attempts(before=before)
        return {
            "ok": found.get(AuthEvent.REFRESH_OK.value, 0),
            "denied": found.get(AuthEvent.REFRESH_DENIED.value, 0),
            "failed": found.get(AuthEvent.REFRESH_FAILED.value, 0),
        }

    def unanswered(self) -> dict[int | None, int]:
        """Refreshes that got no verdict since the onset, by status, the most frequent first."""
        failed = self.attempts.filter(_FAILED, _stretch(before=False)).group_by("status").agg(pl.col("count").sum())
        return dict(failed.sort("count", "status", descending=[True, False]).rows())

    def failing(self) -> pl.DataFrame:
        """Refreshes since the onset per upstream, its `value`: the `total`, and as `hit` those without a verdict."""
        tried = self.attempts.filter(pl.col("auth_event").is_in(_ATTEMPTS[:3]), _stretch(before=False))
        count = pl.col("count")
        return tried.group_by(value="upstream").agg(hit=count.filter(_FAILED).sum(), total=count.sum())

    def logins(self, *, before: bool) -> dict[str, int]:
        """How many were `ok`, `denied`."""
        found = self._attempts(before=before)
        return {
            "ok": found.get(AuthEvent.LOGIN_OK.value, 0),
            "denied": found.get(AuthEvent.LOGIN_DENIED.value, 0),
        }

    def _attempts(self, *, before: bool) -> dict[str, int]:
        tried = self.attempts.filter(_stretch(before=before))
        counts = tried.group_by(pl.col("auth_event").cast(pl.String)).agg(pl.col("count").sum())
        return dict(counts.rows())


def _stretch(*, before: bool) -> pl.Expr:
    """Until the onset, or from then on."""
    return pl.col("when").is_in([_BEFORE, _ONSET] if before else [_ONSET, _SINCE])


@dataclass(frozen=True)
class _Stretch:
    """An incident's: from its `onset` to the `last` refusal, in the line `last_row`."""

    onset: datetime
    last: datetime
    last_row: int


def measure(
    events: Sequence[pl.LazyFrame],
    grants: pl.LazyFrame,
    affected: pl.DataFrame,
    *,
    onset: datetime,
    last: datetime,
    last_row: int,
) -> Meanwhile:
    """Look at all events, one part after the other.

    Args:
        events: those of the system, no device in two parts.
        grants: those of the system.
        affected: the `device_id` of each affected device.
        onset: the first refusal of the incident.
        last: the last one.
        last_row: and its place among all lines.
    """
    stretch = _Stretch(onset, last, last_row)
    seen = list(in_order(events, partial(_seen, affected=affected, stretch=stretch), PARTS))
    upstreams, routes, keys, devices, there, attempts, proofs = map(pl.concat, zip(*seen, strict=True))
    routes = routes.group_by("route").agg(pl.col("total", "accepted").sum())
    return Meanwhile(
        upstreams=upstreams.group_by("upstream").agg(pl.col("total", "accepted").sum()),
        routes=routes,
        keys=keys.group_by("key_id").agg(pl.col("total", "accepted").sum()),
        accepted=int(routes["accepted"].sum()),
        devices=devices,
        there=there,
        attempts=attempts.group_by("auth_event", "when", "status", "upstream").agg(pl.col("count").sum()),
        tokens=_tokens(grants, onset, last),
        refused=_refused(grants.join(affected.lazy(), on="device_id", how="semi"), onset, last),
        proofs=proofs["timestamp"].sort(),
    )


def _seen(part: pl.LazyFrame, affected: pl.DataFrame, stretch: _Stretch) -> list[pl.DataFrame]:
    """`upstreams`, `routes`, `keys`, `devices`, `there`, `attempts` and `proofs` of a part of the events."""
    # Read once, with no more than is needed: five times would take as long again.
    events = part.select(_COLUMNS).collect(engine="in-memory").lazy()
    now = events.filter(pl.col("timestamp").is_between(stretch.onset, stretch.last))
    accepted = pl.col("auth_event") == AuthEvent.API_OK.value
    attempts = events.filter(
        pl.col("auth_event").is_in(_ATTEMPTS), pl.col("timestamp") <= stretch.last, ~pl.col("straggler")
    )
    return pl.collect_all(
        [
            now.filter(pl.col("auth_event").is_in(_CALLS))
            .group_by("upstream")
            .agg(total=pl.len(), accepted=accepted.sum()),
            now.filter(pl.col("auth_event").is_in(_API)).group_by("route").agg(total=pl.len(), accepted=accepted.sum()),
            now.filter(pl.col("auth_event").is_in(_CALLS), pl.col("token").is_not_null())
            .group_by("key_id")
            .agg(total=pl.len(), accepted=accepted.sum()),
            _devices(now),
            _there(events, stretch),
            attempts.group_by("auth_event", "status", "upstream", when=_when("timestamp", stretch.onset)).agg(
                count=pl.len()
            ),
            _proofs(events.filter(accepted), stretch).join(affected.lazy(), on="device_id", how="semi"),
        ],
        engine="in-memory",
    )


def _devices(events: pl.LazyFrame) -> pl.LazyFrame:
    call = pl.col("auth_event").is_in(_CALLS)
    return events.group_by("device_id").agg(
        call=call.any(),
        login=(pl.col("auth_event") == AuthEvent.LOGIN_OK.value).any(),
        login_denied=(pl.col("auth_event") == AuthEvent.LOGIN_DENIED.value).any(),
        app_version=pl.when(call).then("app_version").drop_nulls().last(),
        platform=pl.when(call).then("platform").drop_nulls().last(),
    )


def _there(events: pl.LazyFrame, stretch: _Stretch) -> pl.LazyFrame:
    around = max(_LEAST - (stretch.last - stretch.onset), timedelta()) / 2
    now = pl.col("timestamp").is_between(stretch.onset, stretch.last) & ~pl.col("auth_event").is_in(_OF_NONE)
    near = pl.col("timestamp").is_between(stretch.onset - around, stretch.last + around)
    return events.filter(now | (near & pl.col("auth_event").is_in(_PROOFS))).select("device_id").unique()


def instances(upstreams: pl.DataFrame, denials: pl.DataFrame) -> pl.DataFrame:
    """The known upstreams: `upstream`, `refused` calls and refreshes of a `total`, the most refused first.

    Of the calls on the API, `refused_api` and `accepted`.

    Args:
        upstreams: those of `Meanwhile`.
        denials: the refusals of the incident.
    """
    on_api = pl.col("auth_event") == AuthEvent.API_DENIED.value
    hits = denials.group_by("upstream").agg(refused=pl.len(), refused_api=on_api.sum())
    calls = upstreams.filter(pl.col("upstream").is_not_null())
    shares = calls.join(hits, on="upstream", how="left").with_columns(pl.col("refused", "refused_api").fill_null(0))
    return shares.with_columns(pl.col("upstream").cast(pl.String)).sort("refused", "upstream", descending=[True, False])


def _collected(table: pl.LazyFrame) -> pl.DataFrame:
    return table.collect(engine="streaming")


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
            "granted_by",
            "granted_at",
            used=pl.col("accepted") > 0,
            session_age=(pl.col("refresh_denied_at") - pl.col("login_at")).dt.total_microseconds() / 1e6,
        )
    )


def _proofs(accepted: pl.LazyFrame, stretch: _Stretch) -> pl.LazyFrame:
    moment = pl.col("timestamp")
    # Within one tick of the clock the order of the lines decides.
    later = (moment > stretch.last) | ((moment == stretch.last) & (pl.col("row") > stretch.last_row))
    return accepted.filter(later).group_by("device_id").agg(moment.min())


def _when(moment: str, onset: datetime) -> pl.Expr:
    return (pl.col(moment) >= onset).cast(pl.UInt8) + (pl.col(moment) > onset).cast(pl.UInt8)
