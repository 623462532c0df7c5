"""Owns what `explain` can explain: every name that a report shows, by kind, in fixed parts.

The parts of a detector and of a cause come from the docstring of the module that declares it and from what it declares:
its thresholds, its weights, what to check and how to fix it. Those of all other words come from the glossary and the
transition table.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby
from textwrap import dedent
from typing import Any

from authforensics import detect, diagnose
from authforensics.detect import Detector
from authforensics.diagnose import Cause, Weight
from authforensics.diagnose.cause import CARRIES
from authforensics.report import glossary
from authforensics.states import STATES, AuthEvent, AuthState, step, transitions

#: The parts that the docstring of every detector has, and of every cause, in this order.
DETECTOR_PARTS = (
    *("What it sees", "Evidence", "Sequence", "Why it matters", "False positives"),
    *("At the log's edges", "Check", "Remediation", "References"),
)
CAUSE_PARTS = ("Deciding", "Sequence", "Look-alikes", "References")
#: Its place in the taxonomy of token faults, for those who work on the module: the last part, and not shown.
_HIDDEN = "Pathologies"

#: Kinds of entries, in the order of the list of all, and what each is.
KINDS = {
    "detector": "Detectors, each of which looks for one pattern",
    "cause": "Root causes, which explain an incident",
    "state": "States that a device may be in",
    "auth event": "Auth events: what a request means",
    "reason": "Reasons of a refusal",
    "endpoint": "Kinds of endpoints",
    "phase": "Phases of an incident",
    "severity": "Severity of a finding or incident",
    "confidence": "Confidence in a finding or cause",
}


@dataclass(frozen=True)
class Part:
    """One part of an entry: a text, lines that stand as they are, or a table whose first cells are names."""

    heading: str
    text: str = ""
    lines: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Entry:
    """All there is to say of one name, in one of its meanings."""

    name: str
    kind: str
    title: str
    parts: tuple[Part, ...]


def entries() -> list[Entry]:
    """Everything that can be explained, kind by kind; a name may mean several things."""
    words: dict[str, Mapping[Any, glossary.Word]] = {
        "auth event": glossary.EVENTS,
        "reason": glossary.REASONS,
        "endpoint": glossary.CLASSES,
        "phase": glossary.PHASES,
        "severity": glossary.SEVERITIES,
        "confidence": glossary.CONFIDENCES,
    }
    return [
        *(_detector(one) for one in detect.detectors().values()),
        *(_cause(one) for one in diagnose.known_causes().values()),
        *(_state(state) for state in AuthState),
        *(_word(str(name), kind, word) for kind, known in words.items() for name, word in known.items()),
    ]


def thresholds(detectors: Mapping[str, Detector]) -> list[Part]:
    """Every threshold, one part a detector, and how one is changed."""
    first = next(iter(detectors.values()))
    return [
        *(Part(name, one.title, rows=_thresholds(one)) for name, one in detectors.items() if one.thresholds),
        _override(first),
    ]


def split(docstring: str, headings: tuple[str, ...]) -> dict[str, str]:
    """The parts of a docstring by their headings; what stands before the first is left out."""
    cut = re.split(rf"^({'|'.join(map(re.escape, (*headings, _HIDDEN)))}):\s*?(?=[ \n])", docstring, flags=re.MULTILINE)
    return dict(zip(cut[1::2], map(str.strip, map(dedent, cut[2::2])), strict=True))


def _detector(detector: Detector) -> Entry:
    told = split(_docstring(detector.observe), DETECTOR_PARTS)
    rows = _thresholds(detector)
    return Entry(
        detector.name,
        "detector",
        detector.title,
        _kept(
            _prose("What it sees", told),
            _example(told),
            *(_prose(heading, told) for heading in ("Why it matters", "False positives", "At the log's edges")),
            _prose("Evidence", told, "Lines shown as evidence"),
            _prose("Check", told, "What to check"),
            _prose("Remediation", told, "How to fix"),
            Part("Thresholds", rows=rows),
            _override(detector) if rows else Part(""),
            _prose("References", told),
        ),
    )


def _cause(cause: Cause) -> Entry:
    told = split(_docstring(cause.judge), CAUSE_PARTS)
    return Entry(
        cause.name,
        "cause",
        cause.title,
        _kept(
            _prose("Deciding", told, "What decides"),
            _example(told),
            _prose("Look-alikes", told),
            Part("What to check", cause.check),
            Part("How to fix", cause.remediation),
            Part("Evidence and what it weighs", _score(cause), rows=tuple(_weights(cause))),
            _prose("References", told),
        ),
    )


def _score(cause: Cause) -> str:
    """How the weights of a cause become its score."""
    if not cause.weights:
        return ""
    weights = cause.weights.values()
    possible = sum(one.value for one in weights if one.value > 0 and not one.extra)
    told = [
        "The score is what is found, each piece by how much of it is seen, as a share of",
        f"{possible:g}; a share below {CARRIES:g} carries nothing.",
        "Only with a piece that decides (*) can the confidence be high."
        if any(one.decides for one in weights)
        else "Nothing here decides, so the confidence is never high.",
        "A piece in parentheses counts where it is found." if any(one.extra for one in weights) else "",
    ]
    return " ".join(filter(None, told))


def _weights(cause: Cause) -> Iterator[tuple[str, ...]]:
    """What speaks for a cause, then what speaks against it, the weightiest first."""
    ordered = sorted(cause.weights.items(), key=lambda item: (item[1].value < 0, -abs(item[1].value)))
    return ((name, _weight(one), one.why) for name, one in ordered)


def _weight(one: Weight) -> str:
    mark = f"{one.value:+g}{'*' if one.decides else ''}"
    return f"({mark})" if one.extra else mark


def _thresholds(detector: Detector) -> tuple[tuple[str, ...], ...]:
    return tuple((one.name, f"{one.value:g} {one.unit}", one.source) for one in detector.thresholds)


def _override(detector: Detector) -> Part:
    one = detector.thresholds[0]
    lines = (f"[thresholds.{detector.name}]", f"{one.name} = {one.value:g}")
    return Part("To change one", "In the configuration file, authforensics.toml or that of --config:", lines)


def _state(state: AuthState) -> Entry:
    word = glossary.STATES[state]
    leaving = ((after, event) for now, event, after in transitions() if now is state and after is not state)
    ordered = sorted(leaving, key=lambda cell: STATES.index(cell[0]))
    rows = (
        (", ".join(event for _, event in cells), f"-> {after}")
        for after, cells in groupby(ordered, key=lambda cell: cell[0])
    )
    parts = _word(state, "state", word).parts
    example = Part("Example", lines=tuple(_way_to(state)))
    return Entry(state, "state", _capitalised(word.means), (example, Part("What ends it", rows=tuple(rows)), *parts))


def _way_to(state: AuthState) -> Iterator[str]:
    """The shortest way to a state through the transition table, drawn."""
    ways: dict[AuthState, tuple[AuthEvent, ...]] = {AuthState.UNKNOWN: ()}
    for now in (seen := [AuthState.UNKNOWN]):
        for event in AuthEvent:
            if (after := step(now, event)) not in ways:
                ways[after] = (*ways[now], event)
                seen.append(after)
    now = AuthState.UNKNOWN
    yield f"{'(first seen)':16} {now}"
    for event in ways[state]:
        now = step(now, event)
        yield f"{event:16} {now}"


def _word(name: str, kind: str, word: glossary.Word) -> Entry:
    told = {
        "Look-alikes": word.look_alikes,
        "What to check": word.check,
        "How to fix": word.fix,
        "References": word.references,
    }
    return Entry(name, kind, word.means, tuple(Part(heading, text) for heading, text in told.items() if text))


def _docstring(function: Callable[..., object]) -> str:
    """That of the module which declares it."""
    return sys.modules[function.__module__].__doc__ or ""


def _prose(heading: str, told: Mapping[str, str], shown: str = "") -> Part:
    return Part(shown or heading, _capitalised(" ".join(told.get(heading, "").split())))


def _capitalised(text: str) -> str:
    """With a capital letter, unless it begins with a name."""
    return text if re.match(r"`|\S*[_/]", text) else text[:1].upper() + text[1:]


def _example(told: Mapping[str, str]) -> Part:
    return Part("Example", lines=tuple(told.get("Sequence", "").splitlines()))


def _kept(*parts: Part) -> tuple[Part, ...]:
    """Those that say something."""
    return tuple(part for part in parts if any(chain(part.text, part.lines, part.rows)))
