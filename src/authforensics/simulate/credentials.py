"""Tokens as they are sent: real JWTs, made only where a log shows them."""

from __future__ import annotations

from authforensics.simulate.chance import Chance
from authforensics.simulate.record import Grant

#: The name of a key that isn't secret: a tutorial's, copied into many servers.
TUTORIAL = "tutorial"
_TUTORIAL_KEY = "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970"


def encoded(grant: Grant, seed: int, starts: float) -> str:
    """The access token of a grant; `starts` is the Unix time at which the log starts."""
    import jwt

    name = grant.claims["key"]
    key = _TUTORIAL_KEY if name == TUTORIAL else Chance(seed, "key", name).hex(64)
    payload = {
        "iss": grant.claims["issuer"],
        "aud": grant.claims["audience"],
        "sub": grant.family.user,
        "iat": int(starts + grant.issued),
        "exp": int(starts + grant.expires),
        "jti": f"{grant.number:08x}",
    }
    return jwt.encode(payload, key, algorithm="HS256", headers={"kid": name})
