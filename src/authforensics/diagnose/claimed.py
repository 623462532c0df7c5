"""How long tokens live as their own claims have it, where the log shows tokens: from `iat` to `exp`.

Counted are tokens that were accepted: anybody can write one that says something else. A token with which calls of the
API were made is one for access; one that only refreshed, and lives as long as none of these, is a refresh token.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.document import Lifetime, Lifetimes
from authforensics.schema import TEXT, TIMESTAMP, Sessions
from authforensics.states import AuthEvent

_LIVES: dict[str, pl.DataType] = {
    "system": TEXT,
    "access": pl.Boolean(),
    "seconds": pl.Float64(),
    "tokens": pl.UInt32(),
    "first": TIMESTAMP,
    "last": TIMESTAMP,
}
#: What few tokens say is an exception: those of a service, of a test.
_SHARE = 0.05


def observe(sessions: Sessions) -> pl.DataFrame:
    """What the tokens of a partition claim to live: `tokens` by `seconds`, issued from `first` to `last`.

    `access`: calls were made with them; null: only refreshes.
    """
    events = sessions.events
    used = pl.col("auth_event").is_in([AuthEvent.API_OK.value, AuthEvent.REFRESH_OK.value])
    lives = (pl.col("expires_at") - pl.col("issued_at")).dt.total_microseconds() / 1e6
    if not events["token"].count():
        return pl.DataFrame(schema=_LIVES)
    tokens = (
        events.lazy()
        .filter(pl.col("token").is_not_null() & used & (lives > 0))
        .group_by("system", "token")
        .agg(
            access=(pl.col("auth_event") == AuthEvent.API_OK.value).any(),
            seconds=lives.first(),
            issued_at=pl.col("issued_at").first(),
        )
    )
    counted = tokens.group_by("system", "access", "seconds").agg(
        tokens=pl.len(), first=pl.col("issued_at").min(), last=pl.col("issued_at").max()
    )
    return counted.collect().select(pl.col(name).cast(dtype) for name, dtype in _LIVES.items())


def applied(parts: Sequence[pl.DataFrame], system: str, inferred: Lifetimes) -> Lifetimes:
    """The lifetimes of a system: those that its tokens claim, and those that were inferred where they claim none.

    Args:
        parts: what `observe` gave of each partition.
        system: whose.
        inferred: see `lifetimes.infer`.
    """
    mine = pl.concat(parts).filter(pl.col("system") == system)
    lives = mine.group_by("access", "seconds").agg(pl.col("tokens").sum(), pl.col("first").min(), pl.col("last").max())
    of_access = lives.filter("access")
    of_refresh = lives.filter(~pl.col("access"), ~pl.col("seconds").is_in(of_access["seconds"].implode()))
    access, refresh = _told(of_access), _told(of_refresh)
    found = inferred
    if access:
        found = found.model_copy(update={"access": access[0], "access_others": access[1:], "access_at_least": None})
    if refresh:
        counts_from = None if inferred.refresh is None else inferred.refresh.counts_from
        refresh = tuple(one.model_copy(update={"counts_from": counts_from}) for one in refresh)
        found = found.model_copy(
            update={"refresh": refresh[0], "refresh_others": refresh[1:], "refresh_at_least": None}
        )
    return found


def _told(lives: pl.DataFrame) -> tuple[Lifetime, ...]:
    """The lifetime that most of the latest tokens had, and the others that are no exceptions."""
    usual = lives.filter(pl.col("tokens") >= _SHARE * pl.col("tokens").sum()).sort("tokens", descending=True)
    return tuple(
        Lifetime(seconds=seconds, low=seconds, high=seconds, samples=tokens, how="claims")
        for seconds, tokens in usual.select("seconds", "tokens").rows()
    )
