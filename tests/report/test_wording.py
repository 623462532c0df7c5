"""Numbers, times and names read as a person would write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import documents
import pytest

from authforensics.findings import Incident, Renewed
from authforensics.report import wording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.412, "412 ms"),
        (1, "1 s"),
        (1.5, "1.5 s"),
        (59.6, "1 min"),
        (900, "15 min"),
        (905, "15 min 5 s"),
        (3600, "1 h"),
        (11520, "3 h 12 min"),
        (86400, "1 d"),
        (2_592_000, "30 d"),
        (90_061, "1 d 1 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(44, 60, "73 %"), (3, 80413, "< 0.1 %"), (1, 200, "0.5 %"), (0, 5, "0 %"), (5, 0, "0 %"), (999, 1000, "99.9 %")],
)
def test_percent(part: float, whole: float, text: str) -> None:
    assert wording.percent(part, whole) == text


def test_count_and_number() -> None:
    assert [wording.count(n, "device") for n in (0, 1, 44)] == ["no devices", "1 device", "44 devices"]
    assert [wording.number(n) for n in (12391, 812.5, 0.4123)] == ["12,391", "812", "0.412"]


def test_span_writes_the_date_once() -> None:
    day = documents.DAY
    assert wording.span(day, day + timedelta(hours=1)) == "2025-12-25 00:00:00 to 01:00:00 UTC"
    assert wording.span(day, day + timedelta(days=1)) == "2025-12-25 00:00:00 to 2025-12-26 00:00:00 UTC"
    assert wording.span(day, day) == "2025-12-25 00:00:00 UTC"
    assert wording.span(None, day) == "no time known"
    assert wording.precise(day + timedelta(milliseconds=412)) == "2025-12-25 00:00:00.412"


def test_shorten_keeps_both_ends() -> None:
    text = wording.shorten("2001:db8:aae7::7602|Mozilla/5.0 (iPhone; CPU iPhone OS) RunApp/3.4.1", 30)
    assert len(text) == 30
    assert text.startswith("2001:db8:aae7::7602")
    assert text.endswith("App/3.4.1")
    assert wording.shorten("ios-0012", 30) == "ios-0012"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ongoing": True}, "still going on when the log ends: 1 device still refused"),
        ({"ongoing": True, "devices_ill": 0}, "still going on when the log ends"),
        (
            {"ongoing": True, "devices_ill": 0, "devices_recovered": 44},
            "refusals go on when the log ends, but every device was accepted again",
        ),
        (
            {"ongoing": True, "devices_ill": 0, "devices_recovered": 1, "devices": 1},
            "refusals go on when the log ends, but the device was accepted again",
        ),
        (
            {
                "ongoing": True,
                "renewed": Renewed(since=datetime(2025, 12, 25, 12, 4, 5, tzinfo=UTC), used=40, accepted=39),
            },
            "new tokens accepted since 2025-12-25 12:04:05 UTC (39 of 40); 1 device goes on with an old one",
        ),
        ({"devices_ill": 2}, "no new denials; 2 devices not well again"),
        ({"devices_ill": 0, "devices_recovered": 44}, "over: every affected device is well again"),
        ({"devices_ill": 0, "devices_recovered": 40}, "over: 40 of 44 devices proven well"),
        ({"devices_ill": 0, "devices_recovered": 1, "devices": 1}, "over: the device is well again"),
        (
            {"devices_ill": 0, "devices_recovered": 0},
            "not proven over: no refusal since 13:00:00, but none of 44 devices was seen to be well again",
        ),
        (
            {"devices_ill": 0, "devices_recovered": 0, "devices": 1},
            "not proven over: no refusal since 13:00:00, and the device was not seen to be well again",
        ),
    ],
)
def test_whether_it_is_over(change: dict[str, object], text: str) -> None:
    incident: Incident = documents.incident().incidents[0].model_copy(update=change)
    assert wording.is_over(incident) == text


def test_what_was_read_in_one_line() -> None:
    assert wording.read_line(documents.incident()) == (
        "Read 80,413 lines of 3 files, 3 not understood (< 0.1 %); 60 devices, "
        "2025-12-25 06:00:00 to 15:00:00 UTC; took 3.2 s."
    )
    once = documents.incident()
    twice = once.model_copy(
        update={"sources": (once.sources[0].model_copy(update={"duplicates": 1_200}), *once.sources[1:])}
    )
    assert ", 1,200 of them copies that count once, 3 not understood" in wording.read_line(twice)
    assert wording.read_line(documents.empty()) == "Read no lines of no files; took 3.2 s."
