"""Which candidate signed a token: by recomputing its signature. References: RFC 7515, 5.2; RFC 7518, 3.

Cheap: a shared secret costs microseconds, a public key less than a millisecond; so a handful of tokens is enough.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from authforensics.tokens.candidates import Candidates, Origin, PublicKey, Secret, shared
from authforensics.tokens.structure import Token

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
#: Kinds of keys by the beginning of an algorithm's name.
_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
#: Longer tokens are tried with the named candidates only: a signature costs as much as the token is long.
_LONG = 16_384


@dataclass(frozen=True, slots=True)
class Signer:
    """The candidate that signed a token.

    Attributes:
        name: where it comes from.
        origin: named by the caller, or known to everybody.
        how: what was done to it before it signed; empty: nothing.
        what: what kind of default it is, or what else is to be said of it; empty: nothing.
    """

    name: str
    origin: Origin
    how: str = ""
    what: str = ""

    @property
    def label(self) -> str:
        """Its name, and what was done to it: by this it is told from all others."""
        return f"{self.name} ({self.how})" if self.how else self.name


@dataclass(frozen=True, slots=True)
class Proof:
    """What trying gave.

    Attributes:
        signer: the candidate that signed it; None: none of those that were tried.
        tried: how many keys were.
        why_not: why it couldn't be tried, or what was left out.
    """

    signer: Signer | None
    tried: int = 0
    why_not: str | None = None


def prove(token: Token, candidates: Candidates) -> Proof:
    """Which candidate signed a token; published defaults are tried always."""
    algorithm = token.algorithm
    if token.kind != "jws" or algorithm is None:
        return Proof(None, why_not="only a signed token (JWS) has a signer that can be found")
    if algorithm.lower() == "none":
        return Proof(None, why_not="nobody signed it: alg is none")
    if not token.signature:
        return Proof(None, why_not="its signature is missing")
    if algorithm in _DIGESTS:
        return _by_secret(token, algorithm, candidates)
    kind = _KINDS.get(algorithm[:2])
    if kind is None:
        return Proof(None, why_not=f"the algorithm {algorithm[:40]!r} is not known")
    return _by_key(token, algorithm, [key for key in candidates.keys if key.jwk.get("kty") == kind])


def _by_secret(token: Token, algorithm: str, candidates: Candidates) -> Proof:
    tried = 0
    long = len(token.signed) > _LONG
    for secret in _all(candidates):
        if long and secret.origin != "configured":
            return Proof(None, tried, f"published defaults are tried with tokens of up to {_LONG:,} characters only")
        tried += 1
        made = hmac.digest(secret.key, token.signed, _DIGESTS[algorithm])
        if hmac.compare_digest(made, token.signature):
            return Proof(Signer(secret.name, secret.origin, secret.how, secret.what), tried)
    return Proof(None, tried)


def _all(candidates: Candidates) -> Iterator[Secret]:
    """Secrets, and public keys taken for one: whoever knows the public key can then sign (CVE-2015-9235)."""
    from authforensics.tokens.confusion import as_secrets

    for key in candidates.keys:
        for text in as_secrets(key.jwk):
            yield Secret(key.name, "published_default", "", "a public key taken for a shared secret", text)
    yield from shared(candidates)


def _by_key(token: Token, algorithm: str, keys: list[PublicKey]) -> Proof:
    if not keys:
        return Proof(None, why_not=f"{algorithm} needs the issuer's public keys: name them with --jwks")
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    kid = (token.header or {}).get("kid")
    for key in keys:
        try:
            known = PyJWK.from_dict({**key.jwk, "alg": algorithm})
            signed = known.Algorithm.verify(token.signed, known.key, token.signature)
        except (PyJWTError, ValueError, TypeError):
            continue
        if signed:
            strange = kid is not None and key.key_id is not None and kid != key.key_id
            what = f"its kid is {key.key_id!r}, the token names {str(kid)[:80]!r}" if strange else ""
            return Proof(Signer(key.name, "configured", "", what), len(keys))
    named = {key.key_id for key in keys}
    if isinstance(kid, str) and kid not in named and named != {None}:
        return Proof(
            None, len(keys), f"the keys named do not include its kid {kid[:80]!r}: the set is old, or another issuer's"
        )
    return Proof(None, len(keys))
