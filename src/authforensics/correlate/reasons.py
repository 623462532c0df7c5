"""Why a call was refused, by what the access log's own field says of it, and what a message says of some call.

Messages are matched by pattern, not by exact text: libraries fill in values and reword between versions. The same text
means another thing at the refresh endpoint, so the endpoint class decides between access and refresh token.
"""

from __future__ import annotations

import polars as pl

from authforensics.correlate import starts
from authforensics.correlate.outcomes import REFUSED
from authforensics.correlate.reason_patterns import DIALECTS, RULES
from authforensics.schema import MESSAGES, REASON, TEXT, TOKEN_FAULTS, EndpointClass, Reason

_QUOTES = r"['\"`\x{2018}\x{2019}\x{201c}\x{201d}]"
#: Where one word ends and the next begins although nothing is between them: `tokenExpired`, `JWTExpired`.
_SEAMS = ("([a-z0-9])([A-Z])", "([A-Z])([A-Z][a-z])")
#: Addresses, paths, numbers, times and ids: they tell nothing of the reason. Codes begin with a letter.
_FILLED_IN = r"\w+://\S+|(?:^|\s)/[^\s:]*|\b(?:\d[\w.:+-]*|[0-9a-fA-F]{4,}(?:-[0-9a-fA-F]{4,})+|[0-9a-fA-F]{16,})"
_BARE_CHALLENGE = r"(?i)^\s*bearer(\s+realm=\"[^\"]*\")?\s*$"

#: Only token endpoints answer `invalid_grant`.
# Reference: RFC 6749 section 5.2
_REFRESH_HINT = r"refresh|invalid[_ ]?grant"
#: A verifier speaks of credentials, too ("Could not validate credentials", "credentials were not provided").
_LOGIN_HINT = (
    r"\blog-?[_ ]?in\b|sign-?[_ ]?in\b|password|authentication failed for"
    r"|(?:bad|wrong|invalid|incorrect|given|user|client)[_ ]credentials?\b"
)
#: Advice to whose token was refused, or why it was: no login.
_AFTERWARDS = (
    r"(?i)\b(?:please|must|need to|have to|re-?)[_ ]?(?:log|sign)[_ -]?in\b|\b(?:log|sign)[_ -]?in again\b"
    r"|password (?:has been |had been |was )?(?:changed|reset)\b"
)
_HAPPY = (
    r"^\W*(\[[\w.]+\]\s*)*([\w-]+[: ]+)?"
    r"(token refreshed|issued|refresh[_ ]token ok|log(ged)?[_ ]?(in|out)|login ok|success)"
)

#: How many seconds a message may be away from its request: the clock of either log, and a slow response in between.
JOIN_SECONDS = 2.0

#: At the refresh endpoint the token that expired or was revoked is the refresh token.
_AT_REFRESH = {
    Reason.TOKEN_EXPIRED: Reason.REFRESH_EXPIRED,
    Reason.REVOKED: Reason.REFRESH_REVOKED,
}
#: Where people log in no token is asked for: an `invalid_grant` or a disabled user is no matter of tokens.
_AT_LOGIN = {
    Reason.REVOKED: Reason.OTHER,
    Reason.REFRESH_REVOKED: Reason.OTHER,
}
#: What GraphQL puts into `errors` of an answer that is 200 whatever it says, and how HTTP would have said it.
# Reference: https://hasura.io/docs/2.0/api-reference/graphql-api/#error-codes (invalid-jwt, access-denied);
# https://www.apollographql.com/docs/apollo-server/data/errors (UNAUTHENTICATED, FORBIDDEN)
_GRAPHQL = r"(?i)/(?:graphql|gql)(?:[/?:]|$)"
_UNAUTHENTICATED = r"\b(?:unauthenticated|unauthorized|invalid jwt)\b"
_FORBIDDEN = r"\b(?:forbidden|access denied)\b"


def plain(text: pl.Expr) -> pl.Expr:
    """Text as the patterns want it: small letters and digits, one space between words, quotes and apostrophes gone."""
    words = text.str.replace_all(_QUOTES, "")
    for seam in _SEAMS:
        words = words.str.replace_all(seam, "$1 $2")
    return words.str.to_lowercase().str.replace_all("[^a-z0-9]+", " ").str.strip_chars(" ")


