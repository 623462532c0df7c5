"""Says what Keycloak's events stand for, in whichever way they are written: a call with its answer, or a message."""

from __future__ import annotations

import polars as pl

from authforensics.collect.distinct import each
from authforensics.collect.provider_events import joined
from authforensics.schema import KIND, Kind

#: How an event begins. Reference: JBossLoggingEventListenerProvider.java; up to version 21 nothing was quoted.
EVENT = r"type=(?:\"[A-Z][A-Z0-9_]*\"|[A-Z][A-Z0-9_]*), realm(?:Id|Name)="
#: What is wanted of an event. These come in front of what the caller wrote himself, and in that quotes are escaped.
_KEYS = {
    "realm": "realmId",
    "realm_name": "realmName",
    "user": "userId",
    "session": "sessionId",
    "ip": "ipAddress",
    "error": "error",
    "reason": "reason",
    "code": "code_id",
}
#: The columns of an event's values, beside its message.
VALUES = ("type", *_KEYS)
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


def logged(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Lines with a `message`: if it is an event the call that it stands for, else as they are, a message."""
    message = pl.col("message")
    parts = lines.with_columns(
        _quoted=pl.when(message.str.starts_with('type="')).then(message),
        _bare=pl.when(message.str.contains("^type=[A-Z]")).then(message),
    )
    values = {f"_{name}": _value(f", {key}=") for name, key in _KEYS.items()}
    return told(parts.with_columns(**values, _type=_value("^type=")).drop("_quoted", "_bare"))


def recorded(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Records with a column for each of `VALUES`, and `_done`, what an administrator did, without a `message` yet."""
    what = pl.coalesce(pl.col("_done"), pl.col("_type"))
    return told(lines.with_columns(message=joined(what, pl.col("_reason"), pl.col("_error"))).drop("_done"))


def told(lines: pl.LazyFrame) -> pl.LazyFrame:
    """`PARSED` of lines with a `message` and a column for each of `VALUES`: an event is the call that it stands for.

    What else is known of lines that are no events stays.
    """
    there = {*lines.collect_schema().names()}
    lines = lines.with_columns(each("_type", _calls, _CALLED).alias("_call"))
    target, status, method = (pl.col("_call").struct.field(name) for name in _CALLED)
    called = target.is_not_null() & pl.col("_ip").is_not_null()
    realm = pl.coalesce("_realm_name", "_realm")
    kind = pl.lit(Kind.MESSAGE.value)
    whole = {
        "target": pl.when(called).then(pl.lit("/realms/") + realm + target),
        "method": pl.when(called).then(method),
        "status": pl.when(called).then(status),
        "reason_text": pl.when(called).then(pl.coalesce("_reason", "_error")),
        "kind": pl.when(called).then(pl.lit(Kind.REQUEST.value)).otherwise(kind).cast(KIND),
        "session_id": pl.coalesce("_session", "_code"),
        "user_id": pl.col("_user"),
        "client_ip": pl.col("_ip"),
        "message": pl.when(~called).then("message"),
    }
    event = pl.col("_type").is_not_null()
    known = {name: pl.when(event).then(own).otherwise(name) if name in there else own for name, own in whole.items()}
    return lines.with_columns(**known).drop("_call", *(f"_{name}" for name in VALUES))


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
