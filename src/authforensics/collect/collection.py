"""Collects: every input found, recognized, read, cut to the wanted window, put in order and accounted for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from authforensics.collect.discover import Found, discover
from authforensics.collect.format import Settings
from authforensics.collect.left_alone import by_content, by_name
from authforensics.collect.options import Options
from authforensics.collect.read import File, Reading, read
from authforensics.collect.recognize import ENOUGH, Match, named, recognize
from authforensics.collect.sample import Sample, take
from authforensics.collect.window import moment
from authforensics.document import RejectSample, Source
from authforensics.errors import BrokenInput, NothingReadable
from authforensics.schema import COLLECTED, REJECTS, Disposition

_SAMPLES = 3
_DEFAULTS = Options()


@dataclass(frozen=True, slots=True)
class Collected:
    """All events in the order of their files, all rejects, what became of each file, and how to read files again."""

    events: pl.DataFrame
    rejects: pl.DataFrame
    sources: tuple[Source, ...]
    files: Mapping[str, File]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One input: its account, and what was read if it is a log."""

    found: Found
    source: Source
    reading: Reading | None = None


def collect(
    paths: Sequence[str | Path], options: Options = _DEFAULTS, progress: Callable[[str, int], None] | None = None
) -> Collected:
    """Read every input; each line becomes an event, a reject or one of the other dispositions.

    `progress` is called after each file with its name and the bytes done so far.

    Raises:
        MissingInput: a path that doesn't exist, a glob that matches nothing.
        UnknownName: a format that doesn't exist.
        BadValue: a zone, time or log_format that can't be understood.
        BrokenInput: with `strict`, an input that can't be read whole.
        NothingReadable: no line of any input became an event or lies outside of the window only.
    """
    settings = options.settings()
    if options.format is not None:
        named(options.format)
    _check_window(options)
    outcomes: list[_Outcome] = []
    sure: list[str] = []
    done = 0
    for found in discover(paths):
        outcome = _one(found, options, settings, sure)
        outcomes.append(outcome)
        done += _size(found)
        if progress is not None:
            progress(found.source, done)
    _refuse(outcomes, options)
    outcomes = _windowed(_ordered(outcomes), options)
    return _joined(outcomes)


def _one(found: Found, options: Options, settings: Settings, sure: list[str]) -> _Outcome:
    if found.problem is not None:
        return _left(found, found.problem, broken=True)
    reason = by_name(found.path.name, found.named)
    if reason is not None and not (found.named and options.format):
        return _left(found, reason)
    try:
        sample = take(found.path)
        return _look(found, sample, options, settings, sure)
    except OSError as error:
        return _left(found, f"can't be read: {error.strerror or error}", broken=True)


def _look(found: Found, sample: Sample, options: Options, settings: Settings, sure: list[str]) -> _Outcome:
    if sample.empty and sample.compression is not None:
        return _left(found, f"broken {sample.compression} data: nothing could be read", broken=True)
    reason = "empty" if sample.empty else sample.binary
    if reason is None and not sample.lines:
        reason = "blank lines only"
    if reason is None and options.format is None:
        reason = by_content(sample.lines)
    if reason is not None:
        return _left(found, reason)
    match = recognize(sample.lines, settings, sure, options.format)
    if match is None or (match.confidence < ENOUGH and options.format is None):
        return _left(found, _guess(match))
    if match.form.name not in sure:
        sure.append(match.form.name)
    reading = read(found, match, settings)
    return _Outcome(found, _account(found, match, reading), reading)


def _left(found: Found, note: str, broken: bool = False) -> _Outcome:
    return _Outcome(found, Source(system=found.system, source=found.source, format=None, note=note, broken=broken))


def _guess(match: Match | None) -> str:
    if match is None or match.confidence == 0:
        return "no known log format"
    return f"no known log format: best guess {match.form.name} at {match.confidence:.0%}"


def _account(found: Found, match: Match, reading: Reading) -> Source:
    counts = reading.counts
    events = reading.events
    damage = reading.damage
    notes = []
    if damage.reason is not None:
        notes.append(f"breaks off at line {damage.line_number}: {damage.reason}")
    if damage.undecodable:
        notes.append("holds bytes that are not UTF-8: shown as \ufffd")
    return Source(
        system=found.system,
        source=found.source,
        format=match.form.name,
        confidence=match.confidence,
        timezone=reading.timezone,
        lines=sum(counts.values()),
        records=events.height,
        events=events.height,
        continuations=counts.get(Disposition.CONTINUATION, 0),
        rejects=counts.get(Disposition.REJECT, 0),
        blank=counts.get(Disposition.BLANK, 0),
        header=counts.get(Disposition.HEADER, 0),
        first_seen=_utc(events["timestamp"].min()),
        last_seen=_utc(events["timestamp"].max()),
        reject_samples=tuple(
            RejectSample(line_number=row["line_number"], reason=row["reason"], text=row["text"] or "")
            for row in reading.rejects.head(_SAMPLES).to_dicts()
        ),
        note="; ".join(notes) or None,
        broken=damage.reason is not None,
    )


def _refuse(outcomes: Sequence[_Outcome], options: Options) -> None:
    sources = [outcome.source for outcome in outcomes]
    if options.strict:
        for source in sources:
            if source.broken:
                raise BrokenInput(f"{source.source}: {source.note}")
    if not any(source.events for source in sources):
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


def _check_window(options: Options) -> None:
    for name, value in (("since", options.since), ("until", options.until)):
        if value is not None:
            moment(name, value, None, options.tz)


def _windowed(outcomes: list[_Outcome], options: Options) -> list[_Outcome]:
    if options.since is None and options.until is None:
        return outcomes
    last = max((outcome.source.last_seen for outcome in outcomes if outcome.source.last_seen), default=None)
    wanted = pl.lit(True)
    if options.since is not None:
        wanted &= pl.col("timestamp") >= moment("since", options.since, last, options.tz)
    if options.until is not None:
        wanted &= pl.col("timestamp") <= moment("until", options.until, last, options.tz)
    return [_cut(outcome, wanted) for outcome in outcomes]


def _cut(outcome: _Outcome, wanted: pl.Expr) -> _Outcome:
    if outcome.reading is None:
        return outcome
    events = outcome.reading.events.filter(wanted)
    source = outcome.source.model_copy(
        update={
            "events": events.height,
            "filtered": outcome.source.events - events.height,
            "first_seen": _utc(events["timestamp"].min()),
            "last_seen": _utc(events["timestamp"].max()),
        }
    )
    return replace(outcome, source=source, reading=replace(outcome.reading, events=events))


def _joined(outcomes: Sequence[_Outcome]) -> Collected:
    for outcome in outcomes:
        if outcome.source.lines != outcome.source.accounted:
            raise AssertionError(f"{outcome.source.source}: lines without a disposition")
    readings = [(outcome.source.source, outcome.reading) for outcome in outcomes if outcome.reading is not None]
    events = pl.concat([reading.events for _, reading in readings]) if readings else pl.DataFrame(schema=COLLECTED)
    rejects = pl.concat([reading.rejects for _, reading in readings]) if readings else pl.DataFrame(schema=REJECTS)
    files = {name: reading.file for name, reading in readings}
    return Collected(events, rejects, tuple(outcome.source for outcome in outcomes), files)


def _size(found: Found) -> int:
    try:
        return found.path.stat().st_size
    except OSError:
        return 0


def _utc(value: object) -> datetime | None:
    return value.astimezone(UTC) if isinstance(value, datetime) else None
