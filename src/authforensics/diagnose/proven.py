"""Pieces of evidence from recomputed signatures: who signed what was refused, and what an environment lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Judgement, Weight
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason

#: Of causes that a key decides. Nothing is missed where no token is in the logs.
SIGNER = Weight(
    3.0, "a recomputed signature proves which key signed what the verifier can't verify", decides=True, extra=True
)
DIFFERS = Weight(
    2.0, "another key signed what is refused than what is accepted, as recomputed signatures show", extra=True
)
#: The empty name: none of the candidates.
_NONE = ""
#: How strongly it speaks that a default signed what is refused, where nothing says that this is why: it decides not.
_ALONE = 0.45


def refused_signers(case: Case) -> dict[str, int]:
    """Refused tokens by the candidate that signed them, most first; the empty name: none of the candidates."""
    return case.signed.refused(case.cluster.system, case.denials, case.onset, case.last)


def accepted_signers(case: Case, *, ever: bool = False) -> dict[str, int]:
    """The same of tokens accepted meanwhile, or `ever`."""
    begin, end = (case.begin, case.end) if ever else (case.onset, case.last)
    return case.signed.accepted(case.cluster.system, begin, end)


def key_differs(case: Case, found: Judgement, *, proven: str, differs: str) -> None:
    """Which key signed refused tokens, where the verifier says that their signature is wrong, or accepts another key's.

    Args:
        case: the incident.
        found: takes the evidence.
        proven: the name of its weight where the verifier says so, as `SIGNER`.
        differs: its name where it doesn't, as `DIFFERS`.
    """
    refused, others = refused_signers(case), _others(case)
    tried = sum(refused.values())
    if not tried:
        return
    name, count = next(iter(refused.items()))
    known = "" if name == _NONE else name
    if known in accepted_signers(case) or known in case.signed.carried.known_to_all():
        return
    said = case.share_of(Reason.SIGNATURE_INVALID)
    if said >= 0.5 and known:
        words = f"proven: {_of(count, tried)} signed by {known}, and the verifier uses another key"
        more = f"; those accepted are signed by {others[0]}" if others else ""
        lacking = f"; {unset(case.signed.unset)}" if case.signed.unset and not others else ""
        found.speaks_for(proven, count / tried, f"{words}{more}{lacking}")
    elif others and (said >= 0.5 or not case.reason_counts):
        by = f"signed by {known}" if known else "signed by none of the keys that were tried"
        words = f"{_of(count, tried)} {by}; those accepted are signed by {others[0]}"
        found.speaks_for(differs, count / tried, words)


def _others(case: Case) -> list[str]:
    """Who signed tokens that were accepted at any time, and none that is refused."""
    refused = refused_signers(case)
    return [name for name in accepted_signers(case, ever=True) if name not in {*refused, _NONE}]


def _of(count: int, tried: int) -> str:
    """`the refused token that was tried is`, `3 of 3 refused tokens that were tried are`."""
    return (
        "the refused token that was tried is"
        if tried == 1
        else f"{count:,} of {tried:,} refused tokens that were tried are"
    )


def unset(names: Sequence[str]) -> str:
    """What follows from variables that an environment lacks."""
    lacking = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not set in the environment"
    return (
        f"{lacking}: a verifier that reads {'it' if len(names) == 1 else 'one'} falls back to its default, which may be"
        f" the literal {names[0]}, and everybody can sign with that"
    )


def signed_by_default(case: Case) -> tuple[dict[str, int], int]:
    """Refused tokens that a default signed which everybody knows, by its name; and how many were tried in all.

    Without those of strangers: who knows the default tries it, and is refused, wherever it isn't used.
    """
    denials = case.signed.of_sessions(case.cluster.system, case.denials)
    if denials.is_empty():
        return {}, 0
    refused: Mapping[str, int] = case.signed.refused(case.cluster.system, denials, case.onset, case.last)
    return {name: count for name, count in refused.items() if name in case.signed.carried.known_to_all()}, sum(
        refused.values()
    )


def default_refused(case: Case, found: Judgement, weight: str) -> dict[str, int]:
    """Refused tokens are signed by a default; returns those."""
    mine, tried = signed_by_default(case)
    if mine:
        count = sum(mine.values())
        what = case.signed.carried.signers[next(iter(mine))].what
        words = f"proven: {_of(count, tried)} signed by {' and '.join(mine)} ({what}): everybody can sign with that"
        told = case.share_of(Reason.SIGNATURE_INVALID, Reason.KEY_NOT_FOUND, Reason.ALGORITHM_REJECTED) >= 0.5
        why = told or (_others(case) and not case.reason_counts)
        found.speaks_for(weight, count / tried * (1.0 if why else _ALONE), words)
    return mine


def default_accepted(case: Case, mine: Mapping[str, int]) -> str | None:
    """What speaks against refusals for such a key: it is accepted as well. None: nothing does."""
    accepted = sum(count for name, count in accepted_signers(case).items() if name in mine)
    return (
        f"{plural(accepted, 'token')} that it signed {'was' if accepted == 1 else 'were'} accepted"
        if accepted
        else None
    )
