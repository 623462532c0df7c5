"""Every wrapper has cases: what is peeled off its lines, and every format inside of it gives the same events."""

from __future__ import annotations

import json
import os
import tomllib
from datetime import UTC, datetime
from functools import cache
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from authforensics.collect import Options, formats
from authforensics.collect.format import Settings
from authforensics.collect.found import Found
from authforensics.collect.layers import Layers
from authforensics.collect.read import Digest, parse
from authforensics.collect.recognize import Match
from authforensics.collect.wrapper import PEELED, wrappers
from authforensics.schema import COLLECTED, Disposition
from collecting import Read, collect

FOLDER = Path(__file__).parent.parent / "cases" / "wrappers"
CASES = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml"))}
LATEST = datetime(2026, 6, 1, tzinfo=UTC)
SETTINGS = Settings(latest=LATEST)
WRAPPED_FORMATS = [name for name, form in formats().items() if form.samples]
AROUND = [name for name, case in CASES.items() if "around" in case]


def _shown(value: object) -> object:
    if hasattr(value, "isoformat"):
        return value.isoformat().replace("+00:00", "Z")
    return round(value, 6) if isinstance(value, float) else value


def _peel(name: str, lines: list[str]) -> pl.DataFrame:
    wrapper = wrappers()[name.partition(".")[0]]
    peel = wrapper.prepare(lines, SETTINGS)
    assert peel is not None
    return peel(pl.Series("line", lines, dtype=pl.String))


@pytest.mark.parametrize("name", CASES)
def test_lines_are_peeled_so(name):
    case = CASES[name]
    peeled = _peel(name, case["lines"])
    assert peeled.schema == pl.Schema(PEELED)
    found = [{key: _shown(value) for key, value in row.items() if value is not None} for row in peeled.to_dicts()]
    assert found == case["peeled"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "joined" in case])
def test_parts_are_joined_in_the_first_of_them(name):
    case = CASES[name]
    wrapper = wrappers()[name.partition(".")[0]]
    peel = wrapper.prepare(case["lines"], SETTINGS)
    assert peel is not None
    lines = Layers().under(wrapper, peel).inside(pl.Series("line", case["lines"]))
    assert lines.to_list() == [None if line == "(part)" else line for line in case["joined"]]


def test_every_wrapper_has_a_case_and_every_case_a_wrapper():
    assert {name.partition(".")[0] for name in CASES} == set(wrappers())


@pytest.mark.parametrize("name", CASES)
def test_the_case_of_a_wrapper_is_complete(name):
    """Five lines at least, and one that is no line of it; colours can stand in any line."""
    assert len(CASES[name]["lines"]) >= 5
    assert name == "ansi" or any("inner" not in peeled for peeled in CASES[name]["peeled"])


@pytest.mark.parametrize("name", wrappers())
def test_a_wrapper_takes_its_own_samples_and_is_called_after_its_module(name):
    wrapper = wrappers()[name]
    assert wrapper.name == name
    for sample in wrapper.samples:
        assert _peel(name, [sample])["inner"].null_count() == 0


@pytest.mark.parametrize("name", WRAPPED_FORMATS)
def test_a_bare_sample_is_not_unwrapped(name):
    (source,) = _bare(tuple(formats()[name].samples)).sources
    assert (source.format, source.wrapper) == (name, None)


def _wrap(name: str, line: str) -> str:
    around = CASES[name]["around"]
    made = {
        "%text%": line,
        "%json%": json.dumps(line),
        "%json_line%": json.dumps(line + "\n"),
        "%object%": line,
        "%csv%": '"' + line.replace('"', '""') + '"',
    }
    for mark, text in made.items():
        around = around.replace(mark, text)
    return around


def _carries(name: str, line: str) -> bool:
    return "%object%" not in CASES[name]["around"] or line.startswith("{")


def _read(path: Path, lines: list[str]) -> Read:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.utime(path, (LATEST.timestamp(),) * 2)
    return collect([path])


@cache
def _bare(lines: tuple[str, ...]) -> Read:
    """What lines say without a wrapper: read once, whatever they are put into."""
    with TemporaryDirectory() as folder:
        return _read(Path(folder) / "bare.log", list(lines))


