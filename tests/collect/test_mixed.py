"""What a server writes of requests and what its application says stand in one file: both are read."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import pytest

from authforensics.collect import Options
from authforensics.schema import Kind
from collecting import collect

_START = datetime(2026, 11, 23, 13, 45, tzinfo=UTC)
_ACCESS = '203.0.113.7 - - [23/Nov/2026:13:45:{:02} +0000] "GET /api/me HTTP/1.1" 401 15 "-" "okhttp/4.12.0"'
_TRACE = [
    "Traceback (most recent call last):",
    '  File "/srv/shop/app.py", line 10, in app',
    "ValueError: no such thing",
]
GUNICORN = [
    "[2026-11-23 13:45:00 +0000] [17] [INFO] Starting gunicorn 27.0.1",
    "[2026-11-23 13:45:00 +0000] [18] [INFO] Booting worker with pid: 18",
    *(_ACCESS.format(second) for second in range(1, 8)),
    "JWT validation failed: Signature has expired",
    "[2026-11-23 13:45:09 +0000] [18] [ERROR] Error handling request GET /boom",
    *_TRACE,
    _ACCESS.format(10),
]
UVICORN = [
    "INFO:     Started server process [17]",
    *(['INFO:     203.0.113.7:5000 - "GET /api/me HTTP/1.1" 401 Unauthorized'] * 7),
    "JWT validation failed: Signature has expired",
    '{"reason": "kid unknown", "event": "JWT validation failed", "timestamp": "2026-11-23T13:45:13.926789Z"}',
    '{"reason": "kid unknown", "event": "JWT validation failed", "timestamp": "2026-11-23T13:45:13.926789Z"}',
    "ERROR:    Exception in ASGI application",
    *_TRACE,
]
REGISTRY = [
    line
    for second, path in enumerate(["/v2/a/blobs/7", "/v2/a/blobs/8", "/v2/b/tags/list?n=9", "/v2/a/blobs/7"] * 3)
    for line in (
        f'time="2026-11-23T13:45:{second:02}.5Z" level=warning msg="token from untrusted issuer"',
        (
            f'time="2026-11-23T13:45:{second:02}.6Z" level=info msg="response completed" http.request.method=GET'
            f' http.request.remoteaddr="203.0.113.7:45723" http.request.uri="{path}" http.request.useragent=containerd/1.7'
            " http.response.duration=1.5ms http.response.status=200 http.response.written=15 user_id=u7"
        ),
        f'203.0.113.7 - - [23/Nov/2026:13:45:{second:02} +0000] "GET {path} HTTP/1.1" 200 15 "" "containerd/1.7"',
        f'203.0.113.7 - - [23/Nov/2026:13:45:{second:02} +0000] "GET /v2/ HTTP/1.1" 401 87 "" "containerd/1.7"',
    )
]
#: A layout of the application's own among its messages, which Python's logging takes for one.
OWN = [
    line
    for second in range(10)
    for line in (
        f"2026-11-23 13:45:{second:02},123 - shop.auth - 17 - WARNING - token refused",
        "ValueError: no such thing",
        f"2026-11-23 13:45:{second:02},456 - shop.http - 31 - INFO - 203.0.113.7 {{u7}} done in 3ms 15B 401 at /api/me by GET",
        f"2026-11-23 13:45:{second:02},789 - shop.auth - 18 - INFO - bye",
    )
]
OWN_LAYOUT = "$time_iso8601 - shop.http - $line - INFO - $remote_addr {$remote_user} done in $took ${size}B $status at"
OWN_LAYOUT += " $uri by $request_method"


def timed(lines: list[str]) -> list[str]:
    """As `docker logs -t` gives them."""
    times = (_START + timedelta(seconds=number) for number in range(len(lines)))
    return [f"{time:%Y-%m-%dT%H:%M:%S}.123456789Z {line}" for time, line in zip(times, lines, strict=True)]


def read(tmp_path, lines, **options):
    log = tmp_path / "app.log"
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    collected = collect([log], Options(**options))
    (source,) = collected.sources
    return source, collected.events


def messages(events) -> list[str]:
    return events.filter(events["kind"] == Kind.MESSAGE.value)["message"].to_list()


def requests(events) -> int:
    return events.filter(events["kind"] == Kind.REQUEST.value).height


def test_messages_among_access_lines_are_read(tmp_path):
    source, events = read(tmp_path, GUNICORN)
    assert (source.format, source.events, source.continuations, source.rejects) == ("combined", 11, 4, 0)
    assert source.note == "among lines of combined stand some of python_logging"
    assert requests(events) == 8
    assert messages(events)[-1] == "Error handling request GET /boom: ValueError: no such thing"


def test_words_that_only_a_wrapper_gives_a_time_are_messages_too(tmp_path):
    source, events = read(tmp_path, timed(GUNICORN))
    assert (source.format, source.wrapper, source.rejects, requests(events)) == ("combined", "timestamp", 0, 8)
    assert "JWT validation failed: Signature has expired" in messages(events)


def test_what_an_application_says_of_a_refusal_is_no_tag_of_syslog(tmp_path):
    said = ["Unauthorized: /api/me", "Not Found: /x", "uncaught ValueError: no such thing"]
    source, events = read(tmp_path, timed([*GUNICORN[:9], *(said * 4)]))
    assert (source.wrapper, source.rejects, requests(events)) == ("timestamp", 0, 7)
    assert messages(events)[2:] == said * 4


def test_objects_among_the_lines_of_a_server_are_read(tmp_path):
    source, events = read(tmp_path, timed(UVICORN))
    assert (source.format, source.rejects, source.continuations, requests(events)) == ("uvicorn", 0, 3, 7)
    said = messages(events)
    assert said.count("JWT validation failed: kid unknown") == 2
    assert "JWT validation failed: Signature has expired" in said
    assert "Exception in ASGI application: ValueError: no such thing" in said


def test_an_object_and_a_line_of_another_thread_behind_it_are_two_records(tmp_path):
    lines = [*UVICORN, UVICORN[9] + UVICORN[1], UVICORN[2], "", UVICORN[3], UVICORN[9] + UVICORN[4]]
    source, events = read(tmp_path, timed(lines))
    assert (source.lines, source.rejects, source.blank, requests(events)) == (20, 1, 0, 10)
    assert messages(events).count("JWT validation failed: kid unknown") == 3


def test_lines_of_structlog_among_those_of_a_server_are_read_in_colours_too(tmp_path):
    plain = "2026-11-23 13:45:13 [warning  ] token_validation_failed        error='Signature has expired' path=/api/me"
    coloured = (
        "\x1b[2m2026-11-23 13:45:13\x1b[0m [\x1b[33m\x1b[1mwarning  \x1b[0m] \x1b[1mtoken_validation_failed       \x1b[0m"
        " \x1b[36merror\x1b[0m=\x1b[35m'Signature has expired'\x1b[0m \x1b[36mpath\x1b[0m=\x1b[35m/api/me\x1b[0m"
    )
    for line in (plain, coloured):
        for lines in (
            timed([*UVICORN[:8], line, line]),
            [*map("2026-11-23 13:45:12 {}".format, UVICORN[:8]), line, line],
        ):
            source, events = read(tmp_path, lines)
            assert (source.format, source.rejects, requests(events)) == ("uvicorn", 0, 7)
            assert source.note == "among lines of uvicorn stand some of structlog"
            said = events.filter(events["message"] == "token_validation_failed: Signature has expired")
            assert said["path"].to_list() == ["/api/me"] * 2


@pytest.mark.parametrize("around", [list, timed])
@pytest.mark.parametrize("call", [_ACCESS, '203.0.113.7 - - [23/Nov/2026 13:45:{:02}] "GET /api/me HTTP/1.1" 401 -'])
def test_clients_behind_a_logger_without_a_time_are_told_apart_from_it(tmp_path, around, call):
    said = [f"[2026-11-23 13:45:{second:02},461] WARNING in app: Signature has expired" for second in range(1, 6)]
    called = [f"INFO:wsgi:{call.format(second)}" for second in range(1, 6)]
    source, events = read(tmp_path, around([line for pair in zip(said, called, strict=True) for line in pair]))
    assert (source.rejects, requests(events), len(messages(events))) == (0, 5, 5)
    assert events["client_ip"].drop_nulls().to_list() == ["203.0.113.7"] * 5


def test_an_exception_below_a_request_is_a_message_and_its_trace_goes_on_with_it(tmp_path):
    error = ["InvalidTokenError: jwt expired", "    at verify (/srv/app.js:3:1) {", "  status: 401", "}"]
    source, events = read(tmp_path, timed([_ACCESS.format(1), *error, *error, _ACCESS.format(2), error[0], error[0]]))
    assert (source.format, source.continuations, source.rejects, requests(events)) == ("combined", 6, 0, 2)
    assert messages(events) == ["InvalidTokenError: jwt expired"] * 4
    source, events = read(tmp_path, timed([_ACCESS.format(1), _ACCESS.format(2), "boom", *_TRACE]))
    assert (source.continuations, messages(events)) == (3, ["boom: ValueError: no such thing"])


@pytest.mark.parametrize("around", [list, timed])
def test_dated_lines_of_a_layout_that_nobody_knows_are_messages(tmp_path, around):
    said = ["2026-11-23 13:45:10.250 <auth> token refused: expired", "    at verify", "[2026-11-23 13:45:11] <auth> ok"]
    call = "2026-11-23 13:45:12 <web> GET /api/you -> 401 in 3 ms"
    source, events = read(tmp_path, around([_ACCESS.format(1), _ACCESS.format(2), *said, call]))
    assert (source.format, source.continuations, source.rejects, requests(events)) == ("combined", 1, 1, 2)
    assert messages(events) == ["<auth> token refused: expired", "<auth> ok"]
    assert events["timestamp"][2] == datetime(2026, 11, 23, 13, 45, 10, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_messages_that_begin_with_an_incident_are_read(tmp_path, compress):
    lines = [*([_ACCESS.format(1)] * 600), *GUNICORN, *GUNICORN]
    log = tmp_path / "app.log"
    log.write_bytes(compress("".join(f"{line}\n" for line in lines).encode()))
    collected = collect([log])
    (source,) = collected.sources
    assert (source.format, source.rejects, requests(collected.events)) == ("combined", 0, 616)
    assert source.note == "among lines of combined stand some of python_logging"


def test_a_few_messages_among_many_access_lines_are_read(tmp_path):
    source, events = read(tmp_path, [*([_ACCESS.format(1)] * 300), *GUNICORN[-5:]])
    assert (source.format, source.rejects, requests(events)) == ("combined", 4, 301)
    source, events = read(tmp_path, [*([_ACCESS.format(1)] * 300), *GUNICORN])
    assert (source.format, source.rejects, requests(events)) == ("combined", 0, 308)


def test_a_forced_format_is_the_only_one(tmp_path):
    source, events = read(tmp_path, GUNICORN, format="combined")
    assert (source.events, requests(events), source.note) == (8, 8, None)


@pytest.mark.parametrize("broken", ['203.0.113.7 - - [23/Nov/2026:13:45:10 +0000] "GET /api', '{"event": "JWT'])
def test_a_line_that_is_cut_off_is_no_message(tmp_path, broken):
    source, _ = read(tmp_path, timed([*GUNICORN, broken]))
    assert source.rejects == 1


def test_lines_of_one_format_are_read_as_before(tmp_path):
    lines = [_ACCESS.format(second) for second in range(20)]
    source, _ = read(tmp_path, [*lines, "nothing of the kind", "  File"])
    assert (source.format, source.continuations, source.rejects, source.note) == ("combined", 0, 2, None)


def test_a_request_that_two_formats_tell_of_counts_once(tmp_path):
    source, events = read(tmp_path, REGISTRY)
    assert (source.format, source.rejects, requests(events), len(messages(events))) == ("combined", 0, 24, 24)
    assert events.filter(events["kind"] == Kind.REQUEST.value)["status"].value_counts().sort("status").rows() == [
        (200, 12),
        (401, 12),
    ]


def test_the_format_that_knows_whose_all_requests_are_counts(tmp_path):
    source, events = read(tmp_path, [line for line in REGISTRY if " 401 " not in line])
    assert (source.format, source.rejects, requests(events), len(messages(events))) == ("combined", 0, 12, 24)
    assert events.filter(events["kind"] == Kind.REQUEST.value)["user_id"].unique().to_list() == ["u7"]


def test_requests_of_two_servers_in_one_file_all_count(tmp_path):
    lines = [line.replace("/v2/a", "/other").replace("/v2/b", "/more") if "uri=" in line else line for line in REGISTRY]
    _, events = read(tmp_path, lines)
    assert requests(events) == 36


def test_requests_of_the_objects_alone_are_read_with_who_called(tmp_path):
    source, events = read(tmp_path, [line for line in REGISTRY if "203.0.113.7 -" not in line])
    called = events.filter(events["kind"] == Kind.REQUEST.value)
    assert (source.format, called.height, requests(events)) == ("logfmt", 12, 12)
    assert called.select("client_ip", "user_agent", "method", "path", "status", "bytes").row(2) == (
        *("203.0.113.7", "containerd/1.7", "GET", "/v2/b/tags/list", 200, 15),
    )
    assert called["started_at"][0] < called["timestamp"][0]


def test_a_layout_that_was_given_takes_the_lines_that_fit_it(tmp_path):
    assert requests(read(tmp_path, OWN)[1]) == 0
    source, events = read(tmp_path, OWN, log_format=OWN_LAYOUT)
    assert (source.format, source.continuations, source.rejects, requests(events)) == ("log_format", 10, 0, 10)
    assert source.note == "among lines of log_format stand some of python_logging"
    called = events.filter(events["kind"] == Kind.REQUEST.value)
    assert called.select("user_id", "method", "path", "status").unique().rows() == [("u7", "GET", "/api/me", 401)]
    assert [said.partition(" - ")[0] for said in messages(events)] == ["shop.auth"] * 20


def test_a_layout_that_no_line_fits_changes_nothing(tmp_path):
    source, events = read(tmp_path, GUNICORN, log_format=OWN_LAYOUT)
    assert (source.format, requests(events), len(messages(events))) == ("combined", 8, 3)


def test_a_layout_that_fits_fewer_requests_than_are_known_is_not_for_this_file(tmp_path):
    layout = '$remote_addr - - [$time_local] "$request" $status 15 "-" "okhttp/$version"'
    lines = [line.replace("okhttp", "curl") if place % 2 else line for place, line in enumerate(GUNICORN)]
    source, events = read(tmp_path, lines, log_format=layout)
    assert (source.format, requests(events)) == ("combined", 8)
