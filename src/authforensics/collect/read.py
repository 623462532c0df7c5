"""Reads one file of a known format, block by block: events, rejects, and how many lines met which fate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

import polars as pl

from authforensics.collect.blocks import Condition, Text, cleaned, counted, texts
from authforensics.collect.carried import Finder
from authforensics.collect.compression import compressed
from authforensics.collect.continuations import exceptions, with_exceptions
from authforensics.collect.declarations import below, said
from authforensics.collect.discover import Found
from authforensics.collect.format import Format
from authforensics.collect.found import Shared
from authforensics.collect.lay_out import classify, is_event
from authforensics.collect.normalize import normalize
from authforensics.collect.recognize import Match
from authforensics.collect.setbacks import Setback, setbacks
from authforensics.parallel import in_order
from authforensics.schema import DISPOSITION, REJECTS, Disposition

Taken = TypeVar("Taken")

_LONGEST_TEXT = 2_000
#: Lines at the end of a block in which the last record is looked for first.
_TAIL = 500


@dataclass(slots=True)
class File:
    """What is needed to read a file again: the `size` of its blocks, about; `counts` are the lines of each.

    `ends`: where each block ends, if the file isn't compressed.
    """

    path: Path
    size: int
    counts: list[int] = field(default_factory=list)
    ends: list[int] | None = None


@dataclass(frozen=True, slots=True)
class Block(Generic[Taken]):
    """What one block of lines gave.

    `counts` has the number of lines by disposition, `filtered` how many events are outside of the window, `late` how
    many are earlier than the one before; `first`, `last` are the earliest and latest time, `begins`, `ends` that of the
    first and last line; `setbacks` is where the clock seems to go back.
    """

    rejects: pl.DataFrame
    counts: dict[str, int]
    zones: frozenset[str]
    events: int = 0
    filtered: int = 0
    late: int = 0
    first: datetime | None = None
    last: datetime | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    setbacks: tuple[Setback, ...] = ()
    taken: Taken | None = None


@dataclass(frozen=True, slots=True)
class Digest(Generic[Taken]):
    """What is made of events: those `wanted` (all, if None), with these `columns` of COLLECTED, go through `make`.

    `finder` looks for tokens in their lines; None: they don't matter.
    """

    columns: Sequence[str]
    make: Callable[[pl.DataFrame], Taken]
    wanted: pl.Expr | None = None
    finder: Finder | None = None


def read(
    found: Found, match: Match, digest: Digest[Taken], condition: Condition, *, threads: int = 1
) -> tuple[File, Iterator[Block[Taken]]]:
    """Every line of the file in its place, in order.

    `condition` is filled in while the blocks are taken.

    Raises:
        OSError: the file can't be read at all.
    """
    file = File(found.path, match.block, ends=None if compressed(found.path) else [])
    blocks = _blocks(file, condition)
    pieces: Iterator[Text | pl.DataFrame] = _records(blocks, match) if match.form.multiline else iter(blocks)

    def one(piece: tuple[Text | pl.DataFrame, str | None]) -> Block[Taken]:
        return parse(piece[0], match, found, digest, piece[1])

    def all_of() -> Iterator[Block[Taken]]:
        yield from in_order(below(pieces, match.form), one, threads)
        if condition.reason is not None:
            yield _broken(found, condition)

    return file, all_of()


def parse(
    lines: Text | pl.DataFrame, match: Match, found: Found, digest: Digest[Taken], above: str | None = None
) -> Block[Taken]:
    """Some lines of a file (`line_number`, `line`, if they are at hand), that begin where a record begins.

    `above` is the line somewhere above them that declares what is in them.
    """
    if (count := _all_shared(lines, found.shared)) is not None:
        return Block(pl.DataFrame(schema=REJECTS), {Disposition.DUPLICATE.value: count}, frozenset())
    columns = dict.fromkeys(
        (*digest.columns, "timestamp", "line_number", *(("message",) if match.form.multiline else ()))
    )
    normal = normalize(said(lines, match.parser, above), match.form, found.system, found.source)
    # One after the other: the threads are busy with other blocks.
    whole = normal.select(*columns, "matched", "problem", "zone").collect(engine="in-memory")
    events, rejects, counts = _sorted(whole, lines, match.form, found)
    if digest.finder is not None:
        events = digest.finder.add(events, lines)
    zones = frozenset(events["zone"].unique().drop_nulls().to_list())
    inside = events if digest.wanted is None else events.filter(digest.wanted)
    block: Block[Taken] = Block(rejects, counts, zones, events.height, events.height - inside.height)
    if inside.is_empty():
        return block
    times = inside["timestamp"]
    late = int((times.diff().dt.total_microseconds() < 0).sum())
    return replace(
        block,
        late=late,
        setbacks=setbacks(inside) if late else (),
        first=_utc(times.min()),
        last=_utc(times.max()),
        begins=_utc(times[0]),
        ends=_utc(times[-1]),
        taken=digest.make(inside.select(digest.columns)),
    )


def _sorted(
    whole: pl.DataFrame, lines: Text | pl.DataFrame, form: Format, found: Found
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    """The events, the rejects, and how many lines have each disposition."""
    nothing = pl.DataFrame(schema=REJECTS)
    shared = _shared(found.shared)
    if whole.select(is_event().all() & ~shared.any()).item():
        return whole, nothing, {Disposition.EVENT.value: whole.height}
    own = (lines if isinstance(lines, pl.DataFrame) else lines.lines)["line"]
    classified = classify(whole.lazy().with_columns(own), form)
    laid = classified.with_columns(**(exceptions() if form.multiline else {})).collect(engine="in-memory")
    if form.multiline:
        laid = with_exceptions(laid)
    copied = pl.lit(Disposition.DUPLICATE.value, DISPOSITION)
    laid = laid.with_columns(disposition=pl.when(shared).then(copied).otherwise("disposition"))
    counts: dict[str, int] = dict(laid["disposition"].value_counts().rows())
    events = laid.filter(pl.col("disposition") == Disposition.EVENT.value)
    if not counts.get(Disposition.REJECT.value):
        return events, nothing, counts
    lost = laid.filter(pl.col("disposition") == Disposition.REJECT.value)
    text = pl.col("line").str.slice(0, _LONGEST_TEXT)
    return events, lost.select(pl.lit(found.source).alias("source"), "line_number", "reason", text=text), counts


def _shared(shared: Shared | None) -> pl.Expr:
    """Whether a line counts in another file."""
    if shared is None:
        return pl.lit(value=False)
    return pl.col("line_number").is_between(shared.first, shared.end, closed="left")


def _all_shared(lines: Text | pl.DataFrame, shared: Shared | None) -> int | None:
    """How many lines these are, if all of them count in another file."""
    numbers = lines["line_number"] if isinstance(lines, pl.DataFrame) else lines.numbers
    if shared is None or not len(numbers) or numbers[0] < shared.first or numbers[-1] >= shared.end:
        return None
    return len(numbers)


def _blocks(file: File, condition: Condition) -> Iterator[Text]:
    """The blocks of a file."""
    before = 0
    for data in texts(file.path, file.size, condition):
        text, repaired = cleaned(data, first=not file.counts)
        condition.undecodable |= repaired
        file.counts.append(counted(text))
        if file.ends is not None:
            file.ends.append(len(data) + (file.ends[-1] if file.ends else 0))
        yield Text(text, before, file.counts[-1])
        before += file.counts[-1]
    condition.line_number = before + 1


def _records(blocks: Iterator[Text], match: Match) -> Iterator[pl.DataFrame]:
    """The lines of blocks; of records of several lines none is cut in two."""
    rest = pl.DataFrame()
    block = next(blocks, None)
    while block is not None:
        frame = pl.concat([rest, block.lines], rechunk=True) if rest.height else block.lines
        block = next(blocks, None)
        # With the last block everything ends, and lines that belong together stay so.
        cut = frame.height if block is None else _last_record(frame, match)
        frame, rest = frame.head(cut), frame.slice(cut)
        if not frame.is_empty():
            yield frame


def _last_record(frame: pl.DataFrame, match: Match) -> int:
    """Where the last record of these lines begins; 0 if none but the first does."""
    for tail in (frame.tail(_TAIL), frame):
        begins = pl.col("matched").fill_null(False) | pl.col("line").str.contains(match.form.record_start or "^")
        found = match.parser(tail.lazy()).select(begins).collect(engine="in-memory").to_series().arg_true()
        if len(found):
            return frame.height - tail.height + int(found[-1])
    return 0


def _broken(found: Found, condition: Condition) -> Block[Taken]:
    """The break itself, as a line that is rejected."""
    place = {"line_number": condition.line_number, "reason": condition.reason, "text": condition.text}
    rejects = pl.DataFrame([{"source": found.source, **place}], schema=REJECTS)
    return Block(rejects, {Disposition.REJECT.value: 1}, frozenset())


def _utc(value: object) -> datetime | None:
    return value.astimezone(UTC) if isinstance(value, datetime) else None
