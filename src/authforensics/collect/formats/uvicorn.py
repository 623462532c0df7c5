"""Owns `uvicorn`: access lines and messages of uvicorn and Granian, with a time in front, or in what wraps them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from authforensics.collect.cutting import TIME_IN_FRONT, iso_of
from authforensics.collect.distinct import fits
from authforensics.collect.format import Cutting, Format, Parser, Settings
from authforensics.collect.requests import PORTED
from authforensics.collect.splitting import columns
from authforensics.schema import KIND, Kind

# Reference: https://github.com/encode/uvicorn/blob/master/uvicorn/logging.py; https://github.com/emmett-framework/granian
# (--access-log-fmt): a zone behind a space, no port, milliseconds at the end.
_AT = rf"{TIME_IN_FRONT}(?: [+-]\d{{4}})?"
_IN_FRONT = rf"(?:\[?(?P<at>{_AT})\]?:?(?: [|-])? +)?"
_COLOUR = r"(?:\x1b\[[0-9;]*m)*"
_LEVEL = rf"{_COLOUR}(?:TRACE|DEBUG|INFO|WARNING|ERROR|CRITICAL){_COLOUR}"
_CALL = (
    rf"(?:(?:uvicorn\.access[ |-]+)?\[?{_LEVEL}\]?:?[ |-]+(?:uvicorn\.access:?[ |-]+)?)?"
    r"(?:None|(?P<client_ip>[^\s\"]*?))(?P<port>:\d{1,5})? - "
    rf"\"{_COLOUR}(?P<request>[^\"]*?){_COLOUR}\" {_COLOUR}(?P<status>\d{{3}})\b"
    r"(?: (?P<lasted>[0-9]+\.[0-9]{3})$)?"
)
_LINE = rf"^{_IN_FRONT}(?:{_CALL}|{_LEVEL}: +(?P<message>\S.*)$)"
_SURE = re.compile(rf"^{_IN_FRONT}{_CALL}")
_DASH = " - "


@dataclass(frozen=True, slots=True)
class _Front:
    """What stands in front of the client in most lines: `head`, a time of so many characters (0: none), and `gap`."""

    head: str
    time: int
    gap: str


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    calls = [call for line in sample if (call := _SURE.match(line))]
    if not calls:
        return None
    fronts = Counter(front for call in calls if (front := _front(call)) is not None)
    usual = fronts.most_common(1)[0][0] if fronts else None

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        return _told(lines.with_columns(parts=pl.col("line").str.extract_groups(_LINE)).unnest("parts"), settings.tz)

    def cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series] | None:
        if usual is None:
            return None
        parts, plain = _cut(columns(data, '"', ("before", "request", "behind")), usual)
        return _told(parts.lazy(), settings.tz), plain

    return Cutting(parse, cut)


def _told(parts: pl.LazyFrame, tz: str | None) -> pl.LazyFrame:
    """What the groups of lines say."""
    called, lasted = pl.col("request").is_not_null(), pl.col("lasted").cast(pl.Float64)
    return (
        parts.with_columns(
            # Of an IPv6 address this is the end.
            client_ip=pl.concat_str("client_ip", pl.when(lasted.is_not_null()).then("port").fill_null("")),
            matched=called | pl.col("message").is_not_null(),
            kind=pl.when(called).then(pl.lit(Kind.REQUEST.value)).otherwise(pl.lit(Kind.MESSAGE.value)).cast(KIND),
            moment=iso_of(pl.col("at"), tz),
            duration_ms=lasted,
        )
        .unnest("moment")
        .drop("at", "lasted", "port")
    )


def _front(call: re.Match[str]) -> _Front | None:
    if call["client_ip"] is None:
        return None
    begin, end = call.span("at") if call["at"] else (0, 0)
    return _Front(call.string[:begin], end - begin, call.string[end : call.start("client_ip")])


def _cut(pieces: pl.DataFrame, front: _Front) -> tuple[pl.DataFrame, pl.Series]:
    """The groups of lines, from what is before, between and behind their first quotes, and which are plain calls."""
    before, request, behind = (pieces[name] for name in ("before", "request", "behind"))
    nothing = pl.lit(None, pl.String)
    begin = len(front.head)
    at = before.str.slice(begin, front.time)
    rest = before.str.slice(begin + front.time)
    # Its port is taken off where that of any client is.
    client = rest.str.strip_prefix(front.gap).str.strip_suffix(_DASH)
    plain = rest.str.starts_with(front.gap) & rest.str.ends_with(_DASH) & client.str.contains(PORTED)
    plain &= ~request.str.contains("\x1b", literal=True)
    plain &= fits(behind, "^ [0-9]{3}(?: [^0-9]|$)")
    if front.head:
        plain &= before.str.starts_with(front.head)
    if front.time:
        plain &= at.str.contains(f"^{_AT}$")
    parts = pieces.select(
        "request",
        at=at if front.time else nothing,
        client_ip=client,
        status=behind.str.slice(1, 3),
        message=nothing,
        lasted=nothing,
        port=nothing,
    )
    return parts, plain


FORMAT = Format(
    name="uvicorn",
    title="access log of uvicorn, with a time in front or in what wraps it, and of Granian",
    samples=(
        '2025-10-02 12:00:08,123 INFO:     203.0.113.7:5000 - "GET / HTTP/1.1" 200 OK',
        '2025-10-02 12:00:09,123 - INFO - 203.0.113.7:5000 - "GET /api/me HTTP/1.1" 401',
        '[2025-10-02 12:00:09 +0000] 203.0.113.7 - "GET /api/me HTTP/1.1" 401 0.049',
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.97,
    prepare=_prepare,
    multiline=True,
    record_start=rf"^{_IN_FRONT}(?:{_LEVEL}|[^\s\"]*:[0-9]{{1,5}} - \")|^\[?{TIME_IN_FRONT}|^\{{\"",
)
