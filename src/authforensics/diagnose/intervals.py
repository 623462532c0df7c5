"""In which interval one lifetime lies, from the ages at which tokens were accepted last and refused first.

Each token that was given says: the lifetime is at least the age at which it was last accepted, and less than the age at
which it was first refused as expired. The interval is the one that most of these statements agree on: tokens that end
without a refusal (logout, proactive refresh, end of the log) only speak for a longer one, and refusals that come early
(an incident, a revocation) are outvoted by what was accepted at a greater age.

Reference: interval-censored survival data, where all die at one age: the intersection of the intervals (Turnbull 1976).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from authforensics.schema import TIMESTAMP

#: Fewer devices than this say nothing: what each was refused for could have another reason.
MIN_DEVICES = 3
#: Share of the tokens used beyond the lifetime that may have been accepted, or of their devices: lines of a log get
#: lost, and a lost login makes all that its device does next look older.
MAX_LATE = 0.1
#: Refusals that come early, after half of the lifetime, for each that comes in time.
MAX_EARLY = 0.5
#: Seconds by which both ends may be off: tokens count whole seconds, and a log line is written when the request ends.
TOLERANCE = 2.0
#: Share of the refused tokens that must have died at one moment for that to explain it as well as one age does.
AT_ONCE = 0.9
#: What a frame of tokens has at least: the ages in seconds since `given_at`, null where there was no such call.
#: `alive`: when it is known to have been good last, before it was refused; `stated`: the refusal says that it has
#: expired.
TOKENS: dict[str, pl.DataType] = {
    "device_id": pl.String(),
    "given_at": TIMESTAMP,
    "alive": pl.Float64(),
    "accepted": pl.Float64(),
    "refused": pl.Float64(),
    "stated": pl.Boolean(),
}


@dataclass(frozen=True)
class Interval:
    """The lifetime lies in (`low`, `high`], say `samples` tokens that were refused beyond and never accepted there."""

    low: float
    high: float
    samples: int

    def apart(self, other: Interval) -> bool:
        """Whether both can't be the same lifetime."""
        return self.high + TOLERANCE < other.low - TOLERANCE or other.high + TOLERANCE < self.low - TOLERANCE


def best(tokens: pl.DataFrame) -> tuple[float | None, int]:
    """The refused age just under which a lifetime contradicts the fewest statements, and how many it contradicts.

    None: no lifetime at all contradicts fewer, that is, as many as were refused.
    """
    return best_of(*(tokens[name].drop_nulls().sort() for name in ("accepted", "refused")))


def best_of(accepted: pl.Series, refused: pl.Series) -> tuple[float | None, int]:
    """The same, of sorted ages."""
    if refused.is_empty():
        return None, 0
    # Statements that hold: accepted ages below it, refused ages from it on.
    below = accepted.search_sorted(refused, side="right").cast(pl.Int64)
    holds = below + pl.int_range(len(refused), 0, -1, eager=True)
    at = int(holds.arg_max() or 0)
    if int(holds[at]) <= len(accepted):
        return None, len(refused)
    return float(refused[at]), len(accepted) + len(refused) - int(holds[at])


def agree(tokens: pl.DataFrame) -> Interval | None:
    """The interval that most tokens agree on, or null where too few tell, or they contradict each other.

    Where hardly any token was accepted shortly before, all may be refused for something else; where all died at one
    moment, by what happened then: that they have expired must be stated then.
    """
    high, _ = best(tokens)
    if high is None:
        return None
    accepted, refused, device = pl.col("accepted"), pl.col("refused"), pl.col("device_id")
    held = (refused >= high) & (accepted <= high).fill_null(value=True)
    counts = tokens.select(
        low=accepted.filter(accepted < high).max(),
        samples=held.sum(),
        devices=device.filter(held).n_unique(),
        stated=(held & pl.col("stated")).sum(),
        late=(accepted > high).sum(),
        late_devices=device.filter(accepted > high).n_unique(),
        early=refused.is_between(high / 2, high, closed="left").sum(),
        before=device.filter(accepted.is_between(high / 2, high)).n_unique(),
    ).row(0, named=True)
    samples, devices = counts["samples"], counts["devices"]
    late = min(_share(counts["late"], samples), _share(counts["late_devices"], devices))
    contradicted = late > MAX_LATE or counts["early"] > MAX_EARLY * samples
    stated = counts["stated"] > samples / 2
    if devices < MIN_DEVICES or contradicted or not (counts["before"] >= MIN_DEVICES or stated):
        return None
    if not stated and _died_at_once(tokens.filter(held)):
        return None
    return Interval(low=counts["low"] or 0.0, high=high, samples=samples)


def _share(part: int, rest: int) -> float:
    return part / (part + rest) if part else 0.0


def _died_at_once(tokens: pl.DataFrame) -> bool:
    """Whether there is a moment before which nearly all were good, and after which they were refused."""
    alive, refused = (
        tokens.select(pl.col("given_at") + pl.duration(microseconds=(pl.col(name) * 1e6).cast(pl.Int64)))
        .to_series()
        .sort()
        for name in ("alive", "refused")
    )
    before = alive.search_sorted(refused, side="left").cast(pl.Int64)
    between = before - pl.int_range(len(refused), eager=True)
    return int(between.max() or 0) >= AT_ONCE * tokens.height  # type: ignore[arg-type]


def at_least(tokens: pl.DataFrame) -> float | None:
    """The age that tokens of several devices were still accepted at."""
    oldest = tokens.group_by("device_id").agg(pl.col("accepted").max())["accepted"].drop_nulls().sort(descending=True)
    return float(oldest[MIN_DEVICES - 1]) if len(oldest) >= MIN_DEVICES else None
