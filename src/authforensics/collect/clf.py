"""The layout that the CLF family shares: one pattern for common and combined lines with all that surrounds them.

Most lines are plain: six pieces between quotes, no escapes, no proxies' list in front. Those are cut at their quotes,
which is several times faster than the pattern; the others go through it. Both give the same.
"""

from __future__ import annotations

import polars as pl

from authforensics.collect import times
from authforensics.collect.distinct import each_of, each_run_of
from authforensics.collect.format import Parser
from authforensics.collect.requests import client_of
from authforensics.schema import TEXT, TIMESTAMP

# Reference: https://httpd.apache.org/docs/current/logs.html#accesslog, https://nginx.org/en/docs/http/ngx_http_log_module.html
_HOPS = r"(?:, ?[^\s,\"]+)*"
_VHOST = (
    rf"(?:(?P<host>[^\s,\"\[\]]+?)(?::\d+)? (?P<client>[^\s,\"-][^\s\"]*{_HOPS})"
    rf"|(?P<peer>[^\s,\"]+{_HOPS}))"
)
_TIME = r"\d{2}/[A-Za-z]{3}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4}"
_WHO = rf" \S+ (?P<user>[^\[\"]*?) \[(?P<time>{_TIME})\]"
_QUOTED = r"\"(?P<{}>(?:[^\"\\]|\\.)*)\""
_WHAT = r" \"(?P<request>(?:[^\"\\]|\\.)*)\""
_RESULT = r" (?P<status>\d{1,3}|-)(?: (?P<bytes>\d+|-))?"
_AGENTS = rf" (?:\"(?:[^\"\\]|\\.)*\"|-) (?:{_QUOTED.format('agent')}|-)"

_FORWARDED = r"(?:^|\s)\"((?:\[?[0-9A-Fa-f]{0,4}[:.][0-9A-Fa-f:.]+\]?(?::\d+)?(?:,\s*|))+)\""
_SECONDS = r"(?:^|\s)\"?(?:rt=|request_time=|urt=)?\"?(\d+\.\d{1,6})\"?(?:\s|$)"
_MILLISECONDS = r"(?:^|\s)(\d+)ms$"
# Reference: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/log-format/
_INGRESS = r"^\d+ \d+\.\d+ \[[^\]]*\] \[[^\]]*\] ((?:[^\s,]+, )*[^\s,]+) .*?([0-9a-f]{32})$"

_PARTS: dict[str, pl.DataType] = {
    "host": pl.String(),
    "client_ip": TEXT,
    "user_id": TEXT,
    "matched": pl.Boolean(),
    "time": TIMESTAMP,
    "zone": pl.String(),
    "request": pl.String(),
    "status": pl.String(),
    "bytes": pl.String(),
    "user_agent": pl.String(),
    "upstream": pl.String(),
    "request_id": pl.String(),
    "duration_ms": pl.Float64(),
}
#: `[10/Oct/2000:13:55:36 -0700] `, the end of what stands before the request.
_TIME_LENGTH = 29


def parser(agents: bool) -> Parser:
    """A parser of common lines; with `agents` of combined ones too, whatever follows on the line."""
    optional = f"(?:{_AGENTS})?" if agents else ""
    pattern = rf"^{_VHOST}{_WHO}{_WHAT}{_RESULT}{optional}(?:\s+(?P<rest>.*))?$"

    def take_apart(lines: pl.Series) -> pl.Series:
        return _with_rest(_parts(lines, pattern, agents)).select(list(_PARTS)).to_struct()

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        apart = pl.col("line").map_batches(take_apart, return_dtype=pl.Struct(_PARTS), is_elementwise=True)
        return lines.with_columns(parts=apart).unnest("parts").with_columns(clock=pl.lit(1.0, pl.Float32))

    return parse


