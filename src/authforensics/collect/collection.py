"""Collects: every input found, recognized, read block by block, cut to the wanted window and accounted for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from authforensics.collect.blocks import Condition
from authforensics.collect.compression import kind_of
from authforensics.collect.discover import Found, discover
from authforensics.collect.format import Settings
from authforensics.collect.left_alone import by_content, by_name
from authforensics.collect.options import Options
from authforensics.collect.read import Block, Digest, File, read
from authforensics.collect.recognize import ENOUGH, Match, named, recognize
from authforensics.collect.sample import Sample, take
from authforensics.collect.times import EPOCH, NAIVE
from authforensics.collect.window import after_last, moment
from authforensics.document import RejectSample, Source
from authforensics.errors import BrokenInput, NothingReadable
from authforensics.redact import redact
from authforensics.schema import COLLECTED, REJECTS, Disposition

_SAMPLES = 3
_DEFAULTS = Options()
#: Redaction goes text by text; beyond this many rejects of one file only place and reason are kept.
_MOST_TEXTS = 10_000
#: How much smaller logs are when compressed, about.
_PACKED = 15

Taken = TypeVar("Taken")


@dataclass(frozen=True, slots=True)
class Step:
    """How far collecting has come: files and bytes done, of all; `source` is the file being read."""

    source: str
    files: int
    all_files: int
    size: int
    all_size: int


Progress = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of each file, in the order of their lines; all rejects; and how to read files again.

    `late` is how many events, per source, are earlier than the event before them in the same file.
    """

    rejects: pl.DataFrame
    sources: tuple[Source, ...]
    files: Mapping[str, File]
    late: Mapping[str, int]

    @property
    def bases(self) -> dict[str, int]:
        """Per source, how many lines come before its first in the order of all."""
        found: dict[str, int] = {}
        before = 0
        for source in self.sources:
            found[source.source] = before
            before += source.lines
        return found


