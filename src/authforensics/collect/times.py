"""Reads times: CLF, ISO 8601, epoch numbers and other notations, each as the instant, its zone and its resolution."""

from __future__ import annotations

import re
from functools import partial

import polars as pl

from authforensics.collect.distinct import each
from authforensics.collect.notations import restated
from authforensics.schema import TIMESTAMP

NAIVE = "naive"
#: What `zone` is where naive times are known to be UTC.
ZONE_UTC = pl.col("zone").replace(NAIVE, "+0000")
EPOCH = "epoch"

# Reference: RFC 3339 section 5.6, with the liberties that loggers take: space for T, comma, no colon in the zone.
# Digits are spelled out: \d counts those of all scripts, which are no numbers to whoever casts them.
_SECOND = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}"
_BEHIND = r"^((?:[.,]([0-9]{1,9}))?\s?(?:([Zz]|UTC|GMT)|([+-][0-9]{2}):?([0-9]{2})?)?\s*)$"
_TOLD: dict[str, pl.DataType] = {
    "_told": pl.Boolean(),
    "_micros": pl.Int64(),
    "_offset": pl.Int64(),
    "_zone": pl.String(),
    "_clock": pl.Float32(),
}
_EPOCH = r"^\s*([0-9]{9,19})(?:\.([0-9]+))?\s*$"
_SCIENTIFIC = r"^\s*\d\.\d+[eE]\+?\d+\s*$"
MOMENT: dict[str, pl.DataType] = {"time": TIMESTAMP, "zone": pl.String(), "clock": pl.Float32()}
# Reference: https://httpd.apache.org/docs/current/mod/mod_log_config.html ("%t")
_CLF = r"^\[?\d{2}/[A-Za-z]{3}/\d{4}:"


def localize(naive: pl.Expr, tz: str | None) -> pl.Expr:
    """A naive time of zone `tz` in UTC: the earlier of two; one that never was moves with the clocks."""
    if tz is None or tz == "UTC":
        return naive.dt.replace_time_zone("UTC")
    there = naive.dt.replace_time_zone(tz, ambiguous="earliest", non_existent="null")
    hour = pl.duration(hours=1)
    skipped = (naive - hour).dt.replace_time_zone(tz, ambiguous="earliest", non_existent="null") + hour
    return there.fill_null(skipped).dt.convert_time_zone("UTC")


def clf(text: pl.Expr) -> pl.Expr:
    """The moment of `10/Oct/2000:13:55:36 -0700`; month names are English whatever the locale."""
    return text.str.to_datetime("%d/%b/%Y:%H:%M:%S %z", strict=False, time_unit="us").dt.convert_time_zone("UTC")


def clf_zone(text: pl.Expr) -> pl.Expr:
    """Its offset."""
    return text.str.slice(21, 6)


#: What `clf_moments` gives.
CLF_MOMENT: dict[str, pl.DataType] = {"time": TIMESTAMP, "zone": pl.String()}


def clf_moments(values: pl.DataFrame, text: pl.Expr) -> pl.DataFrame:
    """Both of them, CLF_MOMENT row by row, of a `text` of some values."""
    return values.select(time=clf(text), zone=clf_zone(text))


def read_clf(lines: pl.LazyFrame, text: pl.Expr) -> pl.LazyFrame:
    """Adds `time`, `zone`, `clock` from `10/Oct/2000:13:55:36 -0700`."""
    # Polars reads years with a sign, too; Python knows none before the first.
    text = pl.when(text.str.contains(_CLF)).then(text)
    return lines.with_columns(time=clf(text), zone=clf_zone(text), clock=pl.lit(1.0, pl.Float32))