def _texts(events: pl.DataFrame) -> pl.DataFrame:
    categories = [name for name, dtype in events.schema.items() if isinstance(dtype, pl.Categorical)]
    return events.cast(dict.fromkeys(categories, pl.String)).drop("system", "source", "line_number")


def _instance(name: str) -> str | None:
    """The host, pod or container that a wrapper names, as a case has it."""
    peeled = _peel(name, [*CASES[name].get("before", []), _wrap(name, "hello"), _wrap(name, '{"status":200}')])
    return peeled["instance"].drop_nulls().first()


def _served(bare: Read, wrapped: Read, instance: str | None) -> pl.DataFrame:
    """The events of bare lines; those without an upstream may have the wrapper's instance, and no other."""
    expected, own = _texts(bare.events), _texts(wrapped.events)["upstream"]
    filled = expected["upstream"].is_null() & own.is_in([instance]) if instance else pl.Series([False] * len(own))
    return expected.with_columns(upstream=pl.when(filled).then(pl.lit(instance, pl.String)).otherwise("upstream"))


#: Those few in which each format and each wrapper is met, such of JSON, of text and of tables; the others take long.
_QUICK = {("combined", name) for name in AROUND}
_QUICK |= set(zip(WRAPPED_FORMATS, cycle(("docker", "syslog", "elasticsearch")), strict=False))
_CROSSED = [
    pytest.param(form, name, marks=() if (form, name) in _QUICK else pytest.mark.slow)
    for form in WRAPPED_FORMATS
    for name in AROUND
]


@pytest.mark.parametrize(("form", "name"), _CROSSED)
def test_a_format_inside_of_a_wrapper_gives_the_same_events(form, name, tmp_path):
    lines = [line for line in formats()[form].samples if _carries(name, line)]
    if not lines:
        return
    before = CASES[name].get("before", [])
    bare = _bare(tuple(lines))
    wrapped = _read(tmp_path / "wrapped.log", before + [_wrap(name, line) for line in lines])
    (source,) = wrapped.sources
    assert (source.format, source.wrapper) == (form, name.partition(".")[0])
    assert (source.rejects, source.header) == (bare.sources[0].rejects, bare.sources[0].header + len(before))
    assert_frame_equal(_texts(wrapped.events), _served(bare, wrapped, _instance(name)))


_NESTED = {
    ("kubectl", "cri"): "kubectl > cri",
    ("compose", "timestamp"): "compose > timestamp",
    ("journald", "ansi"): "journald > ansi",
    ("elasticsearch", "fluent_bit"): "elasticsearch > fluent_bit",
    ("kubectl", "cri", "syslog"): "kubectl > cri > syslog",
    ("fluent_bit", "syslog5424"): "fluent_bit > syslog5424",
    ("docker", "loki.text", "ansi"): "docker > ansi > loki",
    ("cloudwatch", "docker"): "cloudwatch > docker",
}


@pytest.mark.parametrize(
    "form", ["combined", *(pytest.param(form, marks=pytest.mark.slow) for form in ("json", "python_logging"))]
)
@pytest.mark.parametrize("names", _NESTED)
def test_wrappers_in_wrappers_are_peeled(names, form, tmp_path):
    lines = list(formats()[form].samples)
    bare = _bare(tuple(lines))
    for name in reversed(names):
        lines = [_wrap(name, line) for line in lines]
    wrapped = _read(tmp_path / "wrapped.log", lines)
    assert (wrapped.sources[0].format, wrapped.sources[0].wrapper) == (form, _NESTED[names])
    # What is nearer to the line counts.
    instance = next(filter(None, map(_instance, reversed(names))), None)
    assert_frame_equal(_texts(wrapped.events), _served(bare, wrapped, instance))


def test_objects_in_objects_count_where_they_tell_of_more_requests(tmp_path):
    called = {"CsMethod": "GET", "CsUriStem": "/api/me", "CIp": "203.0.113.7", "ScStatus": 401, "TimeTaken": 3}
    row = {"time": "2026-03-01T10:02:03.123Z", "category": "AppServiceHTTPLogs", "properties": json.dumps(called)}
    read = _read(tmp_path / "PT1H.json", [json.dumps(row)] * 2)
    (source,) = read.sources
    assert (source.format, source.wrapper) == ("json", "app_service")
    told = read.events.select("kind", "method", "path", "status", "client_ip", "duration_ms", "timestamp")
    time = datetime(2026, 3, 1, 10, 2, 3, 123000, UTC)
    assert told.row(0) == ("request", "GET", "/api/me", 401, "203.0.113.7", 3.0, time)


