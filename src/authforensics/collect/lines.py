"""Reads the lines of a file: streamed by polars, or tolerantly where polars refuses the whole file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from authforensics.collect.compression import Break, chunks

_SCHEMA: dict[str, pl.DataType] = {"line_number": pl.UInt32(), "line": pl.String()}
_BLOCK = 4 << 20
_BOM = "\ufeff"


@dataclass(slots=True)
class Damage:
    """What a tolerant reading met: bytes that are no UTF-8, and where the file breaks off."""

    undecodable: bool = False
    line_number: int | None = None
    reason: str | None = None
    text: str = ""


def stream(path: Path) -> pl.LazyFrame:
    """`line_number` from 1 and `line`, through polars: plain, gzip, zstd; valid UTF-8 only.

    Raises:
        UnicodeEncodeError: the path is not valid UTF-8 either.
    """
    str(path).encode()  # polars would say TypeError
    lines = pl.scan_lines(path, row_index_name="line_number", row_index_offset=1, glob=False)
    return _unpadded(lines.with_columns(pl.col("line_number").cast(pl.UInt32)))


def tolerant(path: Path, damage: Damage) -> pl.LazyFrame:
    """The same through the standard library: any compression, any bytes, everything before a break.

    `damage` is filled in while the frame is collected.
    """

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        for whole in _frames(path, damage):
            frame = whole if left is None else whole.head(left)
            left = None if left is None else left - frame.height
            kept = frame if predicate is None else frame.filter(predicate)
            yield kept if with_columns is None else kept.select(with_columns)
            if left == 0:
                return

    return _unpadded(register_io_source(source, schema=_SCHEMA))


def _unpadded(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Without the byte order mark, and without the NULs that a truncated or preallocated log has before a line."""
    line = pl.col("line")
    bare = pl.when(pl.col("line_number") == 1).then(line.str.strip_prefix(_BOM)).otherwise(line)
    return lines.with_columns(line=bare.str.strip_chars_start("\0"))


def _frames(path: Path, damage: Damage) -> Iterator[pl.DataFrame]:
    damage.undecodable, damage.line_number, damage.reason, damage.text = False, None, None, ""
    before = 0
    block: list[bytes] = []
    size = 0
    try:
        for chunk in chunks(path):
            cut = chunk.rfind(b"\n") + 1
            size += len(chunk)
            if cut and size >= _BLOCK:
                frame = _frame(b"".join((*block, chunk[:cut])), before, damage)
                before += frame.height
                block, size = [chunk[cut:]], len(chunk) - cut
                yield frame
            else:
                block.append(chunk)
    except Break as broken:
        whole, _, rest = b"".join(block).rpartition(b"\n")
        if whole:
            frame = _frame(whole, before, damage)
            before += frame.height
            yield frame
        damage.line_number, damage.reason = before + 1, str(broken)
        damage.text = rest.decode(errors="replace")
        return
    data = b"".join(block)
    if data:
        yield _frame(data, before, damage)


def _frame(data: bytes, before: int, damage: Damage) -> pl.DataFrame:
    try:
        data.decode()
    except UnicodeDecodeError:
        damage.undecodable = True
        data = data.decode(errors="replace").encode()
    lines = pl.read_lines(io.BytesIO(data))
    numbers = pl.int_range(before + 1, before + 1 + lines.height, dtype=pl.UInt32, eager=True)
    return lines.select(line_number=numbers, line=pl.col("line"))
