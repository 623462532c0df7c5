"""Requests that messages tell of: what is read of each form, and what is no request."""

from __future__ import annotations

import json

import polars as pl
import pytest

from authforensics.collect.calls import CALL, reader
from collecting import collect


def told(message: str, *others: str) -> dict[str, object]:
    read = reader([message, *others])
    assert read is not None
    call = read(pl.Series([message, None], dtype=pl.String))
    assert call.dtype == pl.Struct(CALL)
    assert call[1] is None
    return {name: value for name, value in (call[0] or {}).items() if value is not None}


IN_WORDS = {"method": "GET", "target": "/a?b=1", "status": 401}
LINE = {"request": "GET /a?b=1 HTTP/1.1", "status": 401}


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("GET /a?b=1 401", IN_WORDS),
        ("GET /a?b=1 401 23 - 3.369 ms", {**IN_WORDS, "bytes": "23", "duration_ms": 3.369}),
        (
            "203.0.113.7 - GET /a?b=1 HTTP/1.1 401 - - 1.5 ms",
            {**IN_WORDS, "client_ip": "203.0.113.7", "duration_ms": 1.5},
        ),
        ("[HTTP] GET: /a?b=1 - 401 12ms +13ms", {**IN_WORDS, "duration_ms": 12.0}),
        ("GET /a?b=1 401 +13ms", IN_WORDS),
        ("  -x- GET /a?b=1 401 1.2s -", {**IN_WORDS, "duration_ms": 1200.0}),
        ("401 Unauthorized: GET - /a?b=1 in 8ms", {**IN_WORDS, "duration_ms": 8.0}),
        (
            "GET /a?b=1 401 65 - app/1 (5 ms) 2001:db8::7 +1ms",
            {**IN_WORDS, "bytes": "65", "user_agent": "app/1 (5 ms)", "client_ip": "2001:db8::7"},
        ),
        ('203.0.113.7:5000 - "GET /a?b=1 HTTP/1.1" 401', {**LINE, "client_ip": "203.0.113.7:5000"}),
        (
            '::1 - ann b [01/Mar/2026:10:02:03 +0000] "GET /a?b=1 HTTP/1.1" 401 - "-" "app "1" 5 ms" 0.250',
            {
                **LINE,
                "client_ip": "::1",
                "user_id": "ann b",
                "bytes": "-",
                "user_agent": 'app "1" 5 ms',
                "duration_ms": 250.0,
            },
        ),
        ('"GET /a?b=1" 401 12', {**LINE, "request": "GET /a?b=1", "bytes": "12"}),
        (
            '203.0.113.7 - - [01/Mar/2026 10:02:03] "\x1b[33mGET /a?b=1 HTTP/1.1\x1b[0m" \x1b[33m401\x1b[0m -',
            {**LINE, "client_ip": "203.0.113.7", "user_id": "-", "bytes": "-"},
        ),
        ('None:0 - "GET /a?b=1 1.1" 401', {**LINE, "request": "GET /a?b=1 1.1"}),
        ("401 GET /a?b=1 (203.0.113.7) 0.61ms", {**IN_WORDS, "client_ip": "203.0.113.7", "duration_ms": 0.61}),
        (
            "request{method=GET uri=/a?b=1 status=200}: finished processing request latency=3 \N{GREEK SMALL LETTER MU}s status=401",
            {**IN_WORDS, "duration_ms": 0.003},
        ),
    ],
)
def test_what_each_form_tells(message, call):
    assert told(message) == pytest.approx(call)


@pytest.mark.parametrize(
    "message",
    [
        "token expired",
        "GET https://idp.example/keys 200 12 ms",
        'HTTP Request: POST https://idp.example/token "HTTP/1.1 200 OK"',
        'https://idp.example:443 "GET /keys HTTP/1.1" 200 None',
        "GET /a took 120 ms",
        "upstream answered 401 to GET /a",
        '203.0.113.7 sent "GET /a"',
        "started processing request method=GET uri=/a",
        "",
    ],
)
def test_other_messages_tell_of_none(message):
    assert reader([message]) is None
    assert told(message, "GET /a 200") == {}


def test_an_agent_with_an_address_is_no_caller_where_none_is_logged():
    others = ["GET /a 200 12 - 3 ms"] * 3
    assert told("GET /a?b=1 401 12 - 203.0.113.9", *others) == {**IN_WORDS, "bytes": "12"}


def test_the_messages_of_a_logger_are_read_however_late_they_come(tmp_path):
    """Among the first lines are only requests, which a collector may have put in such objects, too."""
    call = '203.0.113.7 - - [01/Mar/2026:10:02:03 +0000] "GET /a HTTP/1.1" {} 5 "-" "app/1"'
    lines = [{"level": "http", "message": call.format(200)}] * 700
    lines += [{"level": "http", "message": call.format(401)}, {"level": "error", "message": "jwt expired"}] * 5
    log = tmp_path / "app.log"
    log.write_text("".join(json.dumps({**one, "timestamp": "2026-03-01T10:02:03.123Z"}) + "\n" for one in lines))
    collected = collect([log])
    (source,) = collected.sources
    assert (source.format, source.wrapper, source.rejects) == ("json", None, 0)
    kinds = dict(collected.events["kind"].cast(pl.String).value_counts().rows())
    assert kinds == {"request": 705, "message": 5}
