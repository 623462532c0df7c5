"""Columns that the configuration names: in typed tables, CSV and JSON lines; clear words where they aren't there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

from authforensics.collect import Options
from authforensics.collect.mapped import Columns, declared
from authforensics.collect.synonyms import matching, times_in
from authforensics.collect.units import duration_in
from authforensics.config import Column, load
from authforensics.errors import BadValue, UnknownName
from collecting import collect

MAPPED = """\
[columns."shop/*"]
timestamp = "When"
status = "Outcome"
path = "Where"
client_ip = "Who"
device_id = "Kiosk"
duration_s = "Lasted"
"""
#: Columns of our own names, and others whose names would mean the same.
ROW = {
    "created_at": "2020-01-01T00:00:00Z",
    "When": "2025-12-25T13:00:09Z",
    "status": 200,
    "Outcome": 401,
    "url": "/other",
    "Where": "/api/me",
    "Who": "203.0.113.7",
    "x_forwarded_for": "198.51.100.1",
    "Kiosk": "k-17",
    "duration": 3,
    "Lasted": 1.5,
}


def _parquet(path, row):
    pl.DataFrame([row]).write_parquet(path)


def _json(path, row):
    path.write_text(json.dumps(row) + "\n")


def _csv(path, row):
    path.write_text(",".join(row) + "\n" + ",".join(map(str, row.values())) + "\n")


def _tsv(path, row):
    path.write_text("\t".join(row) + "\n" + "\t".join(map(str, row.values())) + "\n")


WRITERS = {"log.parquet": _parquet, "log.json": _json, "log.csv": _csv, "log.tsv": _tsv}


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "authforensics.toml").write_text(MAPPED)
    return tmp_path / "shop"


def mapping(shop):
    return Options(columns=declared(load(shop.parent / "authforensics.toml")))


@pytest.mark.parametrize("name", WRITERS)
def test_columns_are_what_the_configuration_says(name, shop):
    WRITERS[name](shop / name, ROW)
    event = collect([shop / name], mapping(shop)).events.row(0, named=True)
    assert {key: event[key] for key in ("status", "path", "client_ip", "device_id", "duration_ms")} == {
        "status": 401,
        "path": "/api/me",
        "client_ip": "203.0.113.7",
        "device_id": "k-17",
        "duration_ms": 1500.0,
    }
    assert event["timestamp"].isoformat() == "2025-12-25T13:00:09+00:00"


@pytest.mark.parametrize("name", WRITERS)
def test_files_that_no_glob_fits_go_by_the_names_of_their_columns(name, shop):
    other = shop.parent / "other"
    other.mkdir()
    WRITERS[name](other / name, ROW)
    event = collect([other / name], mapping(shop)).events.row(0, named=True)
    assert (event["status"], event["path"]) == (200, "/other")


def test_the_first_glob_that_fits_counts(shop):
    _json(shop / "log.json", ROW)
    one, two = (Columns(glob, {Column.STATUS: name}, "c:1") for glob, name in (("*.json", "Outcome"), ("*", "status")))
    assert collect([shop / "log.json"], Options(columns=(one, two))).events["status"].to_list() == [401]


def test_keys_inside_of_objects_have_dots(shop):
    _json(shop / "log.json", {"at": {"t": "2025-12-25T13:00:09Z"}, "r": {"code": 401}})
    columns = Columns("*", {Column.TIMESTAMP: "at.t", Column.STATUS: "r.code"}, "c:1")
    assert collect([shop / "log.json"], Options(columns=(columns,))).events["status"].to_list() == [401]


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.tsv"])
def test_a_column_that_is_not_there(name, shop):
    WRITERS[name](shop / name, {("Kiosks" if key == "Kiosk" else key): value for key, value in ROW.items()})
    _json(shop / "good.json", ROW)
    told = {source.source: source for source in collect([shop], mapping(shop)).sources}
    config = shop.parent / "authforensics.toml"
    assert told[name].note == f"{config}:1: unknown column 'Kiosk'; did you mean 'Kiosks'?"
    assert told[name].broken
    assert told["good.json"].events == 1


def test_keys_of_json_lines_may_come_late(shop):
    rows = [{key: value for key, value in ROW.items() if key != "Kiosk"}] * 600 + [ROW]
    (shop / "log.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert collect([shop / "log.json"], mapping(shop)).events["device_id"].drop_nulls().to_list() == ["k-17"]


def test_json_lines_without_any_of_the_keys(shop):
    _json(shop / "log.json", {"when": "2025-12-25T13:00:09Z", "status": 401})
    _csv(shop / "good.csv", ROW)
    told = {source.source: source for source in collect([shop], mapping(shop)).sources}
    assert "unknown column 'When'; did you mean 'when'?" in told["log.json"].note
    assert told["good.csv"].events == 1


def test_the_readme_names_every_column():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (told,) = [line for line in readme.splitlines() if line.startswith("The first glob under `columns`")]
    assert re.findall(r"`(\w+)`", told)[1:] == [column.value for column in Column]


def test_every_column_that_may_be_named_means_something():
    for column in Column:
        (key,) = Columns("*", {column: "x"}, "").known.values()
        assert matching([key]) or times_in([key]) or duration_in([key]), column


@pytest.mark.parametrize(
    ("old", "new", "kind", "message"),
    [
        ("status =", "statuss =", UnknownName, ":3: unknown kind of column 'statuss'; did you mean 'status'?"),
        ('"Outcome"', "5", BadValue, ":3: columns.shop/*.status: expected text, found 5"),
        ('"Outcome"', '""', BadValue, ":3: columns.shop/*.status: expected the name of a column, found ''"),
        (
            '[columns."shop/*"]',
            "[column]",
            UnknownName,
            ":1: unknown configuration key 'column'; did you mean 'columns'?",
        ),
    ],
)
def test_a_mistake_points_to_its_line(old, new, kind, message, tmp_path):
    file = tmp_path / "authforensics.toml"
    file.write_text(MAPPED.replace(old, new))
    with pytest.raises(kind) as caught:
        load(file)
    assert f"{file}{message}" in str(caught.value)


@pytest.mark.parametrize("name", ["*", "^x$", "in.*", "in.^u$"])
def test_names_that_are_patterns_to_polars_name_no_key(name, tmp_path):
    row = {"time": "2025-12-25T13:00:09Z", "status": 401, "path": "/api/me"}
    _json(tmp_path / "log.json", {**row, "in": {"*": "u", "^u$": "v"}, "*": "w", "^x$": "x"})
    _json(tmp_path / "fine.log", row)
    columns = Columns("*.json", {Column.PATH: "path", Column.USER_ID: name}, "c:1")
    told = {source.source: source for source in collect([tmp_path], Options(columns=(columns,))).sources}
    assert told["log.json"].note.startswith(f"c:1: unknown column '{name}'")
    assert told["fine.log"].events == 1
