"""Analyzes logs on Spark: the flow of `local`, with the work on lines and on devices done by executors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, cast

import polars as pl

from authforensics import collect, correlate, detect, local, pipeline
from authforensics.analysis import Analysis
from authforensics.config import Config
from authforensics.correlate import endpoints
from authforensics.errors import InputError
from authforensics.partitions import Partitions, WorkDirectory
from authforensics.plan import Paths, listed, planned
from authforensics.schema import REQUESTS, ROW, TEXT
from authforensics.spark import jobs
from authforensics.spark.reading import TakenIn, read_logs, write
from authforensics.study import LARGE, Studies, Study, Task, study
from authforensics.tokens import carried

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Bytes of memory that studying a request takes, all told; and requests below which a partition isn't worth its start.
_STUDIED, _FEW = 1500, 50_000
_IDENTIFIED: dict[str, pl.DataType] = {**REQUESTS, "row": ROW, "identity_key": TEXT}


def analyze(
    spark: SparkSession,
    paths: Paths,
    *,
    format: str | None = None,
    log_format: str | None = None,
    nginx_conf: str | Path | None = None,
    tz: str | None = None,
    since: str | None = None,
    until: str | None = None,
    path: str | None = None,
    status: str | None = None,
    device: Sequence[str] | str = (),
    device_key: str | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    config: Config | None = None,
    strict: bool = False,
    memory: int | None = None,
    work_dir: str | Path | None = None,
    deploys: str | Path | None = None,
    env_file: str | Path | None = None,
    secrets: str | Path | None = None,
    jwks: Sequence[str | Path] | str | Path = (),
    show_claims: bool = False,
    fingerprint_key: bytes | None = None,
    progress: pipeline.Progress | None = None,
) -> Analysis:
    """As `authforensics.analyze`, on Spark; the document is the same but for its `run`.

    The files must be where the driver and every executor see them by the same path, and so must `work_dir`: storage
    that is shared. Executors need this package, in the same version.

    Executors must run as the user who runs the driver: nobody else may look into the temporary files.

    `spark` is a session, as `session` gives it; `memory` is about how many bytes the events of one task may take.
    `progress` is called while objects are fetched, and once when everything has been read. The other arguments are
    those of `authforensics.analyze`.

    Raises:
        UsageError: a path, name, time or zone that can't be used.
        InputError: nothing could be read; under `strict`, anything could not; there is no room in `work_dir`.
    """
    began, clock = datetime.now(UTC), monotonic()
    plan = planned(
        config or Config(),
        format=format,
        log_format=log_format,
        nginx_conf=nginx_conf,
        tz=tz,
        since=since,
        until=until,
        path=path,
        status=status,
        device=device,
        device_key=device_key,
        only=only,
        skip=skip,
        strict=strict,
        memory=memory,
        work_dir=work_dir,
        deploys=deploys,
        env_file=env_file,
        secrets=secrets,
        jwks=jwks,
        show_claims=show_claims,
        fingerprint_key=fingerprint_key,
    )
    work = WorkDirectory(plan.settings.work_dir)
    try:
        found = collect.discover(listed(paths), lambda: work.path, progress)
        collected, intake = read_logs(spark, found, plan.settings, work)
        local.check_left(intake.covered, intake.heard)
        if progress is not None:
            size = collect.extent(found)
            progress(collect.Step("", len(found), len(found), size, size))
        studied = study_requests(
            spark, intake, collected, collected.bases, settings=plan.settings, work=work, found=found
        )
        return pipeline.concluded(studied, plan, began, {"study": monotonic() - clock})
    except BaseException:
        work.close()
        raise


def study_requests(
    spark: SparkSession,
    intake: TakenIn,
    collected: collect.Collected,
    bases: Mapping[str, int],
    *,
    settings: local.Settings,
    work: WorkDirectory,
    found: Sequence[collect.Found] = (),
) -> local.Studied:
    """Study the devices of what was taken in.

    Args:
        spark: the session.
        intake: what executors took in.
        collected: what became of every line.
        bases: how many lines come before each source's first.
        settings: what to do.
        work: where executors and driver put files.
        found: the files that the lines are of.
    """
    _check_shared(intake.files)
    whole = pl.concat([pl.DataFrame(schema=REQUESTS).lazy(), *(pl.scan_parquet(file) for file in intake.files)])
    ground = correlate.ground(
        whole,
        intake.messages,
        intake.covered,
        local.extents(collected),
        bases,
        options=settings.correlate,
        sketches=intake.sketch,
        seen=intake.seen,
        sets=local.sets(found, collected),
        kinds=local.kinds(collected),
        naive=local.naive(collected),
    )
    messages = ground.heard(intake.messages)
    requests, refreshes = _settled(spark, intake.files, _partitions(spark, intake.rows, settings.memory), ground, work)
    learned = endpoints.learned(refreshes)
    table = endpoints.classify(ground.called, learned, messages, settings.correlate.endpoints)
    explained = None
    if messages["reason"].count():
        asked = _Survey(requests, ground, table, messages)
        made = jobs.run(spark, range(requests.count), asked)
        explained = correlate.explain([_surveyed(pieces) for pieces in made], messages, ground.clocks)
    task = Task(ground, table, explained, settings.wanted, settings.thresholds)
    return local.Studied(
        found=found,
        collected=local.once_told(collected, ground),
        requests=requests,
        messages=messages,
        heard=local.heard(intake.heard, ground.folders),
        named=any(counts["device_id"] for counts in intake.covered.values()),
        ground=ground,
        table=table,
        explained=explained,
        studies=_studied(spark, requests, task, work),
        work=work,
        carried=carried.carried(intake.sightings, intake.samples.signed(settings.candidates)).within(ground.folders),
    )


def _check_shared(files: Sequence[Path]) -> None:
    """Refuse to go on where the driver doesn't see what executors have written."""
    unseen = next((file for file in files if not file.exists()), None)
    if unseen is not None:
        raise InputError(
            f"{unseen.parent}: what executors write there isn't seen by the driver; "
            "name a directory on storage that all of them share: --work-dir"
        )