def classify(texts: pl.Series, origins: pl.Series | None = None) -> pl.Series:
    """The reason that each text names, or null. Texts that differ in numbers and ids only are looked at once.

    Args:
        texts: messages, or what an access log's own field says of a refusal.
        origins: what wrote each, as far as the log tells: it decides where libraries mean different things by one text.
    """
    asked = pl.DataFrame({"text": texts.cast(pl.String)}).with_columns(
        origin=pl.lit(None, pl.String) if origins is None else origins.cast(pl.String)
    )
    alike = asked.unique(maintain_order=True).with_columns(gist=pl.col("text").str.replace_all(_FILLED_IN, " 0"))
    words = plain(pl.col("gist"))
    known = alike.select("gist", "origin").unique(maintain_order=True)
    known = known.with_columns(
        words=words, source=pl.concat_str(plain(pl.col("origin")), words, separator=" ", ignore_nulls=True)
    ).select("gist", "origin", reason=_decided())
    alike = alike.join(known, on=["gist", "origin"], how="left", nulls_equal=True)
    return asked.join(alike, on=["text", "origin"], how="left", nulls_equal=True, maintain_order="left")["reason"]


def _decided() -> pl.Expr:
    """The reason of a `gist` whose plain `words`, and those of its origin with them (`source`), are known."""
    # An exported table has the reasons themselves.
    stated = pl.col("gist").cast(REASON, strict=False)
    # RFC 6750 section 3.1: a challenge without an error code answers a request without credentials.
    challenged = pl.col("gist").str.contains(_BARE_CHALLENGE)
    decided = pl.when(stated.is_not_null()).then(stated).when(challenged).then(_named(Reason.MISSING_TOKEN))
    for library, meanings in DIALECTS.items():
        said_by = _has("source", library)
        for name, pattern in meanings:
            decided = decided.when(said_by & _has("words", pattern)).then(_named(name))
    for named, patterns in RULES:
        decided = decided.when(_has("words", "|".join(patterns))).then(_named(named))
    return decided.otherwise(_named(None))


def _has(name: str, pattern: str) -> pl.Expr:
    """Whether plain words have it: they are ASCII, and for no more a pattern is compiled in a sixth of the time."""
    # Reference: https://docs.rs/regex/latest/regex/#grouping-and-flags (u)
    return pl.col(name).str.contains(f"(?-u){pattern}")


def _named(name: Reason | None) -> pl.Expr:
    return pl.lit(None if name is None else name.value, REASON)


def at_endpoint(name: pl.Expr, endpoint_class: pl.Expr) -> pl.Expr:
    """`name` as it is to be read at an endpoint of `endpoint_class`."""
    text = name.cast(pl.String)
    place = endpoint_class.cast(pl.String)
    return (
        pl.when(place == EndpointClass.REFRESH.value)
        .then(text.replace({old.value: new.value for old, new in _AT_REFRESH.items()}))
        .when(place == EndpointClass.LOGIN.value)
        .then(text.replace({old.value: new.value for old, new in _AT_LOGIN.items()}))
        .otherwise(text)
        .cast(REASON)
    )


def own(requests: pl.DataFrame) -> pl.DataFrame:
    """What the access log itself says of its requests.

    Args:
        requests: `reason_text`, `origin`, `status` and `route`.

    Returns:
        `reason`, and `status`: of a GraphQL answer, which is 200 even where it refuses, what HTTP would have said.
    """
    texts = requests["reason_text"]
    if texts.null_count() == len(texts):
        return requests.select("status", reason=pl.lit(None, REASON))
    told = requests.select(
        "status", "route", words=plain(pl.col("reason_text")), reason=classify(texts, requests["origin"])
    )
    accepted = pl.col("status").is_between(200, 299).fill_null(value=False)
    graphql = pl.col("route").cast(pl.String).str.contains(_GRAPHQL).fill_null(value=False)
    refused = pl.col("reason").ne_missing(Reason.OTHER.value) & pl.col("reason").is_not_null()
    status = (
        pl.when(refused | pl.col("words").str.contains(_UNAUTHENTICATED))
        .then(401)
        .when(pl.col("reason").is_not_null() | pl.col("words").str.contains(_FORBIDDEN))
        .then(403)
        .otherwise("status")
    )
    # Elsewhere an answer that was given is no refusal, whatever a field says of a token on the way.
    return told.select(
        status=pl.when(accepted & graphql).then(status).otherwise("status").cast(pl.UInt16),
        reason=pl.when(~accepted | graphql).then("reason"),
    )


def claimed(requests: pl.DataFrame) -> pl.Series:
    """`claimed`: why requests were refused as the claims of their own tokens have it, in case nothing else says why."""
    if not requests["token"].count():
        return pl.repeat(None, requests.height, dtype=REASON, eager=True).alias("claimed")
    at = pl.coalesce("started_at", "timestamp")
    refused = pl.col("status").is_in(REFUSED)
    expired = pl.when(refused & (pl.col("expires_at") <= at)).then(_named(Reason.TOKEN_EXPIRED))
    return requests.select(
        claimed=expired.when(refused & (pl.col("not_before") > pl.col("timestamp"))).then(_named(Reason.NOT_YET_VALID))
    ).to_series()


