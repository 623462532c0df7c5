"""Owns `entra`: the sign-in logs of Microsoft Entra ID; refreshes are in the one of sign-ins without the user."""

from __future__ import annotations

import polars as pl

from authforensics.collect.format import Format
from authforensics.collect.provider_events import Provider, joined
from authforensics.schema import Kind

# Reference: https://learn.microsoft.com/en-us/graph/api/resources/signin;
# https://learn.microsoft.com/en-us/entra/identity/monitoring-health/concept-sign-in-log-activity-details
_KEYS = {
    "at": ("createdDateTime",),
    "code": ("status.errorCode", "^resultType"),
    "why": ("status.failureReason", "^resultDescription"),
    "more": ("status.additionalDetails",),
    "category": ("^category",),
    "interactive": ("isInteractive",),
    "types": ("signInEventTypes",),
    "incoming": ("incomingTokenType",),
    "tenant": ("resourceTenantId", "homeTenantId", "^tenantId"),
    "client_ip": ("ipAddress", "^callerIpAddress"),
    "user_agent": ("userAgent",),
    "user_id": ("userId", "userPrincipalName"),
    "device_id": ("deviceDetail.deviceId",),
    "platform": ("deviceDetail.operatingSystem",),
    "session_id": ("sessionId",),
    "request_id": ("correlationId", "^correlationId"),
}
_NOBODY = "00000000-0000-0000-0000-000000000000"
#: Answers that ask the user for more, or note that he isn't there: no refusal of a login.
# Reference: https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes
_INTERRUPTS = (
    "50058",
    "50072",
    "50074",
    "50076",
    "50079",
    "50097",
    "50125",
    "50127",
    "50129",
    "50140",
    "50199",
    "65001",
)


def _say(lines: pl.LazyFrame) -> pl.LazyFrame:
    told = pl.concat_str("category", "types", separator=" ", ignore_nulls=True).str.to_lowercase()
    machine = told.str.contains(r"serviceprincipal|managedidentity")
    alone = told.str.contains("noninteractive", literal=True) | (pl.col("interactive").str.to_lowercase() == "false")
    alone = alone.fill_null(value=False) | (
        pl.col("incoming").str.to_lowercase().str.contains("refreshtoken").fill_null(value=False)
    )
    lines = lines.with_columns(machine=machine, alone=alone)
    code, machine, alone = pl.col("code"), pl.col("machine"), pl.col("alone")
    grant = pl.when(machine).then(pl.lit("client_credentials")).otherwise(pl.lit("refresh_token"))
    tenant = pl.col("tenant").fill_null("common")
    token = pl.concat_str(pl.lit("/"), tenant, pl.lit("/oauth2/v2.0/token?grant_type="), grant)
    login = pl.concat_str(pl.lit("/"), tenant, pl.lit("/login"))
    call = pl.when(machine | alone).then(token).when(~code.is_in(_INTERRUPTS)).then(login)
    user = pl.col("user_id")
    return lines.with_columns(
        target=call,
        status=pl.when(code == "0")
        .then(200)
        .when(code.is_null())
        .then(None)
        .when(machine | alone)
        .then(400)
        .otherwise(401)
        .cast(pl.UInt16),
        reason=joined(
            pl.when(code != "0").then(pl.lit("AADSTS") + code).otherwise(pl.lit("sign-in")),
            pl.col("why"),
            pl.col("more"),
        ),
        user_id=pl.when(user != _NOBODY).then(user),
    )


FORMAT = Format(
    name="entra",
    title="sign-in logs of Microsoft Entra ID",
    samples=(
        (
            '{"id":"s-1","createdDateTime":"2026-03-01T10:02:03Z","appId":"a-1","ipAddress":"203.0.113.7","isInteractive":'
            'false,"userId":"u-1","correlationId":"c-1","status":{"errorCode":700082,"failureReason":"The refresh token'
            ' has expired due to inactivity."},"deviceDetail":{"deviceId":"d-1","operatingSystem":"iOS"}}'
        ),
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.99,
    prepare=Provider("entra", "createdDateTime", _KEYS, _say).prepare,
)
