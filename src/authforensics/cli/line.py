"""Owns how one line is explained: what it was taken for, what its fields became, where other formats stop."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from difflib import SequenceMatcher
from itertools import groupby
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from authforensics.redact import Shown, conceal, redact, visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from authforensics.collect.trace import Traced, Tried

#: Columns at which formats stop that are shown with the line; characters of what would go on there.
_PLACES, _WANTED = 3, 40
_INDENT = "  "
_TOKENS = re.compile(r"\w+|\W")


def drawn(traced: Traced, width: int, shown: Shown | None = None, *, verbose: bool) -> RenderableType:
    """All that is known of a line, for a terminal of that width; `shown` as in `redact.conceal`."""
    parts: list[RenderableType] = [_facts(traced, shown)]
    if traced.fields:
        parts += [Text(), Text("Fields", "bold"), _grid((name, _value(value)) for name, value in traced.fields.items())]
    taken = [one for one in traced.tried if one.confidence]
    if taken:
        names = ", ".join(f"{one.name} ({one.confidence:.0%} sure)" for one in taken)
        parts += [Text(), _grid([("Formats that take it", names)])]
    parts += _stops(traced, [one for one in traced.tried if not one.confidence], width, verbose=verbose)
    return Group(*parts)


def _facts(traced: Traced, shown: Shown | None) -> Table:
    facts = [("Line", visible(conceal(traced.line, shown)))]
    if traced.wrappers:
        facts += [("Wrapped in", " > ".join(traced.wrappers)), ("Inside", redact(traced.inner))]
    form = "none" if traced.format is None else f"{traced.format} ({traced.confidence:.0%} sure)"
    if traced.log_format is not None:
        form += f", told from its parts: --log-format {shlex.quote(redact(traced.log_format))}"
    if traced.log is not None:
        form += f", laid out as {redact(traced.log)}"
    reason = f": {redact(traced.reason)}" if traced.reason else ""
    return _grid([*facts, ("Format", form), ("Disposition", f"{traced.disposition}{reason}")])


def _grid(rows: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(Text(name, "bold"), Text(visible(value)))
    return grid


def _value(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float):
        return f"{value:.6g}" if value < 1 else f"{value:,.3f}".rstrip("0").rstrip(".").replace(",", "")
    return redact(str(value))


def _stops(traced: Traced, tried: Sequence[Tried], width: int, *, verbose: bool) -> Iterator[RenderableType]:
    """Where the formats stop that don't take the line: the furthest with the place marked, the rest by column."""
    if not tried:
        return
    yield from (Text(), Text("Formats that don't take it", "bold"))
    begun = [one for one in tried if one.reach]
    places = [list(group) for _, group in groupby(begun, key=lambda one: one.reach)]
    # Of a line that is taken nobody needs to know what it lacks to be another.
    most = len(places) if verbose else 0 if traced.format else _PLACES
    for group in places[:most]:
        for wanted, same in groupby(group, key=_goes_on):
            yield Text(visible(f"{', '.join(one.name for one in same)}: {wanted}"))
        yield from _marked(traced.inner, group[0].reach, width)
    rest = [f"{one.name} at column {one.reach + 1}" for group in places[most:] for one in group]
    if rest:
        yield _grid([("Stop", ", ".join(rest))])
    nothing = [one.name for one in tried if not one.reach]
    if nothing:
        yield _grid([("Never begin so", ", ".join(nothing))])


def _goes_on(tried: Tried) -> str:
    wanted = tried.wanted or ""
    cut = wanted if len(wanted) <= _WANTED else f"{wanted[:_WANTED]}…"
    more = f"go on there with {cut}" if wanted else "end there"
    return f"stops at column {tried.reach + 1}; a line of it may {more}"


def _marked(line: str, reach: int, width: int) -> Iterator[Text]:
    """As much of the line as fits, and a mark beneath the place."""
    shown, at = marked(line, reach)
    room = width - len(_INDENT) - 2
    start = max(0, at - room * 2 // 3) if cell_len(shown) > room else 0
    part = ("…" if start else "") + shown[start:]
    mark = cell_len(part[: at - start + bool(start)])
    text = Text(_INDENT + part, no_wrap=True, overflow="ellipsis")
    text.truncate(width, overflow="ellipsis")
    yield text
    yield Text.assemble(_INDENT + " " * mark, ("^", "bold red"), no_wrap=True)


def marked(line: str, at: int) -> tuple[str, int]:
    """The line as it may be shown, and where a place in it is then; within what is concealed: its beginning."""
    concealed = conceal(line)
    if concealed != line:
        before, after = _TOKENS.findall(line), _TOKENS.findall(concealed)
        at = _moved(before, after, at)
    return visible(concealed), len(visible(concealed[:at]))


def _moved(before: Sequence[str], after: Sequence[str], at: int) -> int:
    """Where a place among some words is when some of them have been replaced."""
    ends = 0
    for kind, begin, end, begun, ended in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        length = sum(map(len, before[begin:end]))
        if at < ends + length:
            inside = at - ends if kind == "equal" else 0
            return sum(map(len, after[:begun])) + inside
        ends += length
        last = ended
    return sum(map(len, after[:last])) if before else 0
