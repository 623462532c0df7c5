"""Takes a request apart: request line, path, the query fields that may be kept, the client behind a proxy."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from authforensics.addresses import PRIVATE

# Reference: RFC 9112 section 3. What is not exactly that (TLS bytes, "-", spaces, no protocol) has no method and path;
# but hypercorn writes the protocol's version alone.
REQUEST_LINE = (
    r"([A-Z][A-Z_-]{1,19}) ((?:[^\s\"\\]|\\x[0-9A-Fa-f]{2})+)"
    r" (?:(?:HTTP|HTTPS|GRPC|WS|WSS)/\d(?:\.\d)?|1\.[01]|[23])"
)
_REQUEST_LINE = f"^{REQUEST_LINE}$"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_PROTOCOLS = ("HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/2.0", "HTTP/3", "HTTP/3.0")
#: An IPv4 address with a port.
PORTED = r"^[0-9]{1,3}(?:\.[0-9]{1,3}){3}:[0-9]+$"
_ODD_ADDRESS = r"^\[|\.\d+:|:\d+\.|\s"
_ORIGIN = r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*"
#: The same, of characters that a request line may have.
_PLAIN_ORIGIN = r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s\"\\]*"
#: Targets that are a path without more ado: no query, origin, escapes, nothing to look through for credentials.
_PLAIN = r"^/[A-Za-z0-9._~!$&'()*+,:=/-]*$"
_PATH = r"^(/[^?#\s]*|\*)"
_SESSION_IN_PATH = r"(?i);(?:jsessionid|phpsessid|sid)=[^/?]*"
#: A JWT, whole or cut, at the beginning of a segment or value: `eyJ` is `{"` and a letter in base64url, the others are
#: `{` and a space, or `{"` and anything else. Reference: RFC 7515 section 7.1
_HEADER = "ey[A-L]"
_TOKEN = rf"(^|[^A-Za-z0-9]|%[0-9A-Fa-f]{{2}}){_HEADER}[A-Za-z0-9_-]{{7,}}(?:\.[A-Za-z0-9_-]*)*"
_REDACTED = "${1}[redacted]"

#: What tells the kind of a file, as in `/images/384293.webp`.
_SUFFIX = r"\.[A-Za-z][A-Za-z0-9]{1,4}"
_IDENTIFIER = (
    r"/(?:\d+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}|[\w.+-]+@[\w.-]+|[A-Za-z0-9_-]{28,})"
    rf"({_SUFFIX})?/"
)
#: What any id has, and anything else that is changed in a route; cheap to look for.
_SUSPECT = r"/\d+[/.]|[@;]|//|[0-9a-fA-F]{8}|[A-Za-z0-9_-]{28}|/\d+$"

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
LONGEST_ROUTE = 200
_DEVICE = r"(?i)[?&](?:device_?id|installation_?id)=([A-Za-z0-9_.:~-]+)"
_USER = r"(?i)[?&](?:uid|user_?id)=([A-Za-z0-9_.:~@-]+)"


def usual(method: pl.Series, protocol: pl.Series) -> pl.Series:
    """Which methods and protocols need not be checked any further."""
    return _known(method.is_in(_METHODS) & protocol.is_in(_PROTOCOLS))


def target_of(request: pl.Series) -> pl.Series:
    """The targets of some request lines; null where one is malformed."""
    return request.to_frame("request").select(split_request(pl.col("request"))[1]).to_series()


def split_request(request: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Method and target of a request line; null where it is malformed."""
    # What has the form of a request line has two spaces; to look is several times faster than to cut by a pattern.
    parts = pl.when(request.str.contains(_REQUEST_LINE)).then(request).str.splitn(" ", 3)
    return parts.struct.field("field_0"), parts.struct.field("field_1")


def plain(target: pl.Series) -> pl.Series:
    """Which targets are a path that needs no closer look."""
    return _known(target.str.contains(_PLAIN) & ~target.str.contains(_HEADER))


def _known(found: pl.Series) -> pl.Series:
    """Nothing in place of null, in a sixth of the time that polars takes to fill it in."""
    return found & found.is_not_null()


def without_origin(target: pl.Series) -> pl.Series:
    """Some targets without scheme and host, as proxies and load balancers write them."""
    return where(target, "^[^/]", lambda odd: odd.str.replace(_ORIGIN, ""))


def without_plain_origin(target: pl.Series) -> pl.Series:
    """The same, of targets that may be anything: what is not a plain path then has to be looked at as it was."""
    return where(target, "^[^/]", _without_origins)


def _without_origins(targets: pl.Series) -> pl.Series:
    # Most have that of the first; to strip it takes a tenth of the time.
    first = targets.head(1).str.extract(f"({_PLAIN_ORIGIN})").item()
    rest = targets if first is None else targets.str.strip_prefix(first)
    bare = rest.zip_with(rest.str.starts_with("/"), targets)
    return where(bare, "^[^/]", lambda odd: odd.str.replace(_PLAIN_ORIGIN, ""))


