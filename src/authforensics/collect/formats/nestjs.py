"""Owns `nestjs`: what NestJS' logger writes, and the requests that middleware logs with it; local time."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect import calls
from authforensics.collect.cutting import with_message
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.moments import spelt
from authforensics.collect.times import MOMENT
from authforensics.schema import Kind

# Reference: https://github.com/nestjs/nest/blob/master/packages/common/services/console-logger.service.ts. The time is
# that of the locale, en-US where none is set; up to version 7 there was no level, in nest-winston there is no dash.
_SPACE = " \u00a0\u202f"
_AT = rf"[0-9]{{1,4}}[./-][0-9]{{1,2}}[./-][0-9]{{1,4}},? [0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}}(?:[{_SPACE}][AaPp][Mm])?"
_LEVEL = r"(?:LOG|ERROR|WARN|DEBUG|VERBOSE|FATAL)"
_AHEAD = rf"\[[A-Za-z][^\]]{{0,40}}\] [0-9]+ +(?:- +)?(?P<at>{_AT}) +(?:{_LEVEL} )?(?:\[[^\]]*\] )?"
#: Where hours are those of the whole day the day stands first.
_DAY_FIRST, _HALF = r"^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}),? ([0-9]{1,2}:[0-9:]{5})$", "M"


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    found = {line: match for line in sample if (match := re.match(_AHEAD, line))}
    if not found:
        return None
    fronts = [match["at"] for match in found.values()]
    day_first = not any(_HALF in at.upper() for at in fronts)
    # The framework logs no requests, but everybody's middleware does.
    read = calls.reader(line[match.end() :] for line, match in found.items())

    def moment(values: pl.Series) -> pl.Series:
        # Of other times without a half day the end is missing.
        known = values.str.replace(_DAY_FIRST, "$3-$2-$1 $4") if day_first else values
        return spelt(known.str.replace(", ", " ", literal=True), fronts[0], settings.tz)

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = with_message(lines, _AHEAD)
        known = pl.col("at").map_batches(moment, return_dtype=pl.Struct(MOMENT), is_elementwise=True)
        parts = parts.with_columns(matched=pl.col("message").is_not_null(), moment=known).drop("at").unnest("moment")
        return parts if read is None else calls.with_calls(parts, read)

    return parse


FORMAT = Format(
    name="nestjs",
    title="NestJS' logger, and requests that middleware logs with it",
    samples=(
        "[Nest] 4711  - 10/02/2025, 12:00:08 PM     LOG [HTTP] GET /api/me 401 14 - okhttp/4.12.0 203.0.113.7",
        "[Nest] 4711  - 10/02/2025, 12:00:09 PM    WARN [AuthGuard] jwt expired",
    ),
    time="end",
    kinds=(Kind.MESSAGE, Kind.REQUEST),
    specificity=0.98,
    prepare=_prepare,
    multiline=True,
    record_start=r"^\[[A-Za-z][^\]]{0,40}\] [0-9]+ +(?:- +)?[0-9]",
)
