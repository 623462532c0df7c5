"""How the versions of an app behave after a refusal: the share of devices that do what is right, and what others do.

Right is: refused, refresh once, refused again, login; and nothing is sent any more until somebody has logged in.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.devices import Client
from authforensics.schema import Sessions
from authforensics.states import AuthEvent

#: Refused calls after it was over before a client "keeps calling", over at least `PATIENCE_SECONDS`: as for a zombie
#: (pathologies 1.5). Fewer may be one screen's parallel calls.
KEPT = 3
#: Seconds that stand for the duration of a call where the log has none (semantics, "Order and concurrency").
GRACE_SECONDS = 2.0
#: Seconds after which a refresh may be due to the next expiry: the shortest access lifetime that products ship, 5 min
#: (simplejwt, Keycloak, Spring).
EXPIRY_SECONDS = 300.0
#: Seconds that a client may take to refresh, or to show its login: pollers call within a minute.
PATIENCE_SECONDS = 60.0
#: Versions listed per system, those with most devices first.
MAX_CLIENTS = 100
#: What the identity ladder calls a device that nothing but address and user agent tells from others.
_WEAK = "client_ip+user_agent"
_DEVICE = ["system", "device_id"]
#: One number for an episode of a device.
_EPISODE = "of"
_CLIENT = ["system", "platform", "app_version"]
_FLAGS = ("refreshed_again", "looped", "never_refreshed", "kept_calling", "kept_writing", "unauthenticated")
#: `relogged`: devices that always went straight to the login; wrong only where others of the system refresh.
_COUNTS = ("devices", "right", "wrong", "relogged", *_FLAGS, "weak")
_TRIES = [AuthEvent.REFRESH_OK.value, AuthEvent.REFRESH_DENIED.value, AuthEvent.REFRESH_FAILED.value]
_REFUSED = [AuthEvent.API_DENIED.value, AuthEvent.API_ANONYMOUS.value]
_TELLING = [*_TRIES, *_REFUSED, AuthEvent.LOGIN_OK.value]
#: What is looked at of an event.
_LOOKED_AT = (
    *("device", "episode", "timestamp", "started_at", "timed", "auth_event", "grant", "granted_by", "age", "rejection"),
    *("write", "platform", "app_version"),
)


def observe(sessions: Sessions) -> pl.DataFrame:
    """Count the devices of one partition that met a refusal, per platform and version they had then.

    Returns:
        `system`, `platform`, `app_version`, and of how many devices what is true.
    """
    ends = sessions.spans.select("system", "end")
    known = sessions.devices.select(*_DEVICE, "platform", "app_version", weak=pl.col("identity_key") == _WEAK)
    known = known.with_row_index("device")
    episodes = (
        sessions.episodes.filter("session_seen")
        .join(ends, on="system", how="left")
        .join(known.select("device", *_DEVICE), on=_DEVICE, how="left")
        .select("device", _key(), **_told())
    )
    telling = sessions.events.select(pl.col("auth_event").is_in(_TELLING) & ~pl.col("straggler")).to_series()
    events = sessions.events.select(_LOOKED_AT).filter(telling).with_columns(_key())
    events = events.filter(pl.col(_EPISODE).is_in(episodes[_EPISODE].implode()))
    odd = episodes.filter(~pl.col("plain"))[_EPISODE]
    return _counted(
        episodes.join(_deeds(events.filter(pl.col(_EPISODE).is_in(odd.implode()))), on=_EPISODE, how="left")
        .join(_clients(events), on=_EPISODE, how="left")
        .join(known, on="device", how="left", suffix="_last")
        .with_columns(pl.coalesce(name, f"{name}_last") for name in ("platform", "app_version"))
        .with_columns(pl.col(name).fill_null(value=False) for name in _FLAGS)
    )


def _key() -> pl.Expr:
    """Of a partition's devices the number, and that of the episode."""
    return (pl.col("device").cast(pl.UInt64) * 2**32 + pl.col("episode")).alias(_EPISODE)


def _told() -> dict[str, pl.Expr]:
    """What EPISODES tell by themselves, with the log's `end`: whether it was an ordinary expiry, how it ended."""
    tries = pl.col("refresh_ok") + pl.col("refresh_denied") + pl.col("refresh_failed")
    closed, refused = pl.col("closed_at").is_not_null(), pl.col("refresh_denied") + pl.col("rejected_refresh") > 0
    lasted = (pl.col("last_seen") - pl.col("first_seen")).dt.total_microseconds() / 1e6
    silent = (pl.col("end") - pl.col("last_seen")).dt.total_microseconds() / 1e6 >= PATIENCE_SECONDS
    ended = closed | pl.col("logged_out") | (pl.col("login_ok") > 0) | (refused & silent)
    untried = tries + pl.col("login_ok") == 0
    return {
        "plain": closed & (tries == 1) & (pl.col("refresh_ok") == 1) & ~refused & (pl.col("login_ok") == 0),
        "good": ended & ~untried,
        "tried": tries > 0,
        "relogged": (tries == 0) & (pl.col("login_ok") > 0),
        "never_refreshed": untried & (pl.col("denied") >= KEPT) & (lasted >= PATIENCE_SECONDS),
    }


def _changed(*keys: str) -> pl.Expr:
    return pl.any_horizontal(pl.col(key).ne_missing(pl.col(key).shift()) for key in keys)


