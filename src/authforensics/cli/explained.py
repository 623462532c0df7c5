"""Owns how an explanation looks on the terminal: headings, texts, drawings and tables, and the list of all names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from authforensics.cli.entries import Entry, Part

_INDENT = (0, 0, 0, 2)


def drawn(found: Iterable[Entry]) -> RenderableType:
    """All meanings of a name, one below the other."""
    parts: list[RenderableType] = []
    for entry in found:
        parts += [Text()] if parts else []
        parts += [Text.assemble((entry.name, "bold underline"), f"  {entry.kind}"), Text(entry.title)]
        parts += sections(entry.parts)
    return Group(*parts)


def sections(parts: Iterable[Part]) -> Iterator[RenderableType]:
    """Parts, each under its heading."""
    for part in parts:
        yield from (Text(), Text(part.heading, "bold"))
        if part.text:
            yield Padding(_prose(part.text), _INDENT)
        for line in part.lines:
            yield Text(f"  {line}", no_wrap=True, overflow="ellipsis")
        if part.rows:
            yield Padding(_grid(part.rows), _INDENT)


def listed(groups: Mapping[str, Iterable[tuple[str, str]]]) -> RenderableType:
    """Names and what they are, in groups."""
    parts: list[RenderableType] = []
    for title, rows in groups.items():
        parts += [*([Text()] if parts else []), Text(title, "bold"), Padding(_grid(rows), _INDENT)]
    return Group(*parts)


def _grid(rows: Iterable[tuple[str, ...]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for number, row in enumerate(rows):
        if not number:
            for column in range(len(row)):
                grid.add_column(no_wrap=not column, overflow="fold")
        grid.add_row(*(_prose(cell, "" if column else "bold") for column, cell in enumerate(row)))
    return grid


def _prose(text: str, style: str = "") -> Text:
    shown = Text(text, style)
    shown.highlight_regex(r"`[^`]*`", "cyan")
    return shown