def read_iso(lines: pl.LazyFrame, text: pl.Expr, tz: str | None) -> pl.LazyFrame:
    """Adds `time`, `zone`, `clock` from ISO 8601 with up to nine digits of a second; naive times are of zone `tz`."""
    second, told = pl.col("_second"), pl.col("_told")
    # A frame for each step: polars repeats what an expression says twice.
    lines = lines.with_columns(_second=text.str.strip_chars_start())
    lines = lines.with_columns(_behind=pl.when(second.str.contains(_SECOND)).then(second.str.slice(19)))
    lines = lines.with_columns(_behind=each("_behind", _behind, _TOLD)).unnest("_behind")
    whole = pl.when(told).then(second.str.head(10) + " " + second.str.slice(11, 8))
    naive = whole.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    lines = lines.with_columns(_naive=naive + pl.duration(microseconds="_micros"))
    zoned = (pl.col("_naive") - pl.duration(minutes="_offset")).dt.replace_time_zone("UTC")
    unzoned = pl.when(pl.col("_offset").is_null()).then(pl.col("_naive"))
    return lines.with_columns(
        time=pl.coalesce(zoned, localize(unzoned, tz)),
        zone=pl.when(pl.col("_naive").is_not_null()).then(pl.col("_zone").fill_null(NAIVE)),
        clock="_clock",
    ).drop("_second", "_naive", *_TOLD)


def _behind(values: pl.DataFrame) -> pl.DataFrame:
    """What stands behind the second of a time (`_TOLD`): few endings are behind many."""
    parts = values.select(pl.col("value").str.extract_groups(_BEHIND).struct.unnest())
    whole, fraction, utc, hours, minutes = (pl.col(str(number)) for number in range(1, 6))
    offset = hours.str.slice(1).cast(pl.Int64) * 60 + minutes.cast(pl.Int64).fill_null(0)
    offset = pl.when(hours.str.starts_with("-")).then(-offset).otherwise(offset)
    return parts.select(
        _told=whole.is_not_null(),
        _micros=_micros(fraction, 6),
        _offset=pl.when(utc.is_not_null()).then(0).otherwise(offset),
        _zone=pl.when(utc.is_not_null()).then(pl.lit("+0000")).otherwise(hours + minutes.fill_null("00")),
        _clock=_resolution(fraction.str.len_chars()),
    )


