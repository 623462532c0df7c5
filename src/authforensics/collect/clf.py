"""The layout that the CLF family shares: one pattern for common and combined lines with all that surrounds them.

Most lines are plain: six pieces between quotes, no escapes, no proxies' list in front. Those are cut at their quotes,
which is several times faster than the pattern; the others go through it. Both give the same.
"""

from __future__ import annotations

import polars as pl

from authforensics.collect import times
from authforensics.collect.format import Parser
from authforensics.collect.requests import client_of

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
    name: pl.String()
    for name in ("host", "client_ip", "user_id", "time", "request", "status", "bytes", "user_agent", "upstream")
}
_PARTS |= {"request_id": pl.String(), "duration_ms": pl.Float64()}


def parser(agents: bool) -> Parser:
    """A parser of common lines; with `agents` of combined ones too, whatever follows on the line."""
    optional = f"(?:{_AGENTS})?" if agents else ""
    pattern = rf"^{_VHOST}{_WHO}{_WHAT}{_RESULT}{optional}(?:\s+(?P<rest>.*))?$"

    def take_apart(lines: pl.Series) -> pl.Series:
        return _with_rest(_parts(lines, pattern, agents)).select(list(_PARTS)).to_struct()

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        apart = pl.col("line").map_batches(take_apart, return_dtype=pl.Struct(_PARTS), is_elementwise=True)
        parts = lines.with_columns(parts=apart).unnest("parts")
        parts = parts.with_columns(matched=pl.col("time").is_not_null())
        return times.read_clf(parts, pl.col("time"))

    return parse


def _parts(lines: pl.Series, pattern: str, agents: bool) -> pl.DataFrame:
    cut = lines.to_frame("line").select(pl.col("line").str.splitn('"', 7).struct.unnest())
    who, request, result, _referer, between, agent, rest = (pl.col(f"field_{index}") for index in range(7))
    peer, _ident, user, time = (pl.col("who").struct.field(f"field_{index}") for index in range(4))
    named = cut.with_columns(who=who.str.splitn(" ", 4)).with_columns(peer=peer, user=user, at=time)
    tail = " $" if agents else "$"
    combined = (between == " ") & (rest.is_null() | rest.str.contains(r"^(\s|$)")) if agents else agent.is_null()
    plain = (
        ~lines.str.contains("\\", literal=True)
        & cut.select(
            who.str.contains(rf"^[^,\s]+ [^\s]+ [^\[\s]+ \[{_TIME}\] $")
            & result.str.contains(rf"^ (?:\d{{1,3}}|-) (?:\d+|-){tail}")
            & combined
        ).to_series()
    ).fill_null(value=False)
    answer = result.str.splitn(" ", 3).struct
    quick = named.select(
        host=pl.lit(None, pl.String),
        client_ip="peer",
        user_id="user",
        time=pl.col("at").str.slice(1, 26),
        request=request,
        status=answer.field("field_1"),
        bytes=answer.field("field_2").str.strip_chars_end(" "),
        user_agent=agent if agents else pl.lit(None, pl.String),
        rest=pl.when(rest.str.strip_chars_start() != "").then(rest.str.strip_chars_start())
        if agents
        else pl.lit(None, pl.String),
    )
    if plain.all():
        return quick
    odd = lines.filter(~plain).to_frame("line").select(pl.col("line").str.extract_groups(pattern)).unnest("line")
    slow = odd.select(**_slow(agents))
    places = pl.concat([plain.arg_true(), (~plain).arg_true()])
    return pl.concat([quick.filter(plain), slow]).gather(places.arg_sort())


def _with_rest(parts: pl.DataFrame) -> pl.DataFrame:
    """What stands behind the fields that all lines have: times, upstream, the addresses of proxies."""
    rest = pl.col("rest")
    if parts["rest"].null_count() == parts.height:
        nothing = {name: pl.lit(None, _PARTS[name]) for name in ("duration_ms", "upstream", "request_id")}
        return parts.with_columns(**nothing)
    millis = rest.str.extract(_MILLISECONDS).cast(pl.Float64)
    seconds = rest.str.extract(_SECONDS).cast(pl.Float64, strict=False) * 1000
    return parts.with_columns(
        client_ip=client_of(pl.col("client_ip"), rest.str.extract(_FORWARDED)),
        duration_ms=pl.coalesce(millis, seconds),
        upstream=rest.str.extract(_INGRESS, 1),
        request_id=rest.str.extract(_INGRESS, 2),
    )


def _slow(agents: bool) -> dict[str, pl.Expr]:
    peer = pl.coalesce("client", "peer")
    return {
        "host": pl.col("host"),
        "client_ip": pl.when(peer.str.contains(",", literal=True))
        .then(peer.str.extract(r"^([^,\s]+)"))
        .otherwise(peer),
        "user_id": pl.col("user"),
        "time": pl.col("time"),
        "request": pl.col("request"),
        "status": pl.col("status"),
        "bytes": pl.col("bytes"),
        "user_agent": pl.col("agent") if agents else pl.lit(None, pl.String),
        "rest": pl.col("rest"),
    }
