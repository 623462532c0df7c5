"""Tables are analyzed like the logs they came from; what can't be used of them is refused by column."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from authforensics import pipeline
from authforensics.errors import BadValue, NothingReadable, UnknownName
from authforensics.spark import analyze_table
from told import analyzed_incident, said


def test_pyspark_is_not_imported_for_tables_of_others():
    script = (
        "import datetime, sys, polars as pl; from authforensics.spark import analyze_table\n"
        "analyze_table(pl.DataFrame({'timestamp': [datetime.datetime(2025, 1, 1)], 'status': [200]}))\n"
        "assert 'pyspark' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], env=environment(), check=True)


def environment():
    here = str(Path(pipeline.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))}


@pytest.fixture(scope="module")
def incident():
    with analyzed_incident() as analysis:
        yield analysis


def bare(told):
    """A document without what only files can tell."""
    told = {name: value for name, value in told.items() if name not in {"sources", "systems"}}
    return json.loads(re.sub(r'"text": "(\\.|[^"\\])*"', '"text": ""', json.dumps(told)))


@pytest.mark.parametrize("kind", ["polars", "lazy", "arrow"])
def test_an_exported_table_gives_what_its_logs_gave(incident, kind):
    events = incident.events
    if kind == "arrow":
        pytest.importorskip("pyarrow")
    table = {"polars": lambda: events, "lazy": events.lazy, "arrow": events.to_arrow}[kind]()
    told = said(analyze_table(table))
    assert told["findings"]
    assert bare(told) == bare(said(incident))
    assert {one["text"] for finding in told["findings"] for one in finding["evidence"]} == {""}
    assert {one["source"]: one["events"] for one in told["sources"]} == {
        one.source: one.events for one in incident.document.sources if one.events
    }


def test_without_routes_they_are_made_of_the_paths(incident):
    assert bare(said(analyze_table(incident.events.drop("route")))) == bare(said(incident))


def test_rows_without_line_numbers_are_numbered_in_their_order(incident):
    told = analyze_table(incident.events.drop("line_number"))
    assert [one.count for one in told.document.findings] == [one.count for one in incident.document.findings]


def minimal(**columns):
    times = pl.Series([f"2025-01-01 12:0{minute}" for minute in range(4)]).str.to_datetime("%Y-%m-%d %H:%M")
    return pl.DataFrame({"timestamp": times, "status": [200, 401, 200, 500], **columns})


def test_two_columns_are_enough():
    told = analyze_table(minimal())
    assert told.document.systems[0].requests == 4
    assert [(one.source, one.lines, one.events) for one in told.document.sources] == [("table", 4, 4)]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (minimal().drop("status"), "the table has no column 'status', of whole numbers; it has: timestamp"),
        (minimal().cast({"status": pl.String}), "column 'status': expected whole numbers, found String"),
        (minimal().cast({"timestamp": pl.Int64}), r"column 'timestamp': expected times \(Datetime\), found Int64"),
        (minimal(method=[1, 2, 3, 4]), "column 'method': expected texts, found Int64"),
        (minimal(user_id=[0.5] * 4), "column 'user_id': expected texts or whole numbers, found Float64"),
        (minimal(line_number=[1, 2, 2, 3]), "line 2 of source 'table' is there twice"),
        ([1, 2], "expected a polars, Arrow or Spark table, found list"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_column(table, told):
    with pytest.raises(BadValue, match=told):
        analyze_table(table)


def test_an_unknown_kind_is_refused_with_the_nearest():
    with pytest.raises(UnknownName, match=r"column 'kind': unknown kind 'requests'; did you mean 'request'\?"):
        analyze_table(minimal(kind=["requests"] * 4))


def test_a_table_without_times_is_not_readable():
    with pytest.raises(NothingReadable, match="no row of the table has a time"):
        analyze_table(minimal(timestamp=pl.Series([None] * 4, dtype=pl.Datetime)))


def test_rows_without_a_time_are_rejected_and_counted():
    table = minimal()
    table = table.with_columns(timestamp=pl.when(pl.int_range(pl.len()) != 1).then("timestamp"))
    told = analyze_table(table)
    assert told.rejects.rows() == [("table", 2, "its time is null", "")]
    assert (told.document.sources[0].events, told.document.sources[0].rejects) == (3, 1)


def test_the_window_and_the_zone_are_kept_to():
    told = analyze_table(minimal(), tz="Asia/Tokyo", since="2025-01-01T03:02Z")
    assert (told.document.sources[0].events, told.document.sources[0].filtered) == (2, 2)


def test_devices_are_told_by_the_column_that_is_named():
    table = minimal(customer=[1, 1, 2, 3], device_id=["a"] * 4)
    told = analyze_table(table, device_key="customer")
    assert set(told.history.devices["device_id"].cast(pl.String)) == {"1", "2", "3"}
    with pytest.raises(BadValue, match="no line has a field 'custmer'"):
        analyze_table(table, device_key="custmer")


def test_credentials_in_a_table_stay_inside():
    secret = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
    table = minimal(
        path=[f"/api/{secret}?token={secret}"] * 4,
        route=[f"/api/{secret}"] * 4,
        user_id=[secret] * 4,
        session_id=["s3cr3t-s3ss10n"] * 4,
    )
    told = analyze_table(table).to_json()
    assert secret not in told
    assert "s3cr3t-s3ss10n" not in told
