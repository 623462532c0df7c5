"""What a token's header and claims mean: when it counts, for how long, and what the standards would object to.

References: RFC 7519 (claims), RFC 8725 (best current practice), RFC 9068 (access tokens).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from authforensics.tokens.remark import Remark

#: Claims that are times; `auth_time` is OpenID Connect's.
TIMES = ("iat", "nbf", "exp", "auth_time")
#: Seconds since 1970 are below the first until the year 5138; milliseconds are below the second.
MILLISECONDS, MICROSECONDS = 1e11, 1e14
_LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
#: Claims whose values are texts. Reference: RFC 7519, 4.1; RFC 9068, 2.2.
_TEXTS = ("iss", "sub", "jti", "client_id", "azp", "scope")
#: Reference: RFC 9068, 2.2.
_ACCESS = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
#: Names of what must not be readable. Reference: RFC 7519, 12.
PRIVATE = re.compile(
    r"passw|passphrase|secret|pwd|api_?key|(?:access|refresh|id)_?token|ssn|card|cvv|iban|private", re.IGNORECASE
)
#: Header parameters that name or bring a key. Reference: RFC 8725, 3.10; RFC 7515, 4.1.2 to 4.1.8.
_BROUGHT = ("jku", "jwk", "x5u", "x5c")
_STRANGE_KID = re.compile(r"[/\\'\";`|<>$]|\.\.")
#: A day, and what is no access token's lifetime any more.
_DAY = 86_400
_LONG = 366 * _DAY
#: Clocks differ by a few seconds.
_LEEWAY = 5.0


@dataclass(frozen=True, slots=True)
class Time:
    """One claim that is a time.

    Attributes:
        claim: its name.
        at: the time; None: its value is none.
        unit: what the value counts: `seconds`, as it should be, `milliseconds` or `microseconds`.
    """

    claim: str
    at: datetime | None
    unit: str = "seconds"


def times(claims: Mapping[str, Any]) -> tuple[Time, ...]:
    """The times that claims tell, in the order in which they come to count."""
    return tuple(_time(name, claims[name]) for name in TIMES if name in claims)


def _time(name: str, value: object) -> Time:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else float("nan")
    except (ValueError, OverflowError):
        number = float("nan")
    unit, size = "seconds", 1.0
    if abs(number) >= MICROSECONDS:
        unit, size = "microseconds", 1e6
    elif abs(number) >= MILLISECONDS:
        unit, size = "milliseconds", 1e3
    seconds = number / size
    # Not a number compares false.
    at = datetime.fromtimestamp(seconds, UTC) if 0 <= seconds <= _LAST else None
    return Time(name, at, unit)


def lifetime(claims: Mapping[str, Any]) -> float | None:
    """For how many seconds it was issued: from iat, else nbf, to exp; None: it doesn't say."""
    told = {one.claim: one.at for one in times(claims)}
    begin, end = told.get("iat") or told.get("nbf"), told.get("exp")
    return None if begin is None or end is None else (end - begin).total_seconds()


def judge(header: Mapping[str, Any] | None, claims: Mapping[str, Any] | None, at: datetime) -> list[Remark]:
    """What is to be said of a header and claims as of a time, in the order of the standards."""
    remarks: list[Remark] = []
    if claims is not None:
        remarks += _types(claims)
        remarks += _span(claims, at)
        remarks += _practice(claims)
    if header is not None:
        remarks += _head(header)
        if claims is not None:
            remarks += _profile(header, claims)
    return remarks


def _types(claims: Mapping[str, Any]) -> list[Remark]:
    remarks = []
    for one in times(claims):
        value = claims[one.claim]
        if one.at is None:
            why = f"{one.claim} is no time: seconds since 1970 are expected (RFC 7519, 2)"
            remarks.append(Remark("time_unreadable", "error", why))
        elif isinstance(value, str):
            why = f"{one.claim} is a text; a number is expected, and many verifiers refuse the token"
            remarks.append(Remark("time_text", "error", why))
        elif one.unit != "seconds":
            why = f"{one.claim} counts {one.unit}, not seconds: verifiers see a time thousands of years from now"
            remarks.append(Remark("time_unit", "error", why))
    for name in _TEXTS:
        if (
            name in claims
            and not isinstance(claims[name], str)
            and not (name == "scope" and isinstance(claims[name], list))
        ):
            why = f"{name} is no text (RFC 7519, 4.1): some verifiers refuse it"
            remarks.append(Remark("claim_no_text", "warning", why))
    audience = claims.get("aud")
    if "aud" in claims and not (
        isinstance(audience, str) or (isinstance(audience, list) and all(isinstance(one, str) for one in audience))
    ):
        remarks.append(Remark("aud_no_text", "error", "aud is neither a text nor a list of texts (RFC 7519, 4.1.3)"))
    return remarks


