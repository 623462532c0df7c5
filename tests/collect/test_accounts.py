"""Every line has one disposition, times mean what they say, and secrets of queries stay outside."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from authforensics.collect import Options, formats
from authforensics.collect.lay_out import classify
from authforensics.collect.normalize import normalize
from authforensics.collect.recognize import recognize
from authforensics.errors import NothingReadable
from authforensics.schema import COLLECTED, REJECTS, TIMESTAMP
from collecting import collect
from examples import examples

COMBINED = '203.0.113.7 - - [25/Dec/2025:{} +0900] "GET /api/me HTTP/1.1" 200 5 "-" "curl/8.5.0"\n'
PYTHON = "2025-12-25 {},000 - app.auth - WARNING - refused\n"


def write(tmp_path, text: str, name: str = "a.log"):
    (tmp_path / name).write_text(text)
    return tmp_path


def test_frames_have_exactly_the_columns_of_the_schema(tmp_path):
    collected = collect([write(tmp_path, COMBINED.format("13:00:00") + "?\n")])
    assert dict(collected.events.schema) == COLLECTED
    assert dict(collected.rejects.schema) == REJECTS


def test_a_source_accounts_for_all_of_its_lines(tmp_path):
    text = "#header\n\n" + COMBINED.format("13:00:00") * 3 + "bad password=hunter2\n" * 2
    (source,) = collect([write(tmp_path, text)]).sources
    assert (source.events, source.rejects, source.blank, source.header) == (3, 2, 1, 1)
    assert source.lines == source.accounted == 7
    assert [sample.line_number for sample in source.reject_samples] == [6, 7]
    assert all("hunter2" not in sample.text for sample in source.reject_samples)


def test_reject_samples_are_three_at_most(tmp_path):
    (source,) = collect([write(tmp_path, COMBINED.format("13:00:00") * 9 + "bad\n" * 9)]).sources
    assert len(source.reject_samples) == 3


@pytest.mark.parametrize(
    ("text", "tz", "zone", "hour"),
    [
        (COMBINED.format("13:00:00"), None, "+09:00", 4),
        (COMBINED.format("13:00:00"), "Europe/Paris", "+09:00", 4),
        (PYTHON.format("13:00:00"), None, "UTC (assumed)", 13),
        (PYTHON.format("13:00:00"), "Asia/Tokyo", "Asia/Tokyo", 4),
        ("[25-Dec-2025 13:00:00 Asia/Tokyo] x\n", None, "Asia/Tokyo", 4),
        ("[25-Dec-2025 13:00:00 Asia/Tokyo] x\n[25-Dec-2025 13:00:00 UTC] x\n", None, "mixed", 4),
        ('{"time":1766635200000,"msg":"x"}\n', None, "epoch", 4),
    ],
)
def test_the_zone_of_a_source_is_said(tmp_path, text, tz, zone, hour):
    collected = collect([write(tmp_path, text)], Options(tz=tz))
    assert collected.sources[0].timezone == zone
    assert collected.events["timestamp"][0].hour == hour


@pytest.mark.parametrize(
    ("written", "micros"),
    [
        ("1766635200", 0),
        ("1766635200.25", 250_000),
        ("1766635200250", 250_000),
        ("1766635200250125", 250_125),
        ("1766635200250125999", 250_125),
        ("1.76663520025e9", 250_000),
        ('"1766635200.250"', 250_000),
        ('"2025-12-25T04:00:00.250125999Z"', 250_125),
        ('"2025-12-25 13:00:00,25+0900"', 250_000),
        ('"25/Dec/2025:13:00:00 +0900"', 0),
    ],
)
def test_times_are_read_in_every_magnitude_and_notation(tmp_path, written, micros):
    text = f'{{"time":{written},"status":200,"method":"GET","path":"/"}}\n'
    (moment,) = collect([write(tmp_path, text)]).events["timestamp"]
    assert moment == datetime(2025, 12, 25, 4, 0, 0, micros, tzinfo=UTC)


def test_since_and_until_filter_and_the_rest_is_counted(tmp_path):
    write(tmp_path, "".join(COMBINED.format(f"{hour}:00:00") for hour in (10, 11, 12, 13)))
    absolute = collect([tmp_path], Options(since="2025-12-25T11:00+09:00", until="2025-12-25T03:00:00Z"))
    assert absolute.events["timestamp"].dt.hour().to_list() == [2, 3]
    (source,) = absolute.sources
    assert (source.events, source.filtered, source.lines, source.records) == (2, 2, 4, 4)
    assert source.first_seen == datetime(2025, 12, 25, 2, tzinfo=UTC)
    assert collect([tmp_path], Options(since="90m")).events.height == 2
    assert collect([tmp_path], Options(since="1h30m", tz="UTC")).events.height == 2
    assert collect([tmp_path], Options(until="2025-12-25T11:00", tz="Asia/Tokyo")).events.height == 2
    assert collect([tmp_path], Options(since="now-2h")).events.height == 0


def test_before_the_last_event_means_that_of_all_inputs(tmp_path):
    write(tmp_path, COMBINED.format("10:00:00"), "a.log")
    write(tmp_path, COMBINED.format("12:00:00"), "b.log")
    assert collect([tmp_path], Options(since="1h")).events["source"].to_list() == ["b.log"]


def test_the_start_follows_from_end_and_duration_and_the_end_from_start(tmp_path):
    nginx = '{"msec":"1766635200.500","request_time":"0.250","status":"200","request_uri":"/"}\n'
    envoy = '{"start_time":"2025-12-25T04:00:00.250Z","duration":250,"response_code":200,"path":"/"}\n'
    bare = '{"start_time":"2025-12-25T04:00:00.250Z","response_code":200,"path":"/"}\n'
    for text in (nginx, envoy):
        event = collect([write(tmp_path, text)]).events
        assert event["timestamp"].dt.microsecond().item() == 500_000
        assert event["started_at"].dt.microsecond().item() == 250_000
    event = collect([write(tmp_path, bare)]).events
    assert event["timestamp"].item() == event["started_at"].item()


def test_no_token_of_a_query_or_path_is_in_any_column(tmp_path):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl"
    targets = (
        f"/a?access_token={token}&action=save",
        f"/reset/{token}/now",
        f"/a?action={token}",
        "/a;jsessionid=S3SS10N?action=x",
        f"https://user:S3SS10N@shop.example/a?code={token}#access_token={token}",
        f"/a?service=https%3A%2F%2Fshop%3Fticket%3D{token}",
    )
    text = "".join(COMBINED.format("13:00:00").replace("/api/me", target) for target in targets)
    events = collect([write(tmp_path, text)]).events
    assert events.height == len(targets)
    written = events.write_ndjson()
    assert "eyJ" not in written
    assert "S3SS10N" not in written
    assert events["action"].to_list()[:2] == ["action=save", None]


def test_an_action_keeps_its_fields_in_order_and_is_cut(tmp_path):
    text = COMBINED.format("13:00:00").replace("/api/me", "/x?op=a&id=5&do=b&op=" + "c" * 99)
    assert collect([write(tmp_path, text)]).events["action"].item() == "op=a&do=b&op=" + "c" * 64


def test_a_key_that_changes_its_type_spoils_no_other_line(tmp_path):
    good = '{"time":1766635200,"status":200,"path":"/","err":{"message":"x"}}\n'
    odd = '{"time":1766635200,"status":[1],"path":{"a":1},"err":"x","msg":7}\n'
    collected = collect([write(tmp_path, good * 5 + odd + good * 5)])
    assert collected.events["status"].to_list() == [200] * 5 + [None] + [200] * 5


def test_lines_that_would_join_into_one_json_text_stay_apart(tmp_path):
    good = '{"time":1766635200,"status":200,"path":"/"}\n'
    split = '{"time":1766635200,"path":"\n","status":200}\n{"time":1,"status":1},{"time":2,"status":2}\n'
    collected = collect([write(tmp_path, good * 5 + split + good)])
    assert collected.events["line_number"].to_list() == [1, 2, 3, 4, 5, 9]


GOOD = {name: form.samples for name, form in formats().items() if form.samples}


@st.composite
def mutated(draw) -> tuple[str, list[str]]:
    """Lines of one format, some of them cut, doubled, blank or with a piece of something else inside."""
    name = draw(st.sampled_from(sorted(GOOD)))
    lines = []
    for line in draw(st.lists(st.sampled_from(GOOD[name]), min_size=1, max_size=6)):
        place = draw(st.integers(0, len(line)))
        text = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=8)
        junk = draw(st.one_of(text, st.sampled_from(["", '"', "\\", "{", "[[", "\t", "99:99:99", "\x00", "\r", "}{"])))
        kept = draw(st.sampled_from([line[place:], "", line[place + 1 :]]))
        lines.append(draw(st.sampled_from([line, line[:place] + junk + kept])))
    return name, lines


@given(mutated())
@examples(1, [HealthCheck.too_slow])
def test_mutated_lines_raise_nothing_and_have_one_disposition_each(case):
    name, lines = case
    form = formats()[name]
    match = recognize(lines, Options().settings(), only=name)
    if match is None:
        return
    frame = pl.LazyFrame(
        {"line_number": range(1, len(lines) + 1), "line": lines}, schema={"line_number": pl.UInt32, "line": pl.String}
    )
    laid = classify(normalize(match.parser(frame), form, "s", "f"), form).collect()
    assert laid["line_number"].to_list() == list(range(1, len(lines) + 1))
    assert laid["disposition"].null_count() == 0
    events = laid.filter(pl.col("disposition") == "event")
    assert events["timestamp"].null_count() == 0
    assert events.schema["timestamp"] == TIMESTAMP
    rejects = laid.filter(pl.col("disposition") == "reject")
    assert rejects["reason"].null_count() == 0


def test_no_line_at_all_is_not_an_answer(tmp_path):
    with pytest.raises(NothingReadable):
        collect([write(tmp_path, "nothing\n")])
