"""What each endpoint is for: by pattern, by what is learned from behaviour, by configuration.

Patterns look at the method, the path without base, file suffix and trailing slash, and the query fields that select an
operation. What no pattern names is learned: a route that refuses some calls is protected (`api`), also by 403 if
messages say of it what is wrong with tokens; a POST that succeeds right after a refusal, and after which the refused
call is tried again, is the refresh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from authforensics.correlate import reasons
from authforensics.correlate.narrow import one_number
from authforensics.correlate.order import DEVICE
from authforensics.correlate.outcomes import REFUSED
from authforensics.schema import ENDPOINT_CLASS, TEXT, EndpointClass

_C = EndpointClass
#: Where servers mount OAuth: django-oauth-toolkit and authentik at `o`, django-oidc-provider at `openid`.
_MOUNTS = r"oauth2?|o|oidc|openid|openid-connect|connect|idp|op|sso|dex"
#: (methods, pattern on the normalised route, class); the first that matches decides.
#: Reference: the routes that identity providers and frameworks ship, RFC 6749, 7009, 7662, 8414, OpenID Connect.
PATTERNS: tuple[tuple[str, str, EndpointClass], ...] = (
    ("OPTIONS", r".*", _C.PREFLIGHT),
    ("GET|HEAD", r"/(healthz?|livez|readyz|ping|status|metrics|heartbeat|actuator/health.*|server-status)$", _C.PROBE),
    (
        "GET|HEAD",
        r"\.(css|js|mjs|map|png|jpe?g|gif|svg|ico|webp|avif|woff2?|ttf|eot|mp4|webm|txt|xml|html?)$",
        _C.STATIC,
    ),
    (
        "ANY",
        r"[?&](action|act|do|zoom_action|op|operationname|method|cmd|r|route)=([\w./-]*[./])?(refresh[\w-]*|token[_-]?refresh|renew[\w-]*token)",
        _C.REFRESH,
    ),
    (
        "ANY",
        r"[?&](action|act|do|op|operationname|method|cmd|r|route)=([\w./-]*[./])?(log[_-]?in|sign[_-]?in|authenticate|tokencreate)\b",
        _C.LOGIN,
    ),
    (
        "ANY",
        r"[?&](action|act|do|op|operationname|method|cmd|r|route)=([\w./-]*[./])?(log[_-]?out|sign[_-]?out)\b",
        _C.LOGOUT,
    ),
    ("ANY", r"[?&]grant_type=refresh_token", _C.REFRESH),
    ("ANY", r"[?&]grant_type=(password|pkce|id_token|web3|authorization_code)", _C.LOGIN),
    ("POST|GET", r"/introspect(ion)?$|/oauth/token/info$|/auth/jwt/verify$|/token/(validate|verify)$", _C.INTROSPECT),
    ("POST", r"/(revoke|revocation|revocat(ion|e)|token/blacklist)$", _C.REVOKE),
    ("GET|HEAD", r"/\.well-known/|/jwks(\.json)?$|/openid-connect/certs$|/discovery/v2\.0/keys$", _C.JWKS),
    ("POST", r"/oauth2/par$", _C.AUTHORIZE),
    ("GET", rf"/({_MOUNTS})/(v\d/)?(auth(oriz(e|ation))?|interaction)(/[^/?]+)?$|^/authorize$", _C.AUTHORIZE),
    ("GET", r"/auth/(ws|sse|socket)[-_]?token$", _C.TICKET),
    ("ANY", r"/v2$|/v2/.+/manifests/.+|/info/refs\?service=git-", _C.CHALLENGE),
    (
        "POST|PUT|PATCH|GET",
        r"/((auth|users?|account|token|oauth|session|jwt|login)s?/)?(re(fresh|new|issue)|silent[-_]?renew|rotate)[-_]?(access[-_]?)?tokens?$",
        _C.REFRESH,
    ),
    ("POST|PUT", r"/(refresh|auth[-_]refresh|lifecycle/refresh)$", _C.REFRESH),
    (
        "POST|PUT|PATCH",
        r"/(auth|tokens?|jwt|oauth|users?|sessions?|account)/(renew|reissue|extend|rotate|keep-?alive|exchange)$",
        _C.REFRESH,
    ),
    ("GET|POST", r"/auth/refresh$", _C.REFRESH),
    # better-auth: the session's cookie is exchanged for a JWT.
    ("GET", r"/auth/token$", _C.REFRESH),
    (
        "POST",
        rf"/({_MOUNTS}|as)/(v\d[\d.]*/|default/v\d/)?(access_)?token(\.oauth2)?$|/oauth2/[\w-]+/v\d/token$|^/token$|/auth/(v\d/)?token$",
        _C.TOKEN,
    ),
    ("ANY", r"/(log[-_]?out|sign[-_]?out|endsession|end[-_]session|session/end)$", _C.LOGOUT),
    # OpenStack's Keystone: a token is created by a login, asked about and ended at one path.
    ("POST", r"/auth/tokens$", _C.LOGIN),
    ("GET|HEAD", r"/auth/tokens$", _C.INTROSPECT),
    ("DELETE", r"/auth/tokens$", _C.LOGOUT),
    ("DELETE", r"/(users?/|auth/|account/)?(sessions?|auth|login|token)(/(current|me|\{id\}))?$", _C.LOGOUT),
    (
        "POST",
        r"/(log[-_]?in|sign[-_]?in|authenticate|authn|login_check)(/(access[-_]?token|code(/consume)?|password|email))?$",
        _C.LOGIN,
    ),
    (
        "POST",
        r"/(users?/|auth/|account/)?sessions?$|/jwt/create$|/api/token$|/jwt-auth/v\d/token$|/auth/callback/[\w-]+$|/accounts:signin\w+$|/jwt/sign$",
        _C.LOGIN,
    ),
    ("POST", r"/(register|sign[-_]?up)$", _C.REGISTER),
    (
        "GET|POST",
        r"/(check[-_]?session|session[-_]?check|session/(check|status)|auth/(check|(get-)?session|status)|verify[-_]?token|validate[-_]?token|sessions?/(me|current))$",
        _C.SESSION_CHECK,
    ),
    ("GET|POST", r"/userinfo$", _C.USERINFO),
)

#: Learning a refresh needs this many successes, on this many devices, of which this share follow a refusal.
LEARN_REFRESH_CALLS = 5
LEARN_REFRESH_DEVICES = 3
LEARN_REFRESH_SHARE = 0.8
#: … within this time: an interceptor refreshes within one round trip (semantics: "a token call right after a denial").
LEARN_REFRESH_SECONDS = 10

#: Calls of a route that are answered 403, and messages that speak of tokens there, before that is taken for a refusal.
LEARN_FORBIDDEN = 3

#: What an endpoint is told by.
_KEY = ("system", "method", "route")
#: What is counted of each.
COUNTS = ("requests", "refused", "forbidden", "found")
#: Numbers below this are looked up in a list; of higher ones it would be too long.
_LISTED = 1 << 22
_FORBIDDEN = 403
#: What is answered where nothing is, or nothing that takes such calls.
_NOTHING_THERE = (404, 405)


def _normalised() -> pl.Expr:
    """What patterns are matched against: lower case, no file suffix before the end or the query, no trailing slash."""
    return (
        pl.col("route")
        .cast(pl.String)
        .str.to_lowercase()
        .str.replace(r"\.(php|json|do|aspx?|jsp|action|cgi)(\?|$)", "$2")
        .str.replace(r"/+(\?|$)", "$1")
    )


def by_pattern(routes: pl.DataFrame, configured: Mapping[str, EndpointClass]) -> pl.DataFrame:
    """Class every (method, route) that a configured or built-in pattern names.

    Args:
        routes: distinct `method`, `route`.
        configured: "METHOD pattern" to class, tried first; METHOD may be ANY.

    Returns:
        `routes` with `endpoint_class` (null: no pattern) and `how`.
    """
    method, path = pl.col("_method"), pl.col("_path")
    rules: list[tuple[pl.Expr, str, str]] = []
    for key, name in configured.items():
        verb, _, pattern = key.partition(" ")
        hit = pl.col("route").cast(pl.String).fill_null("").str.contains(pattern)
        rules.append((hit if verb.upper() == "ANY" else hit & (method == verb.upper()), name.value, "config"))
    for verbs, pattern, name in PATTERNS:
        hit = path.str.contains(pattern)
        rules.append((hit if verbs == "ANY" else hit & method.is_in(verbs.split("|")), name.value, "pattern"))
    # Which rule it is, as a number: to have each say its class and its kind takes several times as long.
    first = pl.coalesce(*(pl.when(hit).then(pl.lit(number, pl.UInt16)) for number, (hit, _, _) in enumerate(rules)))
    called = pl.col("method").cast(pl.String).str.to_uppercase().fill_null("")
    rule = routes.select("route", _method=called, _path=_normalised().fill_null("")).select(first).to_series()
    return routes.with_columns(
        pl.Series("endpoint_class", [name for _, name, _ in rules], dtype=ENDPOINT_CLASS).gather(rule),
        pl.Series("how", [how for _, _, how in rules], dtype=pl.String).gather(rule),
    )


def seen(requests: pl.DataFrame) -> pl.DataFrame:
    """How often each (system, method, route) was called: `requests`; how many were `refused`, `forbidden` or `found`.

    `found` is what had any answer but that nothing is there: scanners call what there is not.
    """
    names = requests.select(pl.col(_KEY).cast(TEXT))
    found = (
        requests.select(
            _code(names),
            refused=pl.col("status").is_in(REFUSED),
            forbidden=pl.col("status") == _FORBIDDEN,
            found=~pl.col("status").is_in(_NOTHING_THERE).fill_null(value=False),
        )
        .with_row_index("at")
        .group_by("code")
        .agg(
            pl.col("at").first(),
            requests=pl.len(),
            refused=pl.col("refused").sum(),
            forbidden=pl.col("forbidden").sum(),
            found=pl.col("found").sum(),
        )
    )
    return names[found["at"]].hstack(found.select(COUNTS))


def classes(requests: pl.DataFrame, table: pl.DataFrame) -> pl.Series:
    """`endpoint_class` of each of `requests`.

    Args:
        requests: any, with `system`, `method` and `route`.
        table: what `classify` gave.
    """
    known, called = ([frame[name].cast(TEXT) for name in _KEY] for frame in (table, requests))
    named, asked = one_number(known, called), one_number(called, known)
    highest = max((int(code.max()) for code in (named, asked) if len(code)), default=None)  # type: ignore[arg-type]
    if isinstance(highest, int) and highest < _LISTED:
        numbers = table["endpoint_class"].to_physical()
        listed = pl.repeat(None, highest + 1, dtype=numbers.dtype, eager=True).scatter(named, numbers)
        return listed.gather(asked).cat.to(ENDPOINT_CLASS).alias("endpoint_class")
    told = pl.DataFrame([named, table["endpoint_class"]])
    return asked.to_frame().join(told, on="code", how="left", maintain_order="left")["endpoint_class"]


def _code(frame: pl.DataFrame) -> pl.Series:
    return one_number([frame[name] for name in _KEY])


def classify(
    called: pl.DataFrame, refreshes: pl.DataFrame, messages: pl.DataFrame, configured: Mapping[str, EndpointClass]
) -> pl.DataFrame:
    """Class every (system, method, route).

    Args:
        called: what `seen` gave, of everything: one row each.
        refreshes: what `learned` gave.
        messages: MESSAGES, all of them.
        configured: as in `by_pattern`.

    Returns:
        One row each: `system`, `method`, `route`, `endpoint_class`, `how`, and COUNTS: `forbidden` ones had status 403.
    """
    named = by_pattern(called.select("method", "route").unique(), configured)
    table = called.join(named, on=["method", "route"], how="left", nulls_equal=True)
    table = table.join(
        refreshes.with_columns(refreshes=pl.lit(value=True)),
        on=["system", "method", "route"],
        how="left",
        nulls_equal=True,
    )
    unnamed = pl.col("endpoint_class").is_null()
    spoken = (reasons.faults_told(table, messages) >= LEARN_FORBIDDEN) & (table["forbidden"] >= LEARN_FORBIDDEN)
    behaves = (
        pl.when(pl.col("refreshes").fill_null(value=False))
        .then(pl.lit(EndpointClass.REFRESH.value))
        .when((pl.col("refused") > 0) | spoken)
        .then(pl.lit(EndpointClass.API.value))
        .otherwise(pl.lit(EndpointClass.PUBLIC.value))
        .cast(ENDPOINT_CLASS)
    )
    return table.with_columns(
        endpoint_class=pl.when(unnamed).then(behaves).otherwise("endpoint_class"),
        how=pl.when(unnamed).then(pl.lit("learned")).otherwise("how"),
    ).select("system", "method", "route", "endpoint_class", "how", *COUNTS)


def observe(arranged: pl.DataFrame) -> pl.DataFrame:
    """What there is to learn of some devices: the POST calls granted, per (system, method, route).

    Args:
        arranged: requests, in order of device and time.

    Returns:
        `calls`, on how many `devices`, and how many `follows`: right after a refusal, and then the refused call again.
    """
    granted = (pl.col("method") == "POST") & pl.col("status").is_between(200, 299)
    at = arranged.select(pl.arg_where(granted)).to_series()
    calls = arranged.select("system", "method", "route", DEVICE, "timestamp")[at]
    near = arranged.select(DEVICE, "timestamp", "status", "route")
    # In order of device: a neighbour is the device's own, or belongs to another one.
    prior = near.select(pl.all().gather(_within(at.cast(pl.Int64) - 1, near.height)).name.prefix("prior_"))
    after = near.select(pl.all().gather(_within(at.cast(pl.Int64) + 1, near.height)).name.prefix("after_"))
    same = pl.col(DEVICE).eq_missing(pl.col(f"prior_{DEVICE}")) & pl.col(DEVICE).eq_missing(pl.col(f"after_{DEVICE}"))
    follows = (
        same
        & pl.col("prior_status").is_in(REFUSED)
        & ((pl.col("timestamp") - pl.col("prior_timestamp")).dt.total_seconds() <= LEARN_REFRESH_SECONDS)
        & (pl.col("prior_route") == pl.col("after_route"))
        & (pl.col("prior_route") != pl.col("route"))
    )
    return (
        calls.hstack(prior)
        .hstack(after)
        .group_by("system", "method", "route")
        .agg(calls=pl.len(), follows=follows.fill_null(value=False).sum(), devices=pl.col(DEVICE).n_unique())
    )


def _within(places: pl.Series, height: int) -> pl.Series:
    """The places that there are; null for others."""
    return places.set((places < 0) | (places >= height), None)


def learned(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The (system, method, route) that behave as a refresh.

    Args:
        parts: what `observe` gave of every partition; no device is in two.
    """
    key = ["system", "method", "route"]
    return (
        pl.concat(parts)
        .group_by(key)
        .agg(pl.col("calls", "follows", "devices").sum())
        .filter(
            pl.col("follows") / pl.col("calls") >= LEARN_REFRESH_SHARE,
            pl.col("calls") >= LEARN_REFRESH_CALLS,
            pl.col("devices") >= LEARN_REFRESH_DEVICES,
        )
        .select(key)
    )
