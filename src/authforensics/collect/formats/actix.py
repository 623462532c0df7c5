"""Owns `actix`: the access log of Actix Web's Logger, behind what Rust's loggers put in front, and their messages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import polars as pl

from authforensics.collect.cutting import TIME_IN_FRONT, iso
from authforensics.collect.distinct import each_run_of, fits
from authforensics.collect.format import Cutting, Format, Parser, Settings
from authforensics.collect.in_words import LEVEL, parser, told
from authforensics.collect.splitting import columns, unescaped, words
from authforensics.schema import Kind

# Reference: https://docs.rs/actix-web/latest/actix_web/middleware/struct.Logger.html (default: `%a "%r" %s %b
# "%{Referer}i" "%{User-Agent}i" %T`); in front of it https://docs.rs/env_logger, tracing-subscriber, log4rs.
_AHEAD = rf"\[?(?P<at>{TIME_IN_FRONT})\]? +\[?{LEVEL}\]? +(?:\[?[\w:-]+(?:\]:?|:| -) +)?"
#: Nothing is escaped: a user agent may have quotes.
_REQUEST = r"[A-Z-]+ \S+ HTTP/[0-9](?:\.[0-9])?"
_CALL = (
    rf"^(?P<client_ip>[^\s\"]+) \"(?P<request>{_REQUEST})\" (?P<status>[1-5][0-9]{{2}})"
    r" (?P<bytes>[0-9]+) \".*?\" \"(?P<user_agent>.*)\" (?P<seconds>[0-9]+\.[0-9]{6})(?:\s.*)?$"
)


#: Where a request begins in a line, and what stands behind the quotes of most lines.
_FRONT = re.compile(rf"^{_AHEAD}(?=[^\s\"]+ \"[A-Z])")
_ADDRESS, _RESULT, _SECONDS = r"^[^\s\"]+ $", "^ [1-5][0-9]{2} [0-9]+ $", r"^ [0-9]+\.[0-9]{6}$"
_PIECES = ("before", "request", "result", "referer", "between", "user_agent", "behind", "more")


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    made = parser(sample, settings, _AHEAD, _CALL)
    fronts = Counter(_front(match) for line in sample if (match := _FRONT.match(line)))
    if made is None or not fronts:
        return made
    usual = fronts.most_common(1)[0][0]

    def cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series]:
        parts, plain = _cut(columns(data, '"', _PIECES), usual, settings.tz)
        return told(parts.lazy().unnest("moment")), unescaped(data, plain)

    return Cutting(made, cut)


def _front(match: re.Match[str]) -> tuple[str, int, str]:
    """What is in front of a time, how long that is, and what stands between it and the address."""
    begin, end = match.span("at")
    return match[0][:begin], end - begin, match[0][end:]


def _cut(pieces: pl.DataFrame, front: tuple[str, int, str], tz: str | None) -> tuple[pl.DataFrame, pl.Series]:
    """The parts of lines, from what stands between their quotes, and which are plain requests with the usual front."""
    head, length, gap = front
    before, result, behind, request = (pieces[name] for name in ("before", "result", "behind", "request"))
    at = before.str.slice(len(head), length)
    rest = before.str.slice(len(head) + length)
    client = rest.str.strip_prefix(gap)
    plain = before.str.starts_with(head) & rest.str.starts_with(gap) & fits(client, _ADDRESS)
    plain &= fits(at, f"^{TIME_IN_FRONT}$", each_run_of) & fits(request, f"^{_REQUEST}$")
    plain &= result.str.contains(_RESULT) & behind.str.contains(_SECONDS)
    plain &= (pieces["between"] == " ") & (pieces["more"] == "")
    status, size = words(result, (None, "status", "bytes", None))
    parts = [client.str.strip_suffix(" ").alias("client_ip"), request, status, size, pieces["user_agent"]]
    nothing = pl.Series("message", [None], dtype=pl.String).new_from_index(0, len(before))
    matched = pl.Series("matched", [True]).new_from_index(0, len(before))
    seconds = behind.str.strip_prefix(" ").alias("seconds")
    return pl.DataFrame([*parts, seconds, nothing, matched, iso(at, tz).alias("moment")]), plain


FORMAT = Format(
    name="actix",
    title="log of Actix Web (Rust) with its Logger",
    samples=(
        (
            '[2025-10-02T12:00:08Z INFO  actix_web::middleware::logger] 203.0.113.7 "GET /api/me HTTP/1.1" 401 14 "-"'
            ' "okhttp/4.12.0" 0.000123'
        ),
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.98,
    prepare=_prepare,
)
