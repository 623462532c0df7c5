"""Tells when a line was written from columns of times, each read in the quickest way that its values allow."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from authforensics.collect import cutting, times
from authforensics.collect.distinct import each_of, each_run_of
from authforensics.schema import TIMESTAMP

#: What is told of a line; `lasted` are the milliseconds between the two ends of a request, if both are told finer than
#: in seconds.
TOLD: dict[str, pl.DataType] = {
    "time": TIMESTAMP,
    "zone": pl.String(),
    "clock": pl.Float32(),
    "at_start": pl.Boolean(),
    "lasted": pl.Float64(),
}
_MOMENT: dict[str, pl.DataType] = {
    "time": TIMESTAMP,
    "zone": pl.String(),
    "clock": pl.Float32(),
    "offset": pl.String(),
}
#: Times whose fraction needs not be looked at to read the second, and how long that is.
_ISO, _SECOND = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}", 19
# As `times.read_epoch` tells them: 14 digits are no epoch.
_EPOCH = r"^(?:[0-9]{9,11}(?:\.[0-9]{1,6})?|[0-9]{12,13}|[0-9]{15,19})$"
_SECONDS, _MILLIS, _MICROS = 11, 13, 17


@dataclass(frozen=True, slots=True)
class Times:
    """Columns of times, the best first.

    Attributes:
        keys: their names.
        starts: which of them are the start of a request.
        examples: a value of each that has any.
        span: the two of them between which a request lasted, if its duration is to be told.
        tz: the zone of naive times.
    """

    keys: Sequence[str]
    starts: Mapping[str, bool]
    examples: Mapping[str, str]
    span: tuple[str, str] | None = None
    tz: str | None = None

    def told(self, columns: Sequence[pl.Series]) -> pl.Series:
        """What the columns tell (`TOLD`): the first that can be read, the next best where it is missing."""
        rows = len(columns[0])
        read: dict[str, pl.DataFrame] = {}
        best, starts = pl.DataFrame(schema=_MOMENT), pl.Series(dtype=pl.Boolean)
        for key, column in zip(self.keys, columns, strict=True):
            if read and not self._needs(best, key):
                continue
            moment = read[key] = moments(column, self.examples.get(key, ""), self.tz)
            own = pl.Series([self.starts[key]]).new_from_index(0, rows)
            best, starts = (moment, own) if len(read) == 1 else _merged(best, starts, moment, own)
        known = pl.col("time").is_not_null()
        # An epoch beside a time with an offset: that is the zone people here think in.
        zone = pl.when(known).then(pl.coalesce("offset", "zone"))
        lasted = _between(read[self.span[0]], read[self.span[1]]) if self.span else pl.lit(None, pl.Float64)
        told = best.select(
            "time",
            zone=zone,
            clock=pl.when(known).then("clock"),
            at_start=known & starts,
            lasted=lasted,
        )
        return told.to_struct("told")

    def _needs(self, best: pl.DataFrame, key: str) -> bool:
        """Whether a column may tell more than those before it."""
        return bool(best["time"].null_count() or best["offset"].null_count()) or key in (self.span or ())


def moments(values: pl.Series, example: str, tz: str | None) -> pl.DataFrame:
    """The moment of each time: `time`, `zone`, `clock` as `times` has them, and the `offset` that it is written with.

    Args:
        values: the texts; one that can't be read has no time.
        example: one of them, which tells what they look like.
        tz: the zone of those that don't tell.
    """
    read = partial(_read, tz=tz, example=example)
    if re.match(_ISO, example):
        return cutting.moments(values, _SECOND, read, _MOMENT).struct.unnest()
    if not re.fullmatch(_EPOCH, example):
        spread = each_of if values.null_count() else each_run_of
        return spread(values, read, _MOMENT).struct.unnest()
    quick, plain = _epochs(values)
    if plain.all():
        return quick
    odd = each_of(values.set(plain, None), read, _MOMENT).struct.unnest()
    return pl.DataFrame([quick[name].zip_with(plain, odd[name]) for name in _MOMENT])


def spelt(values: pl.Series, example: str, tz: str | None) -> pl.Series:
    """As `moments`, in one column (`times.MOMENT`)."""
    return moments(values, example, tz).select(times.MOMENT.keys()).to_struct(values.name)


def _epochs(values: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """The moments of seconds with a fraction, milli-, micro- or nanoseconds since 1970; and which are such numbers."""
    plain = values.str.contains(_EPOCH).fill_null(value=False)
    parts = values.str.split_exact(".", 1).struct
    whole, fraction = parts.field("field_0"), parts.field("field_1").fill_null("")
    frame = pl.DataFrame(
        {
            "number": whole.cast(pl.Int64, strict=False),
            "digits": whole.str.len_bytes(),
            "places": fraction.str.len_bytes(),
            "micros": fraction.str.pad_end(6, "0").cast(pl.Int64, strict=False),
        }
    )
    number, digits, places = pl.col("number"), pl.col("digits"), pl.col("places")
    time = (
        pl.when(digits <= _SECONDS)
        .then(number * 1_000_000 + pl.col("micros"))
        .when(digits <= _MILLIS)
        .then(number * 1_000)
        .when(digits <= _MICROS)
        .then(number)
        .otherwise(number // 1_000)
    )
    second, milli, micro = (pl.lit(value, pl.Float32) for value in (1.0, 1e-3, 1e-6))
    finest = pl.when(digits > _MILLIS).then(micro)
    clock = finest.when((digits > _SECONDS) | places.is_between(1, 3)).then(milli).when(places == 0).then(second)
    zone = pl.when(plain).then(pl.lit(times.EPOCH))
    made = frame.select(
        time=time.cast(TIMESTAMP), zone=zone, clock=clock.otherwise(micro), offset=pl.lit(None, pl.String)
    )
    return made, plain


def _merged(
    best: pl.DataFrame, starts: pl.Series, moment: pl.DataFrame, own: pl.Series
) -> tuple[pl.DataFrame, pl.Series]:
    """The better moments, and those of the next column where they are missing; the first offset that there is."""
    known = best["time"].is_not_null()
    merged = {name: best[name].zip_with(known, moment[name]) for name in ("time", "zone", "clock")}
    offset = best["offset"].zip_with(best["offset"].is_not_null(), moment["offset"])
    return pl.DataFrame({**merged, "offset": offset}), starts.zip_with(known, own)


def _between(begins: pl.DataFrame, ends: pl.DataFrame) -> pl.Series:
    fine = (begins["clock"] < 1) & (ends["clock"] < 1)
    lasted = (ends["time"] - begins["time"]).dt.total_microseconds() / 1000
    return pl.select(pl.when(fine & (lasted >= 0)).then(lasted)).to_series()


def _read(values: pl.DataFrame, tz: str | None, example: str) -> pl.DataFrame:
    written = pl.lit(None, pl.String) if (example or "0")[:9].isdigit() else times.offset_of(pl.col("value"))
    read = times.read_any(values.lazy(), pl.col("value"), tz, example)
    return read.with_columns(offset=written).select(_MOMENT.keys()).collect(engine="in-memory")
