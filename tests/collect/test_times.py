"""Every notation of a time: the moment it means, what it says of its zone, and how fine it is."""

from __future__ import annotations

import calendar
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics import analyze
from authforensics.cli.sources import reading
from authforensics.collect import Options, discover
from authforensics.collect.found import Found
from authforensics.collect.notations import restated
from authforensics.collect.rivals import looked_at
from authforensics.collect.times import read_any
from authforensics.config import load
from collecting import collect

AT = datetime(2025, 12, 25, 13, 0, 9, tzinfo=UTC)
TOKYO = AT - timedelta(hours=9)
MILLI, MICRO = timedelta(milliseconds=123), timedelta(microseconds=123_456)


def read(*texts, tz=None, sample=None):
    lines = pl.LazyFrame({"text": list(texts)}, schema={"text": pl.String})
    return (
        read_any(lines, pl.col("text"), tz, texts[0] if sample is None else sample)
        .select("time", "zone", "clock")
        .collect()
    )


NOTATIONS = {
    # Cloudflare's three; ISO 8601 with what writers make of it.
    "2025-12-25T13:00:09Z": (AT, "+0000", 1),
    "1766667609": (AT, "epoch", 1),
    "1766667609123000000": (AT + MILLI, "epoch", 1e-6),
    "1766667609123": (AT + MILLI, "epoch", 1e-3),
    "1766667609123456": (AT + MICRO, "epoch", 1e-6),
    "1766667609.123": (AT + MILLI, "epoch", 1e-3),
    "1.766667609123e9": (AT + MILLI, "epoch", 1e-6),
    "2025-12-25 13:00:09,123": (AT + MILLI, "naive", 1e-3),
    "2025-12-25T13:00:09.1234567Z": (AT + MICRO, "+0000", 1e-6),
    "2025-12-25T13:00:09.123456789+09:00": (TOKYO + MICRO, "+0900", 1e-6),
    "2025-12-25 13:00:09 UTC": (AT, "+0000", 1),
    "2025-12-25T13:00Z": (AT - timedelta(seconds=9), "+0000", 1),
    "20251225T130009.123Z": (AT + MILLI, "+0000", 1e-3),
    "20251225130009": (AT, "naive", 1),
    # CLF, with a fraction and without a zone as Apache can be told to.
    "25/Dec/2025:13:00:09 +0900": (TOKYO, "+0900", 1),
    "[25/Dec/2025:13:00:09.123456 +0900]": (TOKYO + MICRO, "+0900", 1e-6),
    "25/Dec/2025:13:00:09": (AT, "naive", 1),
    # Mail and HTTP.
    "Thu, 25 Dec 2025 13:00:09 GMT": (AT, "+0000", 1),
    "Thu, 25 Dec 2025 13:00:09 +0900": (TOKYO, "+0900", 1),
    # C's asctime, with the fraction of Apache's error log; Java's Date.
    "Thu Dec 25 13:00:09 2025": (AT, "naive", 1),
    "[Thu Dec 25 13:00:09.123456 2025]": (AT + MICRO, "naive", 1e-6),
    "Thu Dec 25 13:00:09 UTC 2025": (AT, "+0000", 1),
    # Go, nginx's error log.
    "2025/12/25 13:00:09": (AT, "naive", 1),
    "2025/12/25 13:00:09.123456": (AT + MICRO, "naive", 1e-6),
    "2025-12-25 13:00:09.123456789 +0900 JST m=+0.000012": (TOKYO + MICRO, "+0900", 1e-6),
    "2025-12-25 13:00:09 +0000 +0000": (AT, "+0000", 1),
    # The JVM: java.util.logging, Tomcat, log4j, ZonedDateTime.
    "Dec 25, 2025 1:00:09 PM": (AT, "naive", 1),
    "Dec 25, 2025, 1:00:09\u202fPM": (AT, "naive", 1),
    "25-Dec-2025 13:00:09.123": (AT + MILLI, "naive", 1e-3),
    "25 Dec 2025 13:00:09,123": (AT + MILLI, "naive", 1e-3),
    "2025-12-25T13:00:09.123+09:00[Asia/Tokyo]": (TOKYO + MILLI, "+0900", 1e-3),
    # .NET, as Azure exports it; Kibana; where the day comes first.
    "12/25/2025 1:00:09 PM": (AT, "naive", 1),
    "Dec 25, 2025 @ 13:00:09.123": (AT + MILLI, "naive", 1e-3),
    "25.12.2025 13:00:09": (AT, "naive", 1),
}


@pytest.mark.parametrize(("text", "expected"), NOTATIONS.items(), ids=NOTATIONS)
def test_each_notation_means_its_moment(text, expected):
    moment, zone, clock = expected
    found = read(text)
    assert found.rows() == [(moment, zone, pytest.approx(clock))]
    # The same where the file's other times look otherwise, or none is known.
    for sample in ("25/Dec/2025:13:00:09 +0900", "1766667609", "2025-12-25T13:00:09Z", ""):
        assert read(text, sample=sample).equals(found)


@pytest.mark.parametrize("text", [text for text, (_, zone, _) in NOTATIONS.items() if zone == "naive"])
def test_only_naive_times_follow_the_zone(text):
    (moment,) = read(text, tz="Asia/Tokyo")["time"]
    assert moment == NOTATIONS[text][0] - timedelta(hours=9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "now",
        "12/25/2025 13:00:09",  # day or month first: nothing tells
        "2025-12-25 13:00:09 CST",  # several places' zone
        "1/9/2007 13:41:00 PM",
        "1/9/2007 0:41:00 AM",
        "25 déc. 2025 13:00:09",
        "31 Feb 2025 13:00:09",
        "25 Dex 2025 13:00:09",
        "Dec 25 13:00:09",  # without a year: only syslog's own reader knows which
        "2025-13-25T13:00:09Z",
        "20251325T130009Z",
        "99999999999999999999",
    ],
)
def test_what_is_no_known_time_is_none(text):
    assert read(text)["time"].to_list() == [None]