def read_epoch(lines: pl.LazyFrame, text: pl.Expr) -> pl.LazyFrame:
    """Adds `time`, `zone`, `clock` from seconds, milli-, micro- or nanoseconds since 1970, told by their magnitude."""
    lines = lines.with_columns(_parts=_plain_number(text).str.extract_groups(_EPOCH))
    whole, fraction = (pl.col("_parts").struct.field(name) for name in ("1", "2"))
    lines = lines.with_columns(_digits=whole.str.len_chars(), _number=whole.cast(pl.Int64, strict=False))
    digits, number = pl.col("_digits"), pl.col("_number")
    # Up to 11 digits are seconds until the year 5138; three more for each finer unit. But 14 are a date and a clock:
    # as milliseconds they would be later than the year 2286.
    micros = (
        pl.when(digits <= 11)
        .then(number * 1_000_000 + _micros(fraction, 6))
        .when(digits <= 13)
        .then(number * 1_000 + _micros(fraction, 3))
        .when(digits == 14)
        .then(None)
        .when(digits <= 17)
        .then(number)
        .otherwise(number // 1_000)
    )
    places = fraction.str.len_chars().fill_null(0) + pl.when(digits <= 11).then(0).when(digits <= 14).then(3).otherwise(
        6
    )
    return (
        lines.with_columns(time=micros.cast(TIMESTAMP), clock=_resolution(places))
        .with_columns(zone=pl.when(pl.col("time").is_not_null()).then(pl.lit(EPOCH)))
        .drop("_parts", "_digits", "_number")
    )


def read_any(lines: pl.LazyFrame, text: pl.Expr, tz: str | None, sample: str) -> pl.LazyFrame:
    """Adds `time`, `zone`, `clock` from values that look like `sample`; from any notation where they don't."""
    if re.match(_CLF, sample):
        lines = read_clf(lines, text.str.strip_chars("[]"))
    elif re.match(_EPOCH, sample):
        lines = read_epoch(lines, text)
    else:
        lines = read_iso(lines, text, tz)
    read = pl.col("time").is_not_null()
    unread = pl.when(~read).then(text)
    other = unread.map_batches(partial(_others, tz=tz), return_dtype=pl.Struct(MOMENT), is_elementwise=True)
    chosen = {name: pl.when(read).then(name).otherwise(pl.col("_other").struct.field(name)) for name in MOMENT}
    return lines.with_columns(_other=other).with_columns(**chosen).drop("_other")


def _others(values: pl.Series, tz: str | None) -> pl.Series:
    """The moments of times that most others don't look like: ISO 8601, an epoch, or any other notation."""
    # No time is without a digit, but the name of a column is.
    if not values.str.contains(r"\d").any():
        return pl.Series([None], dtype=pl.Struct(MOMENT)).new_from_index(0, len(values))
    value = pl.col("value")
    texts = values.alias("value").to_frame().lazy()
    made = [
        read_iso(texts, value, tz),
        read_epoch(texts, value),
        read_iso(texts, value.map_batches(restated, return_dtype=pl.String), tz),
    ]
    read = [part.select(MOMENT.keys()).collect(engine="in-memory") for part in made]
    return pl.select(
        pl.coalesce(pl.when(part["time"].is_not_null()).then(part[name]) for part in read).alias(name)
        for name in MOMENT
    ).to_struct(values.name)


def named(naive: pl.Expr, zone: pl.Expr, tz: str | None) -> pl.Expr:
    """Naive times whose zone stands beside them by name; null where no such zone exists."""

    def of(columns: pl.Series) -> pl.Series:
        frame = columns.struct.unnest()
        names = frame["zone"].unique().to_list()
        zones = {name: _known(name) if name is not None else tz for name in names}
        expression = pl.lit(None, TIMESTAMP)
        for name, known in zones.items():
            if known is not None or name is None:
                here = pl.col("zone").eq_missing(pl.lit(name, pl.String))
                expression = pl.when(here).then(localize(pl.col("naive"), known)).otherwise(expression)
        return frame.with_columns(time=expression)["time"]

    return pl.struct(naive=naive, zone=zone).map_batches(of, return_dtype=TIMESTAMP, is_elementwise=True)


def _known(name: str) -> str | None:
    """The zone's name as polars knows it: IANA names, and the few offsets that PHP writes."""
    try:
        pl.select(localize(pl.lit("2000-01-01").str.to_datetime(time_unit="us"), name))
    except pl.exceptions.PolarsError:
        return None
    return name


def _resolution(digits: pl.Expr) -> pl.Expr:
    second, milli, micro = (pl.lit(value, pl.Float32) for value in (1.0, 1e-3, 1e-6))
    digits = digits.fill_null(0)
    return pl.when(digits == 0).then(second).when(digits <= 3).then(milli).otherwise(micro)


def _micros(fraction: pl.Expr, places: int) -> pl.Expr:
    return fraction.str.pad_end(places, "0").str.slice(0, places).cast(pl.Int64).fill_null(0)


def _plain_number(text: pl.Expr) -> pl.Expr:
    # Floats of this size hold microseconds.
    scientific = pl.when(text.str.contains(_SCIENTIFIC)).then(text).cast(pl.Float64, strict=False)
    return pl.coalesce((scientific * 1e6).round().cast(pl.Int64).cast(pl.String), text)


def offset_of(text: pl.Expr) -> pl.Expr:
    """The offset that a time ends with; null if it has none."""
    offset = text.str.extract(r"\d\s?(Z|[+-]\d{2}:?\d{2})\]?\s*$").str.replace(":", "", literal=True)
    return pl.when(offset == "Z").then(pl.lit("+0000")).otherwise(offset)


def resolution(sample: str) -> float:
    """The resolution in seconds of a time that is written like `sample`."""
    if number := re.fullmatch(_EPOCH, sample):
        digits = len(number[1])
        places = max(0, digits - 10) + len(number[2] or "") if digits > 11 else len(number[2] or "")
    else:
        fraction = re.search(r":\d{2}[.,](\d+)", sample)
        places = len(fraction[1]) if fraction else 0
    return 10.0 ** -min(places, 6)
