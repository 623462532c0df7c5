"""The sentence at the top."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from authforensics.diagnose import verdict

NOTHING = pl.DataFrame(schema={"timestamp": pl.Datetime("us", "UTC"), "reason": pl.String})


def test_nothing_refused():
    told = verdict([], devices=1, requests=20, refused=0, systems=1, told=NOTHING)
    assert (told.severity, told.headline) == (
        "none",
        "No incident: 1 device, 20 requests; no call was refused for its token.",
    )


def test_ordinary_refusals():
    told = verdict([], devices=80, requests=12480, refused=398, systems=1, told=NOTHING)
    assert told.headline.startswith("No incident: 80 devices, 12,480 requests; 398 refusals, all ordinary")


def test_without_requests_nothing_is_claimed():
    told = verdict([], devices=0, requests=0, refused=0, systems=1, told=NOTHING)
    assert told.severity == "unknown"


def test_messages_alone_are_counted_by_reason():
    times = [datetime(2026, 3, 1, 10, minute, tzinfo=UTC) for minute in range(4)]
    messages = pl.DataFrame({"timestamp": times, "reason": ["signature_invalid"] * 3 + [None]})
    told = verdict([], devices=0, requests=0, refused=0, systems=1, told=messages)
    assert told.severity == "unknown"
    assert "3 messages of signature_invalid from 2026-03-01 10:00:00 to 10:02:00 UTC" in told.headline
    assert "Add the access log" in told.headline