@pytest.mark.parametrize("month", range(1, 13))
def test_months_have_english_names_whatever_the_locale(month):
    name = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[month - 1]
    moment = datetime(2025, month, 3, 4, 5, 6, tzinfo=UTC)
    day = calendar.day_abbr[moment.weekday()]
    texts = (f"{day} {name}  3 04:05:06 2025", f"{day}, 03 {name} 2025 04:05:06 GMT", f"03/{name}/2025:04:05:06 +0000")
    assert [read(text)["time"][0] for text in texts] == [moment] * 3


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_any_moment_is_read_again_from_each_notation(moment):
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    hour, half = moment.hour % 12 or 12, "AM" if moment.hour < 12 else "PM"
    written = [
        f"{moment:%a, %d %b %Y %H:%M:%S} GMT",
        f"{moment:%a %b} {moment.day:>2} {moment:%H:%M:%S %Y}",
        f"{moment:%Y/%m/%d %H:%M:%S}",
        f"{moment:%b} {moment.day}, {moment.year} {hour}:{moment:%M:%S} {half}",
        f"{moment.month}/{moment.day}/{moment.year} {hour}:{moment:%M:%S} {half}",
        f"{moment:%d-%b-%Y %H:%M:%S}",
    ]
    assert read(*written)["time"].to_list() == [moment] * len(written)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text):
    assert len(restated(pl.Series([text]))) == read(text, sample="").height == 1


def test_both_of_azures_notations_are_events(tmp_path):
    inside = {"clientIP": "203.0.113.7", "httpMethod": "GET", "requestUri": "/api/me", "httpStatus": 401}
    times = ["1/9/2007 9:41:00 AM", "2007-01-09T09:41:00.1234567+00:00"]
    log = tmp_path / "gateway.json"
    log.write_text("".join(json.dumps({"time": time, "properties": inside}) + "\n" for time in times))
    events = collect([log]).events
    assert [f"{moment:%H:%M:%S.%f}" for moment in events["timestamp"]] == ["09:41:00.000000", "09:41:00.123456"]


def test_an_hour_that_comes_twice_is_the_earlier_and_one_that_never_was_moves_with_the_clocks(tmp_path):
    log = tmp_path / "app.log"
    fold, gap = "2025-10-26 02:30:00", "2025-03-30 02:30:00"
    log.write_text("".join(f"{time},000 - app.auth - WARNING - jwt expired\n" for time in (gap, fold)))
    times = collect([log], Options(tz="Europe/Berlin")).events["timestamp"]
    assert [f"{moment:%m-%d %H:%M}" for moment in times] == ["03-30 01:30", "10-26 00:30"]


@pytest.mark.parametrize(("name", "glob", "fits"), [
    ("shop/php/error.log", "php/*.log", True),
    ("shop/php/error.log", "error.log", True),
    ("shop/php/old/error.log", "php/*", True),
    ("shop/php/error.log.1.gz", "error.log*", True),
    ("logs.zip!php/error.log", "php/error.log", True),
    ("shop/php/error.log", "*/php/*", True),
    ("shop/myphp/error.log", "php/*", False),
    ("shop/php/error.log", "error", False),
    ("shop/php/Error.log", "error.log", False),
])  # fmt: skip
def test_a_glob_names_a_file_from_any_of_its_folders_on(name, glob, fits):
    assert Found(Path("/tmp/x"), name, "shop", named=True).fits(glob) is fits


def test_each_file_has_the_zone_of_the_first_glob_that_fits_else_that_of_all(tmp_path):
    for name in ("php/error.log", "app.log", "other.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("2025-12-25 13:00:09,000 - app.auth - WARNING - jwt expired\n")
    zones = (("php/*", "Asia/Tokyo"), ("error.log", "Asia/Kolkata"), ("app.log", "Europe/Berlin"))
    for tz, last in ((None, "UTC (assumed)"), ("America/New_York", "America/New_York")):
        collected = collect([tmp_path], Options(tz=tz, zones=zones))
        told = {source.source: (source.timezone, source.first_seen.hour) for source in collected.sources}
        assert told == {
            "app.log": ("Europe/Berlin", 12),
            "other.log": (last, 13 if tz is None else 18),
            "php/error.log": ("Asia/Tokyo", 4),
        }


def test_the_command_line_wins_over_the_zones_of_the_configuration(tmp_path):
    (tmp_path / "app.log").write_text("2025-12-25 13:00:09,000 - app.auth - WARNING - jwt expired\n")
    (tmp_path / "authforensics.toml").write_text('[tz]\n"app.log" = "Asia/Tokyo"\n')
    config = load(tmp_path / "authforensics.toml")
    for tz, zone in ((None, "Asia/Tokyo"), ("Europe/Berlin", "Europe/Berlin")):
        analysis = analyze(tmp_path / "app.log", config=config, tz=tz)
        assert [source.timezone for source in analysis.document.sources] == [zone]
        assert (
            looked_at(discover([tmp_path / "app.log"]), reading("auto", None, tz, config))[0][0].source.timezone == zone
        )
