"""The layout that the CLF family shares: one pattern for common and combined lines with all that surrounds them.

Most lines are plain, and are cut at their quotes, which is several times faster than the pattern; the others go through
it. Both give the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import polars as pl

from authforensics.collect import times
from authforensics.collect.behind import Behind, behind, told
from authforensics.collect.blocks import split
from authforensics.collect.cutting import client
from authforensics.collect.distinct import each_of, each_run_of
from authforensics.collect.format import Cutting
from authforensics.collect.splitting import columns, unescaped
from authforensics.schema import TEXT

# Reference: https://httpd.apache.org/docs/current/logs.html#accesslog, https://nginx.org/en/docs/http/ngx_http_log_module.html
_HOPS = r"(?:, ?[^\s,\"]+)*"
#: A name or an address, perhaps with a port: what tools like grep put in front of it makes it none.
_IPV6 = r"\[?(?:(?:[0-9A-Fa-f]{0,4}:){3,8}|(?:[0-9A-Fa-f]{1,4})?::)[0-9A-Fa-f:.]*(?:%\w+)?\]?(?::\d+)?"
_NAME = r"(?:\d{1,3}(?:\.\d{1,3}){3}|[^\s,\"/:A-Za-z_-]*[A-Za-z_][^\s,\"/:]*)"
_CLIENT = rf"(?:{_NAME}(?::\d+)?|{_IPV6}|unix:[^\s,\"]*)"
_PEER = rf"(?:{_CLIENT}|-)"
#: A time that something puts in front has colons, too: it is no host.
_HOST = r"(?P<host>[^\s,\":\[\]]+|\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+\]?)(?::\d+)?"
_VHOST = rf"(?:{_HOST} (?P<client>{_CLIENT}{_HOPS})|(?P<peer>{_PEER}{_HOPS}))"
#: A user may have several words. But a dash alone is nobody, and then what stands before is no caller.
_USER = r"(?:-|[^\[\"\s-][^\[\"\s]*(?: [^\[\"\s-][^\[\"\s]*)*|)"
_TIME = r"\d{2}/[A-Za-z]{3}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4}"
_WHO = rf" \S+ (?P<user>{_USER}) \[(?P<time>{_TIME})\]"
_WHAT = r" \"(?P<request>(?:[^\"\\]|\\.)*)\""
_RESULT = r" (?P<status>\d{1,3}|-)(?: (?P<bytes>\d+|-))?"
# A line may be cut off within its user agent.
_AGENTS = r" (?:\"(?:[^\"\\]|\\.)*\"|-) (?:\"(?P<agent>(?:[^\"\\]|\\.)*)(?:\"|$)|-)"

#: `[10/Oct/2000:13:55:36 -0700] `, the end of what stands before the request.
_TIME_LENGTH = 29


def parser(sample: Sequence[str], agents: bool) -> Cutting:
    """A parser of common lines; with `agents` of combined ones too, whatever follows on the line."""
    optional = f"(?:{_AGENTS})?" if agents else ""
    pattern = rf"^{_VHOST}{_WHO}{_WHAT}{_RESULT}{optional}(?:\s+(?P<rest>.*))?$"
    sought = behind(sample)

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        own = lines.collect_schema().names()
        groups = lines.with_columns(groups=pl.col("line").str.extract_groups(pattern)).unnest("groups")
        return _with_rest(groups.select(*own, **_matched(agents)), sought, rest=True)

    return Cutting(parse, partial(_cut_combined if agents else _cut_common, sought=sought))


def _cut_combined(data: bytes, sought: Behind) -> tuple[pl.LazyFrame, pl.Series]:
    """Combined lines, and which of them are plain: six pieces between quotes, no escapes, no proxies' list in front."""
    cut = columns(data, '"', ("before", "request", "result", None, "between", "user_agent", "behind"))
    parts, plain = _apart(cut, data, r" $")
    plain &= cut["between"] == " "
    rest = bool((cut["behind"] != "").any())
    if rest:
        rests = cut["behind"].alias("rest")
        # Unless every line has six quotes and no more, what stands behind goes on beyond a seventh.
        if not (rests != "").all() or data.count(b'"') != 6 * len(rests):
            rests = split(data).str.splitn('"', 7).struct.field("field_6").alias("rest")
        plain &= (rests == "") | rests.str.contains(r"^\s")
        parts = parts.with_columns(rests.str.strip_chars_start())
    return _with_rest(_with_bytes(parts), sought, rest=rest), plain


