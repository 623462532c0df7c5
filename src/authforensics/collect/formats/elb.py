"""Owns `elb`: the access log of AWS's classic load balancers, whose time is when the request came in."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.balancers import CALL, SAY, STEPS, call_of, processed
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.splitting import Quoted
from authforensics.schema import Kind

# Reference: https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html
# Before 18 May 2015 lines ended after the request.
_BEFORE = f"^{CALL}"
_BEHIND = r' "(?P<request>(?:[^"\\]|\\.)*)"(?: "(?P<agent>(?:[^"\\]|\\.)*)")?(?: .*)?$'
#: What a TCP or SSL listener writes for a request.
_NO_REQUEST = "- - - "
_PROBLEMS = {f'^[^"]* "{_NO_REQUEST}"': "a connection of a TCP listener, not a request"}
_MEANT = re.compile(_BEFORE)


def _part(pieces: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    parts, plain = call_of(pieces["before"])
    plain &= (pieces["gap"] == " ") & (pieces["request"] != _NO_REQUEST) & pieces["behind"].str.starts_with(" ")
    return pieces.select("request", "agent").with_columns(*parts), plain


_SAY = SAY | {"at_start": pl.lit(value=True), "duration_ms": processed(), "user_agent": pl.col("agent")}
_LAYOUT = Quoted(f"{_BEFORE}{_BEHIND}", ("before", "request", "gap", "agent", "behind"), _part, STEPS, _SAY, _PROBLEMS)


def _prepare(sample: Sequence[str], _settings: Settings) -> Parser | None:
    return _LAYOUT.parser() if any(map(_MEANT.match, sample)) else None


FORMAT = Format(
    name="elb",
    title="access log of an AWS classic load balancer",
    samples=(
        (
            "2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057"
            ' 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -'
        ),
        (
            "2014-02-15T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057"
            ' 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1"'
        ),
    ),
    time="start",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
    no_events=_PROBLEMS,
)
