"""The public halves of keys in PEM, as JWKs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jwt.types import JWKDict

_PART = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)


def public_halves(text: str) -> list[JWKDict]:
    """The public key of each part that can be read; those of private keys and certificates as well."""
    return [jwk for part in _PART.finditer(text) if (jwk := _jwk(part[0].encode(), part[1])) is not None]


def _jwk(part: bytes, kind: str) -> JWKDict | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509 import load_pem_x509_certificate

    key: Any
    try:
        if "CERTIFICATE" in kind:
            key = load_pem_x509_certificate(part).public_key()
        elif "PRIVATE" in kind:
            key = serialization.load_pem_private_key(part, password=None).public_key()
        else:
            key = serialization.load_pem_public_key(part)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return _named(key)


def _named(key: Any) -> JWKDict | None:  # noqa: ANN401
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

    if isinstance(key, rsa.RSAPublicKey):
        return RSAAlgorithm.to_jwk(key, as_dict=True)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return ECAlgorithm.to_jwk(key, as_dict=True)
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return OKPAlgorithm.to_jwk(key, as_dict=True)
    return None
