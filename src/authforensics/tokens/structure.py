"""The structure of one token: its segments, what its header and claims say, and what exactly is wrong, and where.

References: RFC 7515 (JWS), 7516 (JWE), 7518 (algorithms), 7519 (JWT), 6750 (how it is sent).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from authforensics.tokens import opaque
from authforensics.tokens.remark import Remark, worst_first
from authforensics.tokens.segments import Decoded, decode, parse
from authforensics.tokens.wrapping import Unwrapped, unwrap

Kind = Literal["jws", "jwe", "opaque", "broken", "none"]
_NAMES = {
    3: ("header", "payload", "signature"),
    5: ("header", "encrypted key", "initialization vector", "ciphertext", "tag"),
}
#: Bytes of a signature by algorithm. Reference: RFC 7518, 3.2 to 3.5; RFC 8037, 3.1 (Ed25519 64, Ed448 114).
_SIGNATURE: dict[str, tuple[int, ...]] = {
    "HS256": (32,),
    "HS384": (48,),
    "HS512": (64,),
    "ES256": (64,),
    "ES256K": (64,),
    "ES384": (96,),
    "ES512": (132,),
    "EdDSA": (64, 114),
}
_RSA = ("RS", "PS")
#: 1,024 to 16,384 bits.
_RSA_BYTES = range(128, 2049)
_KNOWN = (*_SIGNATURE, *(f"{kind}{size}" for kind in _RSA for size in (256, 384, 512)), "none")
#: Reference: RFC 6265, 6.1: browsers need not keep cookies above this; nginx reads header lines up to 8 KiB.
_COOKIE, _HEADER_LINE = 4_096, 8_192
#: Where a compact token starts: `{"` in base64url.
_START = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.")


@dataclass(frozen=True, slots=True)
class Token:
    """What a text is.

    Attributes:
        kind: a signed token (jws), an encrypted one (jwe), an opaque value, a broken token, or none at all.
        length: characters of the token.
        segments: characters of each segment, by its name.
        header: what its header says; None where it can't be read.
        claims: its claims; None where they can't be read, or are encrypted.
        remarks: what is wrong with it or good to know, errors first.
        scheme: the scheme that stood before it, in lower case.
        form: what an opaque value looks like.
        signed: the bytes that the signature covers.
        signature: the signature; it must not leave.
    """

    kind: Kind
    length: int
    segments: dict[str, int] = field(default_factory=dict)
    header: dict[str, Any] | None = None
    claims: dict[str, Any] | None = None
    remarks: tuple[Remark, ...] = ()
    scheme: str | None = None
    form: str | None = None
    signed: bytes = field(default=b"", repr=False)
    signature: bytes = field(default=b"", repr=False)
    text: str = field(default="", repr=False)

    @property
    def algorithm(self) -> str | None:
        """What its header names as `alg`."""
        named = (self.header or {}).get("alg")
        return named if isinstance(named, str) else None


def read(text: str) -> Token:
    """What a text is: any text, with anything around the token; never raises."""
    found = unwrap(text)
    if found.rest:
        _several(found)
    if not found.rest:
        return Token("none", 0, remarks=worst_first(found.remarks), scheme=found.scheme)
    size = len(found.rest)
    if size > _HEADER_LINE:
        found.say(
            "large", "warning", f"{size:,} characters: most servers refuse header lines above 8 KiB with 400 or 431"
        )
    elif size > _COOKIE:
        found.say("large_cookie", "note", f"{size:,} characters: too large for a cookie (4,096 bytes)")
    # No token has more than five segments; what is beyond the sixth says nothing.
    parts = found.rest.split(".", 5)
    return _opaque(found, parts) or _compact(found, parts)


def _several(found: Unwrapped) -> None:
    """Two tokens where one belongs: the first is looked at."""
    rest = found.rest
    for separator in (",", ";"):
        if separator in rest.strip(separator):
            first = rest.split(separator)[0]
            found.say(
                "several",
                "error",
                f"a '{separator}' stands inside it: two values, joined, where one belongs",
                len(first),
            )
            found.rest = first
            return
    if "eyJ" not in rest[1:]:
        return
    second = next((match for match in _START.finditer(rest) if match.start() > 0 and _after(rest, match.start())), None)
    if second is not None:
        found.say(
            "joined",
            "error",
            "another token starts inside it: two were put together without anything between",
            second.start(),
        )
        found.rest = rest[: second.start()].rstrip(".")


def _after(rest: str, start: int) -> bool:
    """Whether a whole token stands before a place: three segments, so that it isn't its own payload."""
    return rest.count(".", 0, start) >= 2 and _START.match(rest) is not None and rest.count(".", start) >= 2


