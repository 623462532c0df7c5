"""The fixed parts of every detector and cause: all are there, readable, and their examples are true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module

import pytest

from authforensics import detect, diagnose
from authforensics.cli.entries import CAUSE_PARTS, DETECTOR_PARTS, split
from authforensics.correlate import Options, correlate
from authforensics.schema import Reason
from past import history_of, signed_of
from script import ENDPOINTS, play, tokens

DETECTORS, CAUSES = detect.detectors(), diagnose.known_causes()
PARTS = {f"detect.patterns.{name}": DETECTOR_PARTS for name in DETECTORS}
PARTS |= {f"diagnose.causes.{name}": CAUSE_PARTS for name in CAUSES}
#: Of an entry's lines two columns are indentation.
WIDTH = 78
#: How an example says what `script.play` is told.
WORDS = {
    r"(\d+)x every (\S+) s": r"times=\1 every=\2",
    r"(\d+) s apart,?": r"apart=\1",
    r"(\d{3})": r"status=\1",
    r"(/\S+)": r"path=\1",
    r"in (query|header|cookie|message)": r"in=\1",
    "default-signed": "in=query signed=the-literal-secret",
    rf"({'|'.join(Reason)})": r"reason=\1",
}
_LINE = re.compile(r"(?P<clock>\S+)  +(?P<who>\S+(?: \S+)*)  +(?P<event>\w+)(?P<rest>.*)")


def parts(module: str) -> dict[str, str]:
    return split(import_module(f"authforensics.{module}").__doc__, PARTS[module])


def script(example: str) -> str:
    """An example in the words of `script.play`; where no duration is said, it is 0.1 s."""
    return "\n".join(line for drawn in example.splitlines() for line in _played(drawn))


def _played(drawn: str) -> Iterator[str]:
    told = _LINE.fullmatch(drawn.partition("  #")[0].rstrip())
    assert told is not None, drawn
    rest = told["rest"]
    for pattern, word in WORDS.items():
        rest = re.sub(rf"(?<=\s){pattern}(?=\s|$)", word, rest)
    apart = re.search(r"apart=(\d+)", rest)
    late = int(apart[1]) if apart else 0
    many = re.fullmatch(r"(\d+) (\S+)", told["who"])
    took = "" if "took=" in rest else "took=0.1"
    hours, minutes, seconds = told["clock"].split(":")
    for number in range(int(many[1]) if many else 1):
        at = round(int(hours) * 3600 + int(minutes) * 60 + float(seconds) + number * late, 3)
        clock = f"{int(at // 3600):02}:{int(at % 3600 // 60):02}:{at % 60:06.3f}"
        who = f"{many[2]}-{number:03}" if many else told["who"]
        yield f"{clock} {who} {told['event']} {rest} {took}"


@pytest.mark.parametrize("module", PARTS)
def test_every_part_is_there_and_can_be_read(module):
    told = parts(module)
    assert [name for name in told if name in PARTS[module]] == list(PARTS[module])
    assert all(told.values())
    shown = "\n".join(text for name, text in told.items() if name in PARTS[module])
    assert not re.search(r"\b(patholog\w+|semantics|founding)\b", shown), "points to what no reader has"
    assert max(map(len, told["Sequence"].splitlines())) <= WIDTH


@pytest.mark.parametrize("name", DETECTORS)
def test_the_example_of_a_detector_is_found(name):
    told = script(parts(f"detect.patterns.{name}")["Sequence"])
    sessions = correlate(play(told), Options(endpoints=ENDPOINTS)).sessions
    assert detect.find(sessions, [DETECTORS[name]], carried=tokens(told))


@pytest.mark.slow
@pytest.mark.parametrize("name", CAUSES)
def test_the_example_of_a_cause_has_that_cause(name):
    told = script(parts(f"diagnose.causes.{name}")["Sequence"])
    sessions = correlate(play(told), Options(endpoints=ENDPOINTS)).sessions
    history, carried = history_of(sessions), tokens(told)
    found = detect.find(sessions, DETECTORS.values(), carried=carried)
    lifetimes = {"case": diagnose.infer(history.grants, history.devices)}
    incidents = diagnose.diagnose(history, found, lifetimes, signers=signed_of(history, carried))
    assert name in [one.root_causes[0].cause for one in incidents]
