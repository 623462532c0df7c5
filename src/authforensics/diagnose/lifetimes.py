"""How long tokens live, from when they were accepted and when they were refused.

Each token that a device was given says: the lifetime is at least the age at which it was last accepted, and less than
the age at which it was first refused as expired. The lifetime inferred is the interval that most of these statements
agree on; tokens that end without a refusal (logout, proactive refresh, end of the log) only speak for a longer one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from authforensics.document import Lifetime, Lifetimes
from authforensics.schema import Reason
from authforensics.states import AuthEvent

#: Lifetimes that people configure. Reference: the defaults of 20 products (pathologies, sections 2 and 3.2).
ROUND = (
    60, 120, 180, 300, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 14400, 21600, 28800, 36000, 43200,
    86400, 172800, 604800, 1209600, 2592000, 5184000, 7776000, 31536000,
)  # fmt: skip
#: Fewer refusals than this say nothing: each could have another reason.
MIN_SAMPLES = 3
#: Share of the statements that the interval must agree with.
MIN_AGREEMENT = 0.9
#: Seconds by which both ends may be off: tokens count whole seconds, and a log line is written when the request ends.
TOLERANCE = 2.0


@dataclass(frozen=True)
class Interval:
    """The lifetime lies in (`low`, `high`], say `agreement` of the statements, `samples` of which are refusals."""

    low: float
    high: float
    samples: int
    agreement: float

    def lifetime(self, guess: float | None = None) -> Lifetime:
        """For the document: `guess` if it lies inside, else the only round value inside, else the middle."""
        low, high = max(self.low - TOLERANCE, 0.0), self.high + TOLERANCE
        rounds = [value for value in ROUND if low <= value <= high]
        if guess is not None and low <= guess <= high:
            seconds = guess
        elif len(rounds) == 1 or (rounds and self.low > 0):
            seconds = float(min(rounds, key=lambda value: abs(value - self.high)))
        else:
            seconds = (low + high) / 2
        return Lifetime(seconds=seconds, low=round(low, 3), high=round(high, 3), samples=self.samples, how="inferred")


def agree(accepted: pl.Series, refused: pl.Series) -> Interval | None:
    """The interval that most statements agree on, or null where there are too few or they contradict each other.

    Args:
        accepted: ages in seconds at which a token was still accepted.
        refused: ages at which one was refused as expired.
    """
    refused, accepted = refused.drop_nulls().sort(), accepted.drop_nulls().sort()
    if len(refused) < MIN_SAMPLES:
        return None
    # For a lifetime just under a refused age, statements that hold: accepted ages below it, refused ages from it on.
    below = accepted.search_sorted(refused, side="right").cast(pl.Int64)
    holds = below + pl.int_range(len(refused), 0, -1, eager=True)
    best = int(holds.arg_max() or 0)
    high = float(refused[best])
    agreement = int(holds[best]) / (len(accepted) + len(refused))
    if agreement < MIN_AGREEMENT:
        return None
    under = int(accepted.search_sorted(high, side="left"))
    low = float(accepted[under - 1]) if under else 0.0
    return Interval(low=low, high=high, samples=len(refused), agreement=agreement)


def infer(grants: pl.LazyFrame) -> Lifetimes:
    """Both lifetimes of one system.

    Args:
        grants: GRANTS of one system.
    """
    access = _access(grants)
    seconds = access.lifetime().seconds if access else None
    refresh, changed_at = _refresh(_first(grants))
    note = None
    if refresh is not None and changed_at is not None:
        note = (
            f"sessions begun from {changed_at:%Y-%m-%d %H:%M} UTC on have this refresh lifetime; "
            "those begun before are still refreshed at the same age"
        )
    return Lifetimes(
        access=access.lifetime() if access else None,
        refresh=refresh.lifetime(guess=seconds) if refresh else None,
        note=note,
    )


def _access(grants: pl.LazyFrame) -> Interval | None:
    known = grants.filter(pl.col("granted_at").is_not_null())
    # Without a stated reason only a token that had been accepted can be said to have expired.
    reason = pl.col("refused_reason")
    expired = (reason == Reason.TOKEN_EXPIRED.value) | (reason.is_null() & (pl.col("accepted") > 0))
    refused = known.filter(expired.fill_null(value=False), ~pl.col("rejected"))
    return agree(_ages(known, "last_accepted_age"), _ages(refused, "first_refused_age"))


def _ages(grants: pl.LazyFrame, column: str) -> pl.Series:
    return grants.select(pl.col(column).drop_nulls()).collect(engine="streaming")[column]


def _first(grants: pl.LazyFrame) -> pl.DataFrame:
    """First refreshes after a login: the age at which each was granted, or refused as expired.

    Of those only: later ones may carry the first token or a rotated one, no log tells.
    """
    renewed = pl.col("next_granted_by") == AuthEvent.REFRESH_OK.value
    reason = pl.col("refresh_denied_reason")
    expired = reason.is_null() | (reason == Reason.REFRESH_EXPIRED.value)
    first = grants.filter(pl.col("granted_by") == AuthEvent.LOGIN_OK.value).select(
        "granted_at",
        granted_age=pl.when(renewed).then(
            (pl.col("next_granted_at") - pl.col("granted_at")).dt.total_microseconds() / 1e6
        ),
        denied_age=pl.when(expired).then("refresh_denied_age"),
    )
    return first.collect(engine="streaming")


def _refresh(first: pl.DataFrame) -> tuple[Interval | None, datetime | None]:
    """The interval, and from which login on it holds, where sessions begun earlier contradict it."""
    whole = agree(first["granted_age"], first["denied_age"])
    if whole is not None:
        return whole, None
    denied = first.filter(pl.col("denied_age").is_not_null())
    if denied.is_empty():
        return None, None
    changed_at = denied["granted_at"].min()
    later = first.filter(pl.col("granted_at") >= changed_at)
    return agree(later["granted_age"], later["denied_age"]), changed_at  # type: ignore[return-value]
