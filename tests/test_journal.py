"""One device's journal: every request is told once, runs of calls alike as one, findings where they begin and end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from authforensics import journal
from authforensics.correlate import Options, correlate
from authforensics.errors import UnknownName
from authforensics.findings import Confidence, Evidence, Finding, Severity
from authforensics.report import journal as shown
from past import history_of
from script import DAY, ENDPOINTS, play

KINDS = ("api_ok", "api_denied", "write_denied", "refresh_ok", "refresh_denied", "login_ok", "forbidden")


def history(text: str):
    return history_of(correlate(play(text), Options(endpoints=ENDPOINTS)).sessions)


def finding(begin: int, end: int, name: str = "zombie_client") -> Finding:
    """A finding of device `a`, between two seconds of the tenth hour."""
    first, last = (DAY + timedelta(hours=10, seconds=seconds) for seconds in (begin, end))
    line = Evidence(source="case.log", line_number=1, timestamp=first, auth_event="api_denied")
    return Finding(
        id=f"{name}-{begin}",
        system="case",
        detector=name,
        severity=Severity.HIGH,
        confidence=Confidence.HIGH,
        device_id="a",
        devices=1,
        first_seen=first,
        last_seen=last,
        ongoing=False,
        count=3,
        reason=None,
        summary="kept calling",
        measures={},
        evidence=(line,),
    )


def told(text: str, *findings: Finding):
    return journal.journal(history(text), findings, "case", "a")


def text_of(found, width: int = 100) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(shown.render(found), markup=False, highlight=False)
    return captured.get()


def test_runs_of_accepted_calls_are_one_entry_whatever_they_ask_for():
    found = told("10:00:00 a api_ok every=2 times=8\n10:00:01 a write_ok every=2 times=8\n10:01:00 a api_denied")
    assert [(one.auth_event, one.count, one.state) for one in found.entries] == [
        ("api_ok", 16, "authenticated"),
        ("api_denied", 1, "challenged"),
    ]
    text = text_of(found)
    assert "… 15 more accepted calls until 10:00:15 …" in text
    assert "10:01:00      x API denied  401  challenged     GET /api/items" in text


def test_few_calls_are_told_one_by_one():
    assert [one.count for one in told("10:00:00 a api_ok every=1 times=3\n10:01:00 a api_denied").entries] == [1] * 4


def test_refusals_are_alike_where_their_answers_are():
    text = "10:00:00 a api_denied every=1 times=5 reason=token_expired\n10:00:10 a api_denied every=1 times=5 reason=revoked"
    assert [(one.reason, one.count) for one in told(text).entries] == [("token_expired", 5), ("revoked", 5)]


def test_findings_begin_and_end_where_they_do_and_split_runs():
    found = told("10:00:00 a api_denied every=1 times=30", finding(10, 19), finding(0, 40, "retry"))
    assert [(one.count, one.begins, one.ends, one.inside) for one in found.entries] == [
        (10, ("retry-0",), (), 1),
        (10, ("zombie_client-10",), ("zombie_client-10",), 2),
        (10, (), ("retry-0",), 1),
    ]
    lines = text_of(found).splitlines()
    assert [line for line in lines if line.startswith(("┌", "└"))] == [
        "┌ retry (high) kept calling",
        "┌ zombie_client (high) kept calling",
        "└ zombie_client ends",
        "└ retry ends",
    ]


def test_other_requests_are_counted():
    found = told("10:00:00 a api_ok\n10:00:01 a ignored every=1 times=4")
    assert (found.requests, found.told) == (5, 1)
    assert "5, 0 refused; 4 without bearing on its session left out" in text_of(found)


@settings(max_examples=15)
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 900)), min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900)), max_size=3, unique=True),
)
def test_every_request_is_told_once_and_every_finding_begins_and_ends(calls, spans):
    text = "\n".join(f"10:{at // 60:02}:{at % 60:02} a {kind}" for kind, at in calls)
    times = sorted(at for _, at in calls)
    findings = [
        finding(times[min(a, b) % len(times)], max(times[max(a, b) % len(times)], times[min(a, b) % len(times)]))
        for a, b in spans
    ]
    findings = list({one.id: one for one in findings}.values())
    found = told(text, *findings)
    assert sum(one.count for one in found.entries) == found.told == len(calls)
    assert [one.first_seen for one in found.entries] == sorted(one.first_seen for one in found.entries)
    ids = sorted(one.id for one in findings)
    assert sorted(name for one in found.entries for name in one.begins) == ids
    assert sorted(name for one in found.entries for name in one.ends) == ids
    text_of(found, width=60)


def test_what_is_too_long_is_cut_in_its_middle(monkeypatch):
    monkeypatch.setattr(journal, "MAX_ENTRIES", 4)
    found = told("10:00:00 a api_denied every=10 times=20\n10:00:05 a refresh_denied every=10 times=20")
    assert (len(found.entries), found.omitted) == (4, 36)
    assert "… 36 requests left out; --since and --until show a part of the log …" in text_of(found)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("ios-001", "did you mean 'ios-0012' or 'ios-0013'?"),
        ("0013", "did you mean 'ios-0013'"),
        ("zzzzzzzz", "known: ios-0012, ios-0013, …"),
    ],
)
def test_an_unknown_device_gets_the_nearest_names(asked, hint):
    past = history("10:00:00 ios-0012 api_ok\n10:00:00 ios-0013 api_ok")
    with pytest.raises(UnknownName) as raised:
        journal.systems_of(past, asked)
    assert hint in str(raised.value)


def test_log_text_is_made_harmless():
    hostile = "/api/\x1b[31m<script>alert(1)</script>"
    events = history("10:00:00 a api_denied path=/api/items")
    found = journal.journal(events, (), "case", "a")
    entry = found.entries[0].model_copy(update={"route": hostile})
    changed = found.model_copy(update={"entries": (entry,), "device_id": "a\x1b[2J"})
    text = text_of(changed)
    assert "\x1b" not in text
    assert "\\x1b[31m" in text


def test_the_page_shows_all_and_escapes_it(document):
    from authforensics.document import Timeline
    from authforensics.report import html

    found = told("10:00:00 a api_ok every=1 times=9\n10:01:00 a api_denied every=1 times=9", finding(60, 68))
    hostile = "<script>alert(1)</script>"
    changed = found.model_copy(
        update={
            "device_id": hostile,
            "entries": tuple(one.model_copy(update={"route": hostile}) for one in found.entries),
        }
    )
    page = html.device(document, changed, Timeline(system="case", device_id=hostile, bands=(), marks=()))
    assert hostile not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "… 8 more accepted calls until 10:00:08 …" in page
    assert "<code>zombie_client</code> begins" in page
    assert "http" not in page.split("<footer>")[0].replace("http-equiv", "")
