"""Owns `firebase`: the request log of Firebase Authentication (Identity Platform) in Google Cloud Logging."""

from __future__ import annotations

import polars as pl

from authforensics.collect.format import Format
from authforensics.collect.provider_events import Provider, joined
from authforensics.schema import Kind

# Reference: google.cloud.identitytoolkit.logging.RequestLog; https://cloud.google.com/identity-platform/docs/activity-logging
_KEYS = {
    "at": ("^timestamp",),
    "name": ("methodName",),
    "code": ("status.code",),
    "why": ("status.message",),
    "client_ip": ("requestMetadata.callerIp",),
    "user_agent": ("requestMetadata.callerSuppliedUserAgent",),
    "user_id": ("response.localId", "request.localId", "metadata.localId"),
    "request_id": ("^trace", "^insertId"),
}
#: Answers in HTTP to codes of gRPC. Reference: google/rpc/code.proto
_STATUSES = {"0": 200, "3": 400, "5": 404, "6": 409, "7": 403, "8": 429, "9": 400, "13": 500, "14": 503, "16": 401}


def _say(lines: pl.LazyFrame) -> pl.LazyFrame:
    lines = lines.with_columns(pl.col("name").str.extract(r"([A-Za-z]+)$"))
    name = pl.col("name")
    refresh = name.str.contains(r"^(?:GrantToken|ExchangeToken|Token)$")
    call = pl.concat_str(pl.lit("/v1/accounts:"), name.str.head(1).str.to_lowercase(), name.str.slice(1))
    signs = name.str.starts_with("SignIn")
    code = pl.col("code").fill_null("0")
    return lines.with_columns(
        target=pl.when(refresh).then(pl.lit("/v1/token?grant_type=refresh_token")).when(signs).then(call),
        status=code.replace_strict(_STATUSES, default=400, return_dtype=pl.UInt16),
        reason=pl.when(code == "0").then(name).otherwise(joined(name, pl.col("why"))),
    )


FORMAT = Format(
    name="firebase",
    title="request log of Firebase Authentication in Google Cloud Logging",
    samples=(
        (
            '{"insertId":"i-1","jsonPayload":{"@type":"type.googleapis.com/google.cloud.identitytoolkit.logging.RequestLog",'
            '"methodName":"google.cloud.identitytoolkit.v1.AuthenticationService.SignInWithPassword","requestMetadata":{'
            '"callerIp":"203.0.113.7","callerSuppliedUserAgent":"iOS"},"status":{"code":3,"message":"INVALID_PASSWORD"}},'
            '"logName":"projects/p/logs/identitytoolkit.googleapis.com%2Frequests","timestamp":"2026-03-01T10:02:03.123456Z"}'
        ),
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.99,
    prepare=Provider("firebase", "methodName", _KEYS, _say).prepare,
)
