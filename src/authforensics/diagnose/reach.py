"""How far an incident reaches beyond the findings that tell of it: which episodes of its kind around them are of it.

What is ill for other reasons shows now and then at any time, so that an episode some minutes before the first finding
may be chance. Within an incident episodes follow at a pace. Where they come at random, one gap in 150 is five times as
long as they are on average: what is further away is not part of it.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

#: How many times the average gap of an incident's episodes a gap at its edges may be: exp(-5) is 1 in 150.
_GAPS = 5.0
#: Seconds that it may be in any case: clients that poll do so every five minutes, and are found to be ill later.
_LEAST = 300.0
#: Seconds that it may be where fewer than three episodes tell no pace: the most common access lifetime.
_UNKNOWN = 900.0


def reached(rows: pl.DataFrame, begin: datetime, end: datetime, most: float) -> pl.DataFrame:
    """The episodes that belong to an incident.

    Those that overlap its findings; before and after these what follows at the same pace; and all later ones that give
    the same reason, if none did before.

    Args:
        rows: episodes of one kind, each soon after the one before: `first_seen`, `last_seen`, `why` (null: no reason).
        begin: of the first finding.
        end: of the last one.
        most: seconds that a gap may be at most.
    """
    inside = (pl.col("last_seen") >= begin) & (pl.col("first_seen") <= end)
    ordered = rows.sort("first_seen").with_columns(_inside=inside)
    starts = ordered.filter(pl.col("first_seen").is_between(begin, end))["first_seen"]
    allowed = _allowed(starts, most)
    gap = (pl.col("first_seen") - pl.col("first_seen").shift()).dt.total_seconds(fractional=True)
    chained = ordered.with_columns(_chain=(gap > allowed).fill_null(value=False).cum_sum())
    told = chained.with_columns(_near=pl.col("_inside").any().over("_chain"))
    why = _reason(told, begin)
    later = (pl.col("first_seen") > end) & (pl.col("why") == why) if why is not None else pl.lit(value=False)
    return told.filter(pl.col("_near") | later).drop("_inside", "_chain", "_near")


def _allowed(starts: pl.Series, most: float) -> float:
    if len(starts) < 3:
        return min(_UNKNOWN, most)
    span: float = (starts[-1] - starts[0]).total_seconds()
    return min(max(_GAPS * span / (len(starts) - 1), _LEAST), most)


def _reason(told: pl.DataFrame, begin: datetime) -> str | None:
    """The reason that most of them give, unless one long before them gave it."""
    given = told.filter("_inside")["why"].drop_nulls().value_counts(sort=True)
    if given.is_empty():
        return None
    why = given["why"][0]
    before = told.filter(~pl.col("_near"), pl.col("first_seen") < begin, pl.col("why") == why)
    return str(why) if before.is_empty() else None
