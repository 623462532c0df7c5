"""What tests of `diagnose` share: a script, played and seen by all detectors."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from authforensics import detect
from authforensics.correlate import Options, correlate
from authforensics.findings import Finding
from authforensics.schema import History
from authforensics.tokens.carried import Carried
from past import history_of
from script import ENDPOINTS

Past = tuple[History, list[Finding]]


@pytest.fixture
def past() -> Callable[..., Past]:
    def of(events: pl.DataFrame, carried: Carried | None = None) -> Past:
        sessions = correlate(events, Options(endpoints=ENDPOINTS)).sessions
        return history_of(sessions), detect.find(sessions, detect.detectors().values(), carried=carried)

    return of
