"""What a token says, in words that may stand in a log line in its place."""

from __future__ import annotations

from functools import lru_cache

from authforensics.tokens.claims import times
from authforensics.tokens.structure import read
from authforensics.tokens.told import shown

#: Longer texts say no more to a person.
_LONGEST = 400
#: Of its header.
_HEAD = ("alg", "kid")


@lru_cache(maxsize=10_000)
def said(token: str) -> str | None:
    """Header and claims of a token, never its signature; None: it can't be read."""
    found = read(token)
    if found.kind != "jws" or found.claims is None:
        return None
    head = shown({name: value for name, value in (found.header or {}).items() if name in _HEAD})
    claims = shown(found.claims) | {
        one.claim: f"{one.at:%Y-%m-%dT%H:%M:%SZ}" for one in times(found.claims) if one.at is not None
    }
    # Brackets and quotes would end what is around them.
    words = "; ".join(f"{name} {value}" for name, value in (head | claims).items()).translate(_PLAIN)
    # That it begins so keeps it from being taken for a credential itself.
    return f"[redacted token; claims: {words if len(words) <= _LONGEST else words[:_LONGEST] + '…'}]"


_PLAIN = str.maketrans(dict.fromkeys('[]"\\<>`|', " "))
