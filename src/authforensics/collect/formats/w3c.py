"""Owns `w3c`: the extended log file format, as IIS (spaces) and Amazon CloudFront (tabs) write it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import polars as pl

from authforensics.collect.assemble import assemble, column
from authforensics.collect.declared import Declared, Names, declared_in, field
from authforensics.collect.distinct import mapped
from authforensics.collect.fields import unencoded
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.synonyms import wanted
from authforensics.document import Unit
from authforensics.schema import Kind

# Reference: https://www.w3.org/TR/WD-logfile.html
_BEGINS = "#Fields:"
# Reference: https://learn.microsoft.com/en-us/previous-versions/iis/6.0-sdk/ms525807(v=vs.90); the default since IIS 8,
# and that of IIS 7.
_IIS = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status"
    " sc-substatus sc-win32-status time-taken"
)
# Reference: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html
_CLOUDFRONT = (
    "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent)"
    " cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken"
    " x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status"
    " fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len"
    " sc-range-start sc-range-end"
)
#: What ASP.NET Core's W3CLogger can write, in this order, before the request headers that it was told to add.
# Reference: https://learn.microsoft.com/aspnet/core/fundamentals/w3c-logger/
_ASPNET = (
    *("date", "time", "c-ip", "cs-username", "s-computername", "s-ip", "s-port", "cs-method", "cs-uri-stem"),
    *(
        "cs-uri-query",
        "sc-status",
        "time-taken",
        "cs-version",
        "cs-host",
        "cs(User-Agent)",
        "cs(Cookie)",
        "cs(Referer)",
    ),
)
#: Its milliseconds are hundreds of nanoseconds, written with all their digits; seconds have three behind the point.
_FINE = re.compile(r"\d+\.\d{4,}")
_USUAL: dict[str, tuple[Names, ...]] = {
    " ": (tuple(_IIS.split()), tuple(_IIS.replace("cs(Referer) ", "").split())),
    "\t": (tuple(_CLOUDFRONT.split()),),
}
_NUMBER = r"^(?:\d+|-)$"
_AMOUNT = r"^(?:\d[\d.]*|-)$"
_ADDRESS = r"^(?:[0-9A-Fa-f.:%]+|-)$"
_SHAPES = {
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "time": r"^\d{2}:\d{2}:\d{2}(?:\.\d+)?$",
    "c-ip": _ADDRESS,
    "s-ip": _ADDRESS,
    "s-port": _NUMBER,
    "sc-status": _NUMBER,
    "sc-substatus": _NUMBER,
    "sc-win32-status": _NUMBER,
    "sc-bytes": _NUMBER,
    "cs-bytes": _NUMBER,
    "time-taken": _AMOUNT,
}
#: What the format's names mean, best first; of other names the usual synonyms.
_FIELDS = {
    "c-ip": "client_ip",
    "x-forwarded-for": "forwarded",
    "cs-method": "method",
    "cs-uri-stem": "target",
    "cs-uri": "target",
    "cs-uri-query": "query",
    "sc-status": "status",
    "sc-bytes": "bytes",
    "x-host-header": "host",
    "cs-host": "host",
    "host": "host",
    "user-agent": "user_agent",
    "cs-username": "user_id",
    "s-computername": "upstream",
    "s-ip": "upstream",
    "reason": "reason",
}
#: Fields whose values have no spaces as they stand in the log.
_ENCODED = {"user-agent", "x-forwarded-for"}
_TAKEN, _LASTED = "time-taken", "duration_ms"
#: The finer time that CloudFront's standard logging v2 may add.
_EPOCH = "timestamp(ms)"
_HEADER = re.compile(r"(?:cs|sc|rs|sr)\((.+)\)")
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}[ \t]\d{2}:\d{2}:\d{2}(?:\.\d+)?[ \t]")
# Reference: https://learn.microsoft.com/en-us/troubleshoot/developer/webapps/iis/www-administration-management/http-status-code
# Above these, 401.501 to 401.504 are answers to too many requests and to addresses that are shut out.
_STAGES = ["1", "2", "3", "4", "5", "7"]


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    declared = declared_in(sample, _BEGINS)
    lines = [line for line in sample if not line.startswith("#")]
    if not declared and not any(map(_DATED.match, lines)):
        return None
    tabbed = sum(line.count("\t") > 2 for line in lines)
    separator = "\t" if tabbed * 2 > len(lines) else " "

    def wants(name: str) -> bool:
        key = _key(name)
        return key in {*_FIELDS, settings.device_field} or wanted(key)

    def say(values: pl.LazyFrame, names: Names) -> pl.LazyFrame:
        said = _said(values, names, [name for name in names if wants(name)], settings, seconds=seconds)
        # It notes the time before it passes the request on.
        return said.with_columns(at_start=pl.lit(value=True)) if aspnet else said

    known = (*declared, *_USUAL[separator])
    timed = next((names for names in known if _TAKEN in names), None)
    lasted = [] if timed is None else _lasted(lines, timed, separator)
    aspnet = timed is not None and _is_aspnet(timed, lasted)
    seconds, how = (False, None) if timed is None else _in_seconds(timed, lasted, aspnet=aspnet)
    parser = Declared(_BEGINS, separator, known, _SHAPES, wants, say).parser()
    if how is None:
        return parser
    return replace(parser, units=(Unit(field=_TAKEN, kind="duration", unit="s" if seconds else "ms", how=how),))


def _lasted(lines: Sequence[str], names: Names, separator: str) -> list[str]:
    """The durations in some lines."""
    rows = (line.split(separator) for line in lines)
    return [values[names.index(_TAKEN)] for values in rows if len(values) == len(names)]


def _in_seconds(names: Names, lasted: Sequence[str], *, aspnet: bool) -> tuple[bool, Literal["name", "values"]]:
    """Whether durations are in seconds, and how that is known: CloudFront's are, and who writes fractions means them.

    IIS writes whole milliseconds, ASP.NET Core fractions of these.
    """
    if _is_cloudfront(names):
        return True, "name"
    fractions = any("." in value for value in lasted)
    return fractions and not aspnet, "values" if fractions else "name"


def _is_aspnet(names: Names, lasted: Sequence[str]) -> bool:
    """Whether ASP.NET Core wrote lines with these fields: in its order, and what no other does is among them."""
    own = [name for name in names if name in _ASPNET]
    if own != [name for name in _ASPNET if name in own]:
        return False
    return "cs-version" in own or any(map(_FINE.fullmatch, lasted))


def _is_cloudfront(names: Names) -> bool:
    return any(name.startswith("x-edge") for name in names)


def _said(
    values: pl.LazyFrame, names: Names, kept: Sequence[str], settings: Settings, *, seconds: bool
) -> pl.LazyFrame:
    keys = {_key(name): pl.col(field(name)) for name in reversed(kept)}
    cloudfront = _is_cloudfront(names)
    if (seconds or cloudfront) and _LASTED in keys:
        keys["request_time"] = keys.pop(_LASTED)
    for key in _ENCODED & {*keys}:
        keys[key] = mapped(keys[key].meta.output_name(), _decoded if cloudfront else _spaced, pl.String())
    keys |= _reason(names)
    lines = values.with_columns(**{column(key): value for key, value in keys.items()})
    preferred = {key: meaning for key, meaning in _FIELDS.items() if key in keys}
    return assemble(lines, keys, {}, settings, preferred=preferred).with_columns(**_time(names))


def _key(name: str) -> str:
    """The key by which the meaning of a field is found: of a header its own name."""
    header = _HEADER.fullmatch(name)
    key = (header[1] if header else name).lower()
    return {_TAKEN: _LASTED, "date": "day", "time": "clock", _EPOCH: "timestamp"}.get(key, key)


def _time(names: Names) -> Mapping[str, pl.Expr]:
    """The moment of a line; the format's times are UTC."""
    if _EPOCH in names or not {"date", "time"} <= {*names}:
        return {}
    day, clock = pl.col(field("date")), pl.col(field("time"))
    second = (day + " " + clock.str.head(8)).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    digits = clock.str.slice(9)
    micros = digits.str.head(6).str.pad_end(6, "0").cast(pl.Int64, strict=False).fill_null(0)
    fraction = pl.when(digits == "").then(1.0).when(digits.str.len_bytes() <= 3).then(1e-3).otherwise(1e-6)
    return {
        "time": (second + pl.duration(microseconds=micros)).dt.replace_time_zone("UTC"),
        "zone": pl.lit("+0000"),
        "clock": fraction.cast(pl.Float32),
    }


def _reason(names: Names) -> Mapping[str, pl.Expr]:
    """Of a 401 the stage that refused it, as `401.2`."""
    if not {"sc-status", "sc-substatus"} <= {*names}:
        return {}
    status, stage = pl.col(field("sc-status")), pl.col(field("sc-substatus"))
    return {"reason": pl.when((status == "401") & stage.is_in(_STAGES)).then(status + "." + stage)}


def _spaced(values: pl.Series) -> pl.Series:
    return values.str.replace_all("+", " ", literal=True)


def _decoded(values: pl.Series) -> pl.Series:
    return values.to_frame("value").select(unencoded(pl.col("value"))).to_series()


FORMAT = Format(
    name="w3c",
    title="W3C extended log, as of IIS and of Amazon CloudFront (standard logs)",
    samples=(
        f"{_BEGINS} {_IIS}",
        "2025-12-25 13:00:09 10.0.0.5 GET /api/me lang=en 443 - 203.0.113.7 Mozilla/5.0+(Windows+NT+10.0) - 401 2 5 46",
    ),
    time="end",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
    header=r"^#",
    declares=_BEGINS,
)