def path_of(target: pl.Series) -> pl.Series:
    """The paths of some targets, without query, fragment, session parameters and tokens."""
    path = where(target, r"[?#\s]|^[^/]|^$", lambda odd: odd.str.extract(_PATH))
    return where(
        path,
        f";|{_TOKEN}",
        lambda odd: odd.str.replace_all(_SESSION_IN_PATH, "").str.replace_all(_TOKEN, _REDACTED),
    )


def action_of(query: pl.Expr) -> pl.Expr:
    """The fields of a query (from its `?` on) that select an operation, in their order, joined by `&`."""
    fields = query.str.extract_all(_ACTION).list.join("").str.strip_chars_start("?&")
    fields = fields.str.replace_all("?", "&", literal=True).str.replace_all(_TOKEN, _REDACTED)
    return pl.when(fields != "").then(fields)


def method_of(method: pl.Expr) -> pl.Expr:
    """The method, if it looks like one."""
    return method.str.to_uppercase().str.extract(r"^([A-Z][A-Z_-]{1,19})$")


def without_numbers(path: pl.Series) -> pl.Series:
    """Some paths, the numbers between their slashes collapsed to `{id}`: most ids are numbers."""
    return path.str.replace(rf"/[0-9]+({_SUFFIX})?$", "/{id}$1").str.replace_all(r"/[0-9]+/", "/{id}/")


def without_ids(path: pl.Series) -> pl.Series:
    """Some paths without numbers, all other ids collapsed, too."""
    return where(path, _SUSPECT, _without_ids)


def _without_ids(path: pl.Series) -> pl.Series:
    plain = where(path, ";|//", lambda odd: odd.str.replace(r";.*$", "").str.replace_all(r"//+", "/"))
    # Every segment between two slashes of its own, since one slash can't belong to two matches.
    apart = plain.str.replace_all("/", "//", literal=True) + "/"
    return apart.str.replace_all(_IDENTIFIER, "/{id}$1/").str.head(-1).str.replace_all("//", "/", literal=True)


def where(values: pl.Series, pattern: str, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """The values, changed where the pattern is found: most need not be looked at closely."""
    found = values.str.contains(pattern)
    if not found.any():
        return values
    if found.all(ignore_nulls=False):
        return change(values).alias(values.name)
    return values.clone().scatter(found.arg_true(), change(values.filter(found)))


def with_action(path: pl.Expr, action: pl.Expr) -> pl.Expr:
    """A route: a collapsed path, with the operation if the query selects one."""
    return pl.when(action.is_null()).then(path).otherwise(pl.concat_str(path, pl.lit("?"), action))


def device_of(query: pl.Expr) -> pl.Expr:
    """The device id that a query names."""
    return query.str.extract(_DEVICE).str.slice(0, _LONGEST_ID)


def user_of(query: pl.Expr) -> pl.Expr:
    """The user id that a query names."""
    return query.str.extract(_USER).str.slice(0, _LONGEST_ID)


def address(text: pl.Expr) -> pl.Expr:
    """An IP address without port, brackets and the prefix of an IPv4 address in IPv6."""
    odd = pl.when(text.str.contains(_ODD_ADDRESS)).then(text)
    plain = odd.str.strip_chars().str.replace(r"(?i)^\[?::ffff:(\d+\.\d+\.\d+\.\d+)\]?", "$1")
    bracketed = plain.str.extract(r"^\[([0-9A-Fa-f:.%]+)\](?::\d+)?$")
    ported = plain.str.extract(r"^(\d{1,3}(?:\.\d{1,3}){3}):\d+$")
    return pl.coalesce(bracketed, ported, plain, text)


def without_port(texts: pl.Series) -> pl.Series:
    """Some texts, the IPv4 addresses among them without port: each client has many."""
    return where(texts, PORTED, lambda ported: ported.str.split_exact(":", 1).struct.field("field_0"))


def addresses(texts: pl.Series) -> pl.Series:
    """As `address`, of some texts."""
    return where(
        without_port(texts), _ODD_ADDRESS, lambda odd: odd.to_frame("").select(address(pl.col(""))).to_series()
    )


def client_of(peer: pl.Expr, forwarded: pl.Expr) -> pl.Expr:
    """The client: the peer, unless that is a proxy of ours (a private address); then its last foreign hop.

    Only what our own proxies appended can be believed: whoever calls us writes the front of the list.
    """
    hops = forwarded.str.split(",").list.eval(address(pl.element()))
    hop = pl.element()
    foreign = hops.list.eval(hop.filter(~hop.str.contains(PRIVATE) & (hop != ""))).list.last()
    plausible = foreign.str.contains(r"^[0-9A-Fa-f.:]+$")
    inside = peer.is_null() | peer.str.contains(PRIVATE)
    return pl.when(inside & plausible).then(foreign).otherwise(peer)
