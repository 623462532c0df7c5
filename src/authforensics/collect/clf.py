"""The layout that the CLF family shares: one pattern for common and combined lines with all that surrounds them."""

from __future__ import annotations

import polars as pl

from authforensics.collect import times
from authforensics.collect.format import Parser
from authforensics.collect.requests import REQUEST_LINE, client_of

# Reference: https://httpd.apache.org/docs/current/logs.html#accesslog, https://nginx.org/en/docs/http/ngx_http_log_module.html
_HOPS = r"(?:, ?[^\s,\"]+)*"
_VHOST = (
    rf"(?:(?P<host>[^\s,\"\[\]]+?)(?::\d+)? (?P<client>[^\s,\"-][^\s\"]*{_HOPS})"
    rf"|(?P<peer>[^\s,\"]+{_HOPS}))"
)
_WHO = r" \S+ (?P<user>[^\[\"]*?) \[(?P<time>\d{2}/[A-Za-z]{3}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\]"
_QUOTED = r"\"(?P<{}>(?:[^\"\\]|\\.)*)\""
_WHAT = rf" \"(?:{REQUEST_LINE.replace('(', '(?P<method>', 1).replace(' ((', ' (?P<target>(', 1)}|(?:[^\"\\]|\\.)*)\""
_RESULT = r" (?P<status>\d{1,3}|-)(?: (?P<bytes>\d+|-))?"
_AGENTS = rf" (?:\"(?:[^\"\\]|\\.)*\"|-) (?:{_QUOTED.format('agent')}|-)"

_FORWARDED = r"(?:^|\s)\"((?:\[?[0-9A-Fa-f]{0,4}[:.][0-9A-Fa-f:.]+\]?(?::\d+)?(?:,\s*|))+)\""
_SECONDS = r"(?:^|\s)\"?(?:rt=|request_time=|urt=)?\"?(\d+\.\d{1,6})\"?(?:\s|$)"
_MILLISECONDS = r"(?:^|\s)(\d+)ms$"
# Reference: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/log-format/
_INGRESS = r"^\d+ \d+\.\d+ \[[^\]]*\] \[[^\]]*\] ((?:[^\s,]+, )*[^\s,]+) .*?([0-9a-f]{32})$"


def parser(agents: bool) -> Parser:
    """A parser of common lines; with `agents` of combined ones too, whatever follows on the line."""
    optional = f"(?:{_AGENTS})?" if agents else ""
    pattern = rf"^{_VHOST}{_WHO}{_WHAT}{_RESULT}{optional}(?:\s+(?P<rest>.*))?$"

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = lines.with_columns(parts=pl.col("line").str.extract_groups(pattern)).unnest("parts")
        parts = parts.with_columns(matched=pl.col("time").is_not_null())
        parts = times.read_clf(parts, pl.col("time"))
        peer = pl.coalesce("client", "peer")
        peer = pl.when(peer.str.contains(",", literal=True)).then(peer.str.extract(r"^([^,\s]+)")).otherwise(peer)
        rest = pl.col("rest")
        millis = rest.str.extract(_MILLISECONDS).cast(pl.Float64)
        seconds = rest.str.extract(_SECONDS).cast(pl.Float64, strict=False) * 1000
        return parts.with_columns(
            client_ip=client_of(peer, rest.str.extract(_FORWARDED)),
            user_agent=pl.col("agent") if agents else pl.lit(None, pl.String),
            user_id=pl.col("user"),
            duration_ms=pl.coalesce(millis, seconds),
            upstream=rest.str.extract(_INGRESS, 1),
            request_id=rest.str.extract(_INGRESS, 2),
        )

    return parse
