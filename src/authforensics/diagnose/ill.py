"""Which episodes of a session are ill, and of what kind each is; all others are ordinary expiries."""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.reach import lasts
from authforensics.schema import Reason
from authforensics.states import GRACE_SECONDS

DEVICE = ["system", "device_id"]
#: What a key that doesn't fit is called by verifiers.
KEY_FAULTS = (Reason.SIGNATURE_INVALID, Reason.KEY_NOT_FOUND, Reason.ALGORITHM_REJECTED)
#: Refusals before a login that an obedient client may have: the refresh, and one that ran beside it.
OBEYS = 2
#: How long a client may try until a refresh gets a verdict, before it is more than a hiccup.
_HICCUP_SECONDS = 60.0
#: Refused calls before the login of a client that didn't care, where they last, too: as for a zombie.
_CALLS_ON = 3
KINDS = pl.Enum(["ignored", "key", "refresh", "rejected", "unanswered"])


def _kind() -> pl.Expr:
    """What is wrong in an episode; null in an ordinary expiry, which a refresh heals, and where `_unproven`.

    `key` (signature or key), `rejected` (a token just given was refused), `refresh` (a refresh was refused),
    `unanswered` (it got no verdict, and none soon), `ignored` (refused, and the client never tried to refresh, or only
    logged in after a time).
    """
    faults = [fault.value for fault in KEY_FAULTS]
    key = pl.col("reason").is_in(faults) | pl.col("refresh_reason").is_in(faults)
    refreshed = _refreshes()
    tried = refreshed | (pl.col("login_ok") > 0)
    # Who logs in for the first time is no client that lost its session.
    known = (pl.col("episode") > 0) | pl.col("reason").is_not_null()
    late = ~refreshed & known & _calls_on()
    return (
        pl.when(key.fill_null(value=False))
        .then(pl.lit("key", KINDS))
        .when(pl.col("rejected_refresh") + pl.col("rejected_login") > 0)
        .then(pl.lit("rejected", KINDS))
        .when(pl.col("refresh_denied") > 0)
        .then(pl.lit("refresh", KINDS))
        .when((pl.col("refresh_failed") > 0) & ~_hiccup())
        .then(pl.lit("unanswered", KINDS))
        .when((~tried | late) & pl.col("session_seen"))
        .then(pl.lit("ignored", KINDS))
    )


def _hiccup() -> pl.Expr:
    """Whether refreshes got no verdict, and one was granted soon: nothing by itself, but part of an outage."""
    soon = (pl.col("closed_at") - pl.col("first_seen")).dt.total_seconds() <= _HICCUP_SECONDS
    return (pl.col("refresh_failed") > 0) & (pl.col("refresh_ok") > 0) & soon.fill_null(value=False)


def _calls_on() -> pl.Expr:
    return lasts() & (pl.col("denied") >= _CALLS_ON)


def _refreshes() -> pl.Expr:
    return pl.sum_horizontal("refresh_ok", "refresh_denied", "refresh_failed") > 0


def _unproven() -> pl.Expr:
    """Whether a device was refused from its first call on, for a time, and nothing says if it had a session.

    It may have come with one that had died before the log began, or with none at all.
    """
    return (pl.col("episode") == 0) & pl.col("reason").is_null() & ~_refreshes() & _calls_on()


def barred() -> pl.Expr:
    """Whether a device that had been accepted was refused the login, too, when one was due."""
    return (pl.col("episode") > 0) & pl.col("barred_at").is_not_null()


def keep(episodes: pl.DataFrame) -> pl.DataFrame:
    """Of EPISODES those that can be part of an incident: all but ordinary expiries.

    Of what is `_unproven` only that of devices of which there is something else, too.
    """
    found = episodes.with_columns(kind=_kind()).filter(pl.col("kind").is_not_null() | _unproven() | _hiccup())
    others = found.filter(pl.col("kind").is_not_null()).select(DEVICE, other=pl.lit(value=True)).unique()
    told = found.join(others, on=DEVICE, how="left", maintain_order="left")
    return told.filter(pl.col("other") | _hiccup()).drop("kind", "other")


def ill(episodes: pl.LazyFrame) -> pl.DataFrame:
    """Each episode with its `kind`, whether the client `obeyed`, and whether the log `told` a reason.

    Obeyed: the refresh was refused and a login followed, or nothing. Not so of who is `barred`, refused the login as
    well: that lasts until the last of these. What is `_unproven` is what its device does next, if that is to call on,
    too.
    """
    # Refused once or twice, perhaps a call still in flight, then the login: a client that does what it should.
    # One that left there did no harm either.
    few = (pl.col("refresh_denied") <= OBEYS) & (pl.col("zombie_denied") <= OBEYS)
    # What is refused within a round trip was sent side by side: one attempt, however many lines it has.
    at_once = (pl.col("last_seen") - pl.col("first_seen")).dt.total_microseconds() <= GRACE_SECONDS * 1e6
    found = _described(
        episodes.with_columns(kind=_kind()).filter(pl.col("kind").is_not_null() | _unproven()),
        (few | at_once) & (pl.col("kind") == "refresh"),
    )
    if not found["kind"].null_count():
        return found
    following = pl.when(pl.col("kind").is_in(["refresh", "ignored"]) & ~pl.col("obeyed")).then("kind")
    ordered = found.sort(*DEVICE, "episode").with_columns(
        next=following.shift(-1).over(DEVICE), obeyed=pl.col("obeyed").fill_null(value=False)
    )
    return ordered.with_columns(kind=pl.coalesce("kind", "next")).filter(pl.col("kind").is_not_null()).drop("next")


def failing(episodes: pl.LazyFrame) -> pl.DataFrame:
    """As `ill`, the others in which refreshes got no verdict: one was granted soon, or refused for no stated reason."""
    unexplained = pl.col("reason").is_null() & pl.col("refresh_reason").is_null()
    refused = (pl.col("kind") == "refresh") & (pl.col("refresh_failed") > 0) & unexplained
    found = episodes.with_columns(kind=_kind()).filter((pl.col("kind").is_null() & _hiccup()) | refused)
    return _described(found.with_columns(pl.col("kind").fill_null(pl.lit("unanswered", KINDS))), pl.lit(value=False))


def _described(episodes: pl.LazyFrame, obeyed: pl.Expr) -> pl.DataFrame:
    locked_out = ((pl.col("kind") == "refresh") & barred()).fill_null(value=False)
    return (
        episodes.with_columns(barred=locked_out)
        .select(
            *DEVICE,
            "episode",
            "first_seen",
            pl.when("barred").then(pl.max_horizontal("last_seen", "barred_at")).otherwise("last_seen"),
            "closed_at",
            "kind",
            "barred",
            obeyed=obeyed & ~pl.col("barred"),
            told=pl.col("reason").is_not_null() | pl.col("refresh_reason").is_not_null(),
            # That a token expired says nothing of an incident.
            why=pl.coalesce(
                pl.when(pl.col(name) != Reason.TOKEN_EXPIRED.value).then(name) for name in ("refresh_reason", "reason")
            ).cast(pl.String),
        )
        .collect(engine="streaming")
    )
