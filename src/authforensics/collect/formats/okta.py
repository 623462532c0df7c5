"""Owns `okta`: the System Log of Okta, whose events tell which token was minted, refused or used again."""

from __future__ import annotations

import polars as pl

from authforensics.collect.format import Format
from authforensics.collect.provider_events import Provider, joined
from authforensics.schema import Kind

# Reference: https://developer.okta.com/docs/reference/api/event-types/; …/docs/reference/system-log-query/
_KEYS = {
    "at": ("published",),
    "type": ("eventType",),
    "said": ("displayMessage",),
    "result": ("outcome.result",),
    "why": ("outcome.reason",),
    "grant": ("debugContext.debugData.grantType",),
    "uri": ("debugContext.debugData.requestUri",),
    "actor": ("actor.id",),
    "actor_type": ("actor.type",),
    "targets": ("target.*.id",),
    "client_ip": ("client.ipAddress", "request.ipChain.*.ip"),
    "user_agent": ("client.userAgent.rawUserAgent",),
    "platform": ("client.userAgent.os",),
    "device_id": ("device.id",),
    "session_id": ("authenticationContext.externalSessionId", "authenticationContext.rootSessionId"),
    "request_id": ("transaction.id",),
}
#: Of the tokens minted together the access token stands for the call; a refusal names none.
_GRANT = r"^app\.oauth2\.(?:as\.)?token\.grant(?:\.access_token)?$"
_REUSE = r"^app\.oauth2\.(?:as\.)?token\.detect_reuse$"
_REVOKE = r"^app\.oauth2\.(?:as\.)?token\.revoke$"
#: The user among the targets of an event.
_USER = r"(?:^| )(00u[A-Za-z0-9]{1,30})(?: |$)"


def _say(lines: pl.LazyFrame) -> pl.LazyFrame:
    kind, result = pl.col("type"), pl.col("result")
    custom = kind.str.starts_with("app.oauth2.as.")
    token = pl.when(custom).then(pl.lit("/oauth2/default/v1/token")).otherwise(pl.lit("/oauth2/v1/token"))
    token = pl.coalesce(pl.when(pl.col("uri").str.ends_with("/token")).then("uri"), token)
    actor = pl.when(pl.col("actor_type") == "User").then("actor")
    lines = lines.with_columns(
        reused=kind.str.contains(_REUSE),
        granted=kind.str.contains(_GRANT),
        user=actor.otherwise(pl.col("targets").str.extract(_USER)),
    )
    reused, granted, user = pl.col("reused"), pl.col("granted"), pl.col("user")
    grant = pl.coalesce(pl.when(reused).then(pl.lit("refresh_token")), pl.col("grant"))
    token = pl.concat_str(token, pl.lit("?grant_type=") + grant, ignore_nulls=True)
    well = result.is_in(["SUCCESS", "ALLOW"])
    ill = result.is_in(["FAILURE", "DENY"])
    login = kind == "user.session.start"
    denied = pl.when(login).then(401).otherwise(400)
    return lines.with_columns(
        target=pl.when(granted | reused)
        .then(token)
        .when(login)
        .then(pl.lit("/api/v1/authn"))
        .when(kind == "user.session.end")
        .then(pl.lit("/login/signout"))
        .when(kind.str.contains(_REVOKE))
        .then(pl.lit("/oauth2/v1/revoke")),
        # To have seen a token used again is to have refused it, whatever its own outcome is called.
        status=pl.when(reused | ill).then(denied).when(well).then(200).cast(pl.UInt16),
        # The type stands behind: in front of a colon its last word would look like a secret's name.
        reason=pl.concat_str(
            joined(pl.col("said"), pl.col("why")), pl.lit("[") + kind + "]", separator=" ", ignore_nulls=True
        ),
        user_id=pl.when(user != "unknown").then(user),
        # Of a chain the client is the first.
        client_ip=pl.col("client_ip").str.extract(r"^(\S+)"),
        session_id=pl.when(pl.col("session_id") != "unknown").then("session_id"),
    )


FORMAT = Format(
    name="okta",
    title="System Log of Okta",
    samples=(
        (
            '{"actor":{"id":"0oa1","type":"PublicClientApp"},"client":{"ipAddress":"203.0.113.7","userAgent":{'
            '"rawUserAgent":"okhttp/4.12.0"}},"displayMessage":"OAuth2 token request","eventType":'
            '"app.oauth2.as.token.grant","outcome":{"result":"FAILURE","reason":"invalid_grant"},"published":"2026-03-01T10:02:03.123Z","uuid":"u-1",'
            '"debugContext":{"debugData":{"grantType":"refresh_token","requestUri":"/oauth2/default/v1/token"}}}'
        ),
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.99,
    prepare=Provider("okta", "eventType", _KEYS, _say).prepare,
)