def test_objects_without_a_time_are_requests_in_what_tells_it(tmp_path):
    line = json.dumps({"method": "GET", "path": "/api/me", "status": 401, "ip": "203.0.113.7"})
    read = _read(tmp_path / "container.log", [_wrap("docker", line)] * 2)
    (source,) = read.sources
    assert (source.format, source.wrapper) == ("json", "docker")
    assert read.events.select("kind", "path", "status").row(0) == ("request", "/api/me", 401)


def test_the_time_of_the_wrapper_counts_where_the_line_has_none(tmp_path):
    read = _read(tmp_path / "app.log", [_wrap("docker", "token expired for user 42"), _wrap("docker", "")])
    (source,) = read.sources
    assert (source.format, source.wrapper, source.events, source.blank) == ("text", "docker", 1, 1)
    (event,) = read.events.select("timestamp", "clock", "message").to_dicts()
    assert event["timestamp"] == datetime(2026, 3, 1, 10, 2, 3, 123456, tzinfo=UTC)
    assert event["message"] == "token expired for user 42"


@pytest.mark.parametrize(
    ("inner", "wrapped", "meant"),
    [
        ("2026-11-24 07:27:22.032", "2026-11-23T22:27:22.033Z", "2026-11-23T22:27:22.032Z"),
        ("2026-11-23 16:57:22.032", "2026-11-23T22:27:22.033Z", "2026-11-23T22:27:22.032Z"),
        ("2026-11-24 04:12:22.032", "2026-11-23T22:27:22.033Z", "2026-11-23T22:27:22.032Z"),
        # A buffer held it.
        ("2026-11-24 07:27:22.032", "2026-11-23T22:39:58.000Z", "2026-11-23T22:27:22.032Z"),
        # The other clock is behind.
        ("2026-11-24 07:27:22.032", "2026-11-23T22:27:01.000Z", "2026-11-23T22:27:22.032Z"),
        ("2026-11-23 22:27:22.032", "2026-11-23T22:27:22.033Z", "2026-11-23T22:27:22.032Z"),
        # Sent on a day later: no zone is that far away.
        ("2026-11-22 22:27:22.032", "2026-11-23T22:27:22.033Z", "2026-11-22T22:27:22.032Z"),
        # It knows its own zone.
        ("2026-11-23 21:27:22.032+00:00", "2026-11-23T22:27:22.033Z", "2026-11-23T21:27:22.032Z"),
    ],
)
def test_the_time_of_the_wrapper_shows_of_which_zone_the_time_of_a_line_is(tmp_path, inner, wrapped, meant):
    read = _read(tmp_path / "app.log", [f"{wrapped} {inner} WARNING app.auth: JWT validation failed"] * 2)
    (source,) = read.sources
    assert (source.format, source.wrapper) == ("python_logging", "timestamp")
    (event,) = read.events.head(1).select("timestamp", "clock").to_dicts()
    assert event["timestamp"] == datetime.fromisoformat(meant)
    assert event["clock"] == pytest.approx(1e-3)


def test_the_clocks_go_back_in_lines_whose_wrapper_knows_the_zone(tmp_path):
    times = (("02:30", "00:30"), ("02:59", "00:59"), ("02:00", "01:00"), ("02:30", "01:30"))
    lines = [
        f"2026-10-25T{utc}:00.123Z 2026-10-25 {local}:00,123 WARNING app.auth: JWT validation failed"
        for local, utc in times
    ]
    told = _read(tmp_path / "app.log", lines).events["timestamp"].dt.strftime("%H:%M")
    assert told.to_list() == [utc for _, utc in times]


