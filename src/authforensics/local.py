"""Reads and studies logs on this machine: one pass over the files into partitions by device, then one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from time import monotonic

import polars as pl

from authforensics import collect, correlate, detect
from authforensics.collect import sample
from authforensics.correlate import condense, endpoints, identity
from authforensics.document import Identity, Source
from authforensics.errors import NothingReadable
from authforensics.intake import Intake
from authforensics.parallel import PARTS, in_order
from authforensics.partitions import Partitions, WorkDirectory
from authforensics.schema import MESSAGES, REQUESTS
from authforensics.study import Studies, Study, Task, study
from authforensics.tokens import carried
from authforensics.tokens.candidates import Candidates
from authforensics.tokens.carried import Carried

#: What is worked with unless the caller says otherwise; beyond it events are put aside in files.
MEMORY = 512 << 20
#: Bytes of a line, where there is none to look at.
_LINE = 150
#: Bytes of memory that a line takes, all told, where everything is in memory; and where a partition is studied, with
#: others beside it: of these only what is being worked on is there.
_WHOLE, _STUDIED = 900, 500
#: Bytes that are kept of a line all through: names, endpoints, what is found of each partition.
_KEPT = 5
#: More partitions than this are too many files; those that many logs then fill are studied all the same.
_MOST = 512


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to read, correlate and detect; within how much memory, and where to put what doesn't fit.

    `candidates` are the keys that may have signed tokens of the logs.
    """

    collect: collect.Options
    correlate: correlate.Options
    wanted: Sequence[detect.Detector]
    thresholds: Mapping[str, Mapping[str, float]]
    memory: int = MEMORY
    work_dir: Path | None = None
    candidates: Candidates = field(default_factory=Candidates)

    def for_reading(self) -> Settings:
        """What those need who only read: nothing of detectors, and no key."""
        without = replace(self.correlate, fingerprint_key=None)
        return replace(self, correlate=without, wanted=(), thresholds={}, candidates=Candidates())


@dataclass(frozen=True)
class Studied:
    """Everything that was read and found out about devices, ready to be concluded.

    `requests` are REQUESTS by partition; `messages` are MESSAGES with `row`; `heard` says how many lines of messages
    each system has, whatever they say; `named` whether any request had a device id; `work` is where large tables are;
    `carried` are the tokens that can be read in the logs;
    `whole` gives all events of COLLECTED where they don't come from files.
    """

    found: Sequence[collect.Found]
    collected: collect.Collected
    requests: Partitions
    messages: pl.DataFrame
    heard: Mapping[str, int]
    named: bool
    ground: correlate.Ground
    table: pl.DataFrame
    explained: pl.DataFrame | None
    studies: Studies
    work: WorkDirectory
    carried: Carried = field(default_factory=Carried)
    seconds: Mapping[str, float] = field(default_factory=dict)
    whole: Callable[[], pl.DataFrame] | None = None


def study_logs(paths: Sequence[str | Path], settings: Settings, progress: collect.Progress | None = None) -> Studied:
    """Read logs and study their devices.

    Raises:
        UsageError: a path, name, time or zone that can't be used.
        InputError: nothing could be read; there is no room for temporary files.
    """
    work = WorkDirectory(settings.work_dir)
    try:
        return _study_logs(paths, settings, progress, work)
    except BaseException:
        work.close()
        raise


def _study_logs(
    paths: Sequence[str | Path], settings: Settings, progress: collect.Progress | None, work: WorkDirectory
) -> Studied:
    began = monotonic()
    found = collect.discover(paths, lambda: work.path, progress)
    files = Partitions({**REQUESTS}, _partitions(_lines(found), settings.memory), work, "requests")
    intake = Intake(files, settings.correlate.device_key)
    finder = collect.Finder()
    digest = collect.Digest(condense.COLUMNS, intake.digest, finder=finder)
    collected = collect.collect(found, digest, intake.take_in, settings.collect, progress=progress)
    check_left(intake.covered, intake.heard)
    read = monotonic()
    studied, surveyed = study_intake(intake, collected, collected.bases, settings, found)
    ended = monotonic()
    signed = finder.samples.signed(settings.candidates)
    return replace(
        studied,
        carried=carried.carried(intake.sightings(), signed).within(studied.ground.folders),
        seconds={"read": read - began, "survey": surveyed, "study": ended - read - surveyed},
    )


