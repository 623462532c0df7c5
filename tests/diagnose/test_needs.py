"""Evidence without which a cause carries nothing, whatever else speaks for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from authforensics import diagnose
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import CARRIES, WORTH_A_LOOK, Cause, Judgement, Weight

CASE = cast("Case", SimpleNamespace(devices=["a", "b", "c"]))
WEIGHTS = {
    "said": Weight(1.0, "the server says so"),
    "pattern": Weight(3.0, "it looks like it", decides=True),
}


def weighed(*names: str):
    def judge(_: Case) -> Judgement:
        found = Judgement()
        for name in names:
            found.speaks_for(name, 1.0, name)
        return found

    words = {"name": "one", "title": "One", "check": "", "remediation": ""}
    return Cause(**words, weights=WEIGHTS, judge=judge, needs=("said",)).weigh(CASE)


def test_the_pattern_alone_is_an_alternative_and_no_more():
    found = weighed("pattern")
    assert WORTH_A_LOOK <= found.score < CARRIES
    assert found.confidence.value == "low"


def test_with_what_it_needs_it_carries():
    found = weighed("pattern", "said")
    assert (found.score, found.confidence.value) == (1.0, "high")


@pytest.mark.parametrize("name", list(diagnose.known_causes()))
def test_what_a_cause_needs_is_evidence_for_it(name):
    cause = diagnose.known_causes()[name]
    assert all(cause.weights[need].value > 0 for need in cause.needs)
