"""Reads the lines of a file block by block: any compression, any bytes, everything before a break."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from authforensics.collect.compression import Break, chunks

#: Lines that are looked at in one go, about, and the least and most bytes that they may have.
LINES = 80_000
LEAST, MOST = 4 << 20, 24 << 20
_BOM = b"\xef\xbb\xbf"
_SCHEMA: dict[str, pl.DataType] = {"line_number": pl.UInt32(), "line": pl.String()}


@dataclass(slots=True)
class Condition:
    """How reading went: how many bytes of the file are done, whether some were no UTF-8, and where it breaks off."""

    position: int = 0
    undecodable: bool = False
    line_number: int | None = None
    reason: str | None = None
    text: str = ""


def block_size(sample: Sequence[str]) -> int:
    """The bytes of a block of a file with lines like these."""
    length = sum(map(len, sample)) / max(len(sample), 1) + 1
    return int(min(max(LINES * length, LEAST), MOST))


def texts(path: Path, size: int, condition: Condition) -> Iterator[bytes]:
    """The content of a file, decompressed, in blocks of about `size` bytes that end where a line ends.

    The same blocks at every reading. `condition` is told of a break; the number of its line is yet to be added.

    Raises:
        OSError: it can't be read.
    """
    block: list[bytes] = []
    held = 0
    try:
        for chunk, condition.position in chunks(path):
            cut = chunk.rfind(b"\n") + 1 if held + len(chunk) >= size else 0
            if cut:
                yield b"".join((*block, chunk[:cut]))
                block, held = [chunk[cut:]], len(chunk) - cut
            else:
                block.append(chunk)
                held += len(chunk)
    except Break as broken:
        whole, _, rest = b"".join(block).rpartition(b"\n")
        if whole:
            yield whole + b"\n"
        condition.reason, condition.text = str(broken), rest.decode(errors="replace")
        return
    if held:
        yield b"".join(block)


def lines(data: bytes, first: bool) -> tuple[pl.Series, bool]:
    """The lines of a block, and whether they had to be repaired: bytes that are no UTF-8 become U+FFFD.

    Without the byte order mark of a file's `first` block, and without the NULs that a truncated or preallocated log has
    before a line.
    """
    data = data.removeprefix(_BOM) if first else data
    repaired = False
    try:
        series = _split(data)
    except pl.exceptions.ComputeError:
        series, repaired = _split(data.decode(errors="replace").encode()), True
    return (series.str.strip_chars_start("\0") if b"\0" in data else series), repaired


def _split(data: bytes) -> pl.Series:
    return pl.read_lines(io.BytesIO(data)).to_series().alias("line")


def numbered(series: pl.Series, before: int) -> pl.DataFrame:
    """`line_number` and `line` of lines that `before` others stand before."""
    numbers = pl.int_range(before + 1, before + 1 + len(series), dtype=pl.UInt32, eager=True)
    return pl.DataFrame({"line_number": numbers, "line": series}, schema=_SCHEMA)