def study_intake(
    intake: Intake,
    collected: collect.Collected,
    bases: Mapping[str, int],
    settings: Settings,
    found: Sequence[collect.Found] = (),
) -> tuple[Studied, float]:
    """Study the devices of what was taken in; also the seconds that were spent on what messages may explain.

    Args:
        intake: all events.
        collected: what became of every line.
        bases: how many lines come before each source's first.
        settings: what to do.
        found: the files that the lines are of.
    """
    told = pl.concat([pl.DataFrame(schema=MESSAGES), *intake.messages])
    ground = correlate.ground(
        intake.requests.scan_all(),
        told,
        intake.covered,
        extents(collected),
        bases,
        options=settings.correlate,
        sketches=intake.sketch(),
        seen=intake.seen,
        sets=sets(found, collected),
        kinds=kinds(collected),
        naive=naive(collected),
    )
    intake.settle(ground)
    messages = ground.heard(told)
    task, studies, surveyed = study_partitions(intake.requests, messages, ground, settings)
    studied = Studied(
        found=found,
        collected=once_told(collected, ground),
        requests=intake.requests,
        messages=messages,
        heard=heard(intake.heard, ground.folders),
        named=any(counts["device_id"] for counts in intake.covered.values()),
        ground=ground,
        table=task.table,
        explained=task.explained,
        studies=studies,
        work=intake.requests.work,
    )
    return studied, surveyed


def check_left(covered: Mapping[str, object], heard: Mapping[str, object]) -> None:
    """Refuse to study nothing.

    Args:
        covered: the folders that have requests.
        heard: the folders that have messages.

    Raises:
        NothingReadable: there are none.
    """
    if not covered and not heard:
        asked = "--since, --until, --path, --status and --device"
        raise NothingReadable(f"no event is left: all that could be read lies outside of what is asked for ({asked})")


def _lines(found: Sequence[collect.Found]) -> int:
    """About how many lines there are, by how long those of the largest file of each rotated set are."""
    sets: dict[tuple[str, str], list[collect.Found]] = {}
    for one in found:
        sets.setdefault((one.system, one.rotation), []).append(one)
    return sum(
        size // _length(max(files, key=lambda one: collect.extent([one])))
        for files in sets.values()
        if (size := collect.extent(files))
    )


