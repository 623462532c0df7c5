"""Takes a request apart: request line, path, the query fields that may be kept, the client behind a proxy."""

from __future__ import annotations

import polars as pl

# Reference: RFC 9112 section 3. What is not exactly that (TLS bytes, "-", spaces, no protocol) has no method and path.
REQUEST_LINE = r"([A-Z][A-Z_-]{1,19}) ((?:[^\s\"\\]|\\x[0-9A-Fa-f]{2})+) (?:HTTP|HTTPS|GRPC|WS|WSS)/\d(?:\.\d)?"
_REQUEST_LINE = f"^{REQUEST_LINE}$"
_ORIGIN = r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*"
_PATH = r"^(/[^?#\s]*|\*)"
_SESSION_IN_PATH = r"(?i);(?:jsessionid|phpsessid|sid)=[^/?]*"
_TOKEN = r"ey[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"

#: Query fields that select an operation: without them every call of such an API looks alike.
ACTIONS = (
    "action",
    "act",
    "do",
    "op",
    "method",
    "cmd",
    "route",
    "r",
    "zoom_action",
    "grant_type",
    "operationName",
    "service",
)
_ACTION = rf"(?i)[?&](?:{'|'.join(ACTIONS)})=[A-Za-z0-9_./:,~@+-]{{1,64}}"
# Classes are spelled out: \w counts all of Unicode, and counting repetitions of it makes patterns enormous.
_LONGEST_ID = 128
_DEVICE = r"(?i)[?&](?:device_?id|installation_?id)=([A-Za-z0-9_.:~-]+)"
_USER = r"(?i)[?&](?:uid|user_?id)=([A-Za-z0-9_.:~@-]+)"

_PRIVATE = (
    r"^(?:10\.|127\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\."
    r"|::1$|::ffff:(?:10|127|192\.168)\.|f[cd][0-9a-f]{2}:|fe80:|unix:)"
)


def split_request(request: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Method and target of a request line; null where it is malformed."""
    parts = request.str.extract_groups(_REQUEST_LINE)
    return parts.struct.field("1"), parts.struct.field("2")


def without_origin(target: pl.Expr) -> pl.Expr:
    """The target without scheme and host, as proxies and load balancers write them."""
    return target.str.replace(_ORIGIN, "")


def path_of(target: pl.Expr) -> pl.Expr:
    """The path, without query, fragment, session parameters and tokens."""
    path = target.str.extract(_PATH)
    suspect = pl.when(path.str.contains(f";|{_TOKEN}")).then(path)
    clean = suspect.str.replace_all(_SESSION_IN_PATH, "").str.replace_all(_TOKEN, "[redacted]")
    return pl.coalesce(clean, path)


def action_of(query: pl.Expr) -> pl.Expr:
    """The fields of a query (from its `?` on) that select an operation, in their order, joined by `&`."""
    fields = query.str.extract_all(_ACTION).list.join("").str.strip_chars_start("?&")
    fields = fields.str.replace_all("?", "&", literal=True).str.replace_all(_TOKEN, "[redacted]")
    return pl.when(fields != "").then(fields)


def device_of(query: pl.Expr) -> pl.Expr:
    """The device id that a query names."""
    return query.str.extract(_DEVICE).str.slice(0, _LONGEST_ID)


def user_of(query: pl.Expr) -> pl.Expr:
    """The user id that a query names."""
    return query.str.extract(_USER).str.slice(0, _LONGEST_ID)


def address(text: pl.Expr) -> pl.Expr:
    """An IP address without port, brackets and the prefix of an IPv4 address in IPv6."""
    odd = pl.when(text.str.contains(r"^\[|\.\d+:|:\d+\.|\s")).then(text)
    plain = odd.str.strip_chars().str.replace(r"(?i)^\[?::ffff:(\d+\.\d+\.\d+\.\d+)\]?", "$1")
    bracketed = plain.str.extract(r"^\[([0-9A-Fa-f:.%]+)\](?::\d+)?$")
    ported = plain.str.extract(r"^(\d{1,3}(?:\.\d{1,3}){3}):\d+$")
    return pl.coalesce(bracketed, ported, plain, text)


def client_of(peer: pl.Expr, forwarded: pl.Expr) -> pl.Expr:
    """The client: the peer, unless that is a proxy of ours (a private address); then its last foreign hop.

    Only what our own proxies appended can be believed: whoever calls us writes the front of the list.
    """
    hops = forwarded.str.split(",").list.eval(address(pl.element()))
    hop = pl.element()
    foreign = hops.list.eval(hop.filter(~hop.str.contains(_PRIVATE) & (hop != ""))).list.last()
    plausible = foreign.str.contains(r"^[0-9A-Fa-f.:]+$")
    inside = peer.is_null() | peer.str.contains(_PRIVATE)
    return pl.when(inside & plausible).then(foreign).otherwise(peer)
