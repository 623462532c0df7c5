"""Carries declarations from block to block: the line above that says what is in the lines of a block, as `#Fields:`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import polars as pl

from authforensics.collect.blocks import Text
from authforensics.collect.format import Format, Parser
from authforensics.collect.quick import parsed


def below(pieces: Iterable[Text | pl.DataFrame], form: Format) -> Iterator[tuple[Text | pl.DataFrame, str | None]]:
    """Pieces of a file in their order, each with the last declaration above it."""
    above: str | None = None
    for piece in pieces:
        yield piece, above
        if form.declares is not None:
            above = _last(piece, form, form.declares) or above


def said(lines: Text | pl.DataFrame, parser: Parser, above: str | None) -> pl.LazyFrame:
    """What a parser says of lines that a declaration may stand above."""
    if isinstance(lines, pl.DataFrame):
        if above is None:
            return parser(lines.lazy())
        head = pl.DataFrame({"line_number": [0], "line": [above]}, schema=lines.schema)
        return parser(pl.concat([head, lines]).lazy()).slice(1)
    whole = lines if above is None else lines.below(above)
    told = parsed(parser, whole.data, whole.numbers, lambda: whole.lines)
    return told if above is None else told.slice(1)


def last_declaration(data: bytes, begins: str) -> str | None:
    """The last line of a block that begins so; None if there is none."""
    begin = begins.encode()
    if begin not in data:
        return None
    if b"\0" in data:  # They don't count where a line begins.
        data = re.sub(rb"^\0+", b"", data, flags=re.MULTILINE)
    place = data.rfind(b"\n" + begin) + 1
    if not place and not data.startswith(begin):
        return None
    end = data.find(b"\n", place)
    return (data[place:] if end < 0 else data[place:end]).rstrip(b"\r").decode(errors="replace")


def _last(piece: Text | pl.DataFrame, form: Format, begins: str) -> str | None:
    if form.inside is None and isinstance(piece, Text):
        return last_declaration(piece.data, begins)
    # A wrapper may write what stands behind the mark in another way.
    mark = begins.rstrip()
    if isinstance(piece, Text) and mark.encode() not in piece.data:
        return None
    lines = (piece.lines if isinstance(piece, Text) else piece)["line"]
    lines = lines.filter(lines.str.contains(mark, literal=True))
    inner = lines if form.inside is None else form.inside.lines(lines)
    found = lines.filter(inner.str.starts_with(begins).fill_null(value=False))
    return found[-1] if len(found) else None
