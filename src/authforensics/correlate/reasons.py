"""Why a call was refused: from the access log's own field, else from the application's message joined to the request.

Messages are matched by pattern, not by exact text: libraries fill in values and reword between versions. The same text
means another thing at the refresh endpoint, so the endpoint class decides between access and refresh token.
"""

from __future__ import annotations

import polars as pl

from authforensics.correlate.outcomes import REFUSED
from authforensics.schema import REASON, EndpointClass, Reason

# The most specific first; each reason has alternatives, of which any will do.
# Reference: the messages of PyJWT, php-jwt, jsonwebtoken, jose, golang-jwt, jjwt, nimbus, IdentityModel (IDX codes),
# Envoy's jwt_authn, authlib, ruby-jwt, league/oauth2-server, Keycloak, GoTrue, read in their sources.
_PATTERNS: dict[Reason, tuple[str, ...]] = {
    Reason.REFRESH_REUSED: (
        r"re-?use",
        r"already (been )?(used|redeemed|consumed)",
        r"been consumed",
        r"refresh_token_already_used",
        r"\bferrt\b",
        r"stale (refresh )?token",
        r"token_theft",
    ),
    Reason.KEY_NOT_FOUND: (
        r"signing key (that matches|not found|.*not found)",
        r"no applicable key",
        r"\bkid\b.*(not|mismatch|unknown|invalid|missing|does)",
        r"(doesn't|does not) have key to match",
        r"unable to (match|find|locate).{0,24}key",
        r"key.{0,12}(not|n't).{0,8}found",
        r"IDX105(00|01|17)",
        r"jwks.{0,40}(not|fail|no )",
        r"error while executing keyfunc",
        r"SignatureKeyNotFound",
        r"no security keys",
        r"unverifiable: error",
    ),
    Reason.ALGORITHM_REJECTED: (
        (
            r"\balg(orithm)?\b.{0,40}"
            r"(not (allowed|supported|valid|match)|n't match|invalid|reject|unsupported|mismatch|unexpected|unknown)"
        ),
        r"(unsupported|unexpected|invalid|unknown|empty|different|missing)( \w+)? \(?\"?alg(orithm)?\b",
        r"signing method",
        r"unsigned (authorization )?token",
        r"signature type is not allowed",
        r"token signer mismatch",
        r"no matching verifier",
    ),
    Reason.SIGNATURE_INVALID: (
        (
            r"signature (verification|validation)? ?"
            r"(failed|raised|mismatch|is invalid|resulted invalid|error|does not match|invalid|could not be verified)"
        ),
        r"(invalid|bad|wrong|failed to verify)[ _]signature",
        r"signature[ _]?(verification)?[ _]?(failed|invalid|mismatch|error)",
        r"InvalidSignature",
        r"SignatureInvalid",
        r"JWSSignatureVerificationFailed",
        r"jwt verification fails",
        r"(crypto/\w+: )?verification error",
        r"verify message using any of the signatures",
        r"IDX105(03|11)",
        r"cryptographic primitive",
        r"\bBadSignature",
    ),
    Reason.NOT_YET_VALID: (
        r"not (yet )?(active|valid) (yet|before)",
        r"not yet valid",
        r"jwt not active",
        r"\bnbf\b",
        r"before (its )?use time",
        r"used before",
        r"issued in the future",
        r"issued at (\(iat\) )?(time|timestamp|future)",
        r"iat\)? ?(prior|in the future)",
        r"with iat prior",
        r"jwt early",
        r"IDX10222",
        r"BeforeValid",
        r"ImmatureSignature",
        r"can(no|')t be used (yet|before)",
        r"JWT issued at future",
    ),
    Reason.TOKEN_EXPIRED: (
        r"expired",
        r"\bexpire[sd]? (at|on)",
        r"has run out",
        r"(is|was) past its exp",
        r"\bexp\b.{0,24}(claim|check|fail|satisfied|timestamp)",
        r"IDX10223",
        r"TokenExpired",
        r"ExpiredSignature",
        r"token is not active",
        r"no longer valid",
        r"maxAge exceeded",
        r"Jwt_is_expired",
    ),
    Reason.AUDIENCE_MISMATCH: (
        r"audience",
        r"\baud\b.{0,24}(claim|invalid|mismatch|not|wrong)",
        r"wrong aud",
        r"IDX1020[68]",
        r"IDX10214",
    ),
    Reason.ISSUER_MISMATCH: (
        r"issuer",
        r"\biss\b.{0,32}(claim|invalid|mismatch|not|do not)",
        r"IDX10205",
        r"issued by a different provider",
        r"not issued by",
    ),
    Reason.REVOKED: (
        r"revoked",
        r"black-?list",
        r"deny-?list",
        r"invalidated",
        r"session (not active|.{0,24}(does not exist|terminated))",
        r"signed out elsewhere",
        r"AADSTS50173",
    ),
    Reason.MISSING_TOKEN: (
        r"(no|missing|without|empty|absent)[ \w\"']{0,24}(token|authorization|credential|bearer|cookie)",
        (
            r"(token|authorization|credential|jwt|auth header)s?[ \w\"']{0,24}"
            r"(not (provided|found|present)|were not provided|missing|required|is empty|was null|must be provided)"
        ),
        r"Jwt_is_missing",
        r"jwt must be provided",
        r"unauthenticated",
        r"could not be parsed from the request",
    ),
    Reason.MALFORMED: (
        r"malformed",
        r"wrong number of segments",
        r"not enough segments",
        r"invalid (header|payload|crypto|token|jwt)( padding| string| encoding| format)?\b",
        r"(can't|cannot|could not|unable to|failed to) (decode|parse|deserialize)",
        r"not in the form of",
        r"two dots",
        r"decode[_ ]error",
        r"invalid base64",
        r"is not a (jwt|string)",
        r"jwt invalid",
        r"IDX1(0709|2741|2709|4100)",
        r"illegal base64",
    ),
}
_JOINED = {name: "|".join(alternatives) for name, alternatives in _PATTERNS.items()}
_REFRESH_HINT = r"refresh"
_LOGIN_HINT = r"\blog-?[_ ]?in\b|sign-?[_ ]?in\b|password|credentials?\b|authentication failed for"
_HAPPY = (
    r"^\W*(\[[\w.]+\]\s*)*([\w-]+[: ]+)?"
    r"(token refreshed|issued|refresh[_ ]token ok|log(ged)?[_ ]?(in|out)|login ok|success)"
)

