"""Knows where the lines of a file are, so that a few can be fetched without reading all the others."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

import polars as pl

#: A block is kept in mind in pieces of about so many bytes, each of which begins where a line does.
_PIECE = 1 << 16


@dataclass(slots=True)
class Places:
    """Of each block of a file that isn't compressed: where its pieces begin, and how many lines stand before each.

    Lines are counted by their ends, so that nothing that is taken from them when they are read can lead astray.
    """

    _end: int = 0
    _blocks: list[tuple[list[int], list[int]]] = field(default_factory=list)

    def add(self, data: bytes) -> None:
        """Take in the next block, as it stands in the file."""
        bounds, before = [0], [0]
        while bounds[-1] < len(data):
            cut = data.find(b"\n", bounds[-1] + _PIECE) + 1 or len(data)
            before.append(before[-1] + data.count(b"\n", bounds[-1], cut))
            bounds.append(cut)
        self._blocks.append(([self._end + bound for bound in bounds], before))
        self._end += len(data)

    def pieces(self, block: int, lines: pl.Series) -> tuple[list[tuple[int, int]], pl.Series]:
        """From where to where to read for some lines of a block; and which they are of the lines read.

        Args:
            block: the block's number.
            lines: of its lines those wanted, counted from 0, sorted.
        """
        bounds, before = self._blocks[block]
        found: dict[int, int] = {}
        read, wanted = 0, []
        for line in lines.to_list():
            piece = min(bisect_right(before, line), len(bounds) - 1) - 1
            if piece not in found:
                found[piece] = read - before[piece]
                read += before[piece + 1] - before[piece]
            wanted.append(found[piece] + line)
        return [(bounds[piece], bounds[piece + 1]) for piece in found], pl.Series(wanted, dtype=pl.Int64)
