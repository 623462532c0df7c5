"""However damaged its lines are, a block says what they say one by one, and each has its one disposition."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from authforensics.collect import formats
from authforensics.collect.format import Cutting, Settings
from authforensics.collect.recognize import named
from authforensics.schema import COLLECTED
from damage import assert_accounted_for, assert_same, both, damaged, known
from examples import examples

_OWN = sorted(name for name, form in formats().items() if form.samples)
_CUT = tuple(name for name in _OWN if isinstance(named(name).prepare(named(name).samples, Settings()), Cutting))
_BEFORE = '10.0.0.7 - - [10/Oct/2025:13:55:43 +0000] "GET /a HTTP/1.1" 401 5 "-" "curl/8.5.0"'
_CALL = (
    "79a5 bucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a5 3E57 REST.GET.VERSIONING -"
    ' "GET /bucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4"'
)
_REQUEST = "[pid: 1|app: 0|req: 1/1] 203.0.113.7 () {4 vars in 51 bytes} [Thu Oct  2 12:00:08 2025] GET /a"
_ODD = {
    "combined": (
        '203.0.113.9 - frank [10/Oct/2025:13:55:36 +0000] "POST /a/17/b/9?device_id=a1 HTTP/2.0" 401 - "-" ""',
        '198.51.100.7, 203.0.113.9 - - [10/Oct/2025:13:55:37 +0000] "GET /a HTTP/1.1" 200 1 "https://a/?q=%22" "x\\"y"',
        '203.0.113.9 - - [10/Oct/2025:13:55:39 +0000] "GET /survey-results-2025 HTTP/1.1" 200 9 - -',
        '203.0.113.9 - - [31/Feb/2025:13:55:39 +0000] "GET / HTTP/1.1" 200 9 "-" "m\u00e4uschen"',
        '203.0.113.9 - - [10/Oct/2025:13:55:40 +0000] "GET / HTTP/1.1" 401 12 "-" "app" "198.51.100.7" rt=0.120',
        '203.0.113.9 - - [10/Oct/2025:13:55:42 +0000] "GET /a HTTP/1.1" 401 5 "x\\" " "Mozilla"',
        f"{_BEFORE} 312 0.005 [shop-api-80] [] 10.0.3.11:8080 12 0.005 200 {'0a' * 16}",
        f"{_BEFORE} 312 0.005 [shop-api-80] [] 10.0.3.11:8080, 10.0.3.12:8080 0, 12 0.001, 0.004 502, 200 {'0b' * 16}",
        f"{_BEFORE} 312 0.0000005 [a b] [] - - - - {'0c' * 16}",
        f"{_BEFORE}  312 0.005 [shop-api-80] [] 10.0.3.11:8080 12 0.005 200 {'0d' * 16}",
        f'{_BEFORE} "10.0.0.9" "198.51.100.7, 10.0.0.8" 12ms',
        f"{_BEFORE}x",
    ),
    "ltsv": (
        "time:10/Oct/2025:13:55:36 -0700\thost:203.0.113.9\treq:GET /b HTTP/1.1\tstatus:200\tsize:12\tua:a\t",
        "time:10/Oct/2025:13:55:36 -0700\thost:203.0.113.9\treq:GET /b HTTP/1.1\tstatus:200\tsize:12\tua:a\t\t",
        "time:10/Oct/2025:13:55:36 -0700\thost:203.0.113.9\treq:GET /b HTTP/1.1\tstatus:200\tsize:12\tua:a\t\tx:1",
        "time:10/Oct/2025:13:55:36 -0700\treq:GET /b HTTP/1.1\thost:203.0.113.9\tstatus:401\tsize:12\tua:a",
        "time:10/Oct/2025:13:55:36 -0700\thost:203.0.113.9\treq:GET /b HTTP/1.1\tstatus:401\tsize:-\tua:\tuid:7",
        "time:10/Oct/2025:13:55:36 -0700\thost:203.0.113.9\treq:GET /b HTTP/1.1\tstatus:401",
        "time:10/Oct/2025:13:55:36 -0700",
    ),
    "uvicorn": (
        '2025-10-02 12:00:08,123 INFO:     2001:db8::7:5000 - "GET / HTTP/1.1" 200 OK',
        '2025-10-02 12:00:08,123 INFO:     None - "GET / HTTP/1.1" 200 OK',
        '2025-10-02 12:00:08,123 INFO:     203.0.113.7 - "GET / HTTP/1.1" 401 Unauthorized',
        '2025-10-02 12:00:08,123 INFO:     203.0.113.7:x - "GET / HTTP/1.1" 401',
        '2025-10-02 12:00:08,123 INFO:     203.0.113.7:5000 - - "GET / HTTP/1.1" 401',
        '2025-10-02 12:00:08 INFO:     203.0.113.7:5000 - "\x1b[1mGET / HTTP/1.1\x1b[0m" \x1b[31m401\x1b[0m',
        '2025-10-02 12:00:08,123 INFO:     203.0.113.7:5000 - "GET /a"b HTTP/1.1" 401',
        '2025-10-02 12:00:08,123 INFO:     203.0.113.7:5000 - "GET / HTTP/1.1" 4010',
        '2025-10-02 12:00:08,123 INFO:     203.0.113.7:5000 - "GET / HTTP/1.1" 401\u00e4',
        '2025-10-02 12:00:08+02 INFO:     203.0.113.7:5000 - "GET / HTTP/1.1" 401 x "y"',
        'INFO:     203.0.113.7:5000 - "GET / HTTP/1.1" 401 Unauthorized',
        "2025-10-02 12:00:08,123 INFO:     Application startup complete.",
    ),
    "s3": (f'{_CALL} "- s9lz SigV4 ECDHE AuthHeader b.host T', f'{_CALL} - s9lz SigV4 ECDHE AuthHeader b.host"'),
    "uwsgi": (
        f"{_REQUEST} => generated 1 bytes in 1 msecs (HTTP/1.1 200) 1 headers in 1 bytes (1 switches on core 0)]",
        f"{_REQUEST}/b] => generated 1 bytes in 1 msecs (HTTP/1.1 200) 1 headers in 1 bytes (1 switches on core 0)",
        f"{_REQUEST} => generated 1 bytes in 1 msecs ( 20) 1 headers in 1 bytes (1 switches on core 0) x ] y",
        f"{_REQUEST} =>  generated 1 bytes in 1 msecs (HTTP/1.1 200) 1 headers in 1 bytes (1 switches on core 0)",
        f"x {_REQUEST} => generated 1 bytes in 1 msecs (HTTP/1.1 200) 1 headers in 1 bytes",
    ),
    "iis": (
        "203.0.113.7, -, 10/2/2025, 12:00:08, W3SVC2, WEB1, 172.21.13.45, 116, 163, 3223, 401, 0, GET, /api/me, -",
        "203.0.113.7, -, 10/2/2025, 12:00:08, W3SVC2, WEB1, 172.21.13.45, 116, 163, 3223, 401, 0, GET, /api/me, -,,",
        "203.0.113.7, -, 10/2/2025, 12:00:08, W3SVC2, WEB1, 172.21.13.45, 116, 163, 3223, 401, 0, GET, /a,b, c=1,2,",
        "203.0.113.7,-,10/2/2025,12:00:08,W3SVC2,WEB1,172.21.13.45,116,163,3223,401,0,GET,/api/me,-,",
        "203.0.113.7, a b, 10/2/2025, 12:00:08, W3SVC2, WEB1, , 116, 163, 3223, 401, 0, GET, /api/me, -, ",
    ),
    "actix": (
        '[2025-10-02T12:00:08Z INFO  actix_web::middleware::logger] a:1 "GET /a HTTP/2" 200 1 "-" "x" 0.000123 ',
        '[2025-10-02T12:00:08Z INFO  actix_web::middleware::logger] a:1 "GET /a HTTP/2" 200 1 "x" y" "x" 0.000123',
        '[2025-10-02T12:00:08Z INFO  actix_web::middleware::logger] a:1 "GET /a HTTP/2" 200 1 "-" "x" 0.000123"',
        '[2025-10-02T12:00:08Z WARN  actix_web::middleware::logger] a "GET /a HTTP/1.0" 200 1 "-" "" 0.000123',
    ),
    "common": (
        '203.0.113.9 - - [10/Oct/2025:13:55:36 -0700] "GET /index.html HTTP/1.0" 304 -',
        '203.0.113.9 - - [10/Oct/2025:13:55:37 -0700] "GET /v1/9/x HTTP/1.0" 200 12"',
        '203.0.113.9 - - [10/Oct/2025:13:55:37 -0700] "GET /a\\"b HTTP/1.0" 200 12',
    ),
}

#: What an unknown field behind all others looks like, by format.
_BEHIND = dict.fromkeys(
    ("alb", "combined", "common", "elb", "envoy", "haproxy", "istio", "morgan", "s3", "squid", "uwsgi", "w3c"),
    " new-field",
) | {"csv": ",new field", "iis": " new field,", "logfmt": " new_key=x", "ltsv": "\tnew_key:x", "zeek": "\tnew field"}
_HEADER = named("csv").samples[0]
#: Durations and ids of Traefik and ingress-nginx are behind all others.
_TOLD_BY_THE_END = re.compile(r"\d+ms$|[0-9a-f]{32}$")


# Few of each: there are many formats, and every run looks at others.
@pytest.mark.parametrize("name", _OWN)
@examples(0.08)
@given(data=st.data(), tz=st.sampled_from((None, "Asia/Tokyo")))
def test_each_line_says_the_same_alone_and_has_one_disposition(name: str, data: st.DataObject, tz: str | None) -> None:
    lines = (*known(name), *_ODD.get(name, ()), "")
    whole, single, count = both(name, lines, data.draw(damaged(lines)), Settings(tz=tz))
    assert_accounted_for(single, count)
    assert_same(whole, single)


@pytest.mark.parametrize("name", _OWN)
def test_digits_of_other_scripts_are_no_numbers(name: str) -> None:
    """To take them for some and cast them would end the whole run."""
    lines = known(name)
    odd = {line[:at] + "٣" + line[at + 1 :] for line in lines[:20] for at, char in enumerate(line) if char.isdigit()}
    whole, single, count = both(name, lines, "\n".join(sorted(odd)).encode(), Settings())
    assert_accounted_for(single, count)
    assert_same(whole, single)


@pytest.mark.parametrize(("name", "field"), _BEHIND.items(), ids=_BEHIND)
def test_unknown_fields_behind_change_nothing(name: str, field: str) -> None:
    """As later versions of a product add them. What stands at the very end of a line is cut off, or told by that."""
    own = named(name).samples if name == "csv" else known(name)  # Each case of it has other columns.
    lines = [line for line in own if line.count('"') % 2 == 0 and not _TOLD_BY_THE_END.search(line)]
    more = [line if line.startswith("#") or line == _HEADER else line + field for line in lines]
    bare, _, _ = both(name, lines, "\n".join(lines).encode(), Settings())
    whole, single, _ = both(name, lines, "\n".join(more).encode(), Settings())
    assert bare.events
    assert_same(whole, single)
    assert whole.events == bare.events
    assert whole.taken is not None
    assert bare.taken is not None
    texts = {name: pl.String for name, dtype in COLLECTED.items() if isinstance(dtype, pl.Categorical)}
    assert_frame_equal(whole.taken.cast(texts), bare.taken.cast(texts))


@pytest.mark.parametrize("name", _CUT)
def test_plain_lines_are_cut(name: str) -> None:
    for sample in named(name).samples:
        parser = named(name).prepare(named(name).samples, Settings())
        assert isinstance(parser, Cutting)
        if sample.startswith("#"):
            continue
        cut = parser.cut((sample + "\n").encode())
        if cut is not None and cut[1].all():
            return
    pytest.fail("none of its samples is cut")


def test_most_formats_of_single_lines_are_cut() -> None:
    single = {name for name in _OWN if not named(name).multiline}
    assert set(_CUT) >= single - {"morgan", "text"}
