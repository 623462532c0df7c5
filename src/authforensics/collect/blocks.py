"""Reads the lines of a file block by block: any compression, any bytes, everything before a break."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from authforensics.collect.compression import Break, chunks, compressed
from authforensics.collect.sample import HEAD_LINES

#: Lines that are looked at in one go, about, and the least and most bytes that they may have: what is freed of 32 MB or
#: more goes back to the system at once, and to be given it anew takes as long as to read it.
# Reference: https://man7.org/linux/man-pages/man3/mallopt.3.html, M_MMAP_THRESHOLD
LINES = 160_000
LEAST, MOST = 4 << 20, 31 << 20
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
    """The bytes of a block of a file with lines like the first of these, which are the same if it is compressed."""
    head = sample[:HEAD_LINES]
    length = sum(map(len, head)) / max(len(head), 1) + 1
    return int(min(max(LINES * length, LEAST), MOST))


def texts(path: Path, size: int, condition: Condition) -> Iterator[bytes]:
    """The content of a file, decompressed, in blocks of about `size` bytes that end where a line ends.

    The same blocks at every reading, and of the same content whether it is compressed or not. `condition` is told of a
    break; the number of its line is yet to be added.

    Raises:
        OSError: it can't be read.
    """
    return _unpacked(path, size, condition) if compressed(path) else _plain(path, size, condition)


def ends_of(path: Path, size: int) -> Iterator[int]:
    """Where the blocks of a plain file end: with the line that makes them `size` bytes long, or longer."""
    begin = 0
    with path.open("rb") as file:
        while True:
            file.seek(begin + size - 1)
            if not file.readline():
                break
            begin = file.tell()
            yield begin
        if (end := file.seek(0, os.SEEK_END)) > begin:
            yield end


def _plain(path: Path, size: int, condition: Condition) -> Iterator[bytes]:
    """The blocks of a file as it stands, each read in one go: to join it from pieces takes as long again."""
    begin = 0
    with path.open("rb") as file:
        for end in ends_of(path, size):
            # Nothing, if the file has been cut off since.
            if data := file.read(end - begin):
                condition.position = begin = end
                yield data


def _unpacked(path: Path, size: int, condition: Condition) -> Iterator[bytes]:
    """The blocks of a compressed file, and of the rows of a table."""
    block: list[bytes] = []
    held = 0
    try:
        for chunk, condition.position in chunks(path):
            begin = 0
            while held + len(chunk) - begin >= size and (end := chunk.find(b"\n", begin + max(size - 1 - held, 0)) + 1):
                yield b"".join((*block, chunk[begin:end]))
                block, held, begin = [], 0, end
            block.append(chunk[begin:])
            held += len(chunk) - begin
    except Break as broken:
        whole, _, rest = b"".join(block).rpartition(b"\n")
        if whole:
            yield whole + b"\n"
        condition.reason, condition.text = str(broken), rest.decode(errors="replace")
        return
    if held:
        yield b"".join(block)


def lines(data: bytes, first: bool) -> tuple[pl.Series, bool]:
    """The lines of a block, and whether they had to be repaired."""
    data, repaired = cleaned(data, first)
    return split(data), repaired


def cleaned(data: bytes, first: bool) -> tuple[bytes, bool]:
    """A block as text, and whether it had to be repaired: bytes that are no UTF-8 become U+FFFD.

    Without the byte order mark of a file's `first` block.
    """
    data = data.removeprefix(_BOM) if first else data
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return data.decode(errors="replace").encode(), True
    return data, False


def split(data: bytes) -> pl.Series:
    """The lines of a clean block, without the NULs that a truncated or preallocated log has before a line."""
    # In one piece: to work with many small ones takes several times as long.
    series = pl.read_lines(io.BytesIO(data)).to_series().rechunk().alias("line")
    return series.str.strip_chars_start("\0") if b"\0" in data else series


def counted(data: bytes) -> int:
    """How many lines `split` gives."""
    # No byte of a text is 0xFF, so each line is one field; to count them so takes a sixth of the time.
    whole = pl.scan_csv(io.BytesIO(data), has_header=False, quote_char=None, schema={"line": pl.String()})
    return int(whole.select(pl.len()).collect(engine="in-memory").item())


class Text:
    """Some lines of a file, of which `before` others stand before."""

    def __init__(self, data: bytes, before: int, count: int) -> None:
        self.data, self.before, self.count = data, before, count

    @cached_property
    def lines(self) -> pl.DataFrame:
        """The lines one by one: `line_number`, `line`."""
        return pl.DataFrame({"line_number": self.numbers, "line": split(self.data)}, schema=_SCHEMA)

    @property
    def numbers(self) -> pl.Series:
        """The number of each line in the file."""
        first = self.before + 1
        return pl.int_range(first, first + self.count, dtype=pl.UInt32, eager=True).alias("line_number")

    def below(self, line: str) -> Text:
        """The lines with one more above them, that has the number of the one that stands there."""
        return Text(line.encode() + b"\n" + self.data, self.before - 1, self.count + 1)
