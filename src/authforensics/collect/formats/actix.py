"""Owns `actix`: the access log of Actix Web's Logger, behind what Rust's loggers put in front, and their messages."""

from __future__ import annotations

from collections.abc import Sequence

from authforensics.collect.cutting import TIME_IN_FRONT
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.in_words import LEVEL, parser
from authforensics.schema import Kind

# Reference: https://docs.rs/actix-web/latest/actix_web/middleware/struct.Logger.html (default: `%a "%r" %s %b
# "%{Referer}i" "%{User-Agent}i" %T`); in front of it https://docs.rs/env_logger, tracing-subscriber, log4rs.
_AHEAD = rf"\[?(?P<at>{TIME_IN_FRONT})\]? +\[?{LEVEL}\]? +(?:\[?[\w:-]+(?:\]:?|:| -) +)?"
#: Nothing is escaped: a user agent may have quotes.
_CALL = (
    r"^(?P<client_ip>[^\s\"]+) \"(?P<request>[A-Z-]+ \S+ HTTP/[0-9](?:\.[0-9])?)\" (?P<status>[1-5][0-9]{2})"
    r" (?P<bytes>[0-9]+) \".*?\" \"(?P<user_agent>.*)\" (?P<seconds>[0-9]+\.[0-9]{6})(?:\s.*)?$"
)


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    return parser(sample, settings, _AHEAD, _CALL)


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
