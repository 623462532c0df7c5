"""Reads logs on executors: the driver says what each file is, tasks read blocks of it, the driver sums up.

Every file is read as the local engine reads it, by the same functions and cut into the same blocks. A plain file of
lines is shared out block by block; one that is compressed, or whose records span lines, is read by one task.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from authforensics import collect, local
from authforensics.collect.account import MOST_TEXTS, Account, Outcome, joined, left_alone, ordered, refuse, source_of
from authforensics.collect.blocks import Condition, Text, cleaned, counted, ends_of
from authforensics.collect.collection import Reader, checked, known_of, within
from authforensics.collect.compression import compressed
from authforensics.collect.declarations import last_declaration
from authforensics.collect.filters import narrowed
from authforensics.collect.format import Settings
from authforensics.collect.further import recognized
from authforensics.collect.read import Block, parse, read
from authforensics.collect.recognize import Match, named
from authforensics.collect.sample import take
from authforensics.collect.window import after_last
from authforensics.correlate import clocks, condense, endpoints
from authforensics.intake import Intake
from authforensics.partitions import Partitions, WorkDirectory, room
from authforensics.schema import MESSAGES, REJECTS, REQUESTS
from authforensics.spark import jobs
from authforensics.tokens import carried
from authforensics.tokens.signers import Samples

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TIMES = ("first", "last", "begins", "ends")
_COUNTED = ("events", "filtered", "late")
#: Requests that one file of them holds, about.
_HELD = 500_000


@dataclass(frozen=True, slots=True)
class Unit:
    """What one task reads: a file; or of a plain one a block, which `before` lines stand before.

    `above` is the line among these that declares what is in the block.
    """

    found: collect.Found
    format: str | None
    start: int = 0
    length: int | None = None
    before: int = 0
    above: str | None = None


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What the executors took in: files of REQUESTS, and what the driver needs to know of everything."""

    files: tuple[Path, ...]
    rows: int
    messages: pl.DataFrame
    seen: tuple[pl.DataFrame, ...]
    sketch: pl.DataFrame
    sightings: pl.DataFrame
    samples: Samples
    covered: Mapping[str, Mapping[str, int]]
    heard: Mapping[str, int]


def read_logs(
    spark: SparkSession, found: Sequence[collect.Found], settings: local.Settings, work: WorkDirectory
) -> tuple[collect.Collected, TakenIn]:
    """Read every input, as `collect.collect` does.

    Raises:
        UsageError, InputError: as `collect.collect` does.
    """
    options = settings.collect
    reading = checked(options)
    outcomes, matches = _recognized(found, options, reading)
    logs = [one.found for one in outcomes if one.found.source in matches]
    units = _counted(spark, [unit for one in logs for unit in _units(one, matches[one.source])])
    wanted = None
    if options.selective:
        wanted = within(options, _last(spark, units, settings) if after_last(options.since, options.until) else None)
    place = work.path / "requests"
    place.mkdir()
    shipped = settings.for_reading()
    made = jobs.run(spark, list(enumerate(units)), partial(_read_unit, settings=shipped, wanted=wanted, place=place))
    parts: dict[str, list[jobs.Pieces]] = {}
    for unit, pieces in zip(units, made, strict=True):
        parts.setdefault(unit.found.source, []).append(pieces)
    for number, one in enumerate(outcomes):
        source = one.found.source
        if source in matches:
            outcomes[number] = _outcome(one.found, matches[source], parts[source], reading)
    refuse(outcomes, options)
    return joined(ordered(outcomes)), taken_in(made)


class _Recognizer(Reader):
    """Says what each input is, and reads none."""

    def __init__(self, found: Sequence[collect.Found], options: collect.Options, settings: Settings) -> None:
        super().__init__(found, options, settings, collect.Digest((), _nothing), None)
        self.matches: dict[str, Match] = {}

    def _read(self, found: collect.Found, match: Match, take_in: object) -> Outcome:  # noqa: ARG002
        self.matches[found.source] = match
        return left_alone(found, "")


def _nothing(_events: object) -> None:
    return None


def _recognized(
    found: Sequence[collect.Found], options: collect.Options, settings: Settings
) -> tuple[list[Outcome], dict[str, Match]]:
    reader = _Recognizer(found, options, settings)
    return [reader.one(each, _nothing) for each in found], reader.matches


def _units(found: collect.Found, match: Match) -> list[Unit]:
    # Which formats stand side by side only a look at the file tells.
    whole = Unit(found, None if match.beside is not None else match.form.name)
    wrapped = match.form.declares is not None and match.form.inside is not None
    ends = [] if match.form.multiline or wrapped or compressed(found.path) else [*ends_of(found.path, match.block)]
    if len(ends) < 2:
        return [whole]
    return [replace(whole, start=start, length=end - start) for start, end in zip([0, *ends], ends, strict=False)]


