"""Which unit a number is taken in, and what says so, is told for each file; and it is the one that is used."""

from __future__ import annotations

import io
import json

import polars as pl
import pytest
from rich.console import Console, RenderableType

from authforensics.collect import Options
from authforensics.collect.units import duration_unit, time_unit
from authforensics.document import Document, Unit
from authforensics.pipeline import analyze
from authforensics.report import console
from collecting import collect


@pytest.mark.parametrize(
    ("keys", "values", "unit", "how"),
    [
        (["duration_ms"], ["4321987"], "ms", "name"),
        (["Duration"], ["12"], "ns", "name"),
        (["start_time", "duration"], ["60000000"], "ms", "name"),
        (["duration"], ["12000000", "34000000"], "ns", "values"),
        (["duration"], ["0.012", "0.034"], "s", "values"),
        (["duration"], ["0.123456", "0.008294000000000001", "0.4157"], "s", "values"),
        (["duration"], ["0.123456", "0.098765", "0.4157", "7.654321"], "ms", "assumed"),
        (["duration"], ["12", "34"], "ms", "assumed"),
        (["request_time"], ["12", "34"], "ms", "values"),
        (["request_time"], ["0", "-", ""], "s", "assumed"),
        (["duration"], [], "ms", "assumed"),
        (["latency"], ["12ms", "850ms"], "ms", "values"),
        (["latency"], ["1.2ms", "850µs"], None, "values"),
        (["latency"], ["850 \N{GREEK SMALL LETTER MU}s"], "us", "values"),
        (["meta.responseTime"], ["0", "7"], "ms", "name"),
        (["httpRequest.latency"], ["0.0123s"], "s", "values"),
    ],
)
def test_what_a_duration_is_taken_in_and_why(keys, values, unit, how):
    assert duration_unit(keys, {keys[-1]: values}) == Unit(field=keys[-1], kind="duration", unit=unit, how=how)


def test_names_that_are_defined_need_no_values():
    assert duration_unit(["request_time"], None) == Unit(field="request_time", kind="duration", unit="s", how="name")
    assert duration_unit(["status"], {}) is None


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (["1766635200"], "s"),
        (["1766635200.123"], "s"),
        (["1766635200123"], "ms"),
        (["1766635200123456"], "us"),
        (["1766635200123456789"], "ns"),
        (["1766635200", "1766635200123"], None),
    ],
)
def test_what_a_time_since_1970_is_taken_in(values, unit):
    assert time_unit("ts", values) == Unit(field="ts", kind="time", unit=unit, how="values")


@pytest.mark.parametrize("value", ["2025-12-25T13:00:09Z", "20251225130009", "12345678", "", "-"])
def test_other_times_have_no_unit(value):
    assert time_unit("ts", [value]) is None


_JSON = [json.dumps({"ts": 1766635200123, "method": "GET", "path": "/a", "status": 200, "duration": lasted * 1_000_000})
         for lasted in (12, 34)]  # fmt: skip
_CSV = "Timestamp,Method,Path,Status,{}\n2025-12-25T13:00:09Z,GET,/a,200,{}\n2025-12-25T13:00:10Z,GET,/a,401,{}\n"
_W3C = "#Fields: date time c-ip cs-method cs-uri-stem sc-status {}time-taken\n" + "".join(
    f"2025-12-25 13:00:{second:02} 203.0.113.7 GET /a 200 {{}}{{}}\n" for second in (9, 10)
)
_OWN = "".join(
    f'2025-12-25T13:00:{second:02}Z | 203.0.113.{second} | "GET /a HTTP/1.1" | 200 | rt={{}}\n' for second in range(10)
)


