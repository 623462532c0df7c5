"""Lines of a layout that somebody wrote are cut, and say what they say one by one, however damaged they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.collect.format import Cutting, Settings
from authforensics.collect.recognize import named
from damage import assert_accounted_for, assert_same, both, damaged
from examples import examples

_LAYOUTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "nginx": (
        (
            '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_user_agent"'
            ' $request_time $upstream_addr "$http_x_device_id" $geoip_city'
        ),
        (
            '203.0.113.7 - - [25/Dec/2025:13:00:09 +0900] "GET /a HTTP/1.1" 401 12 "Shop/3" 0.123 10.0.0.1:80 "d-1" Tokyo',
            '203.0.113.7 - a b [25/Dec/2025:13:00:09 +0900] "-" 400 0 "-" 0.000 10.0.0.1:80, 10.0.0.2:80 "" San Jose',
            '203.0.113.7 - "a" [25/Dec/2025:13:00:09 +0900] "-" 400 0 "-" 0.000 - "" -',
        ),
    ),
    "apache": (
        '%v:%p %h %l %u %t \\"%r\\" %>s %O \\"%{User-Agent}i\\" %D %{X-Device-Id}i',
        (
            'shop.example:443 203.0.113.7 - - [25/Dec/2025:13:00:09 +0900] "GET /a HTTP/1.1" 401 12 "Shop/3" 1500 dev-1',
            '[2001:db8::1]:443 2001:db8::7 - bob [25/Dec/2025:13:00:09 +0900] "GET /a HTTP/1.1" 401 12 "" 1500 dev-1 x',
        ),
    ),
    "bars": (
        "$time_iso8601 | $remote_addr | $request_method | $request_uri | $status | $request_time | $http_user_agent",
        (
            "2025-12-25T13:00:09.123Z | 203.0.113.7 | GET | /a | 401 | 0.012 | Shop/3 (iOS | 18)",
            "2025-12-25 13:00:09 +02:00 | 203.0.113.7 | GET | /a b | 200 | 0.012 | -",
            '2025-12-25T13:00:09Z |  | GET |  | 200 | 0.012 | "x"',
        ),
    ),
    "keys": (
        '[$time_iso8601] status=$status client=$remote_addr "$request" took ${duration_ms}ms "$http_user_agent"',
        (
            '[2025-12-25 13:00:08,250] status=200 client=203.0.113.7 "POST /a?b=c HTTP/2.0" took 12ms "Shop/3.1 (iOS 18)"',
            '[2025-12-25 13:00:09,001] status=401 client= "GET /v1/me HTTP/2.0" took ms "say \\"hi\\""',
            '[2025-12-25 13:00:10,001] status=401 client=203.0.113.8 "GET /v1/me HTTP/2.0" took 4ms "Shop" cache=hit',
        ),
    ),
    "words": (
        '$time_iso8601 $status "$request_method $request_uri $server_protocol" $upstream_status; $remote_addr,$user_agent',
        (
            '2025-12-25 13:00:08 200 "GET /a HTTP/1.1" 200; 203.0.113.7,Shop/3 (a b)',
            '2025-12-25 13:00:08 200 "GET /a HTTP/1.1" 200, 502; 203.0.113.7,Shop/3 (a, b)',
            '2025-12-25 13:00:08 +0200 "GET /a b HTTP/1.1" 200; 203.0.113.7,Shop/3',
            '2025-12-25 13:00:08 Z 401 "GET  HTTP/1.1" 401 : 200; ,',
        ),
    ),
    "naive": (
        "$time_iso8601 $status $remote_addr $upstream_addr $request_method $request_uri $http_user_agent",
        (
            "2025-12-25T13:00:08 200 203.0.113.7 10.0.0.1:80 GET /a Shop/3 (iOS 18)",
            "2025-12-25T13:00:08 +0200 401 203.0.113.7 10.0.0.1:80 : 10.0.0.2:80 GET /b Shop/3 (iOS 18)",
            "2025-12-25T13:00:08 Z 401 203.0.113.7 a, b GET /b x",
            "2025-12-25T13:00:08 UTC 401 203.0.113.7 - GET /b ",
        ),
    ),
    "tabs": (
        "$time_local\\t$remote_addr\\t$request\\t$status\\t$upstream_addr\\t$http_user_agent",
        (
            "25/Dec/2025:13:00:09 +0900\t203.0.113.7\tGET /a HTTP/1.1\t200\t10.0.0.1:80\tShop/3 (iOS)",
            "25/Dec/2025:13:00:09 +0900\t203.0.113.7\tGET /a HTTP/1.1\t401\t10.0.0.1:80, 10.0.0.2:80\t-",
        ),
    ),
    "commas": (
        "$msec,$remote_addr,$request_method,$request_uri,$status,$request_time",
        (
            "1766667609.123,203.0.113.7,GET,/a b,401,0.012",
            "1766667609.123,203.0.113.7,GET,,200,0.012,more",
        ),
    ),
    "once quoted": (
        '$remote_addr "$time_local" "$request" "-" $status $status $request_id [$bytes_sent]',
        ('203.0.113.7 "25/Dec/2025:13:00:09 +0900" "GET /a HTTP/1.1" "-" 401 403 r-1 [12]',),
    ),
}


@pytest.mark.parametrize("name", _LAYOUTS)
@examples(0.12)
@given(data=st.data())
def test_each_line_says_the_same_alone_and_has_one_disposition(name: str, data: st.DataObject) -> None:
    layout, lines = _LAYOUTS[name]
    whole, single, count = both("log_format", lines, data.draw(damaged(lines)), Settings(log_format=layout))
    assert_accounted_for(single, count)
    assert_same(whole, single)


@pytest.mark.parametrize("name", _LAYOUTS)
def test_plain_lines_are_cut(name: str) -> None:
    layout, lines = _LAYOUTS[name]
    parser = named("log_format").prepare(lines, Settings(log_format=layout))
    assert isinstance(parser, Cutting)
    cut = parser.cut((lines[0] + "\n").encode())
    assert cut is not None
    assert cut[1].to_list() == [True]
