"""What the Python call takes, and how it sits with the configuration file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from authforensics import timelines
from authforensics.config import Config
from authforensics.correlate import Options, correlate
from authforensics.document import Device
from authforensics.errors import BadValue, UnknownName
from authforensics.pipeline import analyze
from past import history_of
from script import ENDPOINTS, play

SAMPLES = Path(__file__).parent.parent / "sample_logs"
LINE = '192.0.2.1 [01/Mar/2026:10:00:00 +0000] "GET /a HTTP/1.1" 401\n'
LAYOUT = '$remote_addr [$time_local] "$request" $status'


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "access.log"
    path.write_text(LINE * 3)
    return path


def test_a_layout_that_is_given_beats_the_format_of_the_file(log):
    document = analyze(log, log_format=LAYOUT, config=Config(format="combined")).document
    assert [(source.format, source.events) for source in document.sources] == [("log_format", 3)]


def test_a_format_that_is_given_beats_the_layout_of_the_file(log):
    log.write_text(LINE.replace("[01", "- - [01").replace("401", "401 7"))
    document = analyze(log, format="common", config=Config(log_format=LAYOUT)).document
    assert [source.format for source in document.sources] == ["common"]


def test_layout_and_format_exclude_each_other(log):
    with pytest.raises(BadValue, match="exclude each other"):
        analyze(log, log_format=LAYOUT, format="combined")


@pytest.mark.parametrize("layout", ["", "$foo"])
def test_a_layout_without_time_and_status_is_refused(log, layout):
    with pytest.raises(BadValue):
        analyze(log, log_format=layout)


def test_a_timeline_is_complete_and_names_the_nearest_device(log):
    log.write_text(LINE.replace("[01", "- - [01").replace("401", "401 7") * 900)
    analysis = analyze(log)
    (device,) = analysis.events["device_id"].unique()
    figure = analysis.timeline(device)
    assert sum(len(trace.x) for trace in figure.data if trace.type == "scatter") >= 900
    with pytest.raises(UnknownName, match="did you mean"):
        analysis.timeline(device[:-1])


def told(document) -> str:
    """The document without what may differ between two ways to hand over the same log."""
    data = json.loads(document.to_json())
    del data["run"], data["sources"]
    for system in data["systems"]:
        del system["sources"]
    return json.dumps(data).replace(".gz", "")


@pytest.mark.slow
def test_neither_order_nor_compression_of_the_files_changes_what_is_found(tmp_path):
    sample = SAMPLES / "incident-1-secret-mismatch"
    logs = sorted(path for path in sample.iterdir() if "log" in path.name)
    expected = told(analyze(logs).document)
    assert told(analyze(logs[::-1]).document) == expected
    plain = tmp_path / sample.name
    plain.mkdir()
    for path in logs:
        data = path.read_bytes()
        (plain / path.name.removesuffix(".gz")).write_bytes(gzip.decompress(data) if path.suffix == ".gz" else data)
    assert told(analyze(plain).document) == expected


def test_the_marks_of_the_sickest_device_stay_within_their_number():
    calls = [f"{10 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02} a api_{{}}" for number in range(3000)]
    script = "\n".join(call.format("denied" if number < 1500 else "ok") for number, call in enumerate(calls))
    sessions = correlate(play(script), Options(endpoints=ENDPOINTS)).sessions
    sick = Device(
        system="case", device_id="a", platform=None, app_version=None, events=3000, state="authenticated", findings=()
    )
    marks = timelines.marks_of(timelines.trails(history_of(sessions), [sick]), [])
    kinds = marks["auth_event"].cast(pl.String).to_list()
    assert (kinds.count("api_denied"), kinds.count("api_ok")) == (450, 150)
    assert marks["omitted"].unique().to_list() == [2400]
