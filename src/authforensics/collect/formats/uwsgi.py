"""Owns `uwsgi`: uWSGI's own request log, and when it says that it starts; its times are local ones, of the begin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from authforensics.collect.cutting import Moment, cutting, restated
from authforensics.collect.distinct import each_run_of, fits
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.splitting import words
from authforensics.collect.times import MOMENT
from authforensics.schema import KIND, Kind

# Reference: https://github.com/unbit/uwsgi/blob/master/core/logging.c (uwsgi_logit_simple): with `vhost` the host is in
# front, with `memory-report` what is used of it, `log-micros` changes the unit. Who calls writes
# user and path; neither has a space, or nobody could tell what else is his.
_AT = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4}"
_LINE = (
    r"^(?:(?P<host>[^ {\[]+) )?(?:\{[a-z ]+: [^}]*\} )*\[pid: [0-9]+\|app: -?[0-9]+\|req: -?[0-9]+/[0-9]+\]"
    r" (?P<client_ip>[^ (]*) \((?P<user_id>[^() ]*)\) \{[0-9]+ vars in [0-9]+ bytes\}"
    rf" \[(?P<at>{_AT})\] (?P<method>[^ ]*) (?P<target>[^ ]*) => generated (?P<bytes>[0-9]+) bytes"
    r" in (?P<lasted>[0-9]+) (?P<unit>msecs|micros) (?:via [a-z]+\(\) )?\([^ ()]* (?P<status>[0-9]{1,3})\)"
    r" [0-9]+ headers in [0-9]+ bytes(?: [^=]*)?$"
)
_START = rf"^(\*\*\* Starting uWSGI .* on \[({_AT})\])"
#: What it says itself when it starts, reloads and ends. Reference: core/uwsgi.c, core/master.c, plugins/python
_BANNER = (
    r"^(?:\*\*\* .* \*\*\*\s*$|!!! .* !!!\s*$"
    r"|(?:compiled with version|os|nodename|machine|clock source|pcre jit|lock engine|thunder lock|Python version"
    r"|detected (?:number of CPU cores|binary path|max file descriptor number)|current working directory"
    r"|PEP 405 virtualenv detected|VACUUM): "
    r"|your (?:processes number limit|memory page size|server socket listen backlog|mercy for graceful operations) "
    r"|(?:uWSGI running as root|Set PythonHome to|Python main interpreter initialized|python threads support)\b"
    r"|\[uWSGI\] getting |uwsgi socket [0-9]+ |uWSGI http bound on |mapped [0-9]+ bytes |WSGI app [0-9]+ \("
    r"|(?:spawned|Respawned|binary reloading) uWSGI |\.\.\.gracefully killing workers|Gracefully killing worker "
    r"|SIG[A-Z]+/SIG[A-Z]+ received\.\.\.|worker [0-9]+ (?:buried|killed) |DAMN ! worker |goodbye to uWSGI\.)"
)


#: What stands in front of the address, between it and the time, and behind the path, in most lines.
_BEFORE = r"^\[pid: [0-9]+\|app: -?[0-9]+\|req: -?[0-9]+/[0-9]+$"
_WHO = r"^ [^ (]* \([^() ]*\) \{[0-9]+ vars in [0-9]+ bytes\} \[$"
_BEHIND = (
    r"^generated [0-9]+ bytes in [0-9]+ (?:msecs|micros) \([^ ()]* [0-9]{3}\) [0-9]+ headers in [0-9]+ bytes"
    r" \([0-9]+ switches on core [0-9]+\)$"
)
_AT_LENGTH = 24
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: f"{number:02}" for number, name in enumerate(_NAMES, 1)}


def _take(pieces: pl.DataFrame, moment: Moment) -> tuple[pl.DataFrame, pl.Series]:
    """The parts of lines, from what stands between their first brackets, and which lines are plain."""
    before, middle, rest = (pieces[name] for name in "012")
    who, at = middle.str.head(-_AT_LENGTH), middle.str.tail(_AT_LENGTH)
    client, user = words(who, (None, "client_ip", "user_id", None))
    method, target, arrow, behind = words(rest, (None, "method", "target", "arrow", "behind"))
    size, lasted, unit, status = words(behind, (None, "bytes", None, None, "lasted", "unit", None, "status", None))
    plain = before.str.contains(_BEFORE) & who.str.contains(_WHO) & behind.str.contains(_BEHIND) & (arrow == "=>")
    plain &= rest.str.starts_with(" ") & (pieces["3"] == "") & fits(at, f"^{_AT}$", each_run_of)
    parts = [client, user.str.strip_chars("()"), method, target, size, lasted, unit, status.str.strip_suffix(")")]
    return pl.DataFrame([*parts, moment(at).alias("moment")]), plain.fill_null(value=False)


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(map(re.compile(_LINE).match, sample)):
        return None

    def moment(values: pl.Series) -> pl.Series:
        return restated(values, _restated, settings.tz)

    requests = cutting(_LINE, 4, partial(_take, moment=moment), _make, moment, separator="]")
    return replace(requests, parse=partial(_with_starts, requests.parse, moment))


def _with_starts(parser: Parser, moment: Moment, lines: pl.LazyFrame) -> pl.LazyFrame:
    """Requests, and starts as messages."""
    at = pl.col("line").str.extract(_START, 2)
    began = at.map_batches(moment, return_dtype=pl.Struct(MOMENT), is_elementwise=True)
    started = pl.col("_began").struct.field("time").is_not_null()
    return (
        parser(lines)
        .with_columns(_began=began)
        .with_columns(
            matched=pl.col("matched") | started,
            kind=pl.when(started).then(_kind(Kind.MESSAGE)).otherwise("kind"),
            at_start=~started,
            message=pl.col("line").str.extract(_START),
            **{name: pl.coalesce(name, pl.col("_began").struct.field(name)) for name in MOMENT},
        )
        .drop("_began")
    )


def _restated(times: pl.Series) -> pl.Series:
    """Times as C's `ctime` writes them as ISO 8601, in a fraction of the time that `notations` takes to know them."""
    at = pl.lit(times)
    month = at.str.slice(4, 3).replace_strict(_MONTHS, default=None, return_dtype=pl.String)
    day = at.str.slice(8, 2).str.strip_chars().str.zfill(2)
    date = pl.concat_str(at.str.slice(20, 4), month, day, separator="-")
    return pl.select(pl.concat_str(date, at.str.slice(11, 8), separator=" ")).to_series()


def _kind(kind: Kind) -> pl.Expr:
    return pl.lit(kind.value, KIND)


def _make(parts: pl.LazyFrame) -> pl.LazyFrame:
    factor = pl.when(pl.col("unit") == "micros").then(1e-3).otherwise(1.0)
    lasted = pl.col("lasted").cast(pl.Float64, strict=False)
    return parts.with_columns(duration_ms=lasted * factor, kind=_kind(Kind.REQUEST), at_start=True).drop(
        "lasted", "unit"
    )


FORMAT = Format(
    name="uwsgi",
    title="request log of uWSGI, and its starts",
    samples=(
        (
            "[pid: 17|app: 0|req: 1/1] 203.0.113.7 () {40 vars in 512 bytes} [Thu Oct  2 12:00:08 2025] GET /api/me =>"
            " generated 14 bytes in 3 msecs (HTTP/1.1 401) 3 headers in 120 bytes (1 switches on core 0)"
        ),
    ),
    time="start",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.99,
    prepare=_prepare,
    header=_BANNER,
)
