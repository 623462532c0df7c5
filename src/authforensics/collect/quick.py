"""Parses blocks of lines: plain ones in the quicker way that a parser may have for them, the others one by one."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from authforensics.collect.format import Cutting, Parser


def parsed(parser: Parser, data: bytes, numbers: pl.Series, lines: Callable[[], pl.DataFrame]) -> pl.LazyFrame:
    """What a parser says of each line of a block.

    Args:
        parser: the parser.
        data: the block as it stands in the file.
        numbers: the `line_number` of each line.
        lines: gives `line_number` and `line` of each; asked for only if some can't be cut.
    """
    cut = parser.cut(data) if isinstance(parser, Cutting) and _whole(data) else None
    if cut is None or len(cut[1]) != len(numbers):
        return parser(lines().lazy())
    parts, plain = cut[0].with_columns(numbers), cut[1].fill_null(value=False)
    if plain.all():
        return parts
    odd = parser(lines().filter(~plain).lazy()).drop("line")
    dtypes = parts.collect_schema()
    odd = odd.cast({name: dtypes[name] for name in odd.collect_schema().names() if name in dtypes}, strict=False)
    return pl.concat([parts.filter(plain), odd], how="diagonal").sort("line_number")


def run(lines: pl.Series, parser: Parser) -> pl.LazyFrame:
    """What a parser says of lines that don't stand in a file as they are."""
    frame = pl.DataFrame({"line_number": pl.int_range(len(lines), dtype=pl.UInt32, eager=True), "line": lines})
    data = (lines.str.join("\n").item() + "\n").encode() if isinstance(parser, Cutting) else b""
    return parsed(parser, data, frame["line_number"], lambda: frame)


def _whole(data: bytes) -> bool:
    """Whether lines stand in a block as they are: no NULs to strip, no returns but at the ends of lines."""
    return b"\0" not in data and (b"\r" not in data or b"\r" not in data.replace(b"\r\n", b""))