def test_a_zone_that_was_given_counts_whatever_the_wrapper_shows(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("2026-03-01T10:00:00.123Z 2026-03-01 10:00:00,123 WARNING app.auth: token expired\n" * 2)
    told = collect([log], Options(tz="Asia/Tokyo")).events["timestamp"].dt.strftime("%H:%M")
    assert told.to_list() == ["01:00"] * 2


@pytest.mark.parametrize("name", ["fluent_bit", "syslog5424", "splunk"])
def test_lines_that_a_collector_read_later_keep_their_times(name, tmp_path):
    lines = [f"2026-03-01 0{hour}:18:00,123 WARNING app.auth: token expired" for hour in range(4, 10)]
    read = _read(tmp_path / "app.log", [_wrap(name, line) for line in lines])
    assert read.sources[0].format == "python_logging"
    assert read.events["timestamp"].dt.strftime("%H:%M").to_list() == [line[11:16] for line in lines]


def test_a_line_in_parts_is_one_event_and_the_other_parts_continue_it(tmp_path):
    line = formats()["combined"].samples[0]
    parts = [
        f"2026-03-01T10:02:03.1Z stdout P {line[:40]}",
        "2026-03-01T10:02:03.2Z stderr F not a line of it",
        f"2026-03-01T10:02:03.3Z stdout P {line[40:60]}",
        f"2026-03-01T10:02:03.4Z stdout F {line[60:]}",
    ]
    read = _read(tmp_path / "cut.log", [_wrap("cri", line)] * 8 + parts)
    (source,) = read.sources
    assert (source.format, source.wrapper) == ("combined", "cri")
    assert (source.events, source.continuations, source.rejects, source.lines) == (9, 2, 1, 12)
    assert read.events["line_number"].to_list() == list(range(1, 10))
    assert read.rejects["line_number"].to_list() == [10]
    assert read.events["user_agent"].n_unique() == 1


def test_a_traceback_in_a_wrapper_continues_its_record(tmp_path):
    lines = [
        "2025-10-03 05:00:12,461 - app.auth - ERROR - refresh failed",
        "Traceback (most recent call last):",
        '  File "a.py", line 1, in f',
        "jwt.exceptions.ExpiredSignatureError: Signature has expired",
    ]
    bare = _read(tmp_path / "bare.log", lines * 2)
    wrapped = _read(tmp_path / "wrapped.log", [_wrap("cri", line) for line in lines * 2])
    (source,) = wrapped.sources
    assert (source.format, source.wrapper, source.continuations) == ("python_logging", "cri", 6)
    assert_frame_equal(_texts(wrapped.events), _texts(bare.events))


@st.composite
def _damaged(draw: st.DrawFn) -> tuple[str, list[str]]:
    name = draw(st.sampled_from(AROUND))
    known = [*CASES[name]["lines"], *(_wrap(name, line) for line in formats()["combined"].samples)]
    made = []
    for line in draw(st.lists(st.sampled_from(known), min_size=1, max_size=10)):
        place = draw(st.integers(0, len(line)))
        put = draw(st.sampled_from(('"', "\\", "{", "[", "\t", "\u2028", "\x85", "\x00", "\x1b", "9" * 30, "P", "\\n")))
        change = draw(st.sampled_from(("none", "none", "cut", "put", "drop", "twice", "other")))
        made.append(
            {
                "none": line,
                "cut": line[:place],
                "put": line[:place] + put + line[place:],
                "drop": line[:place] + line[place + 1 :],
                "twice": line + line,
                "other": draw(
                    st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=20)
                ),
            }[change]
        )
    return name, made


@given(_damaged())
def test_damaged_lines_are_each_accounted_for(damaged: tuple[str, list[str]]) -> None:
    name, made = damaged
    wrapper = wrappers()[name.partition(".")[0]]
    peel = wrapper.prepare([*CASES[name].get("before", []), _wrap(name, formats()["combined"].samples[0])], SETTINGS)
    assert peel is not None
    combined = formats()["combined"]
    parser = combined.prepare(combined.samples, SETTINGS)
    assert parser is not None
    layers = Layers().under(wrapper, peel)
    form, wrapped = layers.around(combined, parser)
    numbers = pl.int_range(1, len(made) + 1, dtype=pl.UInt32, eager=True)
    match = Match(form, wrapped, 1.0, 1 << 20, layers=layers)
    digest = Digest(tuple(COLLECTED), lambda events: events)
    block = parse(
        pl.DataFrame({"line_number": numbers, "line": made}),
        match,
        Found(Path("a.log"), "a.log", "a", named=True),
        digest,
    )
    assert sum(block.counts.values()) == len(made)
    assert set(block.counts) <= {each.value for each in Disposition}
    assert block.rejects["reason"].null_count() == 0
