"""Owns `nestjs`: what NestJS' logger writes, and the requests that middleware logs with it; local time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import polars as pl

from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.in_words import parser
from authforensics.collect.moments import spelt
from authforensics.schema import Kind

# Reference: https://github.com/nestjs/nest/blob/master/packages/common/services/console-logger.service.ts. The time is
# that of the locale, en-US where none is set; up to version 7 there was no level.
_SPACE = " \u00a0\u202f"
_AT = rf"[0-9]{{1,4}}[./-][0-9]{{1,2}}[./-][0-9]{{1,4}},? [0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}}(?:[{_SPACE}][AaPp][Mm])?"
_LEVEL = r"(?:LOG|ERROR|WARN|DEBUG|VERBOSE|FATAL)"
_AHEAD = rf"\[[A-Za-z][^\]]{{0,40}}\] [0-9]+ +- (?P<at>{_AT}) +(?:{_LEVEL} )?(?:\[[^\]]*\] )?"
#: The framework logs no requests, but everybody's middleware does so alike: `${method} ${url} ${status} ${length} -
#: ${userAgent} ${ip}`, or a duration in place of these.
_CALL = (
    r"^(?:\[[^\]]*\] )?(?P<method>GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS):? (?P<target>/[^ ]*)"
    r" (?:HTTP/[0-9](?:\.[0-9])? )?(?:- )?(?P<status>[1-5][0-9]{2})(?P<rest>(?: .*)?)$"
)
#: Where hours are those of the whole day the day stands first.
_DAY_FIRST, _HALF = r"^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}),? ([0-9]{1,2}:[0-9:]{5})$", "M"
_SINCE = r" \+[0-9]+ms$"
_LENGTH = r"^ ([0-9]+)(?: -|$)"
_LASTED = r"(?:^|[^0-9.+])([0-9]+(?:\.[0-9]+)?) ?ms(?:\W|$)"
_ADDRESS = r"[0-9A-Fa-f]*[.:][0-9A-Fa-f.]*[.:][0-9A-Fa-f.:]*"
_CLIENT = rf"^(?: [0-9]+| undefined| -)? - (?P<user_agent>.*) (?P<client_ip>{_ADDRESS})(?:{_SINCE})?$"


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    fronts = [match["at"] for match in map(re.compile(_AHEAD).match, sample) if match]
    if not fronts:
        return None
    day_first = not any(_HALF in at.upper() for at in fronts)
    # Where none is logged a user agent must not pass for one.
    calls = map(re.compile(f"^{_AHEAD}{_CALL.removeprefix('^')}").match, sample)
    clients = [bool(re.match(_CLIENT, call["rest"])) for call in calls if call]

    def moment(values: pl.Series) -> pl.Series:
        # Of other times without a half day the end is missing.
        known = values.str.replace(_DAY_FIRST, "$3-$2-$1 $4") if day_first else values
        return spelt(known.str.replace(", ", " ", literal=True), fronts[0], settings.tz)

    made = parser(sample, settings, _AHEAD, _CALL, moment, messages=True)
    finish = partial(_with_rest, client=2 * sum(clients) > len(clients))
    return None if made is None else lambda lines: finish(made(lines))


def _with_rest(parts: pl.LazyFrame, client: bool) -> pl.LazyFrame:
    """The parts with what stands behind the status of a request: a client, or how long it lasted."""
    rest = pl.col("rest")
    parts = parts.with_columns(bytes=rest.str.extract(_LENGTH))
    if client:
        return parts.with_columns(rest.str.extract_groups(_CLIENT)).unnest("rest")
    lasted = rest.str.replace(_SINCE, "").str.extract(_LASTED)
    return parts.with_columns(duration_ms=lasted.cast(pl.Float64, strict=False)).drop("rest")


FORMAT = Format(
    name="nestjs",
    title="NestJS' logger, and requests that middleware logs with it",
    samples=(
        "[Nest] 4711  - 10/02/2025, 12:00:08 PM     LOG [HTTP] GET /api/me 401 14 - okhttp/4.12.0 203.0.113.7",
        "[Nest] 4711  - 10/02/2025, 12:00:09 PM    WARN [AuthGuard] jwt expired",
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.98,
    prepare=_prepare,
    multiline=True,
    record_start=r"^\[[A-Za-z][^\]]{0,40}\] [0-9]+ +- [0-9]",
)
