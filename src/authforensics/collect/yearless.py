"""Reads times without a year, as syslog writes them: each is in the latest year in which it isn't in the future."""

from __future__ import annotations

from calendar import isleap
from datetime import UTC, datetime, timedelta

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.times import NAIVE, localize

#: A year that has every day.
_LEAP = 2000
#: Clocks and zones differ by less.
_AHEAD = timedelta(days=1)


def read_yearless(lines: pl.LazyFrame, text: pl.Expr, settings: Settings) -> pl.LazyFrame:
    """Adds `time`, `zone`, `clock` from `Oct 11 22:14:15`; no line is later than `settings.latest`."""
    last = (settings.latest or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None) + _AHEAD
    day = pl.col("_day")
    within = pl.lit(last.year, pl.Int32) - (day > _moved(last)).cast(pl.Int32)
    leap = within.replace_strict(_leap_years(last.year), return_dtype=pl.Int32)
    year = pl.when((day.dt.month() == 2) & (day.dt.day() == 29)).then(leap).otherwise(within)
    whole = (text.str.slice(0, 15).str.replace_all("  ", " ", literal=True) + f" {_LEAP}").str.to_datetime(
        "%b %d %H:%M:%S %Y", strict=False, time_unit="us"
    )
    micros = text.str.slice(16).str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64, strict=False).fill_null(0)
    lines = lines.with_columns(_day=whole, _micros=pl.when(text.str.len_chars() > 15).then(micros).otherwise(0))
    placed = day.dt.replace(year=year) + pl.duration(microseconds="_micros")
    clock = pl.when(text.str.len_chars() > 15).then(pl.lit(1e-6)).otherwise(pl.lit(1.0))
    return (
        lines.with_columns(time=localize(placed, settings.tz))
        .with_columns(zone=pl.when(pl.col("time").is_not_null()).then(pl.lit(NAIVE)), clock=clock.cast(pl.Float32))
        .drop("_day", "_micros")
    )


def _moved(moment: datetime) -> datetime:
    return moment.replace(year=_LEAP)


def _leap_years(last: int) -> dict[int, int]:
    """The leap year to take for each of two years."""
    return {year: next(leap for leap in range(year, 0, -1) if isleap(leap)) for year in (last, last - 1)}
