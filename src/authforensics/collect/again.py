"""Fetches lines from the files again, for those few that a person gets to see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from authforensics.collect import secrecy
from authforensics.collect.blocks import Condition, lines, texts
from authforensics.collect.read import File
from authforensics.parallel import in_order
from authforensics.redact import visible

_LONGEST = 2_000
_SCHEMA: dict[str, pl.DataType] = {"source": pl.String(), "line_number": pl.UInt32(), "text": pl.String()}


def fetch_lines(files: Mapping[str, File], wanted: pl.DataFrame) -> pl.DataFrame:
    """The text of the lines in `wanted` (`source`, `line_number`), redacted and cut at 2,000 characters.

    One pass over each file named; a file that is not in `files` or has no such line gives no row.
    """
    parts = [pl.DataFrame(schema=_SCHEMA)]
    asked = wanted.select(pl.col("source").cast(pl.String), pl.col("line_number").cast(pl.UInt32)).unique()
    for (source,), part in asked.group_by("source", maintain_order=True):
        if isinstance(source, str) and source in files:
            parts.append(_fetch(source, files[source], part["line_number"].sort()))
    return pl.concat(parts).sort("source", "line_number")


def _fetch(source: str, file: File, numbers: pl.Series) -> pl.DataFrame:
    found = pl.concat(
        [
            pl.DataFrame(schema={"line_number": pl.UInt32, "line": pl.String}),
            *in_order(_asked(file, numbers), _gathered, pl.thread_pool_size()),
        ]
    )
    redacted = [visible(text) for text in secrecy.readable(found["line"].str.slice(0, _LONGEST))]
    return pl.DataFrame(
        {"source": [source] * found.height, "line_number": found["line_number"], "text": redacted}, schema=_SCHEMA
    )


def _asked(file: File, numbers: pl.Series) -> Iterator[tuple[bytes, int, pl.Series]]:
    """The blocks that hold a line asked for, each with how many lines come before it and the numbers asked of it."""
    before = 0
    last = numbers[-1]
    for data, count in zip(texts(file.path, file.size, Condition()), file.counts, strict=False):
        begin, end = numbers.search_sorted(before + 1), numbers.search_sorted(before + count + 1)
        if end > begin:
            yield data, before, numbers[begin:end]
        before += count
        if before >= last:
            return


def _gathered(item: tuple[bytes, int, pl.Series]) -> pl.DataFrame:
    data, before, numbers = item
    held, _ = lines(data, first=before == 0)
    numbers = numbers.filter(numbers <= before + len(held))
    return pl.DataFrame({"line_number": numbers, "line": held.gather(numbers.cast(pl.Int64) - before - 1)})