def _opaque(found: Unwrapped, parts: list[str]) -> Token | None:
    form = opaque.form(found.rest)
    if form is None and len(parts) == 1 and not _header(parts[0]):
        form = opaque.unknown(found.rest)
    if form is None:
        return None
    if form.remark is not None:
        found.remarks.append(form.remark)
    return Token(
        "opaque",
        len(found.rest),
        remarks=worst_first(found.remarks),
        scheme=found.scheme,
        form=form.name,
        text=found.rest,
    )


def _header(segment: str) -> bool:
    """Whether a text starts as a header of a token does."""
    return segment[:3].lower() == "eyj"


def _compact(found: Unwrapped, parts: list[str]) -> Token:
    count = len(parts)
    names = _NAMES.get(count) or tuple(("header", "payload", "signature")[:count]) + ("more",) * (count - 3)
    places = _places(found, parts)
    if count not in _NAMES:
        _count(found, parts)
    head = _header_of(found, parts[0], places[0])
    encrypted = count == 5 or (head is not None and "enc" in head)
    claims = None
    signature = b""
    if head is not None:
        _algorithm(found, head, encrypted=encrypted)
    if not encrypted and count >= 2:
        claims = _payload(found, head, parts[1], places[1])
        if count == 3:
            signature = _signature(found, head, parts[2], places[2])
    kind: Kind = "jwe" if encrypted else "jws"
    if any(one.level == "error" for one in found.remarks) and (head is None or (claims is None and not encrypted)):
        kind = "broken"
    return Token(
        kind,
        len(found.rest),
        {name: len(part) for name, part in zip(names, parts, strict=False)},
        head,
        claims,
        worst_first(found.remarks),
        found.scheme,
        signed=".".join(parts[:2]).encode(),
        signature=signature,
        text=found.rest,
    )


def _places(found: Unwrapped, parts: list[str]) -> list[int | None]:
    """At which character of the text as given each segment starts."""
    if found.moved:
        return [None] * len(parts)
    starts, at = [], found.at + 1
    for part in parts:
        starts.append(at)
        at += len(part) + 1
    return list(starts)


def _count(found: Unwrapped, parts: list[str]) -> None:
    count = len(parts)
    end = len(found.rest)
    if count == 1:
        text = "one segment: a signed token has three, with dots between; this is a header alone, or its dots were lost"
    elif count == 2:
        text = "two segments: the signature is missing; it was cut, or split at the last dot to be kept in two cookies"
    elif count == 4:
        text = "four segments: a signed token has three, an encrypted one five; one dot is too many, or two were mixed"
    else:
        there = found.rest.count(".") + 1
        text = f"{there:,} segments: a signed token has three, an encrypted one five; several tokens were joined"
    found.say("segments", "error", text, end if count < 3 else None)


def _header_of(found: Unwrapped, segment: str, place: int | None) -> dict[str, Any] | None:
    if not segment:
        found.remarks.append(Remark("header_empty", "error", "the header is empty", place))
        return None
    if segment[:3] != "eyJ" and _header(segment):
        why = "capital and small letters were changed: something made it all lower or upper case"
        found.remarks.append(Remark("case", "error", why, place))
        return None
    return _object(found, "header", decode("header", segment, place), place)


