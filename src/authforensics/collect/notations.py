"""Restates times that are written in words or in another order as ISO 8601: those of mail, C, the JVM, Go, .NET."""

from __future__ import annotations

import polars as pl

_CLOCK = r"(?P<clock>\d{1,2}:\d{2}:\d{2})(?:[.,:](?P<fraction>\d{1,9}))?"
_HALF = r"(?:[ \u00a0\u202f](?P<half>[AaPp][Mm]))"
_MONTH = r"(?P<month>[A-Za-z]{3})[a-z]*"
# Only an offset tells the moment: of other names of zones several places have the same.
_ZONE = r"(?: ?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
#: An offset's other name behind it, and Go's monotonic clock. Reference: https://pkg.go.dev/time#Time.String
_NAMED_TOO = r"(?: [A-Z]{3,5}| [+-]\d{2,4})?(?: m=[+-][\d.]+)?"
#: By pattern, each of a whole time; its groups are the parts.
_NOTATIONS = (
    # Reference: RFC 9110 section 5.6.7, RFC 5322 section 3.3
    rf"^(?:[A-Za-z]{{3,9}}, )?(?P<day>\d{{1,2}})[ -]{_MONTH}[ -](?P<year>\d{{4}})[ T]{_CLOCK}{_ZONE}$",
    # Reference: C's asctime, as in Apache's error log; Java's Date.toString
    rf"^\[?[A-Za-z]{{3}} {_MONTH} {{1,2}}(?P<day>\d{{1,2}}) {_CLOCK}{_ZONE} (?P<year>\d{{4}})\]?$",
    # Reference: https://pkg.go.dev/log (LstdFlags); nginx's error log
    rf"^(?P<year>\d{{4}})[/.](?P<digits>\d{{2}})[/.](?P<day>\d{{2}})[ T]{_CLOCK}{_ZONE}$",
    # Reference: java.util.logging.SimpleFormatter, by locale and version of Java with a comma or a narrow space
    # and Kibana's default, `dateFormat`, with an @ between.
    rf"^{_MONTH} (?P<day>\d{{1,2}}), (?P<year>\d{{4}}),? (?:@ )?{_CLOCK}{_HALF}?{_ZONE}$",
    # Apache's %t with a fraction, or without a zone.
    rf"^\[?(?P<day>\d{{2}})/{_MONTH}/(?P<year>\d{{4}})[: ]{_CLOCK}{_ZONE}\]?$",
    # Reference: ISO 8601 basic format; log4j's COMPACT
    (
        r"^(?P<year>(?:19|20)\d{2})(?P<digits>0[1-9]|1[0-2])(?P<day>[0-3]\d)[T ]?"
        rf"(?P<hour>[0-2]\d)(?P<minute>[0-5]\d)(?P<second>[0-6]\d)(?:[.,]?(?P<fraction>\d{{1,9}}))?{_ZONE}$"
    ),
    # Reference: Java's ZonedDateTime.toString; Go's Time.String
    (
        rf"^(?P<year>\d{{4}})-(?P<digits>\d{{2}})-(?P<day>\d{{2}})[T ]{_CLOCK} ?(?P<zone>Z|[+-]\d{{2}}:?\d{{2}})"
        rf"(?:\[[\w/+:-]+\]|{_NAMED_TOO})$"
    ),
    # Reference: ISO 8601 with minutes alone
    r"^(?P<year>\d{4})-(?P<digits>\d{2})-(?P<day>\d{2})[T ](?P<hour>\d{2}):(?P<minute>\d{2})" + _ZONE + "$",
    # .NET's "G" in the invariant and the American culture, as Azure exports it: the month first.
    (rf"^(?P<digits>\d{{1,2}})/(?P<day>\d{{1,2}})/(?P<year>\d{{4}}),? {_CLOCK}{_HALF}{_ZONE}$"),
    # With dots the day comes first, in every culture that writes it so.
    rf"^(?P<day>\d{{1,2}})\.(?P<digits>\d{{1,2}})\.(?P<year>\d{{4}}),? {_CLOCK}{_ZONE}$",
)
_GROUPS = (*("year", "month", "digits", "day", "clock", "hour", "minute", "second", "fraction", "half", "zone"),)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def restated(texts: pl.Series) -> pl.Series:
    """Times as ISO 8601; null where their notation is unknown. Names of months are English, whatever the locale."""
    frame = texts.alias("text").to_frame().select(pl.col("text").str.strip_chars())
    return frame.select(pl.coalesce(_restated(pattern) for pattern in _NOTATIONS)).to_series().alias(texts.name)


def _restated(pattern: str) -> pl.Expr:
    parts = pl.col("text").str.extract_groups(pattern).struct
    has = {name: f"?P<{name}>" in pattern for name in _GROUPS}
    if has["month"]:
        lower = parts.field("month").str.to_lowercase()
        number = lower.replace_strict(_MONTHS, range(1, 13), default=None, return_dtype=pl.UInt8)
        month = number.cast(pl.String).str.zfill(2)
    else:
        month = parts.field("digits").str.zfill(2)
    if has["clock"]:
        clock = parts.field("clock").str.zfill(8)
    else:
        second = parts.field("second") if has["second"] else pl.lit("00")
        clock = pl.concat_str(parts.field("hour"), parts.field("minute"), second, separator=":")
    if has["half"]:
        clock = _of_24(clock, parts.field("half").str.to_lowercase())
    date = pl.concat_str(parts.field("year"), month, parts.field("day").str.zfill(2), separator="-")
    fraction = (
        pl.concat_str(pl.lit("."), parts.field("fraction")).fill_null("")
        if has["fraction"] or has["clock"]
        else pl.lit("")
    )
    zone = parts.field("zone").fill_null("") if has["zone"] else pl.lit("")
    return pl.concat_str(date, pl.lit("T"), clock, fraction, zone)


def _of_24(clock: pl.Expr, half: pl.Expr) -> pl.Expr:
    """A clock of twice twelve hours (`half`: am, pm, or null for one that isn't) as one of 24; null: there is none."""
    hour = clock.str.head(2).cast(pl.Int64, strict=False)
    told = pl.when(half.is_null()).then(hour).when(hour.is_between(1, 12)).then(hour % 12 + 12 * (half == "pm"))
    return pl.concat_str(told.cast(pl.String).str.zfill(2), clock.str.slice(2))
