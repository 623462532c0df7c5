"""Owns `cloudtrail`: events of AWS CloudTrail, of which those of Amazon Cognito are logins and refreshes."""

from __future__ import annotations

import polars as pl

from authforensics.collect.format import Format
from authforensics.collect.provider_events import Provider, joined
from authforensics.schema import Kind

# Reference: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html;
# https://docs.aws.amazon.com/cognito/latest/developerguide/understanding-amazon-cognito-entries.html
_HOSTED = "additionalEventData.requestParameters"
_KEYS = {
    "at": ("eventTime",),
    "source": ("eventSource",),
    "name": ("eventName",),
    "code": ("errorCode",),
    "why": ("errorMessage",),
    "flow": ("requestParameters.authFlow",),
    "grant": (f"{_HOSTED}.grant_type",),
    "challenge": ("responseElements.challengeName",),
    "answered": ("additionalEventData.responseParameters.status",),
    "client_ip": ("sourceIPAddress",),
    "user_agent": ("userAgent",),
    "user_id": ("additionalEventData.sub", "userIdentity.onBehalfOf.userId"),
    "request_id": ("requestID",),
}
#: The calls of Cognito's own API, whose path is `/`, and those of its hosted pages.
_LOGINS = ("InitiateAuth", "AdminInitiateAuth", "RespondToAuthChallenge", "AdminRespondToAuthChallenge")
_TARGETS = {
    "GetTokensFromRefreshToken": "/?grant_type=refresh_token",
    "RevokeToken": "/revoke",
    "GlobalSignOut": "/logout",
    "AdminUserGlobalSignOut": "/logout",
    "Revoke_POST": "/oauth2/revoke",
    "Login_POST": "/login",
    "Logout_GET": "/logout",
    "UserInfo_GET": "/oauth2/userInfo",
}
_LIMITED = ("TooManyRequestsException", "LimitExceededException", "ThrottlingException", "Throttling")


def _say(lines: pl.LazyFrame) -> pl.LazyFrame:
    name, code = pl.col("name"), pl.col("code")
    refresh = pl.col("flow").str.contains("REFRESH_TOKEN", literal=True).fill_null(value=False)
    login = pl.when(refresh).then(pl.lit("/?grant_type=refresh_token")).otherwise(pl.lit("/?grant_type=password"))
    grant = pl.lit("?grant_type=") + pl.col("grant").str.extract(r"([a-z_]+)")
    token = pl.concat_str(pl.lit("/oauth2/token"), grant, ignore_nulls=True)
    target = (
        pl.when(name.is_in(_LOGINS))
        .then(login)
        .when(name == "Token_POST")
        .then(token)
        .otherwise(name.replace_strict(_TARGETS, default=None, return_dtype=pl.String))
    )
    answered = pl.col("answered").cast(pl.Float64, strict=False).cast(pl.UInt16, strict=False)
    refused = pl.when(code.is_in(_LIMITED)).then(429).when(code.str.starts_with("Internal")).then(500).otherwise(400)
    status = pl.coalesce(answered, pl.when(code.is_null()).then(200).otherwise(refused).cast(pl.UInt16))
    return lines.with_columns(
        # What AWS calls itself has its name there.
        client_ip=pl.when(pl.col("client_ip").str.contains(r"^[0-9A-Fa-f.:]+$")).then("client_ip"),
        # A new password or a second factor that is asked for is neither login nor refusal.
        target=pl.when((pl.col("source") == "cognito-idp.amazonaws.com") & pl.col("challenge").is_null()).then(target),
        status=status,
        reason=joined(pl.when(code.is_null()).then(name).otherwise(code), pl.col("why")),
    )


FORMAT = Format(
    name="cloudtrail",
    title="AWS CloudTrail, with the logins and refreshes of Amazon Cognito",
    samples=(
        (
            '{"eventVersion":"1.08","eventTime":"2026-03-01T10:02:03Z","eventSource":"cognito-idp.amazonaws.com","eventName":'
            '"InitiateAuth","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.7","userAgent":"okhttp/4.12.0","errorCode":'
            '"NotAuthorizedException","errorMessage":"Refresh Token has expired","requestParameters":{"authFlow":'
            '"REFRESH_TOKEN_AUTH","clientId":"c"},"requestID":"r-1"}'
        ),
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.99,
    prepare=Provider("cloudtrail", "eventName", _KEYS, _say).prepare,
)