def _span(claims: Mapping[str, Any], at: datetime) -> list[Remark]:
    told = {one.claim: one.at for one in times(claims) if one.at is not None}
    remarks = []
    expires, begins, issued = told.get("exp"), told.get("nbf"), told.get("iat")
    if expires is not None and expires <= at:
        remarks.append(Remark("expired", "error", "it has expired"))
    if begins is not None and (begins - at).total_seconds() > _LEEWAY:
        remarks.append(Remark("not_yet_valid", "error", "it is not valid yet (nbf): wait, or compare the clocks"))
    if issued is not None and (issued - at).total_seconds() > _LEEWAY:
        why = "it was issued in the future (iat): the issuer's clock is ahead, or this one's behind"
        remarks.append(Remark("issued_in_future", "error", why))
    lasting = lifetime(claims)
    if lasting is not None and lasting <= 0:
        remarks.append(Remark("no_lifetime", "error", "exp is not after iat: it was never valid"))
    elif lasting is not None and lasting > _LONG:
        why = f"it counts for {lasting / _DAY / 365:.1f} years: whoever steals it has it as long"
        remarks.append(Remark("long_lifetime", "warning", why))
    if "exp" not in claims:
        remarks.append(Remark("no_expiry", "warning", "it has no exp: it never expires (RFC 9700, 2.2)"))
    return remarks


def _practice(claims: Mapping[str, Any]) -> list[Remark]:
    """RFC 8725, 3.8 to 3.10 and 3.12, as far as one token shows."""
    remarks = []
    if "iss" not in claims:
        remarks.append(
            Remark("no_issuer", "note", "it names no issuer (iss): a verifier can't tell whose it is (RFC 8725, 3.8)")
        )
    if "aud" not in claims:
        why = "it names no audience (aud): it counts everywhere where its key counts (RFC 8725, 3.9)"
        remarks.append(Remark("no_audience", "note", why))
    private = next((name for name in claims if PRIVATE.search(str(name))), None)
    if private is not None:
        why = f"the claim {str(private)[:40]!r} can be read by everybody who has the token: it is signed, not encrypted"
        remarks.append(Remark("private_claim", "warning", why))
    return remarks


def _head(header: Mapping[str, Any]) -> list[Remark]:
    remarks = []
    brought = [name for name in _BROUGHT if name in header]
    if brought:
        named = ", ".join(brought)
        why = f"the header brings or names its own key ({named}): take no key from the token itself (RFC 8725, 3.10)"
        remarks.append(Remark("own_key", "warning", why))
    kid = header.get("kid")
    if "kid" in header and not isinstance(kid, str):
        remarks.append(Remark("kid_no_text", "error", "kid is no text (RFC 7515, 4.1.4)"))
    elif isinstance(kid, str) and _STRANGE_KID.search(kid):
        why = "kid holds characters of paths, SQL or shells: somebody may be trying what looks it up (RFC 8725, 3.10)"
        remarks.append(Remark("strange_kid", "warning", why))
    if "zip" in header:
        remarks.append(Remark("compressed", "warning", "it is compressed before encryption (RFC 8725, 3.6)"))
    critical = header.get("crit")
    if "crit" in header:
        named = ", ".join(str(one)[:40] for one in critical) if isinstance(critical, list) else "no list"
        why = f"crit names {named}: a verifier that doesn't know these must refuse it (RFC 7515, 4.1.11)"
        remarks.append(Remark("critical", "warning", why))
    if str(header.get("alg")) == "RSA1_5":
        remarks.append(Remark("weak_algorithm", "warning", "RSA1_5 must not be used any more (RFC 8725, 3.2)"))
    return remarks


def _profile(header: Mapping[str, Any], claims: Mapping[str, Any]) -> list[Remark]:
    """RFC 9068, 2: what an access token has; and RFC 8725, 3.11: that it says what it is."""
    kind = header.get("typ")
    missing = [name for name in _ACCESS if name not in claims]
    remarks = []
    if isinstance(kind, str) and kind.lower() in {"at+jwt", "application/at+jwt"}:
        if missing:
            why = f"it says it is an access token of RFC 9068, and lacks {', '.join(missing)}"
            remarks.append(Remark("profile", "error", why))
        return remarks
    why = "typ doesn't say what it is for (at+jwt for access tokens): one kind may pass for another (RFC 8725, 3.11)"
    remarks.append(Remark("no_type", "note", why))
    if missing:
        why = f"as an access token of RFC 9068 it would lack {', '.join(missing)}"
        remarks.append(Remark("profile", "note", why))
    return remarks