def _partitions(spark: SparkSession, rows: int, memory: int) -> int:
    """How many partitions so many requests are cut into: one a core where they are worth it, more if they don't fit."""
    return max(1, -(-rows * _STUDIED // memory), min(jobs.cores(spark), rows // _FEW))


class Settled(Partitions):
    """Partitions of identified REQUESTS, each device in one, that executors have written."""

    def __init__(self, files: Sequence[Path]) -> None:
        super().__init__(_IDENTIFIED, max(1, len(files)), WorkDirectory(), "identified")
        self._written = list(files)

    def __reduce__(self) -> tuple[type[Settled], tuple[list[Path]]]:
        """What is sent to executors: where the files are."""
        return Settled, (self._written,)

    def scan(self, number: int) -> pl.LazyFrame:
        """One partition, to be read as needed."""
        empty = pl.DataFrame(schema=_IDENTIFIED).lazy()
        return pl.concat([empty, pl.scan_parquet(self._written[number])]) if self._written else empty


def _settled(
    spark: SparkSession, files: Sequence[Path], count: int, ground: correlate.Ground, work: WorkDirectory
) -> tuple[Settled, list[pl.DataFrame]]:
    """The requests by device, and what there is to learn of endpoints in each partition."""
    place = work.path / "identified"
    if not files:
        empty = Settled(())
        return empty, [endpoints.observe(correlate.arrange(empty.load(0), ground))]
    made = jobs.shuffle(
        spark,
        files,
        partial(_identified, ground=ground),
        keys=("system", "device_id"),
        count=count,
        function=partial(_settle, ground=ground, place=place),
    )
    refreshes = [jobs.unpacked(pieces["refreshes"]) for _, pieces in made]
    return Settled([place / f"{number}.parquet" for number, _ in made]), refreshes


def _identified(file: Path, ground: correlate.Ground) -> pl.DataFrame:
    return correlate.identified(pl.read_parquet(file), ground)


def _settle(number: int, requests: pl.DataFrame, ground: correlate.Ground, place: Path) -> jobs.Pieces:
    write(requests, place / f"{number}.parquet")
    return {"refreshes": jobs.packed(endpoints.observe(correlate.arrange(requests, ground)))}


@dataclass(frozen=True)
class _Survey:
    """One task: look at a partition before its reasons are known."""

    requests: Settled
    ground: correlate.Ground
    table: pl.DataFrame
    messages: pl.DataFrame

    def __call__(self, number: int) -> jobs.Pieces:
        arranged = correlate.arrange(self.requests.load(number), self.ground)
        found = correlate.survey(arranged, self.table, self.messages)
        return {"refused": jobs.packed(found.refused), "known_ids": jobs.packed(found.known_ids)}


def _surveyed(pieces: jobs.Pieces) -> correlate.Survey:
    return correlate.Survey(jobs.unpacked(pieces["refused"]), jobs.unpacked(pieces["known_ids"]))


@dataclass(frozen=True)
class _Study:
    """One task: study a partition, put its large tables into files, and give the others."""

    requests: Settled
    ground: correlate.Ground
    table: pl.DataFrame
    explained: pl.DataFrame | None
    wanted: tuple[str, ...]
    thresholds: Mapping[str, Mapping[str, float]]
    place: Path

    def __call__(self, number: int) -> jobs.Pieces:
        known = detect.detectors()
        wanted = [known[name] for name in self.wanted]
        task = Task(self.ground, self.table, self.explained, wanted, self.thresholds)
        made = study(correlate.arrange(self.requests.load(number), self.ground), task)
        for name, frame in made.large.items():
            schema = LARGE[name]
            write(frame.select(pl.col(column).cast(schema[column]) for column in schema), self.file(name, number))
        return {
            **{f"small {name}": jobs.packed(frame) for name, frame in made.small.items()},
            **{f"observed {name}": jobs.packed(frame) for name, frame in made.observed.frames.items()},
            "lines": jobs.packed(made.observed.lines),
        }

    def file(self, name: str, number: int) -> Path:
        """Where a large table is."""
        return self.place / name / f"{number}.parquet"


def _studied(spark: SparkSession, requests: Settled, task: Task, work: WorkDirectory) -> Studies:
    names = tuple(one.name for one in task.wanted)
    done = _Study(requests, task.ground, task.table, task.explained, names, task.thresholds, work.path)
    studies = Studies(None)
    for number, pieces in enumerate(jobs.run(spark, range(requests.count), done)):
        # Where a table is does not matter to `Studies`, which only ever scans it.
        large = {name: cast("pl.DataFrame", pl.scan_parquet(done.file(name, number))) for name in LARGE}
        observed = detect.Observed(_named(pieces, "observed "), jobs.unpacked(pieces["lines"]))
        studies.add(number, Study(large, _named(pieces, "small "), observed))
    return studies


def _named(pieces: jobs.Pieces, kind: str) -> dict[str, pl.DataFrame]:
    return {name.removeprefix(kind): jobs.unpacked(piece) for name, piece in pieces.items() if name.startswith(kind)}
