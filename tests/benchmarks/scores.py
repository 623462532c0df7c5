"""Adds up how right many runs were, and holds that to bounds; see `accuracy` for what counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from authforensics.detect import detectors
from authforensics.simulate.labels import UNNAMED
from benchmarks.board import table
from benchmarks.judging import Judged, Met

#: Shares: at least.
DETECTED, DETECTED_WITHOUT_ID = 0.97, 0.90
FIRST_CAUSE, FIRST_CAUSE_OF_ACCESS = 0.95, 0.90
ONSET, ONSET_SECONDS = 0.95, 30.0
LIFETIMES = 0.95
#: At most.
MISLED = 0.01
MEDIUM_PER_MILLION = 1.0


@dataclass(frozen=True)
class Share:
    """So many of so many; nothing of nothing is no share."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """The share."""
        return self.part / self.whole if self.whole else None

    def __str__(self) -> str:
        return "-" if self.value is None else f"{self.value:.3f}"


@dataclass(frozen=True)
class Bound:
    """A figure that must be at least, or at most, so much. Without anything to measure it is not met either."""

    name: str
    measured: float | None
    limit: float
    of: str
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether it is."""
        if self.measured is None:
            return False
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit

    def cells(self) -> tuple[str, ...]:
        """For a table."""
        measured = "-" if self.measured is None else f"{self.measured:.3f}"
        word = "at most" if self.at_most else "at least"
        return self.name, measured, f"{word} {self.limit:g}", self.of, "met" if self.met else "NOT met"

    def __str__(self) -> str:
        name, measured, limit, of, _ = self.cells()
        return f"{name}: {measured} of {of}, must be {limit}"


@dataclass(frozen=True)
class Detected:
    """One detector over some runs."""

    precision: Share
    recall: Share


_NONE = Detected(Share(0, 0), Share(0, 0))


def _has(*parts: str) -> Callable[[Judged], bool]:
    return lambda one: set(parts) <= set(one.variant.split("-"))


def detected(runs: Iterable[Judged]) -> dict[str, Detected]:
    """Precision and recall of every detector."""
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for one in runs:
        for name, counts in one.detectors.items():
            right[name] += len(counts.right)
            wrong[name] += len(counts.wrong)
            hit[name] += counts.hit
            missed[name] += len(counts.missed)
    return {
        name: Detected(
            Share(right[name], right[name] + wrong[name]),
            Share(hit[name], hit[name] + missed[name]),
        )
        for name in sorted({*right, *wrong, *hit, *missed})
    }


def _met(runs: Iterable[Judged]) -> list[Met]:
    return [met for one in runs for met in one.incidents]


def _share(incidents: Sequence[Met], holds: Callable[[Met], bool]) -> Share:
    return Share(sum(map(holds, incidents)), len(incidents))


def _in_time(met: Met) -> bool:
    return met.onset_error is not None and abs(met.onset_error) <= ONSET_SECONDS


def _misled(runs: Iterable[Judged]) -> Share:
    given = [each for one in runs for each in one.given]
    return Share(sum(each.misleads for each in given), len(given))


def bounds(runs: Sequence[Judged]) -> list[Bound]:
    """What the figures are held to."""
    found = [*_detector_bounds(runs, "id", DETECTED), *_detector_bounds(runs, "noid", DETECTED_WITHOUT_ID)]
    known = [one for one in runs if _has("id")(one)]
    for logs, limit in (("app", FIRST_CAUSE), ("access", FIRST_CAUSE_OF_ACCESS)):
        mine = _met(filter(_has(logs), known))
        share = _share(mine, lambda met: met.right)
        found.append(Bound(f"first cause right, {_NAMES[logs]}", share.value, limit, f"{share.whole} incidents"))
    share = _share([met for met in _met(known) if met.given is not None], _in_time)
    found.append(Bound(f"onset within {ONSET_SECONDS:.0f} s", share.value, ONSET, f"{share.whole} incidents found"))
    for kind in ("access", "refresh"):
        inside = [one.lifetimes[kind] for one in runs if kind in one.lifetimes]
        share = Share(sum(inside), len(inside))
        found.append(Bound(f"{kind} lifetime inside", share.value, LIFETIMES, f"{share.whole} inferred"))
    share = _misled(runs)
    found.append(Bound("wrong cause, high confidence", share.value, MISLED, f"{share.whole} given", at_most=True))
    return [*found, *_healthy_bounds(runs)]


