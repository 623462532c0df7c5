"""A layout that nobody declared is told from its lines: right in every field that it names, or not at all."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authforensics.cli.remarks import remarks
from authforensics.collect import Options, formats
from authforensics.collect.compiled import compile_layout
from authforensics.collect.format import Settings
from authforensics.collect.inference import infer
from authforensics.collect.lay_out import classify
from authforensics.collect.normalize import normalize
from authforensics.errors import BadValue
from authforensics.pipeline import analyze
from collecting import collect

CASES = Path(__file__).parent.parent / "cases" / "formats"
_FIRST = datetime(2025, 12, 25, 4, 0, 9, tzinfo=UTC)
_TIMES = {
    "clf": lambda at: at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
    "iso": lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "milli": lambda at: at.strftime("%Y-%m-%d %H:%M:%S.") + "250+00:00",
    "comma": lambda at: at.strftime("%Y-%m-%d %H:%M:%S") + ",250",
    "epoch": lambda at: f"{at.timestamp():.3f}",
    "millis": lambda at: f"{at.timestamp() * 1000:.0f}",
}
_AGENTS = (
    "curl/8.5.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1",
    "okhttp/4.9.3",
    "-",
)
_PATHS = ("/", "/v1/me", "/v1/orders/17?full=1", "/oauth/token?grant_type=refresh_token&x=a,b", "/a;v=2/b")
_ADDRESSES = ("203.0.113.7", "198.51.100.23", "2001:db8::17", "192.0.2.1")
_QUOTES = (("", ""), ('"', '"'), ("[", "]"))


@st.composite
def _layouts(draw: st.DrawFn) -> tuple[list[str], list[dict[str, object]]]:
    """Lines of a layout made up: fields in any order, quoted, in brackets, with keys, between any separators."""
    separator = draw(st.sampled_from((" ", "|", " | ", "\t", ";", ",", " ; ")))
    called = draw(st.sampled_from(("request", "quoted call", "apart")))
    names = ["time", "address", "status", called]
    names += draw(st.lists(st.sampled_from(("agent", "lasted", "bytes", "word", "level", "dash", "id")), unique=True))
    names = draw(st.permutations(names))
    written = _TIMES[draw(st.sampled_from(sorted(_TIMES)))]
    forms: dict[str, tuple[str, str]] = {}
    for name in names:
        quotes = draw(st.sampled_from(_QUOTES))
        if name in {"agent", "request", "quoted call"} and separator in {" ", ";", ",", " ; "}:
            quotes = ('"', '"')
        elif name in {"apart", "dash"}:
            quotes = ("", "")
        key = draw(st.sampled_from(("", "", f"{_key(name)}=")))
        forms[name] = ((key if name not in {"dash", "apart"} else "") + quotes[0], quotes[1])
    lines, meant = [], []
    for number in range(draw(st.integers(12, 40))):
        at = _FIRST + timedelta(seconds=number * 7)
        method = draw(st.sampled_from(("GET", "POST")))
        path = draw(st.sampled_from(_PATHS))
        if separator in {",", ";", " ; "}:
            path = path.split(separator.strip())[0]
        status = draw(st.sampled_from((200, 401, 403, 204)))
        address = draw(st.sampled_from(_ADDRESSES))
        values = {
            "time": written(at),
            "address": address,
            "status": str(status),
            "request": f"{method} {path} HTTP/1.1",
            "quoted call": f"{method} {path}",
            "apart": f"{method}{separator}{path}",
            "agent": draw(st.sampled_from(_AGENTS)),
            "lasted": f"0.{draw(st.integers(0, 999)):03}",
            "bytes": str(draw(st.integers(0, 90_000))),
            "word": draw(st.sampled_from(("hit", "miss", "eu-west-1"))),
            "level": "INFO",
            "dash": "-",
            "id": f"{number:08x}-0000-4000-8000-{draw(st.integers(0, 16**12 - 1)):012x}",
        }
        lines.append(separator.join(forms[name][0] + values[name] + forms[name][1] for name in names))
        meant.append({"time": at, "client_ip": address, "status": status, "method": method, "path": path.split("?")[0]})
    return lines, meant


def _key(name: str) -> str:
    keys = {
        "time": "ts",
        "address": "client_ip",
        "request": "req",
        "quoted call": "call",
        "agent": "ua",
        "lasted": "rt",
    }
    return keys.get(name, name)


@given(_layouts())
def test_a_layout_is_told_right_or_not_at_all(made):
    lines, meant = made
    form = formats()["inferred"]
    parser = form.prepare(lines, Settings())
    if parser is None:
        return
    frame = pl.LazyFrame({"line": lines}).with_row_index("line_number", offset=1)
    said = classify(normalize(parser(frame), form, "", ""), form).collect()
    events = said.filter(pl.col("disposition") == "event")
    assert events.height >= 0.6 * len(lines)
    for row in events.iter_rows(named=True):
        one = meant[row["line_number"] - 1]
        told = {name: row[name] for name in ("client_ip", "status", "method", "path")}
        assert told == {name: one[name] for name in told}
        assert row["timestamp"].replace(microsecond=0) == one["time"]


def test_most_layouts_are_told():
    made = _examples(_layouts(), 60)
    told = sum(infer(lines) is not None for lines, _ in made)
    assert told >= 0.95 * len(made)


def _examples(strategy, count):
    found = []

    @settings(max_examples=count, database=None, derandomize=True)
    @given(strategy)
    def keep(made):
        found.append(made)

    keep()
    return found


@given(_layouts())
def test_a_layout_that_is_pinned_says_the_same(made):
    lines, _ = made
    inferred = infer(lines)
    if inferred is not None:
        assert compile_layout(inferred.text) == inferred.layout


@given(_layouts(), st.data())
def test_damaged_lines_are_events_or_rejects(made, data):
    lines, _ = made
    damaged = [data.draw(_damage(line)) for line in lines]
    form = formats()["inferred"]
    for sample in (lines, damaged):
        parser = form.prepare(sample, Settings())
        if parser is not None:
            frame = pl.LazyFrame({"line": damaged}).with_row_index("line_number", offset=1)
            said = classify(normalize(parser(frame), form, "", ""), form).collect()
            assert said.height == len(lines)
            assert said.filter((pl.col("disposition") == "reject") & pl.col("reason").is_null()).is_empty()


@st.composite
def _damage(draw, line):
    place, put = (
        draw(st.integers(0, len(line))),
        draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=3).filter(lambda text: "\n" not in text)),
    )
    forms = (line, line, line[:place], line + line, line[:place] + put + line[place:], line[place:], "")
    return draw(st.sampled_from(forms))


_SERVICE = tomllib.loads((CASES / "inferred.services.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("lasted", "told"), [("115.7{}7", 115.717), ("0.01{}", 11.0)])
def test_the_unit_of_a_duration_is_that_which_is_said(lasted, told, tmp_path):
    line = '203.0.113.7 - u-1 01/Mar/2026:10:02:0{0} +0000 "POST /oauth/token" 200 /index.php {1} 50.00%\n'
    log = tmp_path / "fpm.log"
    log.write_text("".join(line.format(number, lasted.format(number)) for number in range(1, 10)))
    read = collect([log])
    assert read.events["duration_ms"][0] == pytest.approx(told)
    assert [unit.unit for unit in read.sources[0].units if unit.kind == "duration"] == ["ms" if told > 100 else "s"]


LAYOUTS = {
    "Flask": '203.0.113.7 - - [25/Dec/2025 13:00:0{0}] "POST /oauth/token HTTP/1.1" 401 -',
    "Django": '[25/Dec/2025 13:00:0{0}] "POST /oauth/token HTTP/1.1" 401 58',
    "chi": '2025/12/25 13:00:0{0} [web/a-{0}] "POST http://a.example/oauth/token HTTP/1.1" from 203.0.113.7:5 - 401 12B in 8ms',
    "oauth2-proxy": '203.0.113.7:59034 - a-{0} - u [2025/12/25 13:00:0{0}] a.example POST / "/oauth/token?a={0}" HTTP/1.1'
    ' "Shop/3.4" 401 12 0.116',
    "Go": "2025/12/25 13:00:0{0} 203.0.113.7 POST /oauth/token 401 115.747ms",
}


@pytest.mark.parametrize("product", LAYOUTS)
def test_times_with_slashes_and_without_zones_are_told(product, tmp_path):
    log = tmp_path / "app.log"
    log.write_text("".join(LAYOUTS[product].format(number) + "\n" for number in range(10)))
    read = collect([log])
    assert read.sources[0].format == "inferred"
    assert read.events.select("method", "path", "status").unique().rows() == [("POST", "/oauth/token", 401)]
    assert read.events["timestamp"].dt.strftime("%F %T").to_list() == [f"2025-12-25 13:00:0{n}" for n in range(10)]


def test_how_to_pin_a_layout_is_said(tmp_path):
    log = tmp_path / "service.log"
    log.write_text("\n".join(_SERVICE["lines"]), encoding="utf-8")
    document = analyze(log).document
    (source,) = document.sources
    (said,) = [remark for remark in remarks(document) if "--log-format" in remark]
    assert source.log_format is not None
    assert said.endswith(f"pin it: --log-format '{source.log_format}'")
    pinned = collect([log], Options(log_format=source.log_format))
    # What wrote a line is called after the format, too.
    assert pinned.events.drop("origin").equals(collect([log]).events.drop("origin"))
    assert (pinned.sources[0].format, pinned.sources[0].confidence > source.confidence) == ("log_format", True)


@pytest.mark.parametrize(
    "line",
    [
        "2025-12-25 13:00:{:02} INFO worker {} took 200 jobs from the queue of 203.0.113.7",
        "2025-12-25 13:00:{:02} GET /a {}",
        "GET /a 200 203.0.113.7 {} {}",
        "{} {}",
        '{{"time": "2025-12-25 13:00:{:02}", "status": 200, "path": "/a", "n": {}}}',
        '\t|;, {} {} [ ( "',
    ],
)
def test_lines_without_time_status_and_request_are_left_alone(line):
    assert infer([line.format(number, number) for number in range(10, 40)]) is None


def test_two_numbers_that_may_be_the_status_are_told_by_their_place_or_not_at_all():
    beside = [f'2025-12-25T13:00:{n:02}Z {200 + n % 5} "GET /a HTTP/1.1" {401 + n % 3} end' for n in range(30)]
    assert infer(beside).text == '$time_iso8601 $ignored "$request" $status $ignored'
    apart = [f'{200 + n % 5} 2025-12-25T13:00:{n:02}Z {401 + n % 3} "GET /a HTTP/1.1"' for n in range(30)]
    assert infer(apart) is None


def test_no_text_of_a_line_that_may_be_secret_is_in_the_layout():
    lines = [f'2025-12-25T13:00:{n:02}Z eyJhbGciOiJIUzI1NiJ9.e30.abcdefgh "GET /a HTTP/1.1" 401' for n in range(30)]
    assert infer(lines).text == '$time_iso8601 $ignored "$request" $status'


def test_a_line_that_takes_long_is_not_looked_at():
    assert infer(["[" * 100_000, '"\\' * 1_000_000]) is None


@pytest.mark.parametrize("line", ["[(" * 900, '"\\' * 990, "a=" * 900, "1," * 900, " " * 1900])
def test_hostile_lines_take_no_time(line):
    assert infer([line] * 150) is None


def test_spaces_around_a_separator_are_none_of_the_value():
    layout = compile_layout("$time_iso8601 | $http_user_agent | $status")
    match = re.match(layout.pattern, "2025-12-25 13:00:09 | Shop 3 (iOS) | 401")
    assert match.groups() == ("2025-12-25 13:00:09", "Shop 3 (iOS)", "401")


def test_what_a_later_version_adds_behind_is_accepted():
    pattern = compile_layout('$msec $status "$request"').pattern
    assert re.match(pattern, '1766638809.123 401 "GET / HTTP/1.1" hit 3')
    assert not re.match(pattern, '1766638809.123 401 "GET / HTTP/1.1"hit')


def test_a_log_that_begins_and_ends_within_a_line_has_the_layout_of_the_others():
    lines = [f'[2025-12-25 13:00:{second:02},250] status=200 "GET /v1/me HTTP/1.1" took 3ms' for second in range(12)]
    told = infer(lines)
    cut = infer([lines[0][20:], *lines[1:-1], lines[-1][:40]])
    assert told is not None
    assert cut is not None
    assert cut.text == told.text


def test_a_layout_without_status_is_still_refused():
    with pytest.raises(BadValue, match="status"):
        compile_layout("$time_iso8601 | $request")
