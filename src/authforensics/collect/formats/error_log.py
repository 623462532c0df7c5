"""Owns `error_log`: the error logs of nginx and Apache, which tell what a server or PHP said, and of which request."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect import cutting, notations
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.times import MOMENT
from authforensics.schema import Kind

# Reference: ngx_log_error_core in src/core/ngx_log.c, ngx_http_log_error in src/http/ngx_http_request.c
_NGINX = (
    r"(?P<nginx>[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})"
    r" \[(?:debug|info|notice|warn|error|crit|alert|emerg)\] [0-9]+#[0-9]+: (?:\*[0-9]+ )?"
)
# Reference: https://httpd.apache.org/docs/2.4/mod/core.html#errorlogformat
_APACHE = (
    r"\[(?P<apache>[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]?[0-9] [0-9:.]{8,15} [0-9]{4})\] \[(?:[\w.-]*:)?[a-z0-9]+\]"
    r"(?: \[pid [^\]]*\])?(?: \([0-9]+\)[^:\[\]]*:)?(?: \[client (?P<peer>[^\]]*?)(?::[0-9]{1,5})?\])? "
)
_FRONT = rf"^(?:{_NGINX}|{_APACHE})"
_LINE = rf"{_FRONT}(?P<message>.*)$"
#: What nginx tells of the request behind its message; who calls writes its line and host.
_TAIL = (
    r"^(?P<said>.*?), client: (?:unix:|(?P<client_ip>[^,\s]+)), server: [^,]*(?:, request: \"(?P<request>[^\"]*)\")?"
    r"(?:, (?:sub)?upstream: \"[a-z]*:?(?://)?(?P<upstream>unix:[^\":]+|[^\"/]+)[^\"]*\")?"
    r"(?:, host: \"(?P<host>[^\"]*)\")?"
)
#: What PHP's error_log becomes on its way through FastCGI; the end of a message of several lines is in another one.
_STDERR = r"^FastCGI sent in stderr: \"(?:PHP message: )?(.*?)(?:\" while reading .*)?$"


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(map(re.compile(_FRONT).match, sample)):
        return None

    def moment(values: pl.Series) -> pl.Series:
        return cutting.restated(values, notations.restated, settings.tz)

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = lines.with_columns(parts=pl.col("line").str.extract_groups(_LINE)).unnest("parts")
        at = pl.coalesce("nginx", "apache")
        parts = parts.with_columns(
            matched=at.is_not_null(),
            moment=at.map_batches(moment, return_dtype=pl.Struct(MOMENT), is_elementwise=True),
            tail=pl.col("message").str.extract_groups(_TAIL),
        )
        parts = parts.unnest("moment").unnest("tail")
        said = pl.coalesce("said", "message")
        message = pl.coalesce(said.str.extract(_STDERR), said)
        client = pl.coalesce("client_ip", "peer")
        return parts.with_columns(message=message, client_ip=client).drop("nginx", "apache", "peer", "said")

    return parse


FORMAT = Format(
    name="error_log",
    title="error log of nginx or Apache, with what PHP says through FastCGI",
    samples=(
        (
            '2026/03/01 10:02:03 [error] 17#17: *19 user "ann": password mismatch, client: 203.0.113.7, server: ,'
            ' request: "GET /api/me HTTP/1.1", host: "shop.example"'
        ),
        "[Sun Mar 01 10:02:03.123456 2026] [php:notice] [pid 17] [client 203.0.113.7:5000] JWT validation failed",
    ),
    time="end",
    kinds=(Kind.MESSAGE,),
    specificity=0.99,
    prepare=_prepare,
    multiline=True,
    record_start=r"^(?:[0-9]{4}/[0-9]{2}/[0-9]{2} |\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9])",
)