@dataclass(slots=True)
class _Account:
    """What became of the lines of one file, summed up while it is read."""

    counts: dict[str, int] = field(default_factory=dict)
    events: int = 0
    filtered: int = 0
    late: int = 0
    first: datetime | None = None
    last: datetime | None = None
    before: datetime | None = None
    zones: set[str] = field(default_factory=set)
    rejects: list[pl.DataFrame] = field(default_factory=list)
    texts: int = 0

    def add(self, block: Block[Taken]) -> None:
        """Count a block."""
        for name, count in block.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.zones |= block.zones
        if not block.rejects.is_empty():
            kept = max(0, _MOST_TEXTS - self.texts)
            self.rejects.append(_redacted(block.rejects, kept))
            self.texts += block.rejects.height
        self.events += block.events
        self.filtered += block.filtered
        self.late += block.late
        if self.before is not None and block.begins is not None and block.begins < self.before:
            self.late += 1
        self.before = block.ends or self.before
        self.first = min(filter(None, (self.first, block.first)), default=None)
        self.last = max(filter(None, (self.last, block.last)), default=None)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One input: its account, and how to read it again if it is a log."""

    found: Found
    source: Source
    account: _Account | None = None
    file: File | None = None


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
    settings = options.settings()
    if options.format is not None:
        named(options.format)
    for name, value in (("since", options.since), ("until", options.until)):
        if value is not None:
            moment(name, value, None, options.tz)
    if options.since is not None or options.until is not None:
        last = _last(found, options, settings) if after_last(options.since, options.until) else None
        digest = replace(digest, wanted=_window(options, last))
    reader = _Reader(found, options, settings, digest, progress)
    outcomes = [reader.one(each, take_in) for each in found]
    _refuse(outcomes, options)
    return _joined(_ordered(outcomes))


def gather(paths: Sequence[str | Path], options: Options = _DEFAULTS) -> tuple[pl.DataFrame, Collected]:
    """All events at once, with all columns of `COLLECTED`, in the order of their files and lines.

    Raises:
        UsageError, InputError: as `discover` and `collect` do.
    """
    return gather_found(discover(paths), options)


def gather_found(found: Sequence[Found], options: Options = _DEFAULTS) -> tuple[pl.DataFrame, Collected]:
    """As `gather`, of what `discover` found."""
    parts: list[pl.DataFrame] = []
    collected = collect(found, Digest(tuple(COLLECTED), lambda events: events), parts.append, options)
    events = pl.concat([pl.DataFrame(schema=COLLECTED), *parts])
    places = {source: place for place, source in enumerate(collected.bases)}
    by_file = pl.col("source").cast(pl.String).replace_strict(places, return_dtype=pl.UInt32)
    return events.sort(by_file, maintain_order=True), collected


def extent(found: Sequence[Found]) -> int:
    """About how many bytes of text there are."""
    return sum(_size(each) * (1 if _plain(each.path) else _PACKED) for each in found)


class _Reader:
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
        self._sure: list[str] = []
        self._sizes = {each.source: _size(each) for each in found}
        self._files = 0
        self._done = 0

    def one(self, found: Found, take_in: Callable[[Any], None]) -> _Outcome:
        """Read one input."""
        try:
            return self._one(found, take_in)
        finally:
            self._files += 1
            self._done += self._sizes[found.source]
            self._tell(found, 0)

    def _one(self, found: Found, take_in: Callable[[Any], None]) -> _Outcome:
        if found.problem is not None:
            return _left(found, found.problem, broken=True)
        reason = by_name(found.path.name, found.named)
        if reason is not None and not (found.named and self._options.format):
            return _left(found, reason)
        try:
            sample = take(found.path)
            match = self._recognized(found, sample)
            return match if isinstance(match, _Outcome) else self._read(found, match, take_in)
        except OSError as error:
            return _left(found, f"can't be read: {error.strerror or error}", broken=True)

    def _recognized(self, found: Found, sample: Sample) -> Match | _Outcome:
        if sample.empty and sample.compression is not None:
            return _left(found, f"broken {sample.compression} data: nothing could be read", broken=True)
        reason = "empty" if sample.empty else sample.binary
        if reason is None and not sample.lines:
            reason = "blank lines only"
        if reason is None and self._options.format is None:
            reason = by_content(sample.lines)
        if reason is not None:
            return _left(found, reason)
        match = recognize(sample.lines, self._settings, self._sure, self._options.format)
        if match is None or (match.confidence < ENOUGH and self._options.format is None):
            return _left(found, _guess(match))
        if match.form.name not in self._sure:
            self._sure.append(match.form.name)
        return match

    def _read(self, found: Found, match: Match, take_in: Callable[[Any], None]) -> _Outcome:
        condition, account = Condition(), _Account()
        file, blocks = read(found, match, self._digest, condition, threads=pl.thread_pool_size())
        for block in blocks:
            account.add(block)
            if block.taken is not None:
                take_in(block.taken)
            self._tell(found, condition.position)
        source = _source(found, match, account, condition, self._settings)
        return _Outcome(found, source, account, file)

    def _tell(self, found: Found, inside: int) -> None:
        if self._progress is not None:
            size = min(inside, self._sizes[found.source])
            total = sum(self._sizes.values())
            self._progress(Step(found.source, self._files, len(self._sizes), self._done + size, total))


def _left(found: Found, note: str, broken: bool = False) -> _Outcome:
    return _Outcome(found, Source(system=found.system, source=found.source, format=None, note=note, broken=broken))


def _guess(match: Match | None) -> str:
    if match is None or match.confidence == 0:
        return "no known log format"
    return f"no known log format: best guess {match.form.name} at {match.confidence:.0%}"


def _source(found: Found, match: Match, account: _Account, condition: Condition, settings: Settings) -> Source:
    counts = account.counts
    notes = []
    if condition.reason is not None:
        notes.append(f"breaks off at line {condition.line_number}: {condition.reason}")
    if condition.undecodable:
        notes.append("holds bytes that are not UTF-8: shown as \ufffd")
    samples = [row for part in account.rejects for row in part.head(_SAMPLES).to_dicts()][:_SAMPLES]
    return Source(
        system=found.system,
        source=found.source,
        format=match.form.name,
        confidence=match.confidence,
        timezone=_timezone(sorted(account.zones), settings),
        lines=sum(counts.values()),
        records=account.events,
        events=account.events - account.filtered,
        continuations=counts.get(Disposition.CONTINUATION, 0),
        rejects=counts.get(Disposition.REJECT, 0),
        blank=counts.get(Disposition.BLANK, 0),
        header=counts.get(Disposition.HEADER, 0),
        filtered=account.filtered,
        first_seen=account.first,
        last_seen=account.last,
        reject_samples=tuple(
            RejectSample(line_number=row["line_number"], reason=row["reason"], text=row["text"] or "")
            for row in samples
        ),
        note="; ".join(notes) or None,
        broken=condition.reason is not None,
    )


def _redacted(rejects: pl.DataFrame, most: int) -> pl.DataFrame:
    texts = pl.Series([redact(text or "") for text in rejects["text"].head(most)], dtype=pl.String)
    rejects = rejects.with_columns(text=texts.extend_constant(None, rejects.height - len(texts)))
    return rejects.select(pl.col(name).cast(dtype) for name, dtype in REJECTS.items())


def _timezone(zones: list[str], settings: Settings) -> str | None:
    labels = {_label(zone, settings) for zone in zones}
    if len(labels) > 1:
        labels -= {"epoch"}
    return "mixed" if len(labels) > 1 else next(iter(labels), None)


def _label(zone: str, settings: Settings) -> str:
    if zone == NAIVE:
        return settings.tz or "UTC (assumed)"
    if zone != EPOCH and zone[:1] in "+-" and ":" not in zone:
        return f"{zone[:3]}:{zone[3:]}"
    return zone


def _refuse(outcomes: Sequence[_Outcome], options: Options) -> None:
    sources = [outcome.source for outcome in outcomes]
    if options.strict:
        for source in sources:
            if source.broken:
                raise BrokenInput(f"{source.source}: {source.note}")
    if not any(source.records for source in sources):
        reasons = "; ".join(f"{source.source}: {_why(source)}" for source in sources[:5])
        more = f"; and {len(sources) - 5} more" if len(sources) > 5 else ""
        raise NothingReadable(f"no line of any input could be read ({reasons or 'no files'}{more})")


def _why(source: Source) -> str:
    if source.note is None and source.reject_samples:
        return f"all {source.lines} lines rejected, the first: {source.reject_samples[0].reason}"
    return source.note or "no events"


def _ordered(outcomes: Sequence[_Outcome]) -> list[_Outcome]:
    never = datetime.max.replace(tzinfo=UTC)

    def key(outcome: _Outcome) -> tuple[str, str, datetime, str]:
        source = outcome.source
        return source.system, outcome.found.rotation, source.first_seen or never, source.source

    return sorted(outcomes, key=key)


def _last(found: Sequence[Found], options: Options, settings: Settings) -> datetime | None:
    """The last event of all inputs: one reading more, of the times alone."""
    times = Digest(("timestamp",), lambda _events: None)
    reader = _Reader(found, options, settings, times, None)
    outcomes = [reader.one(each, lambda _taken: None) for each in found]
    return max((outcome.source.last_seen for outcome in outcomes if outcome.source.last_seen), default=None)


def _window(options: Options, last: datetime | None) -> pl.Expr:
    wanted = pl.lit(True)
    if options.since is not None:
        wanted &= pl.col("timestamp") >= moment("since", options.since, last, options.tz)
    if options.until is not None:
        wanted &= pl.col("timestamp") <= moment("until", options.until, last, options.tz)
    return wanted


def _joined(outcomes: Sequence[_Outcome]) -> Collected:
    for outcome in outcomes:
        if outcome.source.lines != outcome.source.accounted:
            raise AssertionError(f"{outcome.source.source}: lines without a disposition")
    rejects = [part for one in outcomes if one.account is not None for part in one.account.rejects]
    late: dict[str, int] = {}
    for one in outcomes:
        if one.account is not None:
            late[one.source.source] = one.account.late
    return Collected(
        rejects=pl.concat([pl.DataFrame(schema=REJECTS), *rejects]),
        sources=tuple(one.source for one in outcomes),
        files={one.source.source: one.file for one in outcomes if one.file is not None},
        late=late,
    )


def _size(found: Found) -> int:
    try:
        return found.path.stat().st_size
    except OSError:
        return 0


def _plain(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return kind_of(file.read(8)) is None
    except OSError:
        return True
