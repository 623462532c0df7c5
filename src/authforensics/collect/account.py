"""Accounts for every line: what became of the lines of each file, and what of it all can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from authforensics.collect.blocks import Condition
from authforensics.collect.discover import Found
from authforensics.collect.format import Settings
from authforensics.collect.found import Shared
from authforensics.collect.options import Options
from authforensics.collect.read import Block, File, Taken
from authforensics.collect.recognize import Match
from authforensics.collect.setbacks import Setback, certain
from authforensics.collect.times import EPOCH, NAIVE
from authforensics.document import RejectSample, Source
from authforensics.errors import BrokenInput, NothingReadable
from authforensics.findings import duration
from authforensics.redact import redact
from authforensics.schema import REJECTS, Disposition

_SAMPLES = 3
#: Redaction goes text by text; beyond this many rejects of one file only place and reason are kept.
MOST_TEXTS = 10_000


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of each file, in the order of their lines; all rejects; and how to read files again.

    `late` is how many events, per source, are earlier than the event before them in the same file; `setbacks` where the
    clock of a source goes back.
    """

    rejects: pl.DataFrame
    sources: tuple[Source, ...]
    files: Mapping[str, File]
    late: Mapping[str, int]
    setbacks: Mapping[str, tuple[Setback, ...]] = field(default_factory=dict)

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
class Account:
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
    setbacks: list[Setback] = field(default_factory=list)

    def add(self, block: Block[Taken]) -> None:
        """Count a block."""
        for name, count in block.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.zones |= block.zones
        if not block.rejects.is_empty():
            kept = max(0, MOST_TEXTS - self.texts)
            self.rejects.append(_redacted(block.rejects, kept))
            self.texts += block.rejects.height
        self.events += block.events
        self.filtered += block.filtered
        self.late += block.late
        self.setbacks += block.setbacks
        if self.before is not None and block.begins is not None and block.begins < self.before:
            self.late += 1
        self.before = block.ends or self.before
        self.first = min(filter(None, (self.first, block.first)), default=None)
        self.last = max(filter(None, (self.last, block.last)), default=None)

    @property
    def set_back(self) -> tuple[Setback, ...]:
        """Where its clock goes back."""
        return certain(self.setbacks, self.first)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One input: its account, and how to read it again if it is a log."""

    found: Found
    source: Source
    account: Account | None = None
    file: File | None = None


def left_alone(found: Found, note: str, broken: bool = False) -> Outcome:
    """An input that isn't read, and why."""
    return Outcome(found, Source(system=found.system, source=found.source, format=None, note=note, broken=broken))


def doubled(found: Found, original: str, lines: int) -> Outcome:
    """An input all of whose lines are in another one, too: they count there."""
    note = f"a copy of {original}: counted there"
    source = Source(system=found.system, source=found.source, format=None, note=note, lines=lines, duplicates=lines)
    return Outcome(found, source)


def source_of(found: Found, match: Match, account: Account, condition: Condition, settings: Settings) -> Source:
    """The account of a file, for the document."""
    counts = account.counts
    notes = [match.note] if match.note else []
    if condition.reason is not None:
        notes.append(f"breaks off at line {condition.line_number}: {condition.reason}")
    if condition.undecodable:
        notes.append("holds bytes that are not UTF-8: shown as \ufffd")
    if found.shared is not None:
        notes.append(f"{_spelled(found.shared)} in {found.shared.original}, too: counted there")
    notes += [f"its clock goes back by {duration(one.seconds)} at line {one.line_number:,}" for one in account.set_back]
    samples = [row for part in account.rejects for row in part.head(_SAMPLES).to_dicts()][:_SAMPLES]
    return Source(
        system=found.system,
        source=found.source,
        format=match.form.name,
        wrapper=match.around,
        confidence=match.confidence,
        log_format=None if match.log_format is None else redact(match.log_format),
        columns={held: redact(name) for held, name in match.columns.items()},
        units=tuple(unit.model_copy(update={"field": redact(unit.field)}) for unit in match.units),
        timezone=_timezone(sorted(account.zones), settings.of(found)),
        lines=sum(counts.values()),
        records=account.events,
        events=account.events - account.filtered,
        continuations=counts.get(Disposition.CONTINUATION, 0),
        rejects=counts.get(Disposition.REJECT, 0),
        blank=counts.get(Disposition.BLANK, 0),
        header=counts.get(Disposition.HEADER, 0),
        filtered=account.filtered,
        duplicates=counts.get(Disposition.DUPLICATE, 0),
        first_seen=account.first,
        last_seen=account.last,
        reject_samples=tuple(
            RejectSample(line_number=row["line_number"], reason=row["reason"], text=row["text"] or "")
            for row in samples
        ),
        note="; ".join(notes) or None,
        broken=condition.reason is not None,
    )


def _spelled(shared: Shared) -> str:
    return f"{shared.count:,} lines, {shared.first:,} to {shared.end - 1:,}, are"


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


def refuse(outcomes: Sequence[Outcome], options: Options) -> None:
    """Raise what the caller is to be told: nothing could be read, or with `strict` not everything.

    Raises:
        BrokenInput: with `strict`, an input that can't be read whole.
        NothingReadable: there is no event at all.
    """
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


def ordered(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """In the order of their lines: rotated files of one log one after the other, by time."""
    never = datetime.max.replace(tzinfo=UTC)

    def key(outcome: Outcome) -> tuple[str, str, datetime, str]:
        source = outcome.source
        return source.system, outcome.found.rotation, source.first_seen or never, source.source

    return sorted(outcomes, key=key)


def joined(outcomes: Sequence[Outcome]) -> Collected:
    """All together; the sum of the dispositions is checked."""
    for outcome in outcomes:
        if outcome.source.lines != outcome.source.accounted:
            raise AssertionError(f"{outcome.source.source}: lines without a disposition")
    rejects = [part for one in outcomes if one.account is not None for part in one.account.rejects]
    accounts = {one.source.source: one.account for one in outcomes if one.account is not None}
    return Collected(
        rejects=pl.concat([pl.DataFrame(schema=REJECTS), *rejects]),
        sources=tuple(one.source for one in outcomes),
        files={one.source.source: one.file for one in outcomes if one.file is not None},
        late={source: account.late for source, account in accounts.items()},
        setbacks={source: account.set_back for source, account in accounts.items() if account.set_back},
    )