def _cut_common(data: bytes, sought: Behind) -> tuple[pl.LazyFrame, pl.Series]:
    """Common lines, and which of them are plain: two quotes, no escapes, no proxies' list in front."""
    parts, plain = _apart(columns(data, '"', ("before", "request", "result")), data, "$")
    plain &= split(data).str.count_matches('"', literal=True) == 2
    return _with_rest(_with_bytes(parts), sought, rest=False), plain


def _apart(cut: pl.DataFrame, data: bytes, end: str) -> tuple[pl.DataFrame, pl.Series]:
    """The parts of cut lines, and which of them are plain as far as their result, which is to end with `end`."""
    before, result = cut["before"], cut["result"]
    who = each_of(before.str.head(-_TIME_LENGTH), _caller, _CALLER)
    at = each_run_of(before.str.tail(_TIME_LENGTH), _moment, times.CLF_MOMENT)
    parts = cut.select(
        *(name for name in ("request", "user_agent") if name in cut.columns),
        *who.struct.unnest(),
        *at.struct.unnest(),
        matched=pl.lit(value=True),
        status=result.str.slice(1, 3).cast(pl.UInt16, strict=False),
        result=result,
    )
    plain = parts["client_ip"].is_not_null() & parts["zone"].is_not_null()
    plain &= result.str.contains(rf"^ \d{{3}} (?:\d+|-){end}")
    return parts, unescaped(data, plain)


def _with_bytes(parts: pl.DataFrame) -> pl.LazyFrame:
    """The parts with `bytes` from their `result`, where they are asked for: few do."""
    return parts.lazy().with_columns(bytes=pl.col("result").str.slice(5)).drop("result")


_CALLER: dict[str, pl.DataType] = {"client_ip": TEXT, "user_id": TEXT}


def _caller(values: pl.DataFrame) -> pl.DataFrame:
    """Who called, from `203.0.113.9 - - `; null where it is more than that."""
    plain = pl.when(pl.col("value").str.contains(rf"^{_PEER} [^\s]+ (?:-|[^\[\s-][^\[\s]*) $")).then(pl.col("value"))
    words = plain.str.splitn(" ", 4).struct
    return values.select(client_ip=words.field("field_0").cast(TEXT), user_id=words.field("field_2").cast(TEXT))


def _moment(values: pl.DataFrame) -> pl.DataFrame:
    """When, from `[10/Oct/2000:13:55:36 -0700] `; null where it is anything else."""
    plain = pl.when(pl.col("value").str.contains(rf"^\[{_TIME}\] $")).then(pl.col("value").str.slice(1, 26))
    return times.clf_moments(values, plain)


def _with_rest(parts: pl.LazyFrame, sought: Behind, rest: bool) -> pl.LazyFrame:
    """`PARSED` of these parts, with what stands in their `rest`: times, upstream, the addresses of proxies."""
    parts = parts.with_columns(clock=pl.lit(1.0, pl.Float32))
    if not rest:
        return parts
    dtype = pl.Struct(sought.columns)
    said = pl.col("rest").map_batches(partial(told, sought=sought), return_dtype=dtype, is_elementwise=True)
    own = pl.col("client_ip").cast(pl.String)
    if "user_id" in sought.keys:
        parts = parts.rename({"user_id": "_user"})
    parts = parts.with_columns(said.alias("rest"), own).unnest("rest")
    if "user_id" in sought.keys:
        parts = parts.with_columns(user_id=pl.coalesce("user_id", pl.col("_user").cast(pl.String))).drop("_user")
    return parts.with_columns(client_ip=client("client_ip", "forwarded")).drop("forwarded")


def _matched(agents: bool) -> dict[str, pl.Expr]:
    """The parts of lines that went through the pattern."""
    peer = pl.coalesce("client", "peer")
    text = pl.col("time")
    return {
        "host": pl.col("host"),
        "client_ip": pl.when(peer.str.contains(",", literal=True))
        .then(peer.str.extract(r"^([^,\s]+)"))
        .otherwise(peer),
        "user_id": pl.col("user"),
        "matched": text.is_not_null(),
        "time": times.clf(text),
        "zone": times.clf_zone(text),
        "request": pl.col("request"),
        "status": pl.col("status"),
        "bytes": pl.col("bytes"),
        "user_agent": pl.col("agent") if agents else pl.lit(None, pl.String),
        "rest": pl.col("rest"),
    }
