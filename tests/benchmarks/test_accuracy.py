"""How right the analysis of every scenario is, held to bounds; `accuracy` says what counts. Run by `make accuracy`.

AUTHFORENSICS_ACCURACY_SEEDS=1,2 takes other seeds than 1 to 5.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from authforensics import simulate
from benchmarks import accuracy, scores

pytestmark = pytest.mark.accuracy

SEEDS = tuple(int(seed) for seed in os.environ.get("AUTHFORENSICS_ACCURACY_SEEDS", "1,2,3,4,5").split(","))
RESULT = Path(__file__).parents[2] / "build" / "accuracy.md"


def test_the_analysis_is_as_right_as_it_says():
    runs = accuracy.in_parallel(list(simulate.packaged()), SEEDS)
    text = scores.markdown(runs)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(text, encoding="utf-8")
    print(f"\n{text}\nwritten to {RESULT}")
    assert [str(bound) for bound in scores.bounds(runs) if not bound.met] == []
