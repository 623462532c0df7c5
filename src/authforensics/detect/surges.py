"""What fleet patterns that compare with a baseline share: shares that leave theirs, and counts that stand out locally.

Times are numbers of windows (`at`): whole multiples of a length, so that windows of all partitions are the same.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import polars as pl

from authforensics.detect.detector import Limits, Threshold
from authforensics.detect.runs import changed

_HOUR = 3600
#: MAD of a normal distribution, in standard deviations: the modified z-score divides by it.
#: Reference: B. Iglewicz and D. C. Hoaglin, How to Detect and Handle Outliers, ASQC 1993.
_MAD = 0.6745
#: From when on a share is unusual, of detectors that ask `surging`.
UNUSUAL = (
    Threshold("min_ratio", 5, "times the odds", "derived: rates five times higher are another thing"),
    Threshold("min_score", 3.5, "modified z-score", "Iglewicz and Hoaglin 1993: outliers are above 3.5"),
    Threshold("max_p", 0.01, "probability", "derived: an exact test below this, of all windows together"),
)


def window(seconds: float) -> pl.Expr:
    """The number of the window of `seconds` that `timestamp` lies in."""
    return pl.col("timestamp").to_physical() // int(seconds * 1e6)


def surging(series: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """The windows in which a share leaves its own baseline.

    The baseline is made of all windows of the system but outliers; where the share took a step and stayed, of those on
    the lower side of it (see `_calm`); of a log of three days or more it is also that of the same time of other days.
    A window surges where all hold: enough devices and share, odds so many times those of the baseline, a modified
    z-score that is an outlier's, and an exact binomial test, corrected for the windows looked at.

    Args:
        series: `system`, `at`, `hit` devices of `total`, which is not 0; one row a window.
        limits: `window`, `min_devices`, `min_share`, `min_ratio`, `min_score`, `max_p`, `min_baseline`.

    Returns:
        `system`, `at` and `usual`, the share that was to be expected.
    """
    share = pl.col("hit") / pl.col("total")
    median = share.filter("calm").median().over("system")
    spread = (share - median).abs().filter("calm").median().over("system")
    judged = (
        _calm(series, limits)
        .with_columns(share=share, score=_score(share, median, spread), windows=pl.len().over("system"))
        .with_columns(like=pl.col("calm") & (pl.col("score") < limits["min_score"]))
    )
    like = [pl.when("like").then(name).otherwise(0).sum().over("system") for name in ("hit", "total")]
    # Half a device more and one that is not: where nothing was ever hit, little traffic says little (Jeffreys' prior).
    usual = (like[0] + 0.5) / (like[1] + 1)
    found = judged.with_columns(usual=pl.max_horizontal(usual, _other_days(limits["window"]))).filter(
        pl.col("windows") > limits["min_baseline"],
        pl.col("hit") >= limits["min_devices"],
        pl.col("share") >= limits["min_share"],
        pl.col("score") >= limits["min_score"],
        _odds(pl.col("share")) >= limits["min_ratio"] * _odds(pl.col("usual")),
    )
    chances = [
        tail(hit, total, usual) * windows
        for hit, total, usual, windows in found.select("hit", "total", "usual", "windows").rows()
    ]
    likely = pl.Series(chances, dtype=pl.Float64) < limits["max_p"]
    return found.filter(likely).select("system", "at", "usual").sort("system", "at")


def _calm(series: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Add `calm` to windows: those that a baseline may be made of.

    What lasts longer than all the rest would be its own baseline. Where the shares before and after some window differ
    as much as a surge does from its baseline, and not by chance (likelihood ratio, for the best of all places), only
    those of the lower side are calm: there must be enough of them.
    """
    ordered = series.sort("system", "at")
    hit, total = (pl.col(name).cast(pl.Float64) for name in ("hit", "total"))
    before = hit.cum_sum().over("system"), total.cum_sum().over("system")
    whole = hit.sum().over("system"), total.sum().over("system")
    after = whole[0] - before[0], whole[1] - before[1]
    place = pl.int_range(1, pl.len() + 1).over("system")
    rises = before[0] * after[1] < after[0] * before[1]
    many = pl.when(rises).then(place).otherwise(pl.len().over("system") - place)
    odds = [_odds((hits + 0.5) / (of + 1)) for hits, of in (before, after)]
    ratio = pl.max_horizontal(odds[0] / odds[1], odds[1] / odds[0])
    gain = 2 * (_likelihood(*before) + _likelihood(*after) - _likelihood(*whole))
    enough = (after[1] > 0) & (many >= limits["min_baseline"]) & (ratio >= limits["min_ratio"])
    told = ordered.with_columns(
        gain=pl.when(enough).then(gain), rises=rises, place=place, windows=pl.len().over("system")
    )
    best = told.drop_nulls("gain").sort("gain", "place", descending=[True, False]).unique("system", keep="first")
    least = [_quantile(limits["max_p"] / windows) for windows in best["windows"]]
    steps = best.filter(best["gain"] > pl.Series(least, dtype=pl.Float64)).select("system", "rises", step="place")
    calm = (pl.col("place") <= pl.col("step")) == pl.col("rises_right")
    joined = told.join(steps, on="system", how="left", maintain_order="left")
    return joined.with_columns(calm=calm.fill_null(value=True)).select(*series.columns, "calm")


def _quantile(p: float) -> float:
    """What chi-squared with one degree of freedom exceeds with that probability: the square of a normal quantile."""
    if p <= 0:
        return math.inf
    return NormalDist().inv_cdf(min(p, 1.0) / 2) ** 2


