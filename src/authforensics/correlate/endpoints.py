"""What each endpoint is for: by pattern, by what is learned from behaviour, by configuration.

Patterns look at the method, the path without base, file suffix and trailing slash, and the query fields that select an
operation. What no pattern names is learned: a route that refuses some calls and grants others is protected (`api`); a
POST that succeeds right after a refusal, and after which the refused call is tried again, is the refresh.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.correlate.outcomes import REFUSED
from authforensics.schema import ENDPOINT_CLASS, EndpointClass

_C = EndpointClass
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
    ("GET", r"/(oauth2?|connect|openid-connect)/(v\d/)?auth(orize)?$|^/authorize$", _C.AUTHORIZE),
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
    (
        "POST",
        r"/(oauth2?|connect|openid-connect|as)/(v\d[\d.]*/|default/v\d/)?token(\.oauth2)?$|/oauth2/[\w-]+/v\d/token$|^/token$|/auth/(v\d/)?token$",
        _C.TOKEN,
    ),
    ("ANY", r"/(log[-_]?out|sign[-_]?out|endsession|end[-_]session)$", _C.LOGOUT),
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
        r"/(check[-_]?session|session[-_]?check|session/(check|status)|auth/(check|session|status)|verify[-_]?token|validate[-_]?token|sessions?/(me|current))$",
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


def route() -> pl.Expr:
    """`path` (with the operation, if its query selects one) with ids collapsed to `{id}`."""
    identifier = r"/(?:\d+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}|[\w.+-]+@[\w.-]+|[A-Za-z0-9_-]{28,})(/|$)"
    path = pl.col("path").str.replace(r";.*$", "").str.replace_all(r"//+", "/")
    # Twice: the slash between two ids can belong to one match only.
    path = path.str.replace_all(identifier, "/{id}$1").str.replace_all(identifier, "/{id}$1").str.slice(0, 200)
    return pl.when(pl.col("action").is_null()).then(path).otherwise(pl.concat_str(path, pl.lit("?"), "action"))


def _normalised() -> pl.Expr:
    """What patterns are matched against: lower case, no file suffix before the end or the query, no trailing slash."""
    return (
        pl.col("route")
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
    method = pl.col("method").str.to_uppercase().fill_null("")
    path = pl.col("_path")
    rules: list[tuple[pl.Expr, str, str]] = []
    for key, name in configured.items():
        verb, _, pattern = key.partition(" ")
        hit = pl.col("route").fill_null("").str.contains(pattern)
        rules.append((hit if verb.upper() == "ANY" else hit & (method == verb.upper()), name.value, "config"))
    for verbs, pattern, name in PATTERNS:
        hit = path.str.contains(pattern)
        rules.append((hit if verbs == "ANY" else hit & method.is_in(verbs.split("|")), name.value, "pattern"))
    found = pl.coalesce(*(pl.when(hit).then(pl.lit(name)) for hit, name, _ in rules))
    how = pl.coalesce(*(pl.when(hit).then(pl.lit(how)) for hit, _, how in rules))
    return (
        routes.with_columns(_path=_normalised().fill_null(""))
        .with_columns(endpoint_class=found.cast(ENDPOINT_CLASS), how=how)
        .drop("_path")
    )


def classify(requests: pl.DataFrame, configured: Mapping[str, EndpointClass]) -> pl.DataFrame:
    """Class every (system, method, route) of `requests`.

    Args:
        requests: `system`, `device_id`, `timestamp`, `method`, `route`, `status`, in order of device and time.
        configured: as in `by_pattern`.

    Returns:
        One row each: `system`, `method`, `route`, `endpoint_class`, `how`, `requests`, `refused`.
    """
    refused = pl.col("status").is_in(REFUSED)
    seen = requests.group_by("system", "method", "route").agg(
        requests=pl.len(), refused=refused.sum(), granted=pl.col("status").is_between(200, 299).sum()
    )
    named = by_pattern(seen.select("method", "route").unique(), configured)
    table = seen.join(named, on=["method", "route"], how="left", nulls_equal=True)
    table = table.join(_learn_refresh(requests), on=["system", "method", "route"], how="left", nulls_equal=True)
    unnamed = pl.col("endpoint_class").is_null()
    learned = (
        pl.when(pl.col("refreshes").fill_null(False))
        .then(pl.lit(EndpointClass.REFRESH.value))
        .when(pl.col("refused") > 0)
        .then(pl.lit(EndpointClass.API.value))
        .otherwise(pl.lit(EndpointClass.PUBLIC.value))
        .cast(ENDPOINT_CLASS)
    )
    return table.with_columns(
        endpoint_class=pl.when(unnamed).then(learned).otherwise("endpoint_class"),
        how=pl.when(unnamed).then(pl.lit("learned")).otherwise("how"),
    ).select("system", "method", "route", "endpoint_class", "how", "requests", "refused")


def _learn_refresh(requests: pl.DataFrame) -> pl.DataFrame:
    """Routes that behave as a refresh: POST, granted right after a refusal, and then the refused call again."""
    # In order of device: a neighbour is the device's own, or belongs to another one.
    same = (pl.col("device_id") == pl.col("device_id").shift()) & (pl.col("system") == pl.col("system").shift())
    around = requests.lazy().with_columns(
        _refused_before=pl.col("status").is_in(REFUSED).shift() & same,
        _gap=(pl.col("timestamp") - pl.col("timestamp").shift()).dt.total_seconds(),
        _before=pl.col("route").shift(),
        _after=pl.when(same.shift(-1)).then(pl.col("route").shift(-1)),
    )
    pattern = (
        pl.col("_refused_before")
        & (pl.col("_gap") <= LEARN_REFRESH_SECONDS)
        & (pl.col("_before") == pl.col("_after"))
        & (pl.col("_before") != pl.col("route"))
    )
    return (
        around.filter(pl.col("method") == "POST", pl.col("status").is_between(200, 299))
        .group_by("system", "method", "route")
        .agg(share=pattern.fill_null(False).mean(), calls=pl.len(), devices=pl.col("device_id").n_unique())
        .filter(
            pl.col("share") >= LEARN_REFRESH_SHARE,
            pl.col("calls") >= LEARN_REFRESH_CALLS,
            pl.col("devices") >= LEARN_REFRESH_DEVICES,
        )
        .select("system", "method", "route", refreshes=pl.lit(value=True))
        .collect()
    )
