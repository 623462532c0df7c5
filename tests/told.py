"""What analyses say, to be compared, and the one of the first sample."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from authforensics import pipeline

SAMPLES = Path(__file__).parent.parent / "sample_logs"
INCIDENT = SAMPLES / "incident-1-secret-mismatch"


def said(analysis, *without):
    """Its document as it leaves, without what differs from run to run."""
    told = json.loads(analysis.to_json())
    return {name: told[name] for name in told if name not in ("run", *without)}


@contextmanager
def analyzed_incident():
    """The analysis of the first sample."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(SAMPLES)
        analysis = pipeline.analyze(INCIDENT)
        yield analysis
        analysis.close()
