"""How far an incident reaches beyond the findings that tell of it: which episodes of its kind around them are of it.

What is ill for other reasons shows now and then at any time, so that an episode some minutes before the first finding
may be chance. Within an incident episodes follow at a pace. Where they come at random, one gap in 150 is five times as
long as they are on average: what is further away is not part of it. Of a kind that chance brings on any day, nor is,
before the first finding, what comes at the pace that such episodes had long before.
"""

from __future__ import annotations

import math
from datetime import datetime

import polars as pl

#: How many times the average gap of an incident's episodes a gap at its edges may be: exp(-5) is 1 in 150.
_GAPS = 5.0
#: Seconds that it may be in any case: clients that poll do so every five minutes, and are found to be ill later.
_LEAST = 300.0
#: Fewer episodes tell no pace.
_PACE = 3
#: A pace so many times that of before is another thing.
_TIMES = 5.0
#: Seconds that it may be where they tell none: a common access lifetime.
_UNKNOWN = 900.0
#: Seconds that an episode lasts which is more than a call or two by chance: an app that shows its login screen is done
#: within a minute.
_LASTS = 60.0


def reached(
    rows: pl.DataFrame,
    begin: datetime,
    end: datetime,
    most: float,
    *,
    by_chance: bool = False,
    quiet_since: datetime | None = None,
) -> pl.DataFrame:
    """The episodes that belong to an incident.

    Those that overlap its findings; before and after these what follows at the same pace; and all later ones that give
    the same reason, if none did before.

    Args:
        rows: episodes of one kind, each soon after the one before: `first_seen`, `last_seen`, `why` (null: no reason).
        begin: of the first finding.
        end: of the last one.
        most: seconds that a gap may be at most.
        by_chance: episodes of this kind happen on any day.
        quiet_since: when the log begins, if it has none of this kind before `rows`; None: it has, or nobody knows.
    """
    inside = (pl.col("last_seen") >= begin) & (pl.col("first_seen") <= end)
    ordered = rows.sort("first_seen").with_columns(_inside=inside)
    starts = ordered.filter(pl.col("first_seen").is_between(begin, end))["first_seen"]
    allowed = _allowed(starts, most)
    # While somebody calls on there is no gap; where that happens on any day, `_since` says how far back it may reach.
    last = pl.col("last_seen").cum_max() if by_chance else pl.col("first_seen")
    gap = (pl.col("first_seen") - last.shift()).dt.total_seconds(fractional=True)
    chained = ordered.with_columns(_chain=(gap > allowed).fill_null(value=False).cum_sum())
    told = chained.with_columns(_near=pl.col("_inside").any().over("_chain"))
    if by_chance:
        told = told.with_columns(pl.col("_near") & (pl.col("_inside") | _since(told, _onset(ordered, begin, starts))))
    elif quiet_since is not None:
        told = told.with_columns(pl.col("_near") | _leads(told, quiet_since))
    why = _reason(told, begin)
    later = (pl.col("first_seen") > end) & (pl.col("why") == why) if why is not None else pl.lit(value=False)
    return told.filter(pl.col("_near") | later).drop("_inside", "_chain", "_near")


def _allowed(starts: pl.Series, most: float) -> float:
    if len(starts) < _PACE:
        return min(_UNKNOWN, most)
    span: float = (starts[-1] - starts[0]).total_seconds()
    return min(max(_GAPS * span / (len(starts) - 1), _LEAST), most)


def _leads(told: pl.DataFrame, since: datetime) -> pl.Expr:
    """Which episodes come before all that are near, and are the first of the log: too close by for chance.

    One that came at any time since the log began with the same probability would be as close with that share of it,
    both of two devices with its square. More have a pace of their own, and those that give another reason are others.
    """
    begin: datetime = told.filter("_near")["first_seen"].min()  # type: ignore[assignment]
    before = (pl.col("first_seen") < begin) & (
        pl.col("why").is_null() | (pl.col("why") == pl.lit(_usual(told), pl.String))
    )
    lead = told.filter(before)
    if lead["device_id"].n_unique() not in range(1, _PACE):
        return pl.lit(value=False)
    first: datetime = lead["first_seen"].min()  # type: ignore[assignment]
    share = (begin - first).total_seconds() / (begin - since).total_seconds()
    return before & pl.lit(share ** lead["device_id"].n_unique() <= math.exp(-_GAPS))


def _since(told: pl.DataFrame, onset: datetime) -> pl.Expr:
    """Which episodes come since the onset, and those that lasted until then, where they are too few to be usual."""
    early = pl.col("first_seen") < onset
    usual = told.filter(lasts() & early).height >= _PACE
    return ~early if usual else ~early | lasts()


def without_chance(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Without episodes that chance brings on any day, and that come before all of `others`."""
    return rows.filter(lasts() | (pl.col("first_seen") >= others["first_seen"].min()))


def lasts() -> pl.Expr:
    """Whether a client called on for longer than by chance in an episode."""
    return (pl.col("last_seen") - pl.col("first_seen")).dt.total_seconds() >= _LASTS


def _onset(ordered: pl.DataFrame, begin: datetime, starts: pl.Series) -> datetime:
    """When the pace changed before the first finding: the likeliest change from one rate to that of the incident.

    Reference: D. R. Cox and P. A. W. Lewis, The Statistical Analysis of Series of Events, 1966: a Poisson process whose
    rate changes once.
    """
    lead = ordered.filter(~pl.col("_inside"), pl.col("first_seen") < begin).select("first_seen")
    lasted = (starts[-1] - starts[0]).total_seconds() if len(starts) >= _PACE else 0.0
    if lead.is_empty() or not lasted:
        return ordered["first_seen"][0]  # type: ignore[no-any-return]
    rate = (len(starts) - 1) / lasted
    at = pl.concat([lead["first_seen"], pl.Series([begin], dtype=lead["first_seen"].dtype)]).to_frame("at")
    before = pl.int_range(pl.len())
    since = (pl.col("at") - pl.col("at").first()).dt.total_microseconds() / 1e6
    until = (pl.col("at").last() - pl.col("at")).dt.total_microseconds() / 1e6
    likely = at.select(
        pl.when(before > 0).then(before * (before / since.clip(lower_bound=1e-6)).log() - before).otherwise(0.0)
        + (pl.len() - 1 - before) * math.log(rate)
        - rate * until
    ).to_series()
    place = int(likely.arg_max() or 0)
    lasted = (at["at"][place] - at["at"][0]).total_seconds()
    # One process that quickens is one.
    changed = place > 0 and rate * lasted >= _TIMES * place
    return at["at"][place if changed else 0]  # type: ignore[no-any-return]


def _reason(told: pl.DataFrame, begin: datetime) -> str | None:
    """The reason that most of them give, unless one long before them gave it."""
    why = _usual(told)
    if why is None:
        return None
    before = told.filter(~pl.col("_near"), pl.col("first_seen") < begin, pl.col("why") == why)
    return why if before.is_empty() else None


def _usual(told: pl.DataFrame) -> str | None:
    """The reason that most of those give that findings are about."""
    given = told.filter("_inside")["why"].drop_nulls().value_counts(sort=True)
    return None if given.is_empty() else str(given["why"][0])
