"""Owns `iis`: IIS' own log file format, which is fixed and has no names; its times are local ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import polars as pl

from authforensics.collect.cutting import Moment, cutting, restated
from authforensics.collect.distinct import each_run_of, fits
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind

# Reference: https://learn.microsoft.com/en-us/windows/win32/http/iis-logging: client, user, date, time, service,
# server, its address, milliseconds, bytes received and sent, status, that of Windows, method, target, query.
_DATE = r"[0-9]{1,4}[/.-][0-9]{1,2}[/.-][0-9]{1,4}"
_LINE = (
    rf"^(?P<client_ip>[0-9A-Fa-f.:%]+), (?P<user_id>[^,]*), (?P<at>{_DATE}, [0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}}),"
    r" [A-Za-z][^,\s]*, [^,]*, [^,]*, (?P<lasted>[0-9]+), [0-9]+, (?P<bytes>[0-9]+), (?P<status>[0-9]{1,3}), [0-9]+,"
    r" (?P<method>[^,\s]*), (?P<target>\S*), (?P<query>\S*?),*(?: .*)?$"
)
#: The parts of a time, whose order is that of the server's locale: with slashes the month stands in front, unless some
#: number there can't be one.
_PARTS = r"^([0-9]{1,4})[/.-]([0-9]{1,2})[/.-]([0-9]{1,4}), ([0-9:]+)$"
_DAY = re.compile(r"(?:1[3-9]|[23][0-9])/|[0-9]{1,2}[.-]")


#: The columns, and what they look like in most lines; behind the last one is a comma.
_NAMES = (
    *("client_ip", "user_id", "date", "clock", "service", "server", "address", "lasted", "received", "bytes", "status"),
    *("windows", "method", "target", "query", "end"),
)
_SHAPES = {
    "client_ip": r"^[0-9A-Fa-f.:%]+$",
    "date": rf"^ {_DATE}$",
    "service": r"^ [A-Za-z][^\s]*$",
    "server": r"^ ",
    "address": r"^ ",
    "user_id": r"^ ",
    "status": r"^ [0-9]{1,3}$",
    "windows": r"^ [0-9]+$",
    "method": r"^ [^\s]*$",
    "query": r"^ [^\s]*$",
}
_NUMBERS = ("lasted", "received", "bytes")
_CLOCK = r"^ [0-9]{1,2}:[0-9]{2}:[0-9]{2}$"


def _take(pieces: pl.DataFrame, moment: Moment) -> tuple[pl.DataFrame, pl.Series]:
    """The parts of lines, from what stands between their commas, and which lines are plain: they have no more."""
    parts = pieces.rename({str(place): name for place, name in enumerate((*_NAMES, "more"))})
    plain = (parts["end"] == "") & (parts["more"] == "") & fits(parts["clock"], _CLOCK, each_run_of)
    for name, shape in _SHAPES.items():
        plain &= fits(parts[name], shape)
    for name in _NUMBERS:
        plain &= parts[name].str.contains("^ [0-9]+$")
    plain &= parts["target"].str.contains(r"^ [^\s]*$")
    at = pl.select(parts["date"].str.strip_prefix(" ") + pl.lit(",") + parts["clock"]).to_series()
    told = ("client_ip", "user_id", "lasted", "bytes", "status", "method", "target", "query")
    bare = parts.select(pl.col(told).str.strip_prefix(" "), moment(at).alias("moment"))
    return bare, plain.fill_null(value=False)


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    matches = [match["at"] for match in map(re.compile(_LINE).match, sample) if match]
    if not matches:
        return None
    day_first = any(map(_DAY.match, matches))

    def moment(values: pl.Series) -> pl.Series:
        return restated(values, partial(_restated, day_first=day_first), settings.tz)

    return cutting(_LINE, len(_NAMES) + 1, partial(_take, moment=moment), _make, moment, separator=",")


def _restated(times: pl.Series, *, day_first: bool) -> pl.Series:
    """Times as ISO 8601."""
    first, second, third, clock = (pl.lit(times).str.extract(_PARTS, number) for number in range(1, 5))
    own = first.str.len_bytes() > 2
    day, month = (first, second) if day_first else (second, first)
    year = pl.when(own).then(first).when(third.str.len_bytes() == 2).then(pl.lit("20") + third).otherwise(third)
    month, day = pl.when(own).then(second).otherwise(month), pl.when(own).then(third).otherwise(day)
    date = pl.concat_str(year, month.str.zfill(2), day.str.zfill(2), separator="-")
    return pl.select(pl.concat_str(date, clock.str.zfill(8), separator=" ")).to_series()


def _make(parts: pl.LazyFrame) -> pl.LazyFrame:
    return parts.with_columns(duration_ms=pl.col("lasted").cast(pl.Float64, strict=False)).drop("lasted")


FORMAT = Format(
    name="iis",
    title="IIS' own log file format",
    samples=(
        "203.0.113.7, -, 10/2/2025, 12:00:08, W3SVC2, WEB1, 172.21.13.45, 116, 163, 3223, 401, 0, GET, /api/me, -,",
    ),
    time="end",
    kinds=(Kind.REQUEST,),
    specificity=0.98,
    prepare=_prepare,
)
