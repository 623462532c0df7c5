"""Owns `keycloak`: Keycloak's server log, whose events tell which token was refused, and why."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.collect.cutting import iso_of
from authforensics.collect.distinct import each
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import KIND, Kind

# Reference: JBossLoggingEventListenerProvider.java of Keycloak; https://www.keycloak.org/server/logging (the layout
# `%d{yyyy-MM-dd HH:mm:ss,SSS} %-5p [%c] (%t) %s%e%n`). Up to version 21 nothing was quoted; WildFly's had no date.
_TIME = r"(?:\d{4}-\d{2}-\d{2}[T ])?\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})?"
_LINE = rf"^(?P<at>{_TIME}) +(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL) +\[[^\]()]*\] \([^)]*\) "
#: What is wanted of an event. These come in front of what the caller wrote himself, and in that quotes are escaped.
_KEYS = {
    "realm": "realmId",
    "realm_name": "realmName",
    "user_id": "userId",
    "session_id": "sessionId",
    "client_ip": "ipAddress",
    "error": "error",
    "reason": "reason",
    "code": "code_id",
}
_TOKEN = "/protocol/openid-connect/token?grant_type="
#: Where the endpoints are whose calls end in such an event, and what they answer when all is well and when not.
# Reference: EventType.java and TokenEndpoint.java of Keycloak; RFC 6749 section 5.2, RFC 6750 section 3.1
_CALLS: dict[str, tuple[str, int, int]] = {
    "LOGIN": ("/login-actions/authenticate", 200, 401),
    "CODE_TO_TOKEN": (f"{_TOKEN}authorization_code", 200, 400),
    "REFRESH_TOKEN": (f"{_TOKEN}refresh_token", 200, 400),
    "CLIENT_LOGIN": (f"{_TOKEN}client_credentials", 200, 401),
    "TOKEN_EXCHANGE": (f"{_TOKEN}urn:ietf:params:oauth:grant-type:token-exchange", 200, 400),
    "USER_INFO_REQUEST": ("/protocol/openid-connect/userinfo", 200, 401),
    "LOGOUT": ("/protocol/openid-connect/logout", 204, 400),
}
_CALLED: dict[str, pl.DataType] = {"target": pl.String(), "status": pl.UInt16(), "method": pl.String()}


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any("[org.keycloak" in line for line in sample):
        return None

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = lines.with_columns(parts=pl.col("line").str.extract_groups(_LINE)).unnest("parts")
        matched = pl.col("at").is_not_null()
        # Neither time, level nor the logger's name has a parenthesis.
        message = pl.when(matched).then(pl.col("line").str.splitn(") ", 2).struct.field("field_1"))
        parts = parts.with_columns(matched=matched, message=message, moment=iso_of(pl.col("at"), settings.tz))
        return _told(parts.unnest("moment").drop("at"))

    return parse


def _told(parts: pl.LazyFrame) -> pl.LazyFrame:
    """`PARSED` of lines: an event is the call that it stands for, anything else a message."""
    message = pl.col("message")
    parts = parts.with_columns(
        _quoted=pl.when(message.str.starts_with('type="')).then(message),
        _bare=pl.when(message.str.contains("^type=[A-Z]")).then(message),
    )
    values = {name: _value(f", {key}=") for name, key in _KEYS.items()}
    parts = parts.with_columns(**values, type=_value("^type=")).with_columns(
        each("type", _calls, _CALLED).struct.unnest()
    )
    called = pl.col("target").is_not_null() & pl.col("client_ip").is_not_null()
    return parts.with_columns(
        target=pl.when(called).then(pl.lit("/realms/") + pl.coalesce("realm_name", "realm") + pl.col("target")),
        method=pl.when(called).then("method"),
        status=pl.when(called).then("status"),
        kind=pl.when(called).then(pl.lit(Kind.REQUEST.value)).otherwise(pl.lit(Kind.MESSAGE.value)).cast(KIND),
        reason_text=pl.when(called).then(pl.coalesce("reason", "error")),
        session_id=pl.coalesce("session_id", "code"),
        message=pl.when(~called).then("message"),
    ).drop("type", "realm", "realm_name", "error", "reason", "code", "_quoted", "_bare")


def _value(key: str) -> pl.Expr:
    quoted = pl.col("_quoted").str.extract(rf"{key}\"((?:[^\"\\]|\\.)*)\"")
    return pl.coalesce(quoted, pl.col("_bare").str.extract(rf"{key}([^,]*)"))


def _calls(values: pl.DataFrame) -> pl.DataFrame:
    """The call that each type of event stands for."""
    answered: dict[str, tuple[str, int]] = {}
    for name, (target, well, ill) in _CALLS.items():
        answered |= {name: (target, well), f"{name}_ERROR": (target, ill)}
    called = pl.col("value").replace_strict({name: target for name, (target, _) in answered.items()}, default=None)
    status = pl.col("value").replace_strict({name: status for name, (_, status) in answered.items()}, default=None)
    method = pl.when(called.is_not_null()).then(pl.lit("POST"))
    return values.select(target=called.cast(pl.String), status=status.cast(pl.UInt16), method=method)


FORMAT = Format(
    name="keycloak",
    title="server log of Keycloak with its login and token events",
    samples=(
        (
            '2026-03-01 10:02:03,123 WARN  [org.keycloak.events] (executor-thread-1) type="REFRESH_TOKEN_ERROR",'
            ' realmId="5d2c", realmName="shop", clientId="app", userId="null", sessionId="e5586fcd",'
            ' ipAddress="203.0.113.7", error="invalid_token", reason="Token is not active", grant_type="refresh_token",'
            ' refresh_token_type="Refresh", client_auth_method="client-secret"'
        ),
        "2026-03-01 10:02:04,000 INFO  [org.keycloak.quarkus.runtime.KeycloakMain] (main) Running the server",
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.98,
    prepare=_prepare,
    multiline=True,
    record_start=rf"^{_TIME} ",
)