def _length(found: collect.Found) -> int:
    """How long a line of a file is, about; rather too short than too long, for then there are more of them."""
    try:
        lengths = sorted(len(line.encode()) + 1 for line in sample.take(found.path).lines)
    except OSError:
        return _LINE
    return min(sum(lengths) // len(lengths), lengths[len(lengths) // 2]) if lengths else _LINE


def _partitions(lines: int, memory: int) -> int:
    """How many partitions so many lines are to be cut into: one, if they fit; else as many for each thread."""
    needed = int(lines * _STUDIED / max(memory - lines * _KEPT, memory // 2)) + 1
    return 1 if lines * _WHOLE <= memory else min(needed + -needed % PARTS, _MOST)


def extents(collected: collect.Collected) -> dict[str, tuple[datetime, datetime]]:
    """First and last event of each folder."""
    found: dict[str, tuple[datetime, datetime]] = {}
    for source in collected.sources:
        if source.first_seen is not None and source.last_seen is not None:
            first, last = found.get(source.system, (source.first_seen, source.last_seen))
            found[source.system] = min(first, source.first_seen), max(last, source.last_seen)
    return found


def sets(found: Sequence[collect.Found], collected: collect.Collected) -> dict[str, str]:
    """What the rotated set of each source is called, in the order of their lines.

    Numbers tell rotated files apart (`api-1.log` was written before `api-2.log`), or the servers that wrote them: then
    these are of one time.
    """
    rotations = {one.source: one.rotation for one in found}
    several = _written_at_once(rotations, collected.sources)
    logs = {one.source: one.log for one in found if one.rotation in several}
    return {source: logs.get(source, rotations.get(source, source)) for source in collected.bases}


def _written_at_once(rotations: Mapping[str, str], sources: Sequence[Source]) -> set[str]:
    """The rotated sets that are none: of two files that follow each other most of the shorter one's time is shared."""
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    for one in sources:
        if one.events and one.first_seen is not None and one.last_seen is not None:
            spans.setdefault(rotations.get(one.source, one.source), []).append((one.first_seen, one.last_seen))
    return {name for name, some in spans.items() if any(_overlap(*pair) for pair in pairwise(sorted(some)))}


def _overlap(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> bool:
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared > min(one[1] - one[0], other[1] - other[0]) / 2


def kinds(collected: collect.Collected) -> dict[str, str]:
    """The format of each source."""
    return {one.source: one.format for one in collected.sources if one.format is not None}


def naive(collected: collect.Collected) -> set[str]:
    """The sources that carry no zone and were given none."""
    return {one.source for one in collected.sources if one.naive}


def once_told(collected: collect.Collected, ground: correlate.Ground) -> collect.Collected:
    """What became of every line, now that it is known which requests another log tells of, too: they are duplicates."""
    echoes = ground.echoes

    def counted(one: Source) -> Source:
        count = echoes.told.get(one.source, 0)
        if not count:
            return one
        note = f"{count:,} requests are in {echoes.originals[one.source]}, too: counted there"
        return one.model_copy(
            update={
                "events": one.events - count,
                "duplicates": one.duplicates + count,
                "note": "; ".join(filter(None, (one.note, note))),
            }
        )

    return replace(collected, sources=tuple(map(counted, collected.sources))) if echoes.told else collected


def heard(folders: Mapping[str, int], systems: Mapping[str, str]) -> dict[str, int]:
    """How many messages each system has."""
    found: dict[str, int] = {}
    for folder, count in folders.items():
        found[systems[folder]] = found.get(systems[folder], 0) + count
    return found


def study_partitions(
    requests: Partitions, messages: pl.DataFrame, ground: correlate.Ground, settings: Settings
) -> tuple[Task, Studies, float]:
    """Study every partition; also the seconds that were spent on refusals that messages may explain.

    What endpoints there are to learn is known only when all devices have been seen. So the first partition's answer is
    taken for that of all, and where it turns out to be another, all are studied once more.
    """
    arranged = _Arranged(requests, ground)
    learned = endpoints.learned([endpoints.observe(arranged.first())])
    surveyed = 0.0
    while True:
        table = endpoints.classify(ground.called, learned, messages, settings.correlate.endpoints)
        began = monotonic()
        explained = arranged.explained(table, messages) if messages["reason"].count() else None
        surveyed += monotonic() - began
        task = Task(ground, table, explained, settings.wanted, settings.thresholds)
        studies = arranged.studied(task)
        found = endpoints.learned(studies.small("refreshes"))
        if _same(found, learned):
            return task, studies, surveyed
        learned = found


class _Arranged:
    """The partitions, each put in order when it is asked for; the first is kept until it has been."""

    def __init__(self, requests: Partitions, ground: correlate.Ground) -> None:
        self._requests, self._ground = requests, ground
        self._numbers = range(requests.count)
        self._threads = 1 if requests.count == 1 else PARTS
        self._first: pl.DataFrame | None = None

    def first(self) -> pl.DataFrame:
        """The first one."""
        if self._first is None:
            self._first = correlate.arrange(self._requests.load(0), self._ground)
        return self._first

    def _load(self, number: int) -> pl.DataFrame:
        if number:
            return correlate.arrange(self._requests.load(number), self._ground)
        whole = self.first()
        if self._requests.count > 1:
            self._first = None
        return whole

    def explained(self, table: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
        """Which refusals the messages explain, over all partitions."""

        def look(number: int) -> correlate.Survey:
            return correlate.survey(self._load(number), table, messages)

        return correlate.explain(list(in_order(self._numbers, look, self._threads)), messages, self._ground.clocks)

    def studied(self, task: Task) -> Studies:
        """The studies of all partitions."""
        studies = Studies(None if self._requests.count == 1 else self._requests.work)

        def one(number: int) -> Study:
            return study(self._load(number), task)

        for number, done in enumerate(in_order(self._numbers, one, self._threads)):
            studies.add(number, done)
        return studies


def _same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    keys = ["system", "method", "route"]
    return one.height == other.height == one.join(other, on=keys, how="semi", nulls_equal=True).height


def identities(studied: Studied, devices: pl.DataFrame) -> dict[str, Identity]:
    """Per system, by which rungs of the identity ladder its `devices` were told apart."""
    keys = pl.concat(studied.studies.small("keys")).cast({"system": pl.String, "identity_key": pl.String})
    summed = keys.group_by("system", "identity_key").agg(pl.col("requests").sum())
    return {
        system: identity.summary(
            devices.filter(pl.col("system") == system).height,
            dict(summed.filter(pl.col("system") == system).select("identity_key", "requests").rows()),
        )
        for system in summed["system"].unique().sort().to_list()
    }


def out_of_order(studied: Studied) -> dict[str, float]:
    """Per system, the share of events that are earlier than the one before them in the same file."""
    late: dict[str, int] = {}
    events: dict[str, int] = {}
    for source in studied.collected.sources:
        # Which of the lines of a log that tells what another one does were late isn't known any more.
        if source.source not in studied.ground.echoes.told:
            system = studied.ground.folders.get(source.system, source.system)
            late[system] = late.get(system, 0) + studied.collected.late.get(source.source, 0)
            events[system] = events.get(system, 0) + source.events
    return {system: late[system] / events[system] for system in late if events[system]}
