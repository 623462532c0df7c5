"""What differs between two tokens: one that a login gave, say, and one that a refresh gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from authforensics.tokens.claims import TIMES
from authforensics.tokens.told import Told, shown

#: What differs between any two tokens.
_EACH_ITS_OWN = {*TIMES, "jti"}
#: What a verifier looks at, the likeliest cause of a refusal first.
_TELLING = (
    "alg",
    "kid",
    "typ",
    "iss",
    "aud",
    "azp",
    "client_id",
    "token_use",
    "scope",
    "scp",
    "roles",
    "sub",
    "sid",
    "ver",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs.

    Attributes:
        what: where it is: `header alg`, `claim aud`, `signer`, `lifetime`.
        first: its value in the first token; None: not there.
        second: its value in the second.
        why: what it may mean; empty: nothing is known of it.
    """

    what: str
    first: Any
    second: Any
    why: str = ""


_WHY = {
    "header alg": "the verifier may allow one of the two algorithms only",
    "header kid": "they name different keys: one may be unknown to the verifier, or retired",
    "header typ": "one may be of a kind that this verifier doesn't take",
    "claim iss": "two issuers: the verifier may trust one of them only",
    "claim aud": "two audiences: the verifier may be in one of them only",
    "claim sub": "they are of different users",
    "signer": "two keys signed them: a verifier that knows one key refuses the other token",
    "lifetime": "they count for different times",
    "kind": "they are of different kinds",
}


def differences(first: Told, second: Told) -> list[Difference]:
    """What differs, the most telling first; times and ids that every token has of its own are left out."""
    found: list[Difference] = []
    if first.token.kind != second.token.kind:
        found.append(_difference("kind", first.token.kind, second.token.kind))
    signers = [None if one.proof.signer is None else one.proof.signer.name for one in (first, second)]
    if signers[0] != signers[1]:
        found.append(_difference("signer", *signers))
    for place, one, other in (
        ("header", first.token.header, second.token.header),
        ("claim", first.token.claims, second.token.claims),
    ):
        mine, others = shown(one or {}), shown(other or {})
        names = sorted({*mine, *others} - _EACH_ITS_OWN, key=_rank)
        found += [
            _difference(f"{place} {name}", mine.get(name), others.get(name))
            for name in names
            if mine.get(name) != others.get(name)
        ]
    for name in sorted(_EACH_ITS_OWN):
        there = ["there" if name in (told.token.claims or {}) else None for told in (first, second)]
        if there[0] != there[1]:
            found.append(Difference(f"claim {name}", there[0], there[1], "one of them lacks it"))
    if first.lifetime != second.lifetime and None not in (first.lifetime, second.lifetime):
        found.append(_difference("lifetime", first.lifetime, second.lifetime))
    return found


def _rank(name: str) -> tuple[int, str]:
    return (_TELLING.index(name) if name in _TELLING else len(_TELLING), name)


def _difference(what: str, first: object, second: object) -> Difference:
    return Difference(what, first, second, _WHY.get(what, ""))