def _detector_bounds(runs: Sequence[Judged], identity: str, limit: float) -> Iterator[Bound]:
    """Of every detector there is: one that has nothing to find is not shown to be right."""
    found = detected(filter(_has(identity), runs))
    for name in sorted({*detectors(), *found}):
        precision, recall = found.get(name, _NONE).precision, found.get(name, _NONE).recall
        hidden = identity == "noid" and name in UNNAMED
        if precision.whole or not (recall.whole or hidden):
            yield Bound(f"{name}, precision, {_NAMES[identity]}", precision.value, limit, f"{precision.whole}")
        if recall.whole or not hidden:
            yield Bound(f"{name}, recall, {_NAMES[identity]}", recall.value, limit, f"{recall.whole}")


def _healthy_bounds(runs: Iterable[Judged]) -> Iterator[Bound]:
    """Findings and, apart from them, incidents: what many findings are about may be worse than each."""
    healthy = [one for one in runs if one.healthy]
    lines = sum(one.lines for one in healthy)
    of = f"{len(healthy)} days, {lines:,} lines"
    findings = Counter[str]()
    for one in healthy:
        findings.update(one.alarms)
    incidents = Counter(given.severity for one in healthy for given in one.given)
    for word, counts in (("findings", findings), ("incidents", incidents)):
        high = float(counts["high"] + counts["critical"]) if healthy else None
        medium = counts["medium"] / lines * 1e6 if healthy else None
        yield Bound(f"{word} of high or critical on healthy days", high, 0.0, of, at_most=True)
        yield Bound(f"{word} of medium per million healthy lines", medium, MEDIUM_PER_MILLION, of, at_most=True)


_NAMES = {
    "id": "with device id",
    "noid": "without device id",
    "app": "with application log",
    "access": "access log only",
    "ms": "1 ms",
    "s": "1 s",
}


def markdown(runs: Sequence[Judged]) -> str:
    """Everything as Markdown tables."""
    seeds = sorted({one.seed for one in runs})
    lines = sum(one.lines for one in runs)
    told = f"{len({one.scenario for one in runs})} scenarios, seeds {', '.join(map(str, seeds))}, {len(runs)} logs"
    parts = [
        f"{told}, {lines:,} lines.",
        _variants(runs),
        _detectors(runs),
        table(("bound", "measured", "", "of", ""), (one.cells() for one in bounds(runs))),
        "First causes that are wrong, and how often:",
        table(("scenario", "variant", "true", "given", "confidence", "runs"), _wrong(runs)),
        "Reported incidents of medium severity and above that are none:",
        table(("scenario", "variant", "title", "severity", "runs"), _strays(runs)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _variants(runs: Sequence[Judged]) -> str:
    """Incidents and causes by variant of the log."""
    rows = []
    for variant in sorted({one.variant for one in runs}):
        mine = [one for one in runs if one.variant == variant]
        incidents = _met(mine)
        found = [met for met in incidents if met.given is not None]
        rows.append(
            (
                ", ".join(_NAMES[part] for part in variant.split("-")),
                str(_share(incidents, lambda met: met.given is not None)),
                str(_share(found, _in_time)),
                str(_share(incidents, lambda met: met.right)),
                str(_share(incidents, lambda met: met.among_three)),
                str(_misled(mine)),
                str(len(incidents)),
            )
        )
    head = ("log", "incidents found", "onset in 30 s", "first cause", "in first three", "wrong and sure", "incidents")
    return table(head, rows)


def _detectors(runs: Sequence[Judged]) -> str:
    known, weak = (detected(filter(_has(identity), runs)) for identity in ("id", "noid"))
    rows = []
    for name in sorted({*known, *weak}):
        both = known.get(name, _NONE), weak.get(name, _NONE)
        cells = [(str(one.recall.whole), str(one.precision), str(one.recall)) for one in both]
        rows.append((name, *cells[0], *cells[1]))
    head = ("detector", "to find", "precision", "recall", "without id: to find", "precision", "recall")
    return table(head, rows)


def _wrong(runs: Iterable[Judged]) -> list[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for one in runs:
        for met in one.incidents:
            if not met.right:
                given = ("not found", "") if met.given is None else (met.given.cause, met.given.confidence)
                found[one.scenario, one.variant, met.cause, *given] += 1
    return [(*key, str(count)) for key, count in sorted(found.items())]


def _strays(runs: Iterable[Judged]) -> list[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for one in runs:
        for given in one.given:
            if not given.about and given.severity not in {"none", "low"}:
                found[one.scenario, one.variant, given.title, given.severity] += 1
    return [(*key, str(count)) for key, count in sorted(found.items())]
