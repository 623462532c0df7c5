"""`explain --line`: what it says of a line, where it puts its mark, and what it keeps to itself."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.cli.line import marked
from authforensics.collect import formats
from authforensics.collect.format import Settings
from authforensics.collect.reach import reach
from authforensics.redact import redact

COMBINED = (
    '203.0.113.7 - ada [25/Dec/2025:13:00:00 +0900] "GET /api/me?device_id=ios-1 HTTP/1.1" 401 5 "-" "curl/8.5.0"'
)
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw"


@pytest.fixture(autouse=True)
def wide(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")


def _facts(out: str) -> dict[str, str]:
    found = (line.partition("  ") for line in out.splitlines())
    return {name: value.strip() for name, _, value in found if name}


def test_every_field_is_told(run):
    code, out, err = run("explain", "--line", COMBINED)
    assert (code, err) == (0, "")
    facts = _facts(out)
    assert facts["Line"] == COMBINED
    assert facts["Format"] == "combined (99% sure)"
    assert facts["Disposition"] == "event"
    expected = {
        "timestamp": "2025-12-25T04:00:00Z",
        "kind": "request",
        "client_ip": "203.0.113.7",
        "user_agent": "curl/8.5.0",
        "method": "GET",
        "path": "/api/me",
        "status": "401",
        "bytes": "5",
        "user_id": "ada",
        "device_id": "ios-1",
        "clock": "1",
    }
    assert {name: facts.get(name) for name in expected} == expected
    assert "source" not in facts
    assert "line_number" not in facts
    assert "common (90% sure)" in facts["Formats that take it"]


def test_wrappers_are_peeled_and_named(run):
    inner = COMBINED.replace('"', '\\"')
    facts = _facts(
        run("explain", "--line", f'{{"log":"{inner}\\n","stream":"stdout","time":"2025-12-25T04:00:01Z"}}').out
    )
    assert (facts["Wrapped in"], facts["Inside"]) == ("docker", COMBINED)
    assert facts["Format"] == "combined (99% sure)"
    assert facts["timestamp"] == "2025-12-25T04:00:00Z"


def test_the_place_where_a_format_stops_is_marked(run):
    broken = COMBINED.replace(" 401 ", " 4o1 ")
    code, out, _ = run("explain", "--line", broken, "--format", "combined")
    assert code == 0
    lines = out.splitlines()
    (mark,) = [number for number, line in enumerate(lines) if line.strip() == "^"]
    assert lines[mark - 1].strip() == broken
    assert lines[mark - 1][lines[mark].index("^") :].startswith("4o1")
    assert "combined: stops at column 87; a line of it may go on there with" in out
    assert _facts(out)["Disposition"] == "reject: not a line of the format combined"


def test_a_place_is_told_for_every_format_that_does_not_take_it(run):
    out = run("explain", "--line", "a b").out
    assert "Format       none" in out
    assert "Disposition  reject: not a line of any known format" in out
    for name in ("combined", "json", "ltsv", "alb", "php_error"):
        assert name in out
    assert run("explain", "--line", "a b", "--verbose").out.count("^") >= 1


def test_a_declared_layout_stops_at_a_variable(run):
    layout = '$remote_addr [$time_local] "$request" $status'
    out = run("explain", "--log-format", layout, "--line", "203.0.113.7 [25/Dec/2025:13:00:00 +0900] GET 401").out
    assert 'log_format: stops at column 42; a line of it may go on there with "$request' in out


def test_a_long_line_is_shown_around_the_place(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    long = COMBINED.replace("/api/me", "/api/" + "me/" * 100).replace(" 401 ", " 4o1 ")
    lines = run("explain", "--line", long, "--format", "combined").out.splitlines()
    (mark,) = [number for number, line in enumerate(lines) if line.strip() == "^"]
    assert lines[mark - 1][lines[mark].index("^") :].startswith("4o1")
    assert len(lines[mark - 1]) <= 60
    assert lines[mark - 1].strip().startswith("…")


def test_the_line_may_come_from_standard_input(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(COMBINED.encode() + b"\r\nanother\n")))
    assert _facts(run("explain", "--line", "-").out)["Line"] == COMBINED


def test_the_zone_counts(run):
    line = "2025-12-25 13:00:00,000 - app.auth - WARNING - refused"
    assert "2025-12-25T04:00:00Z" in run("explain", "--line", line, "--tz", "Asia/Tokyo").out


@pytest.mark.parametrize(
    "line",
    [
        COMBINED.replace("/api/me?", f"/api/me?token={TOKEN}&"),
        COMBINED.replace("/api/me?", f"/api/me?token={TOKEN}&").replace(" 401 ", " 4o1 "),
        f"2025-12-25 13:00:00,000 - app.auth - WARNING - refused Authorization: Bearer {TOKEN}",
        f'{{"log":"bearer {TOKEN}\\n","stream":"stdout","time":"2025-12-25T04:00:01Z"}}',
        f'{{"time":"2025-12-25T04:00:00Z","status":401,"token":"{TOKEN}","x":',
        f"what is {TOKEN}",
    ],
)
def test_no_secret_leaves(run, line):
    out = "".join(run("explain", "--line", line, "-v").out.split())
    for part in TOKEN.split("."):
        assert part not in out
    assert "redacted" in out


def test_a_line_cannot_drive_the_terminal(run):
    for line in ("\x1b[2J" + COMBINED, COMBINED.replace("curl", "\x1b[2Jcurl"), "\x1b[2J\u202e"):
        out = run("explain", "--line", line, "-v").out
        assert "\x1b" not in out
        assert "\u202e" not in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--line", ""), "--line: expected a line of a log, found nothing"),
        (("--line", "a\nb"), "--line: expected one line, found several"),
        (("--line", "a", "document"), "--line and the name 'document' exclude each other"),
        (("--tz", "UTC"), "name one with --line"),
        (("--line", "a", "--format", "combned"), "did you mean 'combined'?"),
        (("--line", "a", "--tz", "Mars/Base"), "unknown time zone"),
        (("--line", "a", "--log-format", "nothing"), "has neither nginx variables"),
    ],
)
def test_wrong_usage_is_told(run, arguments, told):
    code, out, err = run("explain", *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", [name for name, form in formats().items() if form.samples])
def test_a_sample_goes_all_the_way_and_a_broken_one_to_the_break(name):
    form = formats()[name]
    reached = {sample: reach(form, sample, Settings()) for sample in form.samples}
    assert all(found is not None for found in reached.values())
    assert any(found.characters == len(sample) for sample, found in reached.items())
    assert reach(form, form.samples[-1][:9] + "\x01" * 3, Settings()).characters <= 12


@given(st.text(max_size=80))
def test_any_line_can_be_measured(text):
    for name in ("combined", "json", "logfmt"):
        found = reach(formats()[name], text, Settings())
        assert 0 <= found.characters <= len(text)


@given(st.text(alphabet=st.sampled_from(' =&?"ab12\x01\u4e2d'), max_size=20), st.integers(0, 60))
def test_a_place_stays_where_it_was_beside_what_is_concealed(text, at):
    line = f"{text}?token={TOKEN}&x={text}"
    at = min(at, len(line))
    shown, place = marked(line, at)
    assert shown == redact(line)
    assert 0 <= place <= len(shown)
    if line[: len(text)] == text and at <= len(text):
        assert place == len(redact(line[:at]))


CONF = r"""
http {
  log_format main '$remote_addr "$request" $status [$time_local]';
  log_format timed '$msec|$request_time|$status|$request|$remote_addr';
  log_format js escape=json '{"t":"$time_iso8601","s":$status,"ip":"$remote_addr","r":"$request"}';
  access_log /var/log/nginx/access.log main;
  access_log /var/log/nginx/timed.log timed;
  access_log /var/log/nginx/$host.json js;
  access_log /var/log/nginx/plain.log;
}
"""
TIMED = "1766635200.500|0.012|401|GET /api/me HTTP/1.1|203.0.113.7"


@pytest.fixture
def conf(tmp_path):
    (tmp_path / "nginx.conf").write_text(CONF)
    return "nginx.conf"


@pytest.mark.parametrize(
    ("line", "form"),
    [
        (TIMED, "log_format (100% sure), laid out as /var/log/nginx/timed.log"),
        (
            '203.0.113.7 "GET /api/me HTTP/1.1" 401 [25/Dec/2025:13:00:00 +0900]',
            "log_format (100% sure), laid out as /var/log/nginx/access.log",
        ),
        (
            '{"t":"2025-12-25T13:00:00+09:00","s":401,"ip":"203.0.113.7","r":"GET /api/me HTTP/1.1"}',
            "log_format (100% sure), laid out as /var/log/nginx/*.json",
        ),
        (COMBINED, "combined (99% sure)"),
    ],
)
def test_a_line_may_have_any_layout_of_nginxs_configuration(run, conf, line, form):
    code, out, err = run("explain", "--line", line, "--nginx-conf", conf)
    assert (code, err) == (0, "")
    facts = _facts(out)
    assert facts["Format"] == form
    assert (facts["path"], facts["status"]) == ("/api/me", "401")


def test_the_layout_of_nginxs_configuration_that_goes_furthest_is_told(run, conf):
    code, out, _ = run("explain", "--line", TIMED.partition("|GET")[0], "--nginx-conf", conf)
    assert code == 0
    assert _facts(out)["Format"] == "none"
    assert "log_format: stops at column 22; a line of it may go on there with |$request" in out


def test_what_else_is_asked_for_counts_before_nginxs_configuration(run, conf):
    facts = _facts(run("explain", "--line", COMBINED, "--nginx-conf", conf, "--format", "common").out)
    assert facts["Format"].startswith("common")
    layout = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
    facts = _facts(run("explain", "--line", COMBINED, "--nginx-conf", conf, "--log-format", layout).out)
    assert facts["Format"] == "log_format (100% sure)"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--nginx-conf", "nginx.conf"), "--nginx-conf and --tz tell how a line is read: name one with --line"),
        (("--line", COMBINED, "--nginx-conf", "nowhere.conf"), "--nginx-conf: nowhere.conf: can't be read"),
    ],
)
def test_a_configuration_that_means_nothing_is_refused(run, conf, arguments, said):
    code, out, err = run("explain", *arguments)
    assert (code, out) == (2, "")
    assert said in err
