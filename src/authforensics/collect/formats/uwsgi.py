"""Owns `uwsgi`: uWSGI's own request log; its times are local ones, of the begin of a request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import polars as pl

from authforensics.collect.cutting import by_pattern
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.moments import spelt
from authforensics.schema import Kind

# Reference: https://github.com/unbit/uwsgi/blob/master/core/logging.c (uwsgi_logit_simple): with `vhost` the host is in
# front, with `memory-report` what is used of it, `log-micros` changes the unit. Who calls writes
# user and path; neither has a space, or nobody could tell what else is his.
_AT = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4}"
_LINE = (
    r"^(?:(?P<host>[^\s{\[]+) )?(?:\{[a-z ]+: [^}]*\} )*\[pid: [0-9]+\|app: -?[0-9]+\|req: -?[0-9]+/[0-9]+\]"
    r" (?P<client_ip>[^\s(]*) \((?P<user_id>[^()\s]*)\) \{[0-9]+ vars in [0-9]+ bytes\}"
    rf" \[(?P<at>{_AT})\] (?P<method>\S*) (?P<target>\S*) => generated (?P<bytes>[0-9]+) bytes"
    r" in (?P<lasted>[0-9]+) (?P<unit>msecs|micros) (?:via [a-z]+\(\) )?\((?:[^\s()]* )?(?P<status>[0-9]{1,3})\)"
    r" [0-9]+ headers in [0-9]+ bytes(?: [^=]*)?$"
)


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    first = next(filter(None, (re.match(_LINE, line) for line in sample)), None)
    return None if first is None else by_pattern(_LINE, _make, partial(spelt, example=first["at"], tz=settings.tz))


def _make(parts: pl.LazyFrame) -> pl.LazyFrame:
    factor = pl.when(pl.col("unit") == "micros").then(1e-3).otherwise(1.0)
    lasted = pl.col("lasted").cast(pl.Float64, strict=False)
    return parts.with_columns(duration_ms=lasted * factor).drop("lasted", "unit")


FORMAT = Format(
    name="uwsgi",
    title="request log of uWSGI",
    samples=(
        (
            "[pid: 17|app: 0|req: 1/1] 203.0.113.7 () {40 vars in 512 bytes} [Thu Oct  2 12:00:08 2025] GET /api/me =>"
            " generated 14 bytes in 3 msecs (HTTP/1.1 401) 3 headers in 120 bytes (1 switches on core 0)"
        ),
    ),
    time="start",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
)