def _parts(lines: pl.Series, pattern: str, agents: bool) -> pl.DataFrame:
    """`_PARTS`, and `rest`: what stands behind them."""
    quick = _cut(lines, agents)
    plain = quick["plain"].fill_null(value=False)
    if plain.all():
        return quick.drop("plain")
    odd = lines.filter(~plain).to_frame("line").select(pl.col("line").str.extract_groups(pattern)).unnest("line")
    slow = odd.select(**_matched(agents)).select(pl.col(name).cast(quick.schema[name]) for name in quick.columns[1:])
    places = pl.concat([plain.arg_true(), (~plain).arg_true()])
    return pl.concat([quick.filter(plain).drop("plain"), slow]).gather(places.arg_sort())


def _cut(lines: pl.Series, agents: bool) -> pl.DataFrame:
    """The parts of plain lines, and which lines are `plain`."""
    cut = lines.to_frame("line").select(pl.col("line").str.splitn('"', 7).struct.unnest())
    _who, request, result, _referer, between, agent, rest = (pl.col(f"field_{index}") for index in range(7))
    cut = cut.with_columns(
        who=each_of(cut["field_0"].str.head(-_TIME_LENGTH), _caller, _CALLER),
        at=each_run_of(cut["field_0"].str.tail(_TIME_LENGTH), _moment, _MOMENT),
    ).unnest("who", "at")
    behind = agents and bool(cut.select((rest != "").any()).item())
    combined = between == " " if agents else agent.is_null()
    if behind:
        combined &= rest.is_null() | rest.str.contains(r"^(\s|$)")
    tail = " $" if agents else "$"
    behind_fields = rest.str.strip_chars_start() if behind else pl.lit(None, pl.String)
    return cut.select(
        plain=(
            pl.col("client_ip").is_not_null()
            & pl.col("zone").is_not_null()
            & result.str.contains(rf"^ \d{{3}} (?:\d+|-){tail}")
            & combined
            & ~lines.str.contains("\\", literal=True)
        ),
        host=pl.lit(None, pl.String),
        client_ip="client_ip",
        user_id="user_id",
        matched=pl.lit(value=True),
        time="time",
        zone="zone",
        request=request,
        status=result.str.slice(1, 3),
        bytes=result.str.slice(5),
        user_agent=agent if agents else pl.lit(None, pl.String),
        rest=pl.when(behind_fields != "").then(behind_fields),
    )


_CALLER: dict[str, pl.DataType] = {"client_ip": TEXT, "user_id": TEXT}
_MOMENT: dict[str, pl.DataType] = {"time": TIMESTAMP, "zone": pl.String()}


def _caller(values: pl.DataFrame) -> pl.DataFrame:
    """Who called, from `203.0.113.9 - - `; null where it is more than that."""
    plain = pl.when(pl.col("value").str.contains(r"^[^,\s]+ [^\s]+ [^\[\s]+ $")).then(pl.col("value"))
    words = plain.str.splitn(" ", 4).struct
    return values.select(client_ip=words.field("field_0").cast(TEXT), user_id=words.field("field_2").cast(TEXT))


def _moment(values: pl.DataFrame) -> pl.DataFrame:
    """When, from `[10/Oct/2000:13:55:36 -0700] `; null where it is anything else."""
    plain = pl.when(pl.col("value").str.contains(rf"^\[{_TIME}\] $")).then(pl.col("value").str.slice(1, 26))
    return values.select(time=times.clf(plain), zone=times.clf_zone(plain))


def _with_rest(parts: pl.DataFrame) -> pl.DataFrame:
    """What stands behind the fields that all lines have: times, upstream, the addresses of proxies."""
    rest = pl.col("rest")
    if parts["rest"].null_count() == parts.height:
        nothing = {name: pl.lit(None, _PARTS[name]) for name in ("duration_ms", "upstream", "request_id")}
        return parts.with_columns(**nothing)
    millis = rest.str.extract(_MILLISECONDS).cast(pl.Float64)
    seconds = rest.str.extract(_SECONDS).cast(pl.Float64, strict=False) * 1000
    return parts.with_columns(
        client_ip=client_of(pl.col("client_ip").cast(pl.String), rest.str.extract(_FORWARDED)).cast(TEXT),
        duration_ms=pl.coalesce(millis, seconds),
        upstream=rest.str.extract(_INGRESS, 1),
        request_id=rest.str.extract(_INGRESS, 2),
    )


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
