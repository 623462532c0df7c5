"""A public key as text: what a verifier uses as shared secret that lets the token choose HS256 (RFC 8725, 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from jwt.types import JWKDict


def as_secrets(jwk: JWKDict) -> list[bytes]:
    """The ways in which a public key is written to a file."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    try:
        key: Any = cast("Any", PyJWK.from_dict(jwk).key)
        whole = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    except (PyJWTError, ValueError, TypeError):
        return []
    return [whole, whole.rstrip(b"\n"), whole.replace(b"\n", b"\r\n")]