def _likelihood(hit: pl.Expr, total: pl.Expr) -> pl.Expr:
    """The greatest log likelihood of `hit` of `total`."""
    rest = total - hit
    return sum(
        (pl.when(part > 0).then(part * (part / total).log()).otherwise(0.0) for part in (hit, rest)), start=pl.lit(0.0)
    )


def _score(value: pl.Expr, median: pl.Expr, spread: pl.Expr) -> pl.Expr:
    """The modified z-score; without any spread, whatever lies above the median stands out."""
    above = value - median
    flat = pl.when(above > 0).then(math.inf).otherwise(0.0)
    return pl.when(spread > 0).then(_MAD * above / spread).otherwise(flat)


def _odds(share: pl.Expr) -> pl.Expr:
    return share / (1 - share)


def _other_days(seconds: float) -> pl.Expr:
    """The median share at the same time of other days, where there are two others or more; else null."""
    per_day = max(int(86400 // seconds), 1)
    of_day = (pl.col("at") % per_day).alias("of_day")
    return pl.when(pl.len().over("system", of_day) > 2).then(pl.col("share").median().over("system", of_day))


def tail(hit: int, total: int, share: float) -> float:
    """The probability that of `total` at least `hit` are, where each is with probability `share`; exact."""
    if not 0 < share < 1:
        return 1.0 if hit <= 0 or share >= 1 else 0.0
    if hit <= total * share:
        return 1.0
    ways = math.lgamma(total + 1) - math.lgamma(hit + 1) - math.lgamma(total - hit + 1)
    term = math.exp(ways + hit * math.log(share) + (total - hit) * math.log1p(-share))
    found = term
    for more in range(hit + 1, total + 1):
        term *= (total - more + 1) / more * share / (1 - share)
        found += term
        if term <= found * 1e-15:
            break
    return min(found, 1.0)


def spiking(counts: pl.DataFrame, spans: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """The windows whose count of devices stands out from those around it.

    Beside so many devices, so many times the median and an outlier's z-score, chance has no part in it: of counts that
    follow Poisson's law one in a million does so. A rise that goes on is its own median after half of `radius`.

    Args:
        counts: `system`, `at`, `devices`, and `around`, see `near`: one row a window with any.
        spans: `system`, `begin`, `end` of the log.
        limits: `window` and `radius` in seconds, `min_devices`, `min_share` (of `around`), `min_ratio`, `min_score`.

    Returns:
        `system`, `at`, `usual` (the median), `around`.
    """
    seconds = limits["window"]
    size, reach = int(seconds * 1e6), int(limits["radius"] // seconds)
    perhaps = counts.filter(
        pl.col("devices") >= limits["min_devices"],
        pl.col("devices") >= limits["min_share"] * pl.col("around"),
    ).join(spans.select(pl.col("system").cast(pl.String), "begin", "end"), on="system")
    offsets = pl.DataFrame({"offset": [step for step in range(-reach, reach + 1) if step]}, schema={"offset": pl.Int64})
    slots = (
        perhaps.join(offsets, how="cross")
        .select("system", "at", "begin", "end", slot=pl.col("at") + pl.col("offset"))
        .filter(
            pl.col("slot") >= pl.col("begin").to_physical() // size,
            pl.col("slot") <= pl.col("end").to_physical() // size,
        )
        .join(counts.select("system", slot="at", count="devices"), on=["system", "slot"], how="left")
        .with_columns(pl.col("count").fill_null(0).cast(pl.Float64))
    )
    around = slots.group_by("system", "at").agg(
        usual=pl.col("count").median(),
        spread=(pl.col("count") - pl.col("count").median()).abs().median(),
        slots=pl.len(),
    )
    devices, usual = pl.col("devices").cast(pl.Float64), pl.col("usual")
    return (
        perhaps.join(around, on=["system", "at"])
        .filter(
            # At the log's begin and end one side is enough.
            pl.col("slots") >= reach,
            devices >= limits["min_ratio"] * usual,
            _score(devices, usual, pl.col("spread")) >= limits["min_score"],
        )
        .select("system", "at", "usual", "around")
        .sort("system", "at")
    )


def together(windows: pl.DataFrame) -> pl.DataFrame:
    """Add `burst` to windows in order of `system` and `at`: one goes on over a single window that is none of them."""
    pause = (pl.col("at") - pl.col("at").shift() > 2).fill_null(value=False)
    return windows.with_columns(burst=pause.cum_sum().over("system"))


def there(events: pl.DataFrame) -> pl.DataFrame:
    """How many devices have any of `events`, in order of device and time, per hour: `system`, `hour`, `around`.

    Devices are in one partition each, so those of all partitions add up.
    """
    hours = events.select("system", "device", hour=window(_HOUR)).filter(changed("device", "hour"))
    return hours.group_by("system", "hour").agg(around=pl.len())


def near(observed: pl.DataFrame, windows: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Add `around` to windows (`system`, `at`): how many devices were `there` in the fullest hour of three."""
    hours = observed.filter(pl.col("hour").is_not_null()).group_by("system", "hour").agg(pl.col("around").sum())
    beside = pl.concat([hours.with_columns(pl.col("hour") + step) for step in (-1, 0, 1)])
    most = beside.group_by("system", "hour").agg(pl.col("around").max())
    hour = (pl.col("at") * int(limits["window"])) // _HOUR
    return windows.with_columns(hour=hour).join(most, on=["system", "hour"], how="left").drop("hour")
