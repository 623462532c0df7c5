"""What `token_exposed` makes of logs that are expected to hold tokens, and of a threshold."""

from __future__ import annotations

import polars as pl
import pytest

from authforensics import detect
from authforensics.correlate import Options, correlate
from authforensics.tokens.carried import Carried, carried, sighted
from script import ENDPOINTS, play

TOLD = "10:00:00 phone api_ok in=query/access_token every=10 times=3"
SESSIONS = correlate(play(TOLD), Options(endpoints=ENDPOINTS)).sessions
DETECTOR = detect.detectors()["token_exposed"]


def exposed(source: str) -> Carried:
    events = play(TOLD).with_columns(pl.lit(source).alias("source"))
    return carried(sighted(events), {})


def found(source: str, form: str = "json", **limits: float):
    fleet = detect.fleet_of(SESSIONS.devices, SESSIONS.spans, exposed(source), {source: form})
    return detect.conclude([detect.observe(SESSIONS, [DETECTOR])], fleet, [DETECTOR], {"token_exposed": limits})


@pytest.mark.parametrize(
    ("source", "form", "severity"),
    [
        ("access.log", "json", "medium"),
        ("app-debug.log.1", "monolog", "low"),
        ("TRACE.log", "text", "low"),
        ("shop.example.har", "har", "low"),
        ("shop.example.har", "json", "medium"),
    ],
)
def test_recordings_and_debug_logs_are_expected_to_hold_tokens(source, form, severity):
    (one,) = found(source, form)
    assert (one.severity, one.confidence, one.device_id, one.devices, one.count) == (severity, "high", None, 0, 3)
    assert ("delete it when done" in one.summary) == (severity == "low")
    assert [(line.source, line.line_number) for line in one.evidence] == [(source, 1)]


def test_fewer_tokens_than_wanted_are_no_finding():
    assert found("access.log", min_tokens=1)
    assert not found("access.log", min_tokens=2)