@pytest.mark.parametrize(
    ("text", "field", "unit", "how"),
    [
        ("\n".join(_JSON), "duration", "ns", "values"),
        ("\n".join([*_JSON, "no JSON"]), "duration", "ns", "values"),
        (_CSV.format("Duration", "0.012", "0.034"), "Duration", "s", "values"),
        (_CSV.format("Duration", "12000000", "34000000"), "Duration", "ns", "values"),
        (_CSV.format("Time Taken (ms)", "12", "34"), "Time Taken (ms)", "ms", "name"),
        (_CSV.format("Duration (s)", "0.012", "0.034"), "Duration (s)", "s", "name"),
        (_CSV.format("Elapsed", "12", "34"), "Elapsed", "ms", "assumed"),
        (_W3C.format("", "", "12", "", "34"), "time-taken", "ms", "name"),
        (_W3C.format("", "", "0.012", "", "0.034"), "time-taken", "s", "values"),
        (_W3C.format("", "", "12.0", "", "34.0").replace("time-taken", "time-taken cs-version").replace(".0\n", " HTTP/2\n"),
         "time-taken", "ms", "name"),
        (_W3C.format("x-edge-location ", "X ", "0.012", "X ", "0.034"), "time-taken", "s", "name"),
        (_OWN.format(*[12, 34] * 5), "duration_ms", "ms", "name"),
        (_OWN.format(*["0.012", "0.034"] * 5), "request_time", "s", "values"),
        (_OWN.format(*[12000, 34000] * 5), "request_time_us", "us", "name"),
        (
            "".join(f"time:2025-12-25T13:00:09Z\thost:203.0.113.9\treq:GET /a HTTP/1.1\tstatus:200\treqtime:0.0{n}\n"
                    for n in (12, 34)),
            "reqtime", "s", "name",
        ),
        (
            "".join(f'at=info method=GET path="/" dyno=web.1 connect=1ms service={n}ms status=401 time=2025-12-25T13:00Z\n'
                    for n in (12, 34)).replace("00Z", "00:09Z"),
            "service", "ms", "values",
        ),
    ],
)  # fmt: skip
def test_what_is_told_is_what_is_used(tmp_path, text, field, unit, how):
    (tmp_path / "a.log").write_text(text)
    read = collect([tmp_path])
    (source,) = read.sources
    assert Unit(field=field, kind="duration", unit=unit, how=how) in source.units
    assert read.events["duration_ms"].unique().drop_nulls().sort().to_list() == pytest.approx([12, 34])


def test_the_unit_of_a_pinned_layout_is_the_one_it_was_inferred_with(tmp_path):
    (tmp_path / "a.log").write_text(_OWN.format(*[12, 34] * 5))
    inferred = collect([tmp_path])
    pinned = collect([tmp_path], Options(log_format=inferred.sources[0].log_format))
    assert pinned.events["duration_ms"].to_list() == inferred.events["duration_ms"].to_list() == [12, 34] * 5


def test_a_wrapped_file_and_a_table_tell_their_units_too(tmp_path):
    wrapped = [json.dumps({"log": line + "\n", "stream": "stdout", "time": "2025-12-25T13:00:10Z"}) for line in _JSON]
    (tmp_path / "a.log").write_text("\n".join(wrapped))
    pl.DataFrame([json.loads(line) for line in _JSON]).write_parquet(tmp_path / "b.parquet")
    units = {Unit(field="duration", kind="duration", unit="ns", how="values"),
             Unit(field="ts", kind="time", unit="ms", how="values")}  # fmt: skip
    assert [{*source.units} for source in collect([tmp_path]).sources] == [units, units]


def test_formats_that_fix_their_units_leave_nothing_to_tell(tmp_path):
    (tmp_path / "a.log").write_text('203.0.113.7 - - [25/Dec/2025:13:00:09 +0900] "GET /a HTTP/1.1" 401 5 "-" "-"\n')
    assert collect([tmp_path]).sources[0].units == ()


def test_the_document_has_the_units_and_loads_them_back(tmp_path):
    (tmp_path / "a.log").write_text("\n".join(_JSON))
    document = analyze(tmp_path).document
    assert [unit.field for unit in document.sources[0].units] == ["duration", "ts"]
    assert Document.from_json(document.to_json()).sources == document.sources
    text = "Units\na.log  duration: nanoseconds, as its values tell; ts: milliseconds since 1970, as its digits tell\n"
    assert text in _shown(console.render(document, verbose=1))
    assert "Units" not in _shown(console.render(document))


def _shown(summary: RenderableType) -> str:
    terminal = Console(width=120, record=True, file=io.StringIO())
    terminal.print(summary)
    return "\n".join(line.rstrip() for line in terminal.export_text().splitlines()) + "\n"
