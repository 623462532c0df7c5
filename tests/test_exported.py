"""An exported table of events, read as a log, gives what its logs gave; each of its systems is judged by itself."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from authforensics import collect, pipeline
from authforensics.cli.export import table_writers
from authforensics.schema import EVENTS

SAMPLES = Path(__file__).parent.parent / "sample_logs"
#: What tells of lines and files, not of devices.
ELSEWHERE = {"sources", "systems", "run"}


def told(analysis):
    """What an analysis found, without what tells where in the files."""
    document = {key: value for key, value in json.loads(analysis.to_json()).items() if key not in ELSEWHERE}
    for finding in document["findings"]:
        finding["evidence"] = [(one["timestamp"], one["auth_event"], one["role"]) for one in finding["evidence"]]
    for timeline in document["timelines"]:
        for request in timeline.get("requests", ()):
            request.pop("source", None), request.pop("line_number", None)
    return document


def exported(analysis, folder):
    folder.mkdir()
    for name, write in table_writers(analysis, "parquet").items():
        write(folder / name)
    return folder


SLOW = [pytest.param(logs, marks=pytest.mark.slow) for logs in ("incident-1-secret-mismatch", ".")]


@pytest.mark.parametrize("logs", ["incident-2-equal-lifetimes", *SLOW])
def test_it_gives_the_same_findings(logs, tmp_path):
    first = pipeline.analyze(SAMPLES / logs)
    second = pipeline.analyze(exported(first, tmp_path / "export"))
    before, after = told(first), told(second)
    assert before["findings"]
    assert {name: after[name] for name in after if name != "timelines"} == {
        name: before[name] for name in before if name != "timelines"
    }
    read = [source for source in second.document.sources if source.format is not None]
    assert {source.system for source in read} == {source.system for source in first.document.sources if source.events}
    assert sum(source.events for source in read) == first.events.height
    assert all((source.format, source.wrapper, source.rejects) == ("events", "parquet", 0) for source in read)
    first.close(), second.close()


def test_rows_are_numbered_within_their_system(tmp_path):
    events = pl.DataFrame({"system": ["b", "a", None, "b"], "timestamp": [f"2025-12-25T13:00:0{i}Z" for i in range(4)]})
    missing = [pl.lit(None, pl.String).alias(name) for name in EVENTS if name not in events.columns]
    events.with_columns(missing).with_columns(status=pl.lit(401), kind=pl.lit("request")).write_parquet(
        tmp_path / "events.parquet"
    )
    frame, account = collect.gather([tmp_path / "events.parquet"])
    assert {source.source: source.lines for source in account.sources} == {
        "events.parquet!a": 2,
        "events.parquet!b": 2,
    }
    assert frame.select("system", "line_number", pl.col("timestamp").dt.second()).rows() == [
        ("a", 1, 1),
        ("a", 2, 2),
        ("b", 1, 0),
        ("b", 2, 3),
    ]
