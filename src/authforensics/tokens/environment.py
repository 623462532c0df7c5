"""What a dotenv file says about the secrets of tokens: which are missing, alike, too short or never filled in.

Names are those of public code; no value leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from authforensics.tokens.candidates import published, secret_names
from authforensics.tokens.proof import Signer
from authforensics.tokens.remark import Remark

#: Bytes of a key by HS256. Reference: RFC 7518, 3.2: at least as long as the hash.
_SHORTEST = 32
_PLACEHOLDER = re.compile(r"change[-_ ]?me|your[-_ ]|example|placeholder|replace|<.*>|\$\{?\w|todo|xxx", re.IGNORECASE)


def unset(variables: Mapping[str, str | None]) -> tuple[str, ...]:
    """Names that code reads for the keys of access and of refresh tokens and that an environment lacks.

    Only where it has some signing secret: of an environment of something else nothing can be said. The plainest name
    stands for all of its kind; one that is there under any name that tells its kind is not missing.
    """
    names = secret_names()
    has = {name for name, value in variables.items() if value}
    if not has.intersection(*[(*names["access"], *names["refresh"])]):
        return ()
    kinds = (("ACCESS_SECRET", "ACCESS"), ("REFRESH_SECRET", "REFRESH"))
    known = {*names["access"], *names["refresh"], *names["keys"]}
    return tuple(name for name, word in kinds if not any(word in one for one in has & known))


def check(variables: Mapping[str, str | None], signers: Iterable[Signer] = ()) -> list[Remark]:
    """What is wrong with the secrets of an environment.

    Args:
        variables: values by name, as `candidates.environment` reads them.
        signers: who signed tokens that were looked at.
    """
    remarks = [
        Remark("fallback", "error", f"{name} is not set here: whoever signed fell back to the literal {name}")
        for name in dict.fromkeys(signer.name.removeprefix("the literal ") for signer in signers)
        if name in _names() and not variables.get(name)
    ]
    names = secret_names()
    held = {group: [name for name in names[group] if name in variables] for group in ("access", "refresh", "session")}
    known = [name for group in held.values() for name in group]
    for name in known:
        remarks += _value(name, variables[name])
    if held["access"] and not held["refresh"]:
        why = (
            f"{held['access'][0]} is there, and no secret for refresh tokens under any usual name: code that reads one"
            " falls back to whatever it has as default"
        )
        remarks.append(Remark("refresh_secret_missing", "warning", why))
    if held["refresh"] and not held["access"]:
        why = f"{held['refresh'][0]} is there, and no secret for access tokens under any usual name"
        remarks.append(Remark("access_secret_missing", "warning", why))
    for access in held["access"]:
        for refresh in held["refresh"]:
            if variables[access] and variables[access] == variables[refresh]:
                why = (
                    f"{access} and {refresh} are the same: a refresh token passes for an access token (RFC 8725, 3.11)"
                )
                remarks.append(Remark("same_secret", "warning", why))
    if not known:
        remarks.append(Remark("no_secret", "warning", "no variable has a name that is usual for a signing secret"))
    return remarks


def _value(name: str, value: str | None) -> list[Remark]:
    if not value:
        how = "empty" if value is not None else "named without a value"
        return [
            Remark("empty_secret", "error", f"{name} is {how}: code falls back to its default, or signs with nothing")
        ]
    if value in _published():
        return [
            Remark("published_secret", "error", f"{name} is a secret that public code has: anybody can sign with it")
        ]
    remarks = []
    if _PLACEHOLDER.search(value):
        remarks.append(Remark("placeholder", "error", f"{name} looks like a placeholder that nobody replaced"))
    if value != value.strip():
        remarks.append(Remark("white_space", "warning", f"{name} has white space around it: not every reader keeps it"))
    if len(value.encode()) < _SHORTEST and "-----BEGIN" not in value:
        size = len(value.encode())
        why = f"{name} has {size} bytes; HS256 asks for {_SHORTEST} at least (RFC 7518, 3.2), or it can be guessed"
        remarks.append(Remark("short_secret", "warning", why))
    return remarks


def _names() -> frozenset[str]:
    return frozenset(name for group in secret_names().values() for name in group)


def _published() -> frozenset[str]:
    return frozenset(published()) | _names()
