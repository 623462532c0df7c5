"""Knows where the lines of a file are, so that a few can be fetched without reading all the others."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from authforensics.collect.blocks import counted, split

#: Of every so many lines the place is kept.
_EVERY = 64


@dataclass(slots=True)
class Places:
    """Of each block of a file that isn't compressed: where it is, and where in it every so many lines begin."""

    _end: int = 0
    _blocks: list[tuple[int, int, pl.Series | None]] = field(default_factory=list)

    def add(self, data: bytes, text: bytes) -> int:
        """Take in the next block, as it is and as text; returns how many lines it has."""
        begin, self._end = self._end, self._end + len(data)
        if data != text:
            self._blocks.append((begin, self._end, None))
            return counted(text)
        lines = split(text)
        self._blocks.append((begin, self._end, _begins(lines, data)))
        return len(lines)

    def pieces(self, block: int, lines: pl.Series) -> tuple[list[tuple[int, int]], pl.Series]:
        """From where to where to read for some lines of a block; and which they are of the lines read.

        Args:
            block: the block's number.
            lines: of its lines those wanted, counted from 0, sorted.
        """
        begin, end, begins = self._blocks[block]
        if begins is None:
            return [(begin, end)], lines
        pieces = lines // _EVERY
        wanted = pieces.unique(maintain_order=True)
        ends = begins.shift(-1, fill_value=end - begin)
        bounds = zip(begins.gather(wanted) + begin, ends.gather(wanted) + begin, strict=True)
        return list(bounds), pieces.rle_id().cast(pl.Int64) * _EVERY + lines % _EVERY


def _begins(lines: pl.Series, data: bytes) -> pl.Series | None:
    """Where every so many lines of a block begin; null if that can't be told from their lengths.

    It can if nothing was taken from them but their ends, and these are all alike.
    """
    lengths = lines.str.len_bytes().cast(pl.Int64)
    taken = len(data) - int(lengths.sum())
    ended = len(lines) - (not data.endswith(b"\n"))
    if taken == ended:
        end = 1
    elif taken == 2 * ended == 2 * data.count(b"\r\n"):
        end = 2
    else:
        return None
    return (lengths + end).cum_sum().shift(1, fill_value=0).gather_every(_EVERY)
