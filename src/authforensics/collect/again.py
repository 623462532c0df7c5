"""Fetches lines from the files again, for those few that a person gets to see."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.collect.lines import Damage, stream, tolerant
from authforensics.collect.read import File
from authforensics.redact import redact

_LONGEST = 2_000
_SCHEMA: dict[str, pl.DataType] = {"source": pl.String(), "line_number": pl.UInt32(), "text": pl.String()}


def fetch_lines(files: Mapping[str, File], wanted: pl.DataFrame) -> pl.DataFrame:
    """The text of the lines in `wanted` (`source`, `line_number`), redacted and cut at 2,000 characters.

    One pass over each file named; a file that is not in `files` or has no such line gives no row.
    """
    parts = [pl.DataFrame(schema=_SCHEMA)]
    for (source,), asked in wanted.select("source", "line_number").unique().group_by("source", maintain_order=True):
        if isinstance(source, str) and source in files:
            parts.append(_fetch(source, files[source], asked["line_number"].cast(pl.UInt32).unique().sort()))
    return pl.concat(parts).sort("source", "line_number")


def _fetch(source: str, file: File, numbers: pl.Series) -> pl.DataFrame:
    lines = tolerant(file.path, Damage()) if file.tolerant else stream(file.path)
    found = lines.filter(pl.col("line_number").is_in(numbers.implode())).collect(engine="streaming").sort("line_number")
    texts = [redact(text[:_LONGEST]) for text in found["line"]]
    return pl.DataFrame(
        {"source": [source] * found.height, "line_number": found["line_number"], "text": texts}, schema=_SCHEMA
    )
