"""Fetches lines from the files again, for those few that a person gets to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from authforensics.collect import secrecy
from authforensics.collect.blocks import Condition, lines, texts
from authforensics.collect.read import File
from authforensics.parallel import in_order
from authforensics.redact import Shown, visible

_LONGEST = 2_000
_SCHEMA: dict[str, pl.DataType] = {"source": pl.String(), "line_number": pl.UInt32(), "text": pl.String()}


def fetch_lines(
    files: Mapping[str, File], wanted: pl.DataFrame, shown: Shown | None = None, *, threads: int | None = None
) -> pl.DataFrame:
    """The text of the lines in `wanted` (`source`, `line_number`), redacted and cut at 2,000 characters.

    `shown` gives what is shown of a token in place of its shape; by default all `threads` that there are look for them.

    Of a compressed file all that comes before them is read, too. A file that is not in `files` or has no such line
    gives no row.
    """
    parts = [pl.DataFrame(schema=_SCHEMA)]
    asked = wanted.select(pl.col("source").cast(pl.String), pl.col("line_number").cast(pl.UInt32)).unique()
    for (source,), part in asked.group_by("source", maintain_order=True):
        if isinstance(source, str) and source in files:
            parts.append(_fetch(source, files[source], part["line_number"].sort(), shown, threads))
    return pl.concat(parts).sort("source", "line_number")


def _fetch(source: str, file: File, numbers: pl.Series, shown: Shown | None, threads: int | None) -> pl.DataFrame:
    found = pl.concat(
        [
            pl.DataFrame(schema={"line_number": pl.UInt32, "line": pl.String}),
            *in_order(_held(file, numbers), _gathered, threads or pl.thread_pool_size()),
        ]
    )
    redacted = [visible(text) for text in secrecy.readable(found["line"].str.slice(0, _LONGEST), shown)]
    return pl.DataFrame(
        {"source": [source] * found.height, "line_number": found["line_number"], "text": redacted}, schema=_SCHEMA
    )


@dataclass(frozen=True)
class _Held:
    """A block, the `first` of its file or not: those of its lines that have these `numbers` are the `wanted` ones.

    `data` gives it, so that only blocks that are worked on are in memory.
    """

    data: Callable[[], bytes]
    first: bool
    numbers: pl.Series
    wanted: pl.Series


def _held(file: File, numbers: pl.Series) -> Iterator[_Held]:
    """The blocks that hold the lines asked for."""
    for data, (block, before, some) in zip(_blocks(file, numbers), _asked(file, numbers), strict=False):
        if data is not None:
            yield _Held(data, block == 0, some, some - before)


def _blocks(file: File, numbers: pl.Series) -> Iterator[Callable[[], bytes] | None]:
    """Each block, none in place of those that hold nothing of what is asked for, where they can be left out."""
    asked = _asked(file, numbers)
    if file.ends is None:
        for data, (_, _, some) in zip(texts(file.path, file.size, Condition()), asked, strict=False):
            yield partial(bytes, data) if len(some) else None
        return
    for (_, _, some), begin, end in zip(asked, (0, *file.ends), file.ends, strict=False):
        yield partial(_part, file.path, begin, end) if len(some) else None


def _part(path: Path, begin: int, end: int) -> bytes:
    with path.open("rb") as opened:
        opened.seek(begin)
        return opened.read(end - begin)


def _asked(file: File, numbers: pl.Series) -> Iterator[tuple[int, int, pl.Series]]:
    """Each block, until nothing more is asked for: the number of its first line, and the numbers asked of it."""
    first = 1
    for block, count in enumerate(file.counts):
        begin, end = numbers.search_sorted(first), numbers.search_sorted(first + count)
        yield block, first, numbers[begin:end].cast(pl.Int64)
        first += count
        if end == len(numbers):
            return


def _gathered(item: _Held) -> pl.DataFrame:
    series, _ = lines(item.data(), item.first)
    # Fewer than there were, if the file has been cut off since.
    there = item.wanted < len(series)
    # Copies: polars would keep the whole block for them.
    found = pl.Series(series.gather(item.wanted.filter(there)).to_list(), dtype=pl.String)
    return pl.DataFrame({"line_number": item.numbers.filter(there).cast(pl.UInt32), "line": found})