def _object(found: Unwrapped, name: str, decoded: Decoded, place: int | None) -> dict[str, Any] | None:
    found.remarks += decoded.remarks
    if decoded.data is None:
        return None
    parsed = parse(name, decoded.data, place)
    found.remarks += parsed.remarks
    return parsed.value


def _algorithm(found: Unwrapped, head: dict[str, Any], *, encrypted: bool) -> None:
    named = head.get("alg")
    if "alg" not in head:
        found.say("alg_missing", "error", "the header has no alg: this is no JWS (RFC 7515, 4.1.1)")
    elif not isinstance(named, str):
        found.say("alg_no_text", "error", "alg of the header is no text")
    elif encrypted:
        found.say(
            "encrypted", "note", f"it is encrypted ({named}, {head.get('enc')}): only its receiver reads the claims"
        )
    elif named.lower() == "none":
        spelled = "" if named == "none" else f", spelled {named!r} to get past a check"
        found.say("alg_none", "error", f"alg is none{spelled}: nobody signed it, anybody can write it (RFC 8725, 3.2)")
    elif named not in _KNOWN:
        close = next((known for known in _KNOWN if known.lower() == named.lower()), None)
        meant = f"; {close} is spelled so" if close else ""
        found.say("alg_unknown", "error", f"alg {named[:40]!r} is none of RFC 7518{meant}")


def _payload(found: Unwrapped, head: dict[str, Any] | None, segment: str, place: int | None) -> dict[str, Any] | None:
    if not segment:
        why = "the payload is empty" + (": detached (RFC 7515, appendix F), or lost" if head is not None else "")
        found.remarks.append(Remark("payload_empty", "error", why, place))
        return None
    if head is not None and head.get("b64") is False:
        why = "the payload is not encoded (b64 is false, RFC 7797): it is no JWT"
        found.remarks.append(Remark("unencoded", "error", why, place))
        return None
    decoded = decode("payload", segment, place)
    if decoded.data is not None and decoded.data.startswith(b"eyJ") and decoded.data.count(b".") in {2, 4}:
        why = "its payload is another token (nested, RFC 7519, 5.2): look at that one"
        found.remarks.append(Remark("nested", "note", why, place))
        return None
    return _object(found, "payload", decoded, place)


def _signature(found: Unwrapped, head: dict[str, Any] | None, segment: str, place: int | None) -> bytes:
    named = (head or {}).get("alg")
    unsigned = isinstance(named, str) and named.lower() == "none"
    if not segment:
        if not unsigned:
            why = "the signature is empty: it was cut at the last dot, or taken off on purpose"
            found.remarks.append(Remark("signature_empty", "error", why, place))
        return b""
    if unsigned:
        found.remarks.append(Remark("signature_unused", "warning", "alg is none, and yet there is a signature", place))
    decoded = decode("signature", segment, place)
    found.remarks += decoded.remarks
    if decoded.data is None:
        return b""
    problem = _length(str(named), decoded.data)
    if problem is not None:
        found.remarks.append(
            Remark("signature_length", "error", problem, None if place is None else place + len(segment))
        )
    return decoded.data


def _length(algorithm: str, signature: bytes) -> str | None:
    """What is wrong with the length of a signature."""
    size = len(signature)
    allowed = _SIGNATURE.get(algorithm)
    if allowed is not None and size not in allowed:
        wanted = " or ".join(map(str, allowed))
        if algorithm.startswith("ES") and signature[:1] == b"\x30":
            return f"the signature is in DER form; {algorithm} of a JWS is the two numbers alone, {wanted} bytes"
        if size < min(allowed):
            return f"the signature has {size} bytes, {algorithm} has {wanted}: the token was cut at its end"
        return f"the signature has {size} bytes, {algorithm} has {wanted}: something was added at its end"
    if algorithm.startswith(_RSA) and algorithm in _KNOWN and (size not in _RSA_BYTES or size % 128):
        return f"the signature has {size} bytes, which no RSA key gives (256 for 2,048 bits): cut, or added to"
    return None
