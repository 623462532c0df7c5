"""What a log writer is, and which there are: each writes the line that a product writes of a request, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from types import MappingProxyType

from authforensics.schema import Reason
from authforensics.simulate.record import Exchange, Kind

#: What a log can tell beyond what all tell.
DEVICE_ID, REQUEST_ID, REASON, MILLISECONDS = "device_id", "request_id", "reason", "milliseconds"


@dataclass(frozen=True)
class Page:
    """What a writer writes on: when second 0 was, and what is to be told."""

    start: datetime
    tells: frozenset[str]

    def at(self, seconds: float) -> datetime:
        """The moment, as exactly as the log tells it."""
        moment = self.start + timedelta(seconds=seconds)
        micros = moment.microsecond // 1000 * 1000 if MILLISECONDS in self.tells else 0
        return moment.replace(microsecond=micros)

    def seen(self, fact: str, value: str | None) -> str | None:
        """A value if the log is to tell it."""
        return value if fact in self.tells else None


@dataclass(frozen=True)
class Writer:
    """One log format.

    Attributes:
        title: what it is.
        reads: the format by whose name it is read again.
        application: the log of the application, not of the requests.
        tells: which of the things that can be left out it can tell.
        line: the line of a request; None: it writes none.
    """

    title: str
    reads: str
    application: bool
    tells: frozenset[str]
    line: Callable[[Exchange, Page], str | None]


@cache
def writers() -> dict[str, Writer]:
    """All writers by name."""
    from authforensics._registry import load
    from authforensics.simulate import writers as folder

    return load(folder, "WRITER", Writer)


def bearer_error(one: Exchange) -> str | None:
    """What an answer says in its `WWW-Authenticate` header."""
    if one.status != 401 or one.reason is None:
        return None
    if one.reason is Reason.MISSING_TOKEN:
        return "Bearer"
    return f'Bearer error="invalid_token", error_description="{said(one, JSONWEBTOKEN)}"'


def said(one: Exchange, words: Mapping[Reason, str]) -> str:
    """Why a request was refused, in the words of a library."""
    if one.text is not None:
        return one.text
    assert one.reason is not None
    if one.kind is Kind.REFRESH and one.reason in {Reason.TOKEN_EXPIRED, Reason.REVOKED}:
        return REFRESH[Reason.REFRESH_EXPIRED if one.reason is Reason.TOKEN_EXPIRED else Reason.REFRESH_REVOKED]
    return words.get(one.reason) or REFRESH[one.reason]


#: What applications say of refresh tokens, whatever the library.
REFRESH: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.REFRESH_EXPIRED: "refresh token expired",
        Reason.REFRESH_REUSED: "refresh token reuse detected",
        Reason.REFRESH_REVOKED: "refresh token revoked",
        Reason.REVOKED: "token has been revoked",
        Reason.OTHER: "request refused",
    }
)

#: # Reference: the sources of jsonwebtoken and express-oauth2-jwt-bearer
JSONWEBTOKEN: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.SIGNATURE_INVALID: "invalid signature",
        Reason.TOKEN_EXPIRED: "jwt expired",
        Reason.NOT_YET_VALID: "jwt not active",
        Reason.MALFORMED: "jwt malformed",
        Reason.ALGORITHM_REJECTED: "invalid algorithm",
        Reason.KEY_NOT_FOUND: "Unable to find a signing key that matches kid",
        Reason.AUDIENCE_MISMATCH: "jwt audience invalid. expected: api",
        Reason.ISSUER_MISMATCH: "jwt issuer invalid. expected: auth",
        Reason.MISSING_TOKEN: "No authorization token was found",
    }
)
#: # Reference: the source of PyJWT
PYJWT: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.SIGNATURE_INVALID: "Signature verification failed",
        Reason.TOKEN_EXPIRED: "Signature has expired",
        Reason.NOT_YET_VALID: "The token is not yet valid (iat)",
        Reason.MALFORMED: "Not enough segments",
        Reason.ALGORITHM_REJECTED: "The specified alg value is not allowed",
        Reason.KEY_NOT_FOUND: "Unable to find a signing key that matches the kid",
        Reason.AUDIENCE_MISMATCH: "Audience doesn't match",
        Reason.ISSUER_MISMATCH: "Invalid issuer",
        Reason.MISSING_TOKEN: "Missing Authorization Header",
    }
)
#: # Reference: the source of firebase/php-jwt; what applications say of claims that it doesn't check
PHP_JWT: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.SIGNATURE_INVALID: "Signature verification failed",
        Reason.TOKEN_EXPIRED: "Expired token",
        Reason.NOT_YET_VALID: "Cannot handle token with iat prior to 2025-10-07T00:00:00+0000",
        Reason.MALFORMED: "Wrong number of segments",
        Reason.ALGORITHM_REJECTED: "Algorithm not supported",
        Reason.KEY_NOT_FOUND: '"kid" invalid, unable to lookup correct key',
        Reason.AUDIENCE_MISMATCH: "Invalid audience",
        Reason.ISSUER_MISMATCH: "Invalid issuer",
        Reason.MISSING_TOKEN: "Missing token",
    }
)