#: How many seconds a message may be away from its request: the clock of either log, and a slow response in between.
JOIN_SECONDS = 2.0
#: Rounds in which messages that want the same request try the next nearest one.
_ROUNDS = 3

#: At the refresh endpoint the token that expired or was revoked is the refresh token.
_AT_REFRESH = {
    Reason.TOKEN_EXPIRED: Reason.REFRESH_EXPIRED,
    Reason.REVOKED: Reason.REFRESH_REVOKED,
}


def reason(text: pl.Expr) -> pl.Expr:
    """The reason that a message names, or null. Case doesn't matter."""
    return pl.coalesce(
        *(pl.when(text.str.contains(f"(?i){pattern}")).then(pl.lit(name.value)) for name, pattern in _JOINED.items())
    ).cast(REASON)


def at_endpoint(name: pl.Expr, endpoint_class: pl.Expr) -> pl.Expr:
    """`name` as it is to be read at an endpoint of `endpoint_class`."""
    text = name.cast(pl.String)
    swapped = text.replace({old.value: new.value for old, new in _AT_REFRESH.items()})
    refresh = endpoint_class.cast(pl.String) == EndpointClass.REFRESH.value
    return pl.when(refresh).then(swapped).otherwise(text).cast(REASON)


def read_messages(messages: pl.DataFrame) -> pl.DataFrame:
    """What each application message says: `reason` (null: not about a refused token), `hint` and `stem`.

    Returns:
        `messages` (of COLLECTED) with `reason`; `hint` (`refresh`, `login` or `api`: which kind of endpoint it speaks
        of); `stem` (the word it begins with, which may be the name of a script or handler).
    """
    known = messages.select("message", "route").unique()
    text = pl.col("message").fill_null("")
    route = pl.col("route").cast(pl.String)
    told = pl.concat_str(text, route.fill_null(""), separator=" ")
    known = known.with_columns(
        reason=pl.when(text.str.contains(f"(?i){_HAPPY}")).then(None).otherwise(reason(text)),
        hint=pl.when(told.str.contains(f"(?i){_REFRESH_HINT}"))
        .then(pl.lit("refresh"))
        .when(told.str.contains(f"(?i){_LOGIN_HINT}"))
        .then(pl.lit("login"))
        .otherwise(pl.lit("api")),
        stem=pl.coalesce(
            _stem(route),
            _stem(text.str.extract(r"(?:GET|POST|PUT|PATCH|DELETE)\s+(/\S*)")),
            _stem(text.str.extract(r"\b(?:path|url|uri|route)[=:]\s*\"?(/[^\s\"]+)")),
            text.str.extract(r"^(?:\[[^\]]*\]\s*)*([A-Za-z_][\w-]{2,})\s*[:(]").str.to_lowercase(),
        ),
    )
    return messages.join(known, on=["message", "route"], how="left", nulls_equal=True, maintain_order="left")


def _stem(path: pl.Expr) -> pl.Expr:
    """The last segment of a path that isn't an id, without its suffix."""
    plain = path.str.replace(r"[?#].*$", "").str.replace_all(r"/(\d+|\{id\})(/|$)", "/$2").str.strip_chars_end("/")
    return plain.str.extract(r"([^/]+)$").str.replace(r"\.\w+$", "").str.to_lowercase()


