"""How old sessions were, and how long they had rested, when their refresh was refused, against those that went on."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from authforensics.states import AuthEvent

#: The youngest refused are taken for the limit with so many left out: one that was revoked is no limit.
_ROBUST = 0.05


@dataclass(frozen=True)
class Clock:
    """One clock of a session's end: seconds since the login, or since the token was given.

    `limit`: what the refused had reached at least; `spread`: by how much the oldest nine tenths of them differ; `count`
    of them. `beyond` of `survivors` were refreshed although they had passed the limit.
    """

    limit: float
    spread: float
    count: int
    beyond: int
    survivors: int


def clock(ages: pl.Series, survived: pl.LazyFrame, name: str) -> Clock | None:
    """Measure one clock; None without two refused.

    Args:
        ages: of the refused, in seconds.
        survived: the same of the refreshes that were granted, in its column `name`.
        name: of that column.
    """
    known = ages.drop_nulls().sort()
    if len(known) < 2:
        return None
    limit = float(known.quantile(_ROBUST, "nearest"))  # type: ignore[arg-type]
    counts = (
        survived.filter(pl.col(name).is_not_null())
        .select(survivors=pl.len(), beyond=(pl.col(name) > limit).sum())
        .collect(engine="streaming")
    )
    spread = float(known.quantile(0.95, "nearest")) - limit  # type: ignore[arg-type]
    return Clock(limit, spread, len(known), int(counts["beyond"][0]), int(counts["survivors"][0]))


def survived(grants: pl.LazyFrame) -> pl.LazyFrame:
    """Granted refreshes of a system: `session_age` and `rest`, seconds since the login, and since the last token."""
    until = pl.col("next_granted_at")
    return grants.filter(pl.col("next_granted_by") == AuthEvent.REFRESH_OK.value).select(
        session_age=(until - pl.col("login_at")).dt.total_microseconds() / 1e6,
        rest=(until - pl.col("granted_at")).dt.total_microseconds() / 1e6,
    )