def read_messages(messages: pl.DataFrame) -> pl.DataFrame:
    """What each application message says: `reason` (null: not about a refused token), `hint` and `stem`.

    Returns:
        `messages` (of COLLECTED) with `reason`; `hint` (`refresh`, `login` or `api`: which kind of endpoint it speaks
        of; else that something starts, see `starts`); `stem` (the word it begins with, which may be the name of a
        script or handler).
    """
    known = messages.select("message", "route", "origin").unique()
    text = pl.col("message").fill_null("")
    route = pl.col("route").cast(pl.String)
    told = pl.concat_str(text, route.fill_null(""), separator=" ")
    known = known.with_columns(
        reason=pl.when(~text.str.contains(f"(?i){_HAPPY}")).then(classify(known["message"], known["origin"])),
        hint=_hint(told),
        stem=pl.coalesce(
            stem(route),
            stem(text.str.extract(r"(?:GET|POST|PUT|PATCH|DELETE)\s+(/\S*)")),
            stem(text.str.extract(r"\b(?:path|url|uri|route)[=:]\s*['\"]?(/[^\s'\"]+)")),
            # Apache's authorization names it so.
            stem(text.str.extract(r"\bfor \"(/[^\s\"]+)\"")),
            text.str.extract(r"^(?:\[[^\]]*\]\s*)*([A-Za-z_][\w-]{2,})\s*[:(]").str.to_lowercase(),
        ),
    )
    started = starts.hints(known["message"])
    known = known.with_columns(hint=pl.when(pl.col("reason").is_null()).then(started).fill_null(pl.col("hint")))
    return messages.join(known, on=["message", "route", "origin"], how="left", nulls_equal=True, maintain_order="left")


def overheard(requests: pl.DataFrame) -> pl.DataFrame:
    """MESSAGES of what some REQUESTS say, in place of these themselves."""
    route = pl.col("route").cast(pl.String)
    told = requests.with_columns(stem=stem(route), hint=_hint(route.fill_null("")))
    return told.select(pl.col(name).cast(dtype) for name, dtype in MESSAGES.items())


def with_templates(messages: pl.DataFrame, templates: pl.DataFrame) -> pl.DataFrame:
    """MESSAGES that name a route with an id as its template does, where that is known: see `correlate.templates`."""
    if templates.is_empty() or not messages["stem"].count():
        return messages
    route, template = (pl.col(name).cast(pl.String) for name in ("route", "template"))
    stems = templates.select("system", stem=stem(route), _stem=stem(template)).unique()
    # What is an id in two places names neither.
    stems = stems.filter(pl.len().over("system", "stem") == 1).cast({"stem": TEXT, "_stem": TEXT})
    found = messages.select(pl.col("system", "stem").cast(TEXT))
    found = found.join(stems, on=["system", "stem"], how="left", maintain_order="left")
    return messages.with_columns(found.select(pl.coalesce("_stem", "stem").alias("stem")).to_series())


def faults_told(called: pl.DataFrame, messages: pl.DataFrame) -> pl.Series:
    """How many MESSAGES say, naming the end of the route, what is wrong with a token: one number per row of `called`.

    Args:
        called: `system`, `route`.
        messages: of all systems.
    """
    key = ["system", "stem"]
    faults = messages.filter(pl.col("reason").cast(pl.String).is_in(TOKEN_FAULTS)).select(pl.col(key).cast(pl.String))
    routes = called.select(pl.col("system").cast(pl.String), stem=stem(pl.col("route").cast(pl.String)))
    counts = faults.drop_nulls().group_by(key).agg(told=pl.len())
    return routes.join(counts, on=key, how="left", maintain_order="left")["told"].fill_null(0)


def _hint(told: pl.Expr) -> pl.Expr:
    """Which kind of endpoint a text speaks of."""
    return (
        pl.when(told.str.contains(f"(?i){_REFRESH_HINT}"))
        .then(pl.lit("refresh"))
        .when(told.str.replace_all(_AFTERWARDS, "").str.contains(f"(?i){_LOGIN_HINT}"))
        .then(pl.lit("login"))
        .otherwise(pl.lit("api"))
    )


def stem(path: pl.Expr) -> pl.Expr:
    """The last segment of a path that isn't an id, without its suffix."""
    bare = path.str.replace(r"[?#].*$", "")
    plain = bare.str.replace_all(r"/(?:\d+|\{id\})(?:\.\w+)?(/|$)", "/$1").str.strip_chars_end("/")
    return plain.str.extract(r"([^/]+)$").str.replace(r"\.\w+$", "").str.to_lowercase()