def _kind(endpoint_class: pl.Expr) -> pl.Expr:
    name = endpoint_class.cast(pl.String)
    return (
        pl.when(name == EndpointClass.REFRESH.value)
        .then(pl.lit("refresh"))
        .when(name == EndpointClass.LOGIN.value)
        .then(pl.lit("login"))
        .otherwise(pl.lit("api"))
    )


def join(refused: pl.DataFrame, messages: pl.DataFrame, known_ids: pl.DataFrame) -> pl.DataFrame:
    """Which message explains which refused request.

    By time a message explains one at most; by id, those of that id.

    Args:
        refused: `row`, `system`, `timestamp`, `request_id`, `route`, `endpoint_class`, `status`, `clock`, and
            `session_before`: whether its device had been accepted before, so that it has a token to be refused.
        messages: MESSAGES with `row`; those without a reason are passed over.
        known_ids: `system`, `request_id` of all requests, refused or not, that a message has: it speaks of no other.

    Returns:
        `row` (of the request), `reason`, `how` (`request_id`, `path_time` or `class_time`), `message_row`.
    """
    told = messages.filter(pl.col("reason").is_not_null())
    stems = _stem(pl.col("route").cast(pl.String))
    told = told.with_columns(pl.col("stem", "hint").cast(pl.String))
    wanted = refused.drop("reason", strict=False).with_columns(stem=stems, hint=_kind(pl.col("endpoint_class")))
    by_id = (
        wanted.filter(pl.col("request_id").is_not_null())
        .join(
            told.select("system", "request_id", "reason", message_row="row"),
            on=["system", "request_id"],
            how="inner",
            maintain_order="left",
        )
        .unique("row", keep="first", maintain_order=True)
        .select("row", "reason", "message_row", how=pl.lit("request_id"))
    )
    found = [by_id]
    wanted = wanted.join(by_id, on="row", how="anti", maintain_order="left")
    told = told.join(known_ids, on=["system", "request_id"], how="anti", maintain_order="left")
    known = wanted.select("system", "stem").unique()
    named = told.join(known, on=["system", "stem"], how="semi", maintain_order="left")
    vague = told.join(known, on=["system", "stem"], how="anti", maintain_order="left")
    for side, key, how in ((named, "stem", "path_time"), (vague, "hint", "class_time")):
        if how == "class_time":  # A 400 or 403 of the API has many meanings: time alone doesn't tie a message to it.
            wanted = wanted.filter(pl.col("status").is_in(REFUSED) | (pl.col("hint") == "refresh"))
        pairs = _by_time(wanted, side, ["system", key]).with_columns(how=pl.lit(how))
        found.append(pairs.select("row", "reason", "message_row", "how"))
        wanted = wanted.join(pairs, on="row", how="anti", maintain_order="left")
    return pl.concat(found)


def _by_time(wanted: pl.DataFrame, told: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Pair messages with requests of the same `key`: within one second in order, then with the nearest in time."""
    requests = wanted.select("row", "timestamp", "clock", "session_before", *key).filter(pl.col(key[-1]).is_not_null())
    messages = told.select("timestamp", "clock", "reason", *key, message_row="row")
    pairs = [_same_second(requests, messages, key)]
    for _ in range(_ROUNDS):
        requests = requests.join(pairs[-1], on="row", how="anti", maintain_order="left")
        messages = messages.join(pairs[-1], on="message_row", how="anti", maintain_order="left")
        pairs.append(_nearest(requests, messages, key))
    return pl.concat(pairs)


def _same_second(requests: pl.DataFrame, messages: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Where a clock tells seconds only, the k-th message of a second belongs to the k-th refusal of that second.

    Devices that had a session come first: who has none has no token that could have expired.
    """
    second = pl.col("timestamp").dt.truncate("1s")

    def ranked(frame: pl.DataFrame) -> pl.DataFrame:
        keyed = frame.with_columns(_second=second)
        return keyed.with_columns(_rank=pl.int_range(pl.len()).over([*key, "_second"]))

    likely_first = requests.sort("session_before", "timestamp", "row", descending=[True, False, False])
    pairs = ranked(likely_first).join(
        ranked(messages), on=[*key, "_second", "_rank"], how="inner", suffix="_told", maintain_order="left"
    )
    return pairs.filter(pl.max_horizontal("clock", "clock_told") >= 1).select("row", "reason", "message_row")


def _nearest(requests: pl.DataFrame, messages: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Each message takes the request nearest in time; of several messages for one request the nearest stays."""
    pairs = (
        messages.sort("timestamp", "message_row")
        .join_asof(
            requests.sort("timestamp", "row").with_columns(_at="timestamp"),
            on="timestamp",
            by=key,
            strategy="nearest",
            tolerance=f"{int(JOIN_SECONDS * 1000)}ms",
            check_sortedness=False,
        )
        .filter(pl.col("row").is_not_null())
        .with_columns(_distance=(pl.col("_at") - pl.col("timestamp")).abs())
    )
    return (pairs.sort("_distance", "message_row").unique("row", keep="first", maintain_order=True)).select(
        "row", "reason", "message_row"
    )
