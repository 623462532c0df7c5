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
    refused, accepted = refused.drop_nulls(), accepted.drop_nulls()
    if len(refused) < MIN_SAMPLES:
        return None
    # For a lifetime just under a refused age, statements that hold: accepted ages below it, refused ages from it on.
    points = (
        pl.concat(
            [
                pl.DataFrame({"age": accepted.cast(pl.Float64)}).with_columns(ok=1, bad=0),
                pl.DataFrame({"age": refused.cast(pl.Float64)}).with_columns(ok=0, bad=1),
            ]
        )
        .sort("age", "bad")
        .with_columns(below=pl.col("ok").cum_sum(), above=pl.col("bad").sum() - pl.col("bad").cum_sum() + pl.col("bad"))
        .with_columns(holds=pl.col("below") + pl.col("above"))
    )
    best = points.filter(pl.col("bad") == 1).sort("holds", "age", descending=[True, False])
    high = best["age"][0]
    below = points.filter(pl.col("ok") == 1, pl.col("age") < high)["age"]
    agreement = best["holds"][0] / points.height
    if agreement < MIN_AGREEMENT:
        return None
    return Interval(low=float(below.max() or 0.0), high=float(high), samples=len(refused), agreement=agreement)  # type: ignore[arg-type]


def infer(grants: pl.DataFrame) -> Lifetimes:
    """Both lifetimes of one system.

    Args:
        grants: GRANTS of one system.
    """
    access = _access(grants)
    seconds = access.lifetime().seconds if access else None
    refresh, changed_at = _refresh(grants)
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


def _access(grants: pl.DataFrame) -> Interval | None:
    known = grants.filter(pl.col("granted_at").is_not_null())
    reason = pl.col("refused_reason").cast(pl.String)
    # Without a stated reason only a token that had been accepted can be said to have expired.
    expired = (reason == Reason.TOKEN_EXPIRED.value) | (reason.is_null() & (pl.col("accepted") > 0))
    refused = known.filter(expired.fill_null(value=False), ~pl.col("rejected"))
    return agree(known["last_accepted_age"], refused["first_refused_age"])


def _refresh(grants: pl.DataFrame) -> tuple[Interval | None, datetime | None]:
    """From first refreshes after a login only: later ones may carry the first token or a rotated one, no log tells.

    Returns:
        The interval, and from which login on it holds, where sessions begun earlier contradict it.
    """
    first = grants.filter(pl.col("granted_by") == AuthEvent.LOGIN_OK.value).with_columns(
        granted_age=pl.when(pl.col("next_granted_by") == AuthEvent.REFRESH_OK.value).then(
            (pl.col("next_granted_at") - pl.col("granted_at")).dt.total_microseconds() / 1e6
        )
    )
    reason = pl.col("refresh_denied_reason").cast(pl.String)
    expired = reason.is_null() | (reason == Reason.REFRESH_EXPIRED.value)
    first = first.with_columns(denied_age=pl.when(expired).then("refresh_denied_age")).sort("granted_at")
    whole = agree(first["granted_age"], first["denied_age"])
    if whole is not None:
        return whole, None
    denied = first.filter(pl.col("denied_age").is_not_null())
    if denied.is_empty():
        return None, None
    changed_at = denied["granted_at"].min()
    later = first.filter(pl.col("granted_at") >= changed_at)
    return agree(later["granted_age"], later["denied_age"]), changed_at  # type: ignore[return-value]
