"""What a request means for the session of its device: endpoint class and status to `AuthEvent`."""

from __future__ import annotations

from functools import cache

import polars as pl

from authforensics.schema import AUTH_EVENT, ENDPOINT_CLASS, REASON, TOKEN_FAULTS, TOO_LARGE, EndpointClass, Reason
from authforensics.states import AuthEvent

#: Statuses by which a server refuses a token. 440 (IIS) and 498 (Esri) are not registered but mean just that.
REFUSED = (401, 440, 498)
#: Statuses that refuse a token where a reason says so, else something about the request (pathology K2). 422:
#: flask-jwt-extended; 419 is Laravel's for a form that is too old, others' for a session that is.
DOUBTFUL = (400, 403, 419, 422)
#: The same where nothing but the token is asked about: a refresh token that isn't found, was used by a parallel call,
#: is gone.
DOUBTFUL_AT_REFRESH = (*DOUBTFUL, 404, 409, 410)
#: Statuses that say nothing about the token: overload, time-out, client gone, no response.
NO_VERDICT = (0, 408, 425, 429, 460, 463, 499)
#: Statuses after which authentication has passed: the application looked at the request itself.
PASSED = (304, 404, 405, 406, 409, 410, 411, 412, 413, 415, 416, 422, 423, 424, 428)

#: Classes whose calls carry a credential and prove it. So do those of `challenge`, but for each first one.
PROTECTED = (EndpointClass.API, EndpointClass.SESSION_CHECK, EndpointClass.USERINFO, EndpointClass.TICKET)


def auth_event() -> pl.Expr:
    """`auth_event` from `endpoint_class`, `status` and `reason`. A `token` call must have been decided before."""
    status = pl.col("status").cast(pl.Int32).fill_null(0)
    name = pl.col("endpoint_class").cast(pl.String)
    reason = pl.col("reason").cast(pl.String)
    silent = status.is_in(NO_VERDICT) | (status >= 500)
    ok = status.is_between(200, 299)
    refused = status.is_in(REFUSED)
    faulty = reason.is_in([fault.value for fault in TOKEN_FAULTS])

    def event(value: AuthEvent) -> pl.Expr:
        return pl.lit(value.value)

    login = (
        pl.when(ok | status.is_in((302, 303)))
        .then(event(AuthEvent.LOGIN_OK))
        .when(refused | status.is_in((400, 403, 422)))
        .then(event(AuthEvent.LOGIN_DENIED))
        .otherwise(event(AuthEvent.IGNORED))
    )
    refresh = (
        pl.when(ok)
        .then(event(AuthEvent.REFRESH_OK))
        # RFC 6749 section 5.2: 400 invalid_grant is how a refresh token is refused (pathology K3).
        .when(refused | status.is_in((400, 403, 409, 422)) | (status.is_in(DOUBTFUL_AT_REFRESH) & faulty))
        .then(event(AuthEvent.REFRESH_DENIED))
        .otherwise(event(AuthEvent.REFRESH_FAILED))
    )
    protected = (
        pl.when(silent)
        .then(event(AuthEvent.IGNORED))
        .when((refused | status.is_in(DOUBTFUL)) & (reason == Reason.MISSING_TOKEN.value))
        .then(event(AuthEvent.API_ANONYMOUS))
        .when(refused | (status.is_in(DOUBTFUL) & faulty))
        .then(event(AuthEvent.API_DENIED))
        .when(status == 403)
        .then(event(AuthEvent.FORBIDDEN))
        .when(ok | status.is_in(PASSED))
        .then(event(AuthEvent.API_OK))
        .otherwise(event(AuthEvent.IGNORED))
    )
    # The protocol's first refusal asks for a credential; one that names a fault was given one.
    challenge = pl.when(refused & ~faulty.fill_null(value=False)).then(event(AuthEvent.IGNORED)).otherwise(protected)
    logout = pl.when(status.is_between(200, 399)).then(event(AuthEvent.LOGOUT)).otherwise(event(AuthEvent.IGNORED))
    return (
        pl.when(name == EndpointClass.LOGIN.value)
        .then(login)
        .when(name == EndpointClass.REFRESH.value)
        .then(refresh)
        .when(name == EndpointClass.LOGOUT.value)
        .then(logout)
        .when(name.is_in([member.value for member in PROTECTED]))
        .then(protected)
        .when(name == EndpointClass.CHALLENGE.value)
        .then(challenge)
        .otherwise(event(AuthEvent.IGNORED))
        .cast(AUTH_EVENT)
        .alias("auth_event")
    )


def telling() -> pl.Expr:
    """Which requests say something: those that mean something for a session, and two kinds that are ignored else.

    A login without a verdict, and a request whose header was too large: nothing is known of a session by them, but
    their users are shut out.
    """
    status = pl.col("status")
    unanswered = (pl.col("endpoint_class") == EndpointClass.LOGIN.value) & ((status >= 500) | (status == 429))
    return ((pl.col("auth_event") != AuthEvent.IGNORED.value) | unanswered | status.is_in(TOO_LARGE)).fill_null(
        value=False
    )


#: From here on statuses are alike: the server failed.
_FAILED = 500
_REASONS = len(Reason) + 1
_STATUSES = _FAILED + 1


def auth_events(requests: pl.DataFrame) -> pl.Series:
    """`auth_event` of each of `requests`: looked up, for deciding it anew for millions of rows takes far longer."""
    code = pl.col("endpoint_class").to_physical().cast(pl.UInt32) * _STATUSES
    code = (code + pl.col("status").fill_null(0).clip(0, _FAILED)) * _REASONS
    code += pl.col("reason").to_physical().fill_null(len(Reason)).cast(pl.UInt32)
    return _table().gather(requests.select(code.alias("code"))["code"]).alias("auth_event")


@cache
def _table() -> pl.Series:
    """`auth_event` of every class, status and reason, in the order of their codes."""
    statuses = pl.DataFrame({"status": pl.int_range(_STATUSES, dtype=pl.UInt16, eager=True)})
    reasons = pl.DataFrame({"reason": [*(reason.value for reason in Reason), None]}, schema={"reason": REASON})
    classes = pl.DataFrame(
        {"endpoint_class": [name.value for name in EndpointClass]}, schema={"endpoint_class": ENDPOINT_CLASS}
    )
    return classes.join(statuses, how="cross").join(reasons, how="cross").select(auth_event())["auth_event"]
