"""Owns `alb`: the access log of AWS's application load balancers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.balancers import CALL, PROCESSING, QUOTED, SAY, STEPS, TIME, call_of, moment, processed
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.splitting import Quoted
from authforensics.schema import Kind

# Reference: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
_TYPE = "http|https|h2|grpc|grpcs|ws|wss"
_BEFORE = f"^(?:{_TYPE}) {CALL}"
# Fields were added behind over the years: old lines end early, new ones go on. What isn't wanted may be anything.
_ACTIONS = rf'(?:{QUOTED}[^"]*){{2}}"(?P<error>(?:[^"\\]|\\.)*)"'
_TARGET = rf'"(?P<trace>(?:[^"\\]|\\.)*)"(?:[^"]*{QUOTED}[^"]*{QUOTED}(?P<between>[^"]*)(?:{_ACTIONS})?)?'
_BEHIND = rf' "(?P<request>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"(?:[^"]*{_TARGET})?.*$'

_PIECES = ("before", "request", "gap", "agent", None, "trace", *4 * [None], "between", *4 * [None], "error", "behind")

_NETWORK = "a network load balancer's TLS connection, not a request"
_CONNECTION = "a connection log of a load balancer, not a request"
_HEALTH = "a health check of a load balancer, not a request"
# Reference: https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html,
# …/application/load-balancer-connection-logs.html, …/application/load-balancer-health-check-logs.html
_PROBLEMS = {
    r"^tls \d\.\d \d{4}-\d{2}-\d{2}T": _NETWORK,
    rf"^{TIME} [0-9A-Fa-f.:]+ \d+ \d+ (?:TLS\S+|-) ": _CONNECTION,
    rf"^[a-z0-9]+ {TIME} \S+ \S+ \S+ (?:PASS|FAIL)\b": _HEALTH,
}
_MEANT = re.compile("|".join((_BEFORE, *_PROBLEMS)))
_ROOT = "Root="


def _part(pieces: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    parts, plain = call_of(pieces["before"], _TYPE)
    plain &= (pieces["gap"] == " ") & (pieces["behind"] != "")  # Nothing between quotes is cut off.
    return pieces.select("request", "agent", "trace", "between", "error").with_columns(*parts), plain


def _root(traces: pl.Series) -> pl.Series:
    """The request's own id among those of a trace header."""
    if (traces.str.starts_with(_ROOT) & (traces != _ROOT) & ~traces.str.contains(";", literal=True)).all():
        return traces.str.slice(len(_ROOT))
    return traces.str.extract(r"(?:^|;)Root=([^;]+)")


def _lasted(times: Sequence[pl.Series]) -> pl.Series:
    """How long requests took since they were created; where that isn't told, what they were processed for."""
    told = pl.DataFrame(dict(zip(_TIMES, times, strict=True)))
    since = pl.col("moment") - pl.col("created")
    lasted = told.select(since.dt.total_microseconds() / 1000).to_series()
    known = (lasted >= 0).fill_null(value=False)
    return lasted if known.all() else lasted.zip_with(known, told.select(processed()).to_series())


_CREATED = moment(pl.col("between").str.strip_chars(" ").str.tail(len("2018-07-02T22:23:00.186641Z")))
_TIMES = ("moment", "created", *PROCESSING)
_ERROR = pl.col("error")
_STEPS = STEPS | {"created": _CREATED}
_SAY = SAY | {
    "duration_ms": pl.map_batches(_TIMES, _lasted, return_dtype=pl.Float64(), is_elementwise=True),
    "user_agent": pl.col("agent"),
    "request_id": pl.col("trace").map_batches(_root, return_dtype=pl.String(), is_elementwise=True),
    "reason_text": pl.when(_ERROR.str.contains("^[A-Za-z][A-Za-z0-9_]*$")).then(_ERROR),
}


_LAYOUT = Quoted(f"{_BEFORE}{_BEHIND}", _PIECES, _part, _STEPS, _SAY, _PROBLEMS)


def _prepare(sample: Sequence[str], _settings: Settings) -> Parser | None:
    return _LAYOUT.parser() if any(map(_MEANT.match, sample)) else None


FORMAT = Format(
    name="alb",
    title="access log of an AWS application load balancer",
    samples=(
        (
            "https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80"
            ' 0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0"'
            " ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2"
            " arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067"
            ' "Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com"'
            ' "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012"'
            ' 1 2018-07-02T22:22:48.364000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_123456'
        ),
    ),
    time="end",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
    no_events=_PROBLEMS,
)
