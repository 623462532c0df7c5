"""Analyzes a Spark table of events: executors take in its partitions, then all is as with logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from authforensics import local
from authforensics.errors import BadValue
from authforensics.intake import Intake
from authforensics.partitions import WorkDirectory
from authforensics.schema import REJECTS
from authforensics.spark import columns, jobs, tables
from authforensics.spark.engine import study_requests
from authforensics.spark.reading import Files, shipped, taken_in

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_BLOCK = 100_000


def study_table(events: DataFrame, settings: local.Settings, work: WorkDirectory) -> local.Studied:
    """Study the devices of a Spark table.

    Where the table has no `line_number`, each of its partitions is a source of its own, numbered in its order.

    Raises:
        UsageError: a column that can't be used, or no line numbers where there are some.
        InputError: no row has a time; there is no room for temporary files.
    """
    from pyspark import StorageLevel

    schema = pl.DataFrame(events.limit(0).toArrow()).schema
    columns.check(schema)
    names = columns.looked_at(schema.names(), settings.collect.device_field)
    kept = events.select(*names).persist(StorageLevel.DISK_ONLY)
    sent = settings.for_reading()
    place = work.path / "requests"
    place.mkdir()
    try:
        made = jobs.over(kept, partial(_facts, settings=sent), _BLOCK)
        facts = tables.said([jobs.unpacked(pieces["facts"]) for pieces in made])
        made = jobs.over(kept, partial(_take_in, settings=sent, facts=facts, place=place), _BLOCK)
    finally:
        kept.unpersist()
    tallies = tables.Tallies()
    for pieces in made:
        _add(tallies, pieces)
    intake = taken_in(made)
    _check_lines(intake.files)
    collected = tables.accounted(facts, tallies, settings)
    return study_requests(events.sparkSession, intake, collected, tables.bases(facts), settings=settings, work=work)


def _completed(number: int, frames: Iterator[pl.DataFrame], settings: local.Settings) -> Iterator[pl.DataFrame]:
    """The rows of a partition, numbered."""
    before: dict[tuple[str, str], int] = {}
    for frame in frames:
        whole = columns.completed(frame, settings.collect.tz, settings.collect.device_field)
        if "line_number" in frame.columns:
            if whole["line_number"].null_count():
                raise BadValue("column 'line_number': some rows have none; expected all of them to, or no such column")
            yield whole.sort("line_number")
            continue
        whole = whole.with_columns(source=pl.format("{} (part {})", "source", pl.lit(number)))
        for block in tables.blocks([whole]):
            name = (block["system"][0], block["source"][0])
            start = before.get(name, 0) + 1
            before[name] = start + block.height - 1
            yield block.with_columns(line_number=pl.int_range(start, start + block.height, dtype=pl.UInt32, eager=True))


def _facts(number: int, frames: Iterator[pl.DataFrame], settings: local.Settings) -> jobs.Pieces:
    """One task: what is known of the sources in a partition."""
    empty = tables.facts_of(pl.DataFrame(schema=columns.TABLE))
    parts = [tables.facts_of(whole) for whole in _completed(number, frames, settings)]
    return {"facts": jobs.packed(pl.concat([empty, *parts]))}


def _take_in(
    number: int, frames: Iterator[pl.DataFrame], settings: local.Settings, facts: tables.Facts, place: Path
) -> jobs.Pieces:
    """One task: take in a partition."""
    files = Files(place, number)
    intake = Intake(files, settings.correlate.device_key)
    wanted = tables.window(facts, settings.collect)
    tallies = tables.Tallies()
    for block in tables.blocks(_completed(number, frames, settings)):
        tables.take_in(block, facts, wanted, intake, tallies)
    spans = {name: [time.isoformat() for time in span] for name, span in tallies.spans.items()}
    told = {"filtered": tallies.filtered, "late": tallies.late, "spans": spans}
    return {
        "tallies": json.dumps(told).encode(),
        "rejects": jobs.packed(pl.concat([pl.DataFrame(schema=REJECTS), *tallies.rejects])),
        **shipped(intake, files),
    }


def _add(tallies: tables.Tallies, pieces: jobs.Pieces) -> None:
    told = json.loads(pieces["tallies"])
    for name, count in told["filtered"].items():
        tallies.filtered[name] = tallies.filtered.get(name, 0) + count
    for name, count in told["late"].items():
        tallies.late[name] = tallies.late.get(name, 0) + count
    for name, (first, last) in told["spans"].items():
        tallies.span(name, datetime.fromisoformat(first), datetime.fromisoformat(last))
    tallies.rejects.append(jobs.unpacked(pieces["rejects"]))


def _check_lines(files: tuple[Path, ...]) -> None:
    """Refuse a table in which two rows are the same line."""
    if not files:
        return
    lines = pl.scan_parquet(list(files)).select(pl.col("source").cast(pl.String), "line_number")
    counted = lines.group_by("source").agg(rows=pl.len(), lines=pl.col("line_number").n_unique())
    twice = counted.filter(pl.col("rows") > pl.col("lines")).collect(engine="streaming")
    if not twice.is_empty():
        raise BadValue(tables.TWICE.format(f"a line of source '{twice['source'][0]}'"))
