"""What a root cause is: pieces of evidence with declared weights, for and against, and how they add up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from authforensics.diagnose.case import Case
from authforensics.findings import Confidence, RootCause

#: The cause that is given where no other carries.
UNDETERMINED = "undetermined"
#: Below this score an explanation carries nothing.
CARRIES = 0.4
#: One that has less than half of that is not even an alternative.
WORTH_A_LOOK = CARRIES / 2
#: The most that one gets for which nothing speaks that it needs: an alternative, and no more.
_OPEN = 0.9 * CARRIES
#: What speaks against a cause must weigh less than this to leave it certain.
WEIGHTY = 1.0


@dataclass(frozen=True)
class Weight:
    """How much one piece of evidence counts at most, and why. `decides`: it tells the cause from its look-alikes.

    `extra`: it can be found only where more than logs is given, or in one form of the cause, so that nothing is missed
    where it is not.
    """

    value: float
    why: str
    decides: bool = False
    extra: bool = False


@dataclass
class Judgement:
    """Evidence as it is found: pieces by the name of their weight, each with its strength (0 to 1) and a sentence.

    `title`, `check`, `remediation`: those of the form which the cause takes here; null: the usual ones.
    """

    for_: list[tuple[str, float, str]] = field(default_factory=list)
    against: list[tuple[str, float, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    title: str | None = None
    check: str | None = None
    remediation: str | None = None

    def speaks_for(self, weight: str, strength: float, sentence: str) -> None:
        """Record a piece that supports the cause."""
        self.for_.append((weight, min(max(strength, 0.0), 1.0), sentence))

    def speaks_against(self, weight: str, strength: float, sentence: str) -> None:
        """Record one that contradicts it."""
        self.against.append((weight, min(max(strength, 0.0), 1.0), sentence))


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One explanation.

    `weights` name every piece of evidence; those that speak against have negative values. `needs`: the pieces without
    any of which another cause leaves the very same lines, so that it carries nothing, whatever else speaks for it.
    `spares`: a client that obeys is not hurt by it, so that refreshes refused to those that then log in are not part of
    the incident. `by_design`: sessions end so by the rules of who issued them. `for_all`: reasons and statuses tell it,
    whoever called, so that it holds where devices can't be told apart, too.
    """

    name: str
    title: str
    check: str
    remediation: str
    weights: Mapping[str, Weight]
    judge: Callable[[Case], Judgement]
    needs: tuple[str, ...] = ()
    spares: bool = False
    by_design: bool = False
    for_all: bool = False

    def weigh(self, case: Case) -> RootCause:
        """Score the cause for a case: the weight found, for less against, as a share of all that could speak for it."""
        found = self.judge(case)
        possible = sum(weight.value for weight in self.weights.values() if weight.value > 0 and not weight.extra)
        plus = [(self.weights[key], strength, text) for key, strength, text in found.for_]
        possible += sum(weight.value * strength for weight, strength, _ in plus if weight.extra)
        minus = [(self.weights[key], strength, text) for key, strength, text in found.against]
        contrary = sum(-weight.value * strength for weight, strength, _ in minus)
        total = sum(weight.value * strength for weight, strength, _ in plus) - contrary
        score = min(max(total / possible, 0.0), 1.0) if possible else 0.0
        if self.needs and not any(key in self.needs and strength for key, strength, _ in found.for_):
            score = min(score, _OPEN)
        decided = any(weight.decides and strength >= 0.5 for weight, strength, _ in plus)
        return RootCause(
            cause=self.name,
            title=found.title or self.title,
            confidence=_confidence(score, decided=decided, contrary=contrary, devices=len(case.devices)),
            score=round(score, 3),
            for_=tuple(text for *_, text in sorted(plus, key=lambda piece: -piece[0].value * piece[1])),
            against=tuple(text for *_, text in minus),
            missing=tuple(found.missing),
            check=found.check or self.check,
            remediation=found.remediation or self.remediation,
        )


def _confidence(score: float, *, decided: bool, contrary: float, devices: int) -> Confidence:
    """High: a deciding observation and nothing weighty against. Low: it hardly carries, or the sample is tiny."""
    if score < CARRIES or devices < 2:
        return Confidence.LOW
    if decided and contrary < WEIGHTY:
        return Confidence.HIGH
    return Confidence.MEDIUM