def _counted(spark: SparkSession, units: Sequence[Unit]) -> list[Unit]:
    """The units, each block knowing how many lines come before it."""
    counts = iter(jobs.run(spark, [unit for unit in units if unit.length is not None], _count))
    found: list[Unit] = []
    for _, mine in groupby(units, key=lambda unit: unit.found.source):
        before, above = 0, None
        for unit in mine:
            found.append(replace(unit, before=before, above=above))
            if unit.length is not None:
                told = json.loads(next(counts)["told"])
                before, above = before + told["lines"], told["declaration"] or above
    return found


def _count(unit: Unit) -> jobs.Pieces:
    data, begins = _data(unit), named(str(unit.format)).declares
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    declaration = None if begins is None else last_declaration(cleaned(data, first=unit.start == 0)[0], begins)
    return {"told": json.dumps({"lines": lines, "declaration": declaration}).encode()}


def _data(unit: Unit) -> bytes:
    with unit.found.path.open("rb") as file:
        file.seek(unit.start)
        return file.read(unit.length)


def _last(spark: SparkSession, units: Sequence[Unit], settings: local.Settings) -> datetime | None:
    """The last event of all inputs: one reading more, of the times alone."""
    shipped = settings.for_reading()
    made = jobs.run(spark, list(enumerate(units)), partial(_read_unit, settings=shipped, wanted=None, place=None))
    ends = [block["last"] for pieces in made for block in json.loads(pieces["account"])["blocks"] if block["last"]]
    return max(map(datetime.fromisoformat, ends), default=None)


