"""CSV for spreadsheets: nothing in it is taken for a formula, nothing unseen, no credential."""

from __future__ import annotations

import csv

import polars as pl
import pytest

from authforensics.cli.export import spreadsheet_safe, table_writers
from authforensics.schema import STATE


class _Tables:
    def __init__(self, events: pl.DataFrame) -> None:
        self.events = events
        self.rejects = self.sessions = self.findings = pl.DataFrame({"id": ["x"]})


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\\x09=1"),
        ("\r=1", "'\\x0d=1"),
        ("a=b", "a=b"),
        ("a\x1b[31m\u202e\x85", r"a\x1b[31m\u202e\x85"),
        ("日本", "日本"),
        ("", ""),
        (None, None),
    ],
)
def test_text_is_safe_in_a_spreadsheet(text, safe):
    frame = pl.DataFrame({"user_agent": [text]}, schema={"user_agent": pl.String})
    assert spreadsheet_safe(frame)["user_agent"].to_list() == [safe]


def test_numbers_stay_numbers_and_states_become_text():
    frame = pl.DataFrame({"bytes": [-1], "state": ["zombie"]}, schema={"bytes": pl.Int64, "state": STATE})
    assert spreadsheet_safe(frame).to_dicts() == [{"bytes": -1, "state": "zombie"}]


def test_csv_reads_back(tmp_path):
    times = pl.Series("timestamp", ["2025-12-25T04:25:01.25"]).str.to_datetime(time_unit="us", time_zone="UTC")
    writers = table_writers(_Tables(pl.DataFrame({"timestamp": times, "path": ['=a,"b"\nc']})), "csv")
    assert list(writers) == ["events.csv", "rejects.csv", "sessions.csv", "findings.csv"]
    writers["events.csv"](tmp_path / "events.csv")
    with (tmp_path / "events.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [["timestamp", "path"], ["2025-12-25T04:25:01.250000Z", '\'=a,"b"\\x0ac']]


@pytest.mark.parametrize("export_format", ["csv", "parquet"])
def test_credentials_in_paths_and_user_agents_stay_here(tmp_path, export_format):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI1NjkyNjAifQ.dBjftJeZ4CVPmB92K27uhbUJU1p1r"
    events = pl.DataFrame({"path": [f"/reset/{token}", "/api/me"], "user_agent": ["okhttp/4.12.0", f"x token={token}"]})
    path = tmp_path / "events"
    table_writers(_Tables(events), export_format)[f"events.{export_format}"](path)
    read = pl.read_csv(path) if export_format == "csv" else pl.read_parquet(path)
    assert read.select(pl.all().str.contains("eyJ").any()).row(0) == (False, False)
    assert read["path"][1] == "/api/me"
    assert read["user_agent"][0] == "okhttp/4.12.0"
    assert events["path"][0].endswith(token)
