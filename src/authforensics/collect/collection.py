"""Collects: every input found, recognized, read block by block, cut to the wanted window and accounted for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from authforensics.collect.account import (
    Account,
    Collected,
    Outcome,
    doubled,
    joined,
    left_alone,
    ordered,
    refuse,
    source_of,
)
from authforensics.collect.blocks import Condition
from authforensics.collect.carried import Finder
from authforensics.collect.compression import compressed
from authforensics.collect.discover import Found, discover
from authforensics.collect.duplicates import duplicates, lines_of
from authforensics.collect.filters import narrowed
from authforensics.collect.format import Settings
from authforensics.collect.further import PUT_IN_FRONT, recognized, timeless
from authforensics.collect.left_alone import by_content, by_name
from authforensics.collect.options import Options
from authforensics.collect.overlaps import overlaps
from authforensics.collect.read import Digest, Taken, read
from authforensics.collect.recognize import ENOUGH, Match, named, no_events
from authforensics.collect.sample import Sample, take
from authforensics.collect.step import Progress, Step
from authforensics.collect.tables import columns_of
from authforensics.collect.telling import is_log, misnamed, no_log
from authforensics.collect.window import after_last, moment
from authforensics.schema import COLLECTED

_DEFAULTS = Options()
#: How much smaller logs are when compressed, about.
_PACKED = 15


def collect(
    found: Sequence[Found],
    digest: Digest[Taken],
    take_in: Callable[[Taken], None],
    options: Options = _DEFAULTS,
    *,
    progress: Progress | None = None,
) -> Collected:
    """Read every input; each line becomes an event, a reject or one of the other dispositions.

    Args:
        found: what `discover` found.
        digest: what is made of the events of each block; done by several threads at a time.
        take_in: gets that, block by block, of each file in the order of its lines.
        options: how to read.
        progress: is told after each block.

    Raises:
        UnknownName: a format that doesn't exist.
        BadValue: a zone, time or log_format that can't be understood.
        BrokenInput: with `strict`, an input that can't be read whole.
        NothingReadable: no line of any input became an event or lies outside of the window only.
    """
    settings = checked(options)
    if options.selective:
        last = _last(found, options, settings) if after_last(options.since, options.until) else None
        digest = narrowed(digest, within(options, last))
    reader = Reader(found, options, settings, digest, progress)
    outcomes = [reader.one(each, take_in) for each in found]
    refuse(outcomes, options)
    return joined(ordered(outcomes))


def gather(paths: Sequence[str | Path], options: Options = _DEFAULTS) -> tuple[pl.DataFrame, Collected]:
    """All events at once, with all columns of `COLLECTED`, in the order of their files and lines.

    Raises:
        UsageError, InputError: as `discover` and `collect` do.
    """
    return gather_found(discover(paths), options)


def gather_found(
    found: Sequence[Found], options: Options = _DEFAULTS, progress: Progress | None = None
) -> tuple[pl.DataFrame, Collected]:
    """As `gather`, of what `discover` found; `progress` is told after each block."""
    parts: list[pl.DataFrame] = []
    digest = Digest(tuple(COLLECTED), lambda events: events, finder=Finder())
    collected = collect(found, digest, parts.append, options, progress=progress)
    events = pl.concat([pl.DataFrame(schema=COLLECTED), *parts])
    places = {source: place for place, source in enumerate(collected.bases)}
    by_file = pl.col("source").cast(pl.String).replace_strict(places, return_dtype=pl.UInt32)
    return events.sort(by_file, maintain_order=True), collected


def extent(found: Sequence[Found]) -> int:
    """About how many bytes of text there are; files that are left alone for their names are not opened for that."""
    read = (each for each in found if by_name(each.path.name, each.named) is None)
    return sum(_size(each) * (_PACKED if _compressed(each.path) else 1) for each in read)


def checked(options: Options) -> Settings:
    """The settings that options come to.

    Raises:
        UnknownName: a format that doesn't exist.
        BadValue: a zone, time or log_format that can't be understood.
    """
    if options.format is not None:
        named(options.format)
    settings = options.settings()
    for name, value in (("since", options.since), ("until", options.until)):
        if value is not None:
            moment(name, value, None, options.tz)
    return settings


class Reader:
    """Reads one input after the other, and remembers what the earlier ones were."""

    def __init__(
        self,
        found: Sequence[Found],
        options: Options,
        settings: Settings,
        digest: Digest[Any],
        progress: Progress | None,
    ) -> None:
        self._options, self._settings, self._digest, self._progress = options, settings, digest, progress
        self._copies = duplicates(found)
        self._shared = overlaps(found, self._copies)
        self._sizes = {each.source: _size(each) for each in found}
        self._files = 0
        self._done = 0

    def one(self, found: Found, take_in: Callable[[Any], None]) -> Outcome:
        """Read one input."""
        try:
            return self._one(found, take_in)
        finally:
            self._files += 1
            self._done += self._sizes[found.source]
            self._tell(found, 0)

    def _one(self, found: Found, take_in: Callable[[Any], None]) -> Outcome:
        if found.problem is not None:
            return left_alone(found, found.problem, broken=True)
        if (original := self._copies.get(found.source)) is not None:
            return doubled(found, original, lines_of(found))
        reason = by_name(found.path.name, found.named)
        if reason is not None and not (found.named and self._options.format):
            return left_alone(found, reason)
        try:
            sample = take(found.path)
            match = self._recognized(found, sample)
            found = replace(found, shared=self._shared.get(found.source))
            return match if isinstance(match, Outcome) else self._read(found, match, take_in)
        except OSError as error:
            return left_alone(found, f"can't be read: {error.strerror or error}", broken=True)

    def _recognized(self, found: Found, sample: Sample) -> Match | Outcome:
        if sample.table is not None and sample.empty:
            return left_alone(found, sample.broken or "a table without rows", broken=sample.broken is not None)
        if sample.empty and sample.compression is not None:
            return left_alone(found, f"broken {sample.compression} data: nothing could be read", broken=True)
        reason = "empty" if sample.empty else sample.binary
        if reason is None and not sample.lines:
            reason = "blank lines only"
        if reason is None and self._options.format is None:
            reason = by_content(sample.lines)
        if reason is not None:
            return left_alone(found, reason)
        settings = known_of(found, self._settings)
        reason = misnamed(sample.lines, settings.columns, table=sample.table is not None)
        if reason is not None:
            return left_alone(found, reason, broken=True)
        match = recognized(found.path, sample, settings, self._options.format)
        if match is None or (match.confidence < ENOUGH and self._options.format is None):
            return left_alone(found, _guess(sample, match, settings))
        if sample.table is None:
            return match
        if self._options.format is None and not is_log(sample.lines, match, settings.columns):
            return left_alone(found, no_log(_columns(sample)))
        return replace(match, table=sample.table.lower())

    def _read(self, found: Found, match: Match, take_in: Callable[[Any], None]) -> Outcome:
        condition, account = Condition(), Account()
        file, blocks = read(found, match, self._digest, condition, threads=pl.thread_pool_size() + 1)
        for block in blocks:
            account.add(block)
            if block.taken is not None:
                take_in(block.taken)
            self._tell(found, condition.position)
        source = source_of(found, match, account, condition, self._settings)
        return Outcome(found, source, account, file)

    def _tell(self, found: Found, inside: int) -> None:
        if self._progress is not None:
            size = min(inside, self._sizes[found.source])
            total = sum(self._sizes.values())
            self._progress(Step(found.source, self._files, len(self._sizes), self._done + size, total))


def _columns(sample: Sample) -> list[str]:
    """What the columns of a table are called; none if it is no table."""
    return columns_of(sample.lines) if sample.table is None else list(json.loads(sample.lines[0]))


def _guess(sample: Sample, match: Match | None, settings: Settings) -> str:
    if names := _columns(sample):
        return no_log(names)
    known = no_events(sample.lines)
    if known is not None:
        return f"no request in it: {known}"
    if (name := timeless(sample.lines, settings)) is not None:
        return f"lines of {name}, but none tells a time: {PUT_IN_FRONT}"
    if match is None or match.confidence == 0:
        return "no known log format"
    return f"no known log format: best guess {match.form.name} at {match.confidence:.0%}"


def _last(found: Sequence[Found], options: Options, settings: Settings) -> datetime | None:
    """The last event of all inputs: one reading more, of the times alone."""
    times = Digest(("timestamp",), lambda _events: None)
    reader = Reader(found, options, settings, times, None)
    outcomes = [reader.one(each, lambda _taken: None) for each in found]
    return max((outcome.source.last_seen for outcome in outcomes if outcome.source.last_seen), default=None)


def within(options: Options, last: datetime | None) -> pl.Expr:
    """Whether an event is wanted; `last` is the time of the last one of all."""
    wanted = options.filtering()
    if options.since is not None:
        wanted &= pl.col("timestamp") >= moment("since", options.since, last, options.tz)
    if options.until is not None:
        wanted &= pl.col("timestamp") <= moment("until", options.until, last, options.tz)
    return wanted


def known_of(found: Found, settings: Settings) -> Settings:
    """What is known of the lines of one input, which are no later than it was last written to.

    Raises:
        OSError: it is gone.
    """
    return replace(settings.of(found), latest=datetime.fromtimestamp(found.path.stat().st_mtime, UTC))


def _size(found: Found) -> int:
    try:
        return found.path.stat().st_size
    except OSError:
        return 0


def _compressed(path: Path) -> bool:
    try:
        return compressed(path)
    except OSError:
        return False
