"""Owns `haproxy`: HAProxy's HTTP and HTTPS lines, with or without what syslog writes in front of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import polars as pl

from authforensics.collect.cutting import Moment, by_pattern, client, moments
from authforensics.collect.distinct import each, each_of, mapped
from authforensics.collect.format import Cutting, Format, Parser, Settings
from authforensics.collect.splitting import columns
from authforensics.collect.times import MOMENT, NAIVE, localize
from authforensics.schema import Kind

# Reference: https://docs.haproxy.org/3.0/configuration.html#8.2.3 (HTTP), 8.2.4 (HTTPS), 8.5 (termination states)
_DATE = r"\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?"
_WORD = r"[!#-z|}~]+"
_TIMERS = r"-?\d+(?:/-?\d+){3}/\+?-?\d+"
_CALLER = rf"(?P<peer>{_WORD}) \[(?P<at>{_DATE})\] {_WORD} (?P<upstream>{_WORD}) (?P<timers>{_TIMERS}) "
_RESULT = rf"(?P<status>\d{{3}}|-1) (?P<bytes>\+?\d+) (?P<asked>{_WORD}) (?P<set>{_WORD}) {_WORD} "
_LOAD = r"\d+(?:/\+?\d+){4} \d+/\d+ "
# Values of captured headers have no brace or quote of their own: HAProxy writes those as #7B and the like.
_CAPTURED = r"(?P<captured>(?:\{[^{}\"]*\} ){0,2})"
_BEFORE = rf"{_CALLER}{_RESULT}{_LOAD}"
# A line is cut off at 1024 bytes unless another length is set.
_LINE = rf"^(?:[^\"{{]* )?{_BEFORE}{_CAPTURED}\"(?P<request>[^\"]+)(?:\"(?P<rest>.*))?$"
_NAMES = ("peer", "at", None, "upstream", "timers", "status", "bytes", "asked", "set")

_TCP = rf"^(?:[^\"{{]* )?{_WORD} \[{_DATE}\] {_WORD} {_WORD} -?\d+/-?\d+/\+?\d+ \+?\d+ "
_GIVEN_UP = rf"^(?:[^\"{{]* )?{_WORD} \[{_DATE}\] {_WORD}: "
_PROBLEMS = {
    _TCP: "a TCP connection of HAProxy: there is no request in it",
    _GIVEN_UP: "a connection that HAProxy gave up before there was a request",
}

_AGENT = r"^[A-Za-z][\w.+-]*(?: [\w.+-]+){0,3}/[vV]?\d"
_HOPS = r"^\[?[0-9A-Fa-f]{0,4}[.:][0-9A-Fa-f.:]+\]?(?:, ?[0-9A-Fa-f.:]+)*$"
_HOST = r"^(?:[A-Za-z0-9_-]+\.)+[A-Za-z][A-Za-z0-9-]*(?::\d+)?$"
_CHALLENGE = r"(?i)^(?:bearer|dpop|basic|digest|negotiate)\b"
_HEADERS: dict[str, pl.DataType] = dict.fromkeys(
    ("user_agent", "forwarded", "captured_host", "reason_text"), pl.String()
)
_SESSION = r"(?i)^[\w.-]*(?:sess|sid|auth|token)[\w.-]*=(.+)$"
_SNI = r"^ -?\w+(?:/-?\w+){4} ([^/\s]+)/"


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(re.search(rf" \[{_DATE}\] ", line) for line in sample):
        return None
    moment = partial(_moment, tz=settings.tz)
    parse = by_pattern(_LINE, _made, moment)

    def explained(lines: pl.LazyFrame) -> pl.LazyFrame:
        return parse(lines).with_columns(problem=pl.when(~pl.col("matched")).then(_problem()))

    def cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series] | None:
        return _cut(data, moment)

    return Cutting(explained, cut)


def _cut(data: bytes, moment: Moment) -> tuple[pl.LazyFrame, pl.Series] | None:
    """Lines cut at quotes and at spaces, and which of them are plain: as many words in front as the first line has."""
    first = re.match(_LINE, data.partition(b"\n")[0].decode())
    if first is None:
        return None
    ahead = first.string[: first.start("peer")].count(" ")
    before, request, rest = columns(data, '"', ("before", "request", "rest"))
    cut = before.str.splitn("{", 2).struct if b"{" in data else None
    front = before if cut is None else cut.field("field_0")
    captured = None if cut is None else each_of(cut.field("field_1"), _groups, _GROUPS).struct.field("captured")
    plain = front.str.contains(rf"^(?:[!#-z|}}~]* ){{{ahead}}}{_BEFORE}$") & (request != "")
    if captured is not None:
        plain &= captured.is_not_null()
    parts = columns(data, " ", [None] * ahead + list(_NAMES))
    at = parts["at"].str.strip_prefix("[").str.strip_suffix("]")
    parts = parts.with_columns(
        request=request,
        rest=rest,
        captured=pl.lit("") if captured is None else captured,
        moment=moment(at),
        matched=pl.lit(value=True),
    )
    return _made(parts.drop("at").lazy()).unnest("moment"), plain


def _made(parts: pl.LazyFrame) -> pl.LazyFrame:
    """`PARSED` of the parts of lines."""
    peer = pl.col("peer").str.strip_chars_end("0123456789")
    parts = parts.with_columns(
        each("captured", _headers, _HEADERS).struct.unnest(),
        peer=pl.when(peer.str.ends_with(":")).then(peer).otherwise(pl.col("peer")),
        duration_ms=pl.col("timers").str.extract(r"/\+?(\d+)$").cast(pl.Float64, strict=False),
        bytes=pl.col("bytes").str.strip_prefix("+"),
        upstream=mapped("upstream", _server, pl.String()),
        session_id=pl.coalesce(mapped("set", _session, pl.String()), mapped("asked", _session, pl.String())),
        host=mapped("rest", _name, pl.String()),
    )
    parts = parts.with_columns(client_ip=client("peer", "forwarded"), host=pl.coalesce("captured_host", "host"))
    return parts.drop("peer", "forwarded", "captured", "captured_host", "timers", "asked", "set", "rest")


def _moment(values: pl.Series, tz: str | None) -> pl.Series:
    return moments(values, 20, partial(_read, tz=tz))


def _read(values: pl.DataFrame, tz: str | None) -> pl.DataFrame:
    """Times without a zone, perhaps with a fraction of a second."""
    text = pl.col("value")
    naive = text.str.slice(0, 20).str.to_datetime("%d/%b/%Y:%H:%M:%S", strict=False, time_unit="us")
    fraction = text.str.slice(21, 6)
    micros = fraction.str.pad_end(6, "0").cast(pl.Int64, strict=False).fill_null(0)
    places = fraction.str.len_chars()
    time = localize(naive + pl.duration(microseconds=micros), tz)
    clock = pl.when(places == 0).then(1.0).when(places <= 3).then(1e-3).otherwise(1e-6)
    zone = pl.when(naive.is_not_null()).then(pl.lit(NAIVE))
    return values.select(time=time.cast(MOMENT["time"]), zone=zone, clock=clock.cast(pl.Float32))


def _groups(values: pl.DataFrame) -> pl.DataFrame:
    """What stands behind the first brace of captured headers, or nothing; null if it is anything else."""
    text = pl.col("value").fill_null("")
    return values.select(captured=pl.when(text.str.contains(r"^(?:[^{}\"]*\} (?:\{[^{}\"]*\} )?)?$")).then(text))


_GROUPS: dict[str, pl.DataType] = {"captured": pl.String()}


def _headers(values: pl.DataFrame) -> pl.DataFrame:
    """What the captured headers are. Names aren't logged, and one group can be the request's or the response's."""
    text = pl.col("value").str.strip_chars("{} ").str.replace_all("} {", "|", literal=True)
    one = pl.element()
    header = text.str.split("|").list

    def first(pattern: str) -> pl.Expr:
        return header.eval(one.filter(one.str.contains(pattern))).list.first().str.replace_all("#22", '"', literal=True)

    return values.select(
        user_agent=first(_AGENT), forwarded=first(_HOPS), captured_host=first(_HOST), reason_text=first(_CHALLENGE)
    )


def _server(values: pl.Series) -> pl.Series:
    """Which server answered; `-`, not null, where HAProxy itself did: else syslog's host would count as the server."""
    return values.replace(values.filter(values.str.ends_with("/<NOSRV>")), "-")


def _session(values: pl.Series) -> pl.Series:
    return values.str.extract(_SESSION)


def _name(values: pl.Series) -> pl.Series:
    return values.str.extract(_SNI)


def _problem() -> pl.Expr:
    line = pl.col("line")
    return pl.coalesce(pl.when(line.str.contains(kind)).then(pl.lit(why)) for kind, why in _PROBLEMS.items())


FORMAT = Format(
    name="haproxy",
    title="HTTP or HTTPS log of HAProxy, with or without a syslog prefix",
    samples=(
        (
            "Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1"
            ' 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1"'
        ),
        (
            "203.0.113.7:50516 [20/Jun/2024:11:47:56.766] web~ api/s1 0/0/24/27/51 401 379 - - ---- 1/1/0/0/0 0/0"
            ' "GET /api/me HTTP/2.0" 0/0/0/0/0 shop.example/TLSv1.3/TLS_AES_256_GCM_SHA384'
        ),
    ),
    time="start",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
    no_events=_PROBLEMS,
)
