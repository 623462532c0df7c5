"""Reads the list of deploys and restarts: CSV with a line of names, or JSON lines, each with a `time` and a `name`."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from authforensics.collect.times import read_any
from authforensics.errors import BadValue, MissingInput
from authforensics.findings import Deploy
from authforensics.redact import redact, visible

_COLUMNS = ("time", "name")
#: Longer names are cut: they label lines on a chart.
_LONGEST_NAME = 80
_Row = tuple[int, Mapping[str, Any]]


def read_deploys(path: str | Path, tz: str | None) -> tuple[Deploy, ...]:
    """The deploys that a file lists, in order of time; what it has beside `time` and `name` is passed over.

    Args:
        path: the file.
        tz: IANA name of the zone of times that carry none; null: UTC.

    Raises:
        MissingInput: it can't be read.
        BadValue: says in which line what was expected.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MissingInput(f"{path}: deploys can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadValue(f"{path}: expected text in UTF-8, found byte 0x{error.object[error.start]:02x}") from error
    rows = list(_json_rows(text, path) if text.lstrip().startswith("{") else _csv_rows(text, path))
    texts = [_text(row, "time", number, path) for number, row in rows]
    found = {
        Deploy(time=_moment(at, value, number, path), name=redact(_text(row, "name", number, path))[:_LONGEST_NAME])
        for at, value, (number, row) in zip(_moments(texts, tz), texts, rows, strict=True)
    }
    return tuple(sorted(found, key=lambda one: (one.time, one.name)))


def _csv_rows(text: str, path: str | Path) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: list[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = [cell.strip().lower() for cell in cells]
                for column in _COLUMNS:
                    _named(column, names, f"{path}:{reader.line_num}")
            else:
                yield reader.line_num, dict(zip(names, cells, strict=False))
    except csv.Error as error:
        raise BadValue(f"{path}:{reader.line_num}: expected CSV with the columns time,name: {error}") from error


def _json_rows(text: str, path: str | Path) -> Iterator[_Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadValue(f"{path}:{number}: expected a JSON object with time and name, found no JSON") from error
        if not isinstance(row, dict):
            raise BadValue(f"{path}:{number}: expected a JSON object with time and name")
        for column in _COLUMNS:
            _named(column, list(row), f"{path}:{number}")
        yield number, row


def _named(column: str, names: Sequence[str], place: str) -> None:
    """Refuse a table without that column; the nearest one it has is offered."""
    if column in names:
        return
    near = difflib.get_close_matches(column, names, n=1, cutoff=0.5)
    have = f"did you mean '{near[0]}'" if near else f"there are {', '.join(names)}" if any(names) else "there is none"
    raise BadValue(f"{place}: no column '{column}'; {have}")


def _text(row: Mapping[str, Any], column: str, number: int, path: str | Path) -> str:
    value = row.get(column)
    if not isinstance(value, str | int | float) or not str(value).strip():
        raise BadValue(f"{path}:{number}: '{column}' is empty")
    return " ".join(str(value).split())


def _moments(texts: Sequence[str], tz: str | None) -> list[datetime | None]:
    if not texts:
        return []
    table = pl.LazyFrame({"text": texts}, schema={"text": pl.String})
    return read_any(table, pl.col("text"), tz, texts[0]).select("time").collect()["time"].to_list()


def _moment(at: datetime | None, value: str, number: int, path: str | Path) -> datetime:
    if at is None:
        expected = "expected something like 2025-12-25T09:00:00+09:00"
        raise BadValue(f"{path}:{number}: can't read the time '{visible(value)}'; {expected}")
    return at
