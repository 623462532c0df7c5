"""Tokens to be read, well made and broken."""

from __future__ import annotations

import base64
import json
import warnings
from typing import Any

import jwt

ISSUED = 1_766_636_800
KEY = "k7Vd0PzqR2nXwYb5MfTg9LhJ4cSaUe1E"
CLAIMS = {"iss": "shop", "sub": "42", "aud": "app", "iat": ISSUED, "exp": ISSUED + 900}


def encoded(value: object) -> str:
    """Bytes, or what they are in JSON, in base64url."""
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: dict[str, Any] | None = None, key: Any = KEY, algorithm: str = "HS256", **header: Any) -> str:
    """A token with these claims."""
    with warnings.catch_warnings():
        # Short keys are what these tests are about.
        warnings.simplefilter("ignore")
        return jwt.encode(CLAIMS if claims is None else claims, key, algorithm=algorithm, headers=header)


TOKEN = signed()
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")


def of(payload: object = CLAIMS, header: object = None, signature: str = SIGNATURE) -> str:
    """A token of these parts; whether its signature holds, nobody says."""
    return f"{encoded({'alg': 'HS256', 'typ': 'JWT'} if header is None else header)}.{encoded(payload)}.{signature}"
