"""Where the clock of a log goes back, and where only its lines are out of order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import authforensics
from authforensics.collect.setbacks import Setback, certain, setbacks

BEGIN = datetime(2026, 3, 1, 10, tzinfo=UTC)


def log(*seconds: float) -> pl.DataFrame:
    times = [BEGIN + timedelta(seconds=second) for second in seconds]
    return pl.DataFrame({"timestamp": times, "line_number": range(1, len(times) + 1)})


STEADY = [float(second) for second in range(0, 600, 6)]


def test_a_clock_that_is_set_back_stays_back():
    back = [second - 93 for second in STEADY]
    (found,) = setbacks(log(*STEADY, *(600 + second for second in back)))
    assert found == Setback(101, BEGIN + timedelta(seconds=594), BEGIN + timedelta(seconds=507))
    assert found.seconds == 87
    assert certain([found], BEGIN) == (found,)


@pytest.mark.parametrize(
    "seconds",
    [
        [*STEADY, 540.0, *(600 + second for second in STEADY)],
        [*STEADY, 100.0, 420.0, 80.0, 460.0, 200.0, 470.0, 90.0, 300.0, 210.0, *(600 + second for second in STEADY)],
        [*STEADY[:50], 900.0, *STEADY[50:]],
        [*STEADY, *(second - 20 for second in STEADY)][60:120] + STEADY,
        STEADY[::-1],
        [second + 40 * (number % 2) for number, second in enumerate(STEADY)],
        [*STEADY, *(second - 3600 for second in STEADY)],
        [*STEADY, *(600 + second - 93 for second in STEADY[:6])],
    ],
    ids=["one late", "many late", "one ahead", "behind each other", "newest first", "by turns", "a zone", "too few"],
)
def test_other_disorder_is_no_clock(seconds):
    found = setbacks(log(*seconds))
    assert certain(found, BEGIN + timedelta(seconds=min(seconds))) == ()


def test_the_note_of_the_log_says_it_and_so_does_the_incident(tmp_path):
    """Tokens are made by a clock that was set back: those that it makes have expired already."""
    access, app = [], []
    for second in range(0, 1800, 5):
        at = BEGIN + timedelta(seconds=second)
        device = second // 5 % 12
        wrong = second >= 900
        calls = [("POST /auth/refresh", 200), ("GET /api/feed", 401 if wrong else 200)]
        if not wrong:
            calls.reverse()
        access += [
            f'198.51.100.{device} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "{call} HTTP/1.1" {status} 9 "-" "App/{device}"'
            for call, status in calls
        ]
        own = at - timedelta(seconds=240 if wrong else 0)
        app.append(f"{own:%Y-%m-%d %H:%M:%S},000 INFO tokens: token given to user {device}")
    (tmp_path / "access.log").write_text("\n".join(access) + "\n", encoding="utf-8")
    (tmp_path / "tokens.log").write_text("\n".join(app) + "\n", encoding="utf-8")
    document = authforensics.analyze(tmp_path).document
    notes = {source.source: source.note for source in document.sources}
    assert notes["tokens.log"] is not None
    assert "its clock goes back by 3 min 55 s at line 181" in notes["tokens.log"]
    assert notes["access.log"] is None
    (incident,) = document.incidents
    assert [deploy.name for deploy in incident.deploys] == ["the step back of the clock of tokens.log, by 3 min 55 s"]
    (skew,) = (one for one in incident.root_causes if one.cause == "clock_skew")
    assert any("after the step back of the clock of tokens.log" in piece for piece in skew.for_)