def _deeds(events: pl.DataFrame) -> pl.DataFrame:
    """What was done wrong in each episode. `events` are those of whole episodes, in order of device and time."""
    login = pl.col("auth_event") == AuthEvent.LOGIN_OK.value
    # Between two logins.
    rows = events.with_columns(
        stretch=(_changed("device", "episode") | login.shift()).fill_null(value=True).cum_sum(),
        tries=pl.col("auth_event").is_in(_TRIES),
        refused=pl.col("auth_event").is_in(_REFUSED),
        rejected=pl.col("rejection")
        & (pl.col("granted_by") == AuthEvent.REFRESH_OK.value).fill_null(value=False)
        & (pl.col("age") <= EXPIRY_SECONDS).fill_null(value=False),
    )
    verdict = (pl.col("auth_event") == AuthEvent.REFRESH_DENIED.value) | pl.col("rejected")
    rows = rows.with_columns(*_before("tries", pl.col("tries")), *_before("verdict", verdict))
    retried = pl.col("tries") & (pl.col("tries_stretch") == pl.col("stretch")) & _waited("tries_at")
    soon = (pl.col("timestamp") - pl.col("tries_at")).dt.total_microseconds() / 1e6 <= EXPIRY_SECONDS
    refused_again = (pl.col("tries_event") == AuthEvent.REFRESH_OK.value) & pl.col("refused").shift() & soon
    again = retried & ((pl.col("tries_event") == AuthEvent.REFRESH_DENIED.value) | refused_again)
    same = (pl.col("verdict_stretch") == pl.col("stretch")) & (pl.col("verdict_grant") == pl.col("grant"))
    late = (pl.col("refused") & same & _waited("verdict_at")).fill_null(value=False)
    told_at, called_at = pl.col("verdict_at").filter(late).first(), pl.col("timestamp").filter(late).last()
    lasted = (called_at - told_at).dt.total_microseconds() / 1e6
    kept = ((late.sum() >= KEPT) & (lasted >= PATIENCE_SECONDS)).fill_null(value=False)
    return rows.group_by(_EPISODE).agg(
        refreshed_again=again.fill_null(value=False).any(),
        looped=pl.col("rejected").sum() >= 2,
        kept_calling=kept,
        kept_writing=kept & (late & pl.col("write")).any(),
        unauthenticated=(pl.col("auth_event") == AuthEvent.API_ANONYMOUS.value).sum() >= KEPT,
    )


def _before(name: str, hit: pl.Expr) -> list[pl.Expr]:
    """When and what the last event before was that is a `hit`; it may be another device's: `_stretch` tells."""
    of_hit = {"at": "timestamp", "event": "auth_event", "stretch": "stretch", "grant": "grant"}
    return [pl.when(hit).then(column).forward_fill().shift().alias(f"{name}_{key}") for key, column in of_hit.items()]


def _waited(since: str) -> pl.Expr:
    """Whether a request was made when the answer of the one that ended at `since` was known."""
    ended = (pl.col("timestamp") - pl.col(since)).dt.total_microseconds() / 1e6
    return pl.when("timed").then(pl.col("started_at") >= pl.col(since)).otherwise(ended > GRACE_SECONDS)


def _clients(events: pl.DataFrame) -> pl.DataFrame:
    """Platform and version of each episode, as its refused calls name them."""
    refused = events.filter(pl.col("auth_event").is_in([*_REFUSED, AuthEvent.REFRESH_DENIED.value]))
    return refused.group_by(_EPISODE).agg(pl.col("platform", "app_version").first(ignore_nulls=True))


def _counted(told: pl.DataFrame) -> pl.DataFrame:
    wrong = pl.any_horizontal(_FLAGS)
    relogged = ~wrong & ~pl.col("tried") & (pl.col("relogged") >= 2)
    devices = (
        told.group_by("device", "platform", "app_version")
        .agg(pl.col("system").first(), pl.col("good", "tried", "weak", *_FLAGS).any(), pl.col("relogged").sum())
        .with_columns(wrong=wrong, relogged=relogged)
        .with_columns(devices=pl.lit(value=True), right=pl.col("good") & ~pl.col("wrong") & ~pl.col("relogged"))
    )
    return devices.group_by(_CLIENT).agg(pl.col(name).sum().cast(pl.UInt32) for name in _COUNTS)


def merge(parts: Sequence[pl.DataFrame], counts: pl.DataFrame) -> tuple[tuple[Client, ...], int]:
    """The versions of all systems, of each those with most devices first; and how many were left out.

    Args:
        parts: what `observe` gave of every partition.
        counts: requests per `system` and `auth_event`.
    """
    refreshing = counts.filter(pl.col("auth_event") == AuthEvent.REFRESH_OK.value, pl.col("count") > 0)["system"]
    refreshes = pl.col("system").is_in(refreshing.unique().cast(pl.String).implode())
    summed = (
        pl.concat(parts)
        .with_columns(pl.col(_CLIENT).cast(pl.String))
        .group_by(_CLIENT)
        .agg(pl.col(_COUNTS).sum().cast(pl.Int64))
        .with_columns(
            *(
                pl.when(refreshes).then(pl.col(name) + pl.col("relogged")).otherwise(name)
                for name in ("wrong", "never_refreshed")
            ),
            right=pl.when(refreshes).then("right").otherwise(pl.col("right") + pl.col("relogged")),
        )
        .with_columns(undecided=pl.col("devices") - pl.col("right") - pl.col("wrong"))
        .drop("wrong", "relogged")
        .sort("system", "devices", "platform", "app_version", descending=[False, True, False, False], nulls_last=True)
    )
    listed = summed.filter(pl.int_range(pl.len()).over("system") < MAX_CLIENTS)
    return tuple(Client(**row) for row in listed.to_dicts()), summed.height - listed.height
