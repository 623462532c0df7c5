"""Owns `pino_pretty`: what pino-pretty makes of pino's JSON: a line, and below it the fields that the object had."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.cutting import client
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.moments import spelt
from authforensics.collect.peel_json import values_of
from authforensics.collect.times import MOMENT
from authforensics.collect.two_lines import with_calls
from authforensics.schema import KIND, Kind

# Reference: https://github.com/pinojs/pino-pretty: without translateTime the time has no date (since version 10) or is
# in milliseconds since 1970; `ignore: 'pid,hostname'` leaves out what is in parentheses.
_AHEAD = r"^\[[0-9][0-9:.,TZ /+-]{7,35}(?: ?[A-Z]{3,4})?\] (?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL)(?: \([^)]*\))?:"
_HEAD = (
    r"^\[(?:(?P<at>[0-9]{13}|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][^\]]{8,26})|[0-9][^\]]*)\] [A-Z]+(?: \((?P<pid>[^)]*)\))?:"
    r"(?: (?P<message>.*?))??(?: (?P<object>\{\".*\}))?$"
)
#: Fields of the object, of those in it, and of headers; strings have no line breaks.
_KEY = r"(?P<key> {4}[A-Za-z]+| {6}\"[A-Za-z]+\"| {8}\"[a-z-]+\")"
_FIELD = rf"^{_KEY}: (?:\"(?P<text>(?:[^\"\\]|\\.)*)\"|(?P<number>-?[0-9][0-9.e+-]*)),?$"
#: The fields below a line, as they stand there: what a caller puts into a query is deeper, and above the headers.
_BELOW = {
    "request_id": ("    reqId", '      "id"'),
    "method": ('      "method"',),
    "target": ('      "url"',),
    "host": ('      "host"', '        "host"'),
    "client_ip": ('      "remoteAddress"',),
    "forwarded": ('        "x-forwarded-for"',),
    "user_agent": ('        "user-agent"',),
    "status": ('      "statusCode"',),
    "lasted": ("    responseTime",),
    "error": ('      "message"',),
}
#: Where the object has them that `singleLine` puts behind the message.
_WITHIN = {
    "request_id": ("reqId", "req.id"),
    "method": ("req.method",),
    "target": ("req.url",),
    "host": ("req.host", "req.headers.host"),
    "client_ip": ("req.remoteAddress",),
    "forwarded": ("req.headers.x-forwarded-for",),
    "user_agent": ("req.headers.user-agent",),
    "status": ("res.statusCode",),
    "lasted": ("responseTime",),
    "error": ("err.message",),
}
_PATHS = [path for paths in _WITHIN.values() for path in paths]


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    heads = [match for match in map(re.compile(_HEAD).match, sample) if match]
    if not any(match["object"] for match in heads) and not (heads and any(map(re.compile(_FIELD).match, sample))):
        return None
    example = next((match["at"] for match in heads if match["at"]), "")

    def moment(values: pl.Series) -> pl.Series:
        return spelt(values, example, settings.tz)

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        line = pl.col("line")
        parts = lines.with_columns(line.str.extract_groups(_HEAD).alias("head"), _field=line.str.extract_groups(_FIELD))
        parts = parts.unnest("head").with_columns(
            matched=line.str.contains(_AHEAD),
            moment=pl.col("at").map_batches(moment, return_dtype=pl.Struct(MOMENT), is_elementwise=True),
            _object=pl.col("object").map_batches(_values, return_dtype=_VALUES, is_elementwise=True),
        )
        return with_calls(_told(parts.drop("at", "object").unnest("moment")), ["pid"]).drop("pid")

    return parse


_VALUES = pl.Struct(dict.fromkeys(_PATHS, pl.String))


def _values(objects: pl.Series) -> pl.Series:
    return values_of(objects, _PATHS).to_struct()


def _told(parts: pl.LazyFrame) -> pl.LazyFrame:
    """The records, with what the fields of each say; `_record` counts them."""
    field = pl.col("_field").struct
    value = pl.coalesce(field.field("text"), field.field("number"))
    parts = parts.with_columns(_record=pl.col("matched").cast(pl.UInt32).cum_sum())
    within = pl.col("_object").struct
    told = {
        name: pl.coalesce(
            *(within.field(path) for path in _WITHIN[name]),
            *(pl.when(field.field("key") == key).then(value).drop_nulls().last().over("_record") for key in keys),
        )
        for name, keys in _BELOW.items()
    }
    parts = parts.with_columns(pl.when("matched").then(text).alias(name) for name, text in told.items())
    said, error = pl.col("message"), pl.col("error")
    request = pl.all_horizontal(pl.col(name).is_not_null() for name in ("method", "target", "status", "lasted"))
    more = error.is_not_null() & ~said.str.contains(error, literal=True)
    return parts.with_columns(
        kind=pl.when(request).then(pl.lit(Kind.REQUEST.value)).otherwise(pl.lit(Kind.MESSAGE.value)).cast(KIND),
        message=pl.when(~request).then(pl.when(more).then(pl.format("{}: {}", said, error)).otherwise(said)),
        reason_text=pl.when(request).then(error),
        duration_ms=pl.col("lasted").cast(pl.Float64, strict=False),
        client_ip=client("client_ip", "forwarded"),
    ).drop("_record", "_field", "_object", "lasted", "error", "forwarded")


FORMAT = Format(
    name="pino_pretty",
    title="pino-pretty's output of pino's JSON: Fastify, pino-http, NestJS, hapi",
    samples=(
        '[2025-10-02 12:00:08.123 +0000] INFO (17): incoming request {"reqId":"a","req":{"method":"GET","url":"/api"}}',
        '[2025-10-02 12:00:08.125 +0000] INFO (17): request completed {"reqId":"a","res":{"statusCode":401}}',
    ),
    time="end",
    kinds=(Kind.MESSAGE, Kind.REQUEST),
    specificity=0.98,
    prepare=_prepare,
    multiline=True,
    record_start=_AHEAD,
)
