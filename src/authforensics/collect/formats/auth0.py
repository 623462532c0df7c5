"""Owns `auth0`: the log of an Auth0 tenant, as exported or streamed, whose types tell what became of a token."""

from __future__ import annotations

import polars as pl

from authforensics.collect.distinct import each
from authforensics.collect.format import Format
from authforensics.collect.provider_events import CALL, Provider, joined, looked_up
from authforensics.schema import Kind

_TOKEN = "/oauth/token?grant_type="
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
#: Which call ends in a record of a type, and how that is answered.
# Reference: https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes; https://github.com/auth0/auth0-log-schemas;
# https://auth0.com/docs/api/authentication (invalid_grant is answered 403)
_CALLS: dict[str, tuple[str, int]] = {
    "sertft": (f"{_TOKEN}refresh_token", 200),
    "fertft": (f"{_TOKEN}refresh_token", 403),
    "ferrt": (f"{_TOKEN}refresh_token", 403),
    "seacft": (f"{_TOKEN}authorization_code", 200),
    "feacft": (f"{_TOKEN}authorization_code", 403),
    "seccft": (f"{_TOKEN}client_credentials", 200),
    "feccft": (f"{_TOKEN}client_credentials", 401),
    "sepft": (f"{_TOKEN}password", 200),
    "fepft": (f"{_TOKEN}password", 403),
    "sens": (f"{_TOKEN}{_EXCHANGE}", 200),
    "fens": (f"{_TOKEN}{_EXCHANGE}", 403),
    "s": ("/login", 200),
    "f": ("/login", 401),
    "fp": ("/login", 401),
    "fu": ("/login", 401),
    "limit_wc": ("/login", 429),
    "limit_mu": ("/login", 429),
    "limit_sul": ("/login", 429),
    "scoa": ("/co/authenticate", 200),
    "fcoa": ("/co/authenticate", 401),
    "slo": ("/v2/logout", 302),
    "flo": ("/v2/logout", 400),
    "srrt": ("/oauth/revoke", 200),
}
_KEYS = {
    "at": ("date",),
    "type": ("type",),
    "description": ("description",),
    "error": ("details.failure_reason", "details.error.message", "details.error.oauthError"),
    "client_ip": ("ip", "client_ip"),
    "user_agent": ("user_agent",),
    "user_id": ("user_id",),
    "session_id": ("details.session_id", "details.refresh_token.session_id", "session_id"),
    "host": ("hostname",),
    "request_id": ("log_id",),
}


def _say(lines: pl.LazyFrame) -> pl.LazyFrame:
    known = pl.col("description").is_null() | ~pl.col("description").str.contains(pl.col("error"), literal=True)
    return lines.with_columns(
        each("type", looked_up(_CALLS), CALL).struct.unnest(),
        reason=joined(pl.col("type"), pl.col("description"), pl.when(known).then("error")),
    )


FORMAT = Format(
    name="auth0",
    title="log of an Auth0 tenant",
    samples=(
        (
            '{"log_id":"900","data":{"date":"2026-03-01T10:02:03.123Z","type":"fertft","description":"Unknown or'
            ' invalid refresh token.","client_id":"c","ip":"203.0.113.7","user_agent":"okhttp/4.12.0",'
            '"hostname":"shop.eu.auth0.com","user_id":"auth0|42","log_id":"900","details":{}}}'
        ),
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.99,
    prepare=Provider("auth0", "date", _KEYS, _say).prepare,
)