class Files(Partitions):
    """Takes in REQUESTS and writes them to files in order of coming, some at a time."""

    def __init__(self, place: Path, number: int) -> None:
        super().__init__(REQUESTS, 1, WorkDirectory(), "requests")
        self._place, self._number = place, number
        self._waiting: list[pl.DataFrame] = []
        self.files: list[tuple[str, int]] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Take in some rows."""
        self._waiting.append(frame)
        if sum(one.height for one in self._waiting) >= _HELD:
            self.finish()

    def finish(self) -> None:
        """Write what is left."""
        if self._waiting:
            whole = pl.concat(self._waiting)
            file = self._place / f"{self._number}-{len(self.files)}.parquet"
            write(whole, file)
            self.files.append((str(file), whole.height))
            self._waiting = []


def write(frame: pl.DataFrame, file: Path) -> None:
    """Write a frame; a task that is tried again, or twice at a time, leaves one whole file.

    Raises:
        InputError: there is no room for it.
    """
    with room(file.parent):
        file.parent.mkdir(exist_ok=True)
        draft = file.with_suffix(f".{_attempt()}.draft")
        frame.write_parquet(draft, compression="lz4", statistics=False)
        draft.replace(file)


def _attempt() -> int:
    from pyspark import TaskContext

    context = TaskContext.get()
    return 0 if context is None else context.taskAttemptId()


def _read_unit(
    task: tuple[int, Unit], settings: local.Settings, wanted: pl.Expr | None, place: Path | None
) -> jobs.Pieces:
    """One task: read a unit, write its requests to `place` (None: look at the times alone), and give an account."""
    number, unit = task
    files = Files(place or Path(), number)
    intake = Intake(files, settings.correlate.device_key)
    finder = collect.Finder()
    digest: collect.Digest[Any] = collect.Digest(condense.COLUMNS, intake.digest, finder=finder)
    if wanted is not None:
        digest = narrowed(digest, wanted)
    if place is None:
        digest = collect.Digest(("timestamp",), _nothing)
    condition = Condition()
    blocks: list[dict[str, object]] = []
    rejects: list[pl.DataFrame] = []
    problem = None
    counts: list[int] = []
    try:
        file, read_blocks = _blocks(unit, settings.collect, digest, condition)
        for block in read_blocks:
            if block.taken is not None:
                intake.take_in(block.taken)
            blocks.append(_told(block))
            rejects.append(block.rejects)
        counts = file.counts
    except OSError as error:
        problem = f"can't be read: {error.strerror or error}"
    account = {
        "blocks": blocks,
        "counts": counts,
        "problem": problem,
        "condition": [condition.undecodable, condition.line_number, condition.reason, condition.text],
    }
    texts = pl.when(pl.int_range(pl.len()) < MOST_TEXTS).then("text")
    return {
        "account": json.dumps(account).encode(),
        "rejects": jobs.packed(pl.concat([pl.DataFrame(schema=REJECTS), *rejects]).with_columns(text=texts)),
        "tokens": json.dumps([*finder.samples]).encode(),
        **shipped(intake, files),
    }


def _blocks(
    unit: Unit, options: collect.Options, digest: collect.Digest[Any], condition: Condition
) -> tuple[collect.File, Iterator[Block[Any]]]:
    found = unit.found
    match = recognized(found.path, take(found.path), known_of(found, options.settings()), unit.format)
    if match is None:
        raise OSError("it is another file on the executor than on the driver")
    if unit.length is None:
        return read(found, match, digest, condition)
    data, condition.undecodable = cleaned(_data(unit), first=unit.start == 0)
    text = Text(data, unit.before, counted(data))
    block = parse(text, match, found, digest, unit.above)
    return collect.File(found.path, match.block, [text.count]), iter([block])


def _told(block: Block[Any]) -> dict[str, object]:
    times = {name: None if (time := getattr(block, name)) is None else time.isoformat() for name in _TIMES}
    numbers = {name: getattr(block, name) for name in _COUNTED}
    return {"counts": block.counts, "zones": sorted(block.zones), **numbers, **times}


def _outcome(found: collect.Found, match: Match, parts: Iterable[jobs.Pieces], settings: Settings) -> Outcome:
    """What became of a log, of what the tasks say that read it."""
    account, condition, file = Account(), Condition(), collect.File(found.path, match.block)
    for pieces in parts:
        told = json.loads(pieces["account"])
        if told["problem"] is not None:
            return left_alone(found, told["problem"], broken=True)
        rejects = jobs.unpacked(pieces["rejects"])
        for block in told["blocks"]:
            account.add(_block(block, rejects))
            rejects = rejects.clear()
        file.counts.extend(told["counts"])
        undecodable, line_number, reason, text = told["condition"]
        condition = Condition(0, condition.undecodable or undecodable, line_number, reason, text)
    return Outcome(found, source_of(found, match, account, condition, settings), account, file)


def _block(told: Mapping[str, Any], rejects: pl.DataFrame) -> Block[Any]:
    times: dict[str, Any] = {name: told[name] and datetime.fromisoformat(told[name]) for name in _TIMES}
    numbers = {name: told[name] for name in _COUNTED}
    return Block(rejects, told["counts"], frozenset(told["zones"]), **numbers, **times)


def shipped(intake: Intake, files: Files) -> jobs.Pieces:
    """What a task took in, for the driver; its requests are in `files`."""
    files.finish()
    taken = {"files": files.files, "covered": intake.covered, "heard": intake.heard}
    return {
        "taken": json.dumps(taken).encode(),
        "messages": jobs.packed(pl.concat([pl.DataFrame(schema=MESSAGES), *intake.messages])),
        "sketch": jobs.packed(intake.sketch()),
        "sightings": jobs.packed(intake.sightings()),
        **{f"seen {place}": jobs.packed(seen) for place, seen in enumerate(intake.seen)},
    }


def taken_in(made: Sequence[jobs.Pieces]) -> TakenIn:
    """What all tasks took in, of what `shipped` gave of each."""
    told = [json.loads(pieces["taken"]) for pieces in made]
    covered: dict[str, dict[str, int]] = {}
    heard: dict[str, int] = {}
    for one in told:
        for folder, counts in one["covered"].items():
            sums = covered.setdefault(folder, {})
            for name, count in counts.items():
                sums[name] = sums.get(name, 0) + count
        for folder, count in one["heard"].items():
            heard[folder] = heard.get(folder, 0) + count
    samples = Samples()
    for pieces in made:
        samples.add(json.loads(pieces.get("tokens", b"[]")))
    files = [(Path(file), rows) for one in told for file, rows in one["files"]]
    seen = [jobs.unpacked(piece) for pieces in made for name, piece in pieces.items() if name.startswith("seen ")]
    return TakenIn(
        files=tuple(file for file, _ in files),
        rows=sum(rows for _, rows in files),
        messages=pl.concat([pl.DataFrame(schema=MESSAGES), *(jobs.unpacked(pieces["messages"]) for pieces in made)]),
        seen=(endpoints.seen(pl.DataFrame(schema=REQUESTS)), *seen),
        sketch=clocks.merged([jobs.unpacked(pieces["sketch"]) for pieces in made]),
        sightings=carried.merged([jobs.unpacked(pieces["sightings"]) for pieces in made]),
        samples=samples,
        covered=covered,
        heard=heard,
    )
