"""Parses lines of application loggers that have a time in front, and behind it a request in words, or any message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import polars as pl

from authforensics.collect.cutting import Moment, iso, with_message
from authforensics.collect.format import Parser, Settings
from authforensics.collect.times import MOMENT
from authforensics.collect.units import SUFFIXES
from authforensics.schema import KIND, Kind

#: Levels as most libraries write them.
LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)"
#: What Ruby's Logger puts in front, in local time.
# Reference: https://docs.ruby-lang.org/en/master/Logger/Formatter.html
RUBY = (
    r"[A-Z], \[(?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?) *#[0-9]+\]"
    r" +[A-Z]+ -- [^:]*: "
)


def parser(
    sample: Sequence[str],
    settings: Settings,
    ahead: str,
    call: str,
    moment: Moment | None = None,
    *,
    messages: bool = False,
) -> Parser | None:
    """A parser of such lines; None if no line of the sample has a request, or with `messages` if none has the front.

    Args:
        sample: lines of the file.
        settings: the zone of naive times.
        ahead: a pattern of what stands in front, with the group `at`, the time.
        call: a pattern of all that is behind it where it is a request. Its groups are columns of `format.PARSED`, among
            them `status`; but `lasted` is a duration in milliseconds, or in the `unit` behind it, `seconds` another.
        moment: what reads the times, if they are not ISO 8601.
        messages: the front alone tells what wrote the lines.
    """
    whole = re.compile(f"^{ahead}" + ("" if messages else call.removeprefix("^")))
    if not any(map(whole.match, sample)):
        return None
    read = partial(iso, tz=settings.tz) if moment is None else moment

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = with_message(lines, ahead)
        parts = parts.with_columns(
            matched=pl.col("message").is_not_null(),
            moment=pl.col("at").map_batches(read, return_dtype=pl.Struct(MOMENT), is_elementwise=True),
            call=pl.col("message").str.extract_groups(call),
        )
        return told(parts.drop("at").unnest("moment").unnest("call"))

    return parse


def told(parts: pl.LazyFrame) -> pl.LazyFrame:
    """The lines with `kind`: requests, which have a status, and messages; and how long the requests lasted."""
    there = {*parts.collect_schema().names()}
    called = pl.col("status").is_not_null()
    kind = pl.when(called).then(pl.lit(Kind.REQUEST.value)).otherwise(pl.lit(Kind.MESSAGE.value))
    parts = parts.with_columns(kind=kind.cast(KIND), message=pl.when(~called).then("message"))
    if "seconds" in there:
        return parts.with_columns(duration_ms=pl.col("seconds").cast(pl.Float64, strict=False) * 1000).drop("seconds")
    if "lasted" not in there:
        return parts
    lasted = pl.col("lasted").cast(pl.Float64, strict=False)
    if "unit" in there:
        lasted *= pl.col("unit").replace_strict(SUFFIXES, default=1.0, return_dtype=pl.Float64)
    return parts.with_columns(duration_ms=lasted).drop("lasted", "unit", strict=False)
