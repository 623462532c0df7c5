"""What is told of a token: everything but its signature and what must not leave. The JSON of `authforensics token`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from authforensics.tokens.candidates import Candidates
from authforensics.tokens.claims import PRIVATE, Time, judge, lifetime, times
from authforensics.tokens.proof import Proof, Signer, prove
from authforensics.tokens.remark import Remark, worst_first
from authforensics.tokens.structure import Token, read

SCHEMA = "authforensics-token/1"
#: Private parts of keys. Reference: RFC 7518, 6.2.2, 6.3.2 and 6.4.1.
_PRIVATE_PARTS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_NOTHING = "[redacted]"
#: Longer texts are cut: they say nothing to a person.
_LONGEST, _DEEPEST = 500, 12


@dataclass(frozen=True, slots=True)
class Told:
    """A token and all that is to be said of it.

    Attributes:
        token: what it is.
        times: the times that it names.
        lifetime: seconds for which it was issued.
        remarks: what is wrong with it or good to know, errors first.
        proof: who signed it.
        at: as of when it was judged.
    """

    token: Token
    times: tuple[Time, ...]
    lifetime: float | None
    remarks: tuple[Remark, ...]
    proof: Proof
    at: datetime


def tell(text: str, at: datetime, candidates: Candidates) -> Told:
    """All that is to be said of a text as of a time."""
    token = read(text)
    claims = token.claims or {}
    proof = prove(token, candidates)
    remarks = [*token.remarks, *(judge(token.header, token.claims, at) if token.kind == "jws" else ())]
    if proof.signer is not None and proof.signer.origin == "published_default":
        remarks.insert(0, _known_to_all(proof.signer))
    return Told(token, times(claims), lifetime(claims), worst_first(remarks), proof, at)


def _known_to_all(signer: Signer) -> Remark:
    why = (
        f"CRITICAL: {signer.name} signed it ({signer.what}): anybody can sign such tokens. Give issuers and verifiers"
        " a key of their own, then end all sessions that this one signed"
    )
    return Remark("published_default", "error", why)


def document(told: Told) -> dict[str, Any]:
    """The same as JSON: times in ISO 8601, durations in seconds."""
    token = told.token
    return {
        "kind": token.kind,
        "form": token.form,
        "scheme": token.scheme,
        "length": token.length,
        "segments": token.segments,
        "header": None if token.header is None else shown(token.header),
        "claims": None if token.claims is None else shown(token.claims),
        "times": [_time(one, told.at) for one in told.times],
        "lifetime": told.lifetime,
        "remarks": [asdict(one) for one in told.remarks],
        "signer": None if told.proof.signer is None else asdict(told.proof.signer),
        "keys_tried": told.proof.tried,
        "not_tried": told.proof.why_not,
    }


def _time(one: Time, at: datetime) -> dict[str, Any]:
    when = None if one.at is None else one.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "claim": one.claim,
        "at": when,
        "unit": one.unit,
        "seconds_from_now": None if one.at is None else round((one.at - at).total_seconds(), 3),
    }


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """A header or claims without what is a secret or another token."""
    return {str(name)[:_LONGEST]: _shown(str(name), value, 0) for name, value in values.items()}


def _shown(name: str, value: object, depth: int) -> Any:  # noqa: ANN401
    if depth > _DEEPEST:
        return "[nested deeper]"
    if isinstance(value, Mapping):
        private = "kty" in value
        return {
            str(key)[:_LONGEST]: _NOTHING if private and key in _PRIVATE_PARTS else _shown(str(key), inner, depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_shown(name, inner, depth + 1) for inner in value]
    if isinstance(value, str):
        if (
            PRIVATE.search(name)
            or "-----BEGIN" in value
            or ("eyJ" in value and read(value).kind not in {"none", "opaque"})
        ):
            return _NOTHING
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}… ({len(value):,} characters)"
    # Python's infinity and the like are no JSON.
    return value if not isinstance(value, float) or abs(value) < float("inf") else str(value)
