"""Analyzes a table of events in place of files: polars or Arrow on this machine, a Spark table on Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias, Union, cast

import polars as pl

from authforensics import collect, local, pipeline
from authforensics.analysis import Analysis
from authforensics.collect.collection import checked, within
from authforensics.config import Config
from authforensics.document import Source
from authforensics.errors import BadValue, NothingReadable
from authforensics.intake import Intake
from authforensics.partitions import Partitions, WorkDirectory
from authforensics.plan import planned
from authforensics.schema import REJECTS, REQUESTS, Kind
from authforensics.spark import columns

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

Events: TypeAlias = Union[pl.DataFrame, pl.LazyFrame, "pa.Table", "DataFrame"]

_BLOCK = 100_000
_NAME = ("system", "source")
_NO_TIME = "its time is null"
#: What is wrong with rows that are the same line.
TWICE = "{} is there twice; rows need a source and line_number of their own, or no line_number at all"


def analyze_table(
    events: Events,
    *,
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
    memory: int | None = None,
    work_dir: str | Path | None = None,
    deploys: str | Path | None = None,
) -> Analysis:
    """As `authforensics.analyze`, of events that are in a table already: a data lake's, or an exported EVENTS table.

    The columns are those of EVENTS; `timestamp` and `status` are needed, what else is missing is unknown, what is not
    of EVENTS is passed over. `session_id`, `message` and `reason_text` are understood, too. Routes are made of `path`
    where there are none. What EVENTS says about endpoints, events and states is found out anew; a `reason` counts as
    the access log's own. There are no files: evidence has no text.

    `events` is a polars DataFrame or LazyFrame, an Arrow table, or a Spark DataFrame, which is analyzed by its own
    session. `device_key` is a rung of the identity ladder, or a column. The other arguments are those of
    `authforensics.analyze`.

    Raises:
        UsageError: a column, name, time or zone that can't be used.
        InputError: no row has a time; there is no room in `work_dir`.
    """
    began, clock = datetime.now(UTC), monotonic()
    plan = planned(
        config or Config(),
        tz=tz,
        since=since,
        until=until,
        path=path,
        status=status,
        device=device,
        device_key=device_key,
        only=only,
        skip=skip,
        memory=memory,
        work_dir=work_dir,
        deploys=deploys,
    )
    # How lines are laid out doesn't matter here, whatever the configuration says of it.
    checked(replace(plan.settings.collect, format=None, log_format=None))
    work = WorkDirectory(plan.settings.work_dir)
    try:
        studied = _study_table(events, plan.settings, work)
        return pipeline.concluded(studied, plan, began, {"study": monotonic() - clock})
    except BaseException:
        work.close()
        raise


def _study_table(events: Events, settings: local.Settings, work: WorkDirectory) -> local.Studied:
    if type(events).__module__.startswith("pyspark."):
        from authforensics.spark import lake

        return lake.study_table(cast("DataFrame", events), settings, work)
    whole = numbered(_completed(events, settings))
    intake = Intake(Partitions({**REQUESTS}, 1, work, "requests"), settings.correlate.device_key)
    facts = said([facts_of(whole)])
    tallies = Tallies()
    for block in blocks([whole]):
        take_in(block, facts, window(facts, settings.collect), intake, tallies)
    collected = accounted(facts, tallies, settings)
    studied, _ = local.study_intake(intake, collected, bases(facts), settings)
    return replace(studied, whole=lambda: whole)


def _completed(events: object, settings: local.Settings) -> pl.DataFrame:
    options = settings.collect
    lazy = events if isinstance(events, pl.LazyFrame) else as_frame(events).lazy()
    schema = lazy.collect_schema()
    columns.check(schema)
    frame = lazy.select(columns.looked_at(schema.names(), options.device_field)).collect()
    return columns.completed(frame, options.tz, options.device_field)


def as_frame(events: object) -> pl.DataFrame:
    """A table as polars has it.

    Raises:
        BadValue: it is no table.
    """
    if isinstance(events, pl.DataFrame):
        return events
    if not hasattr(events, "__arrow_c_stream__"):
        raise BadValue(f"expected a polars, Arrow or Spark table, found {type(events).__name__}")
    return pl.DataFrame(events)


def numbered(whole: pl.DataFrame) -> pl.DataFrame:
    """The rows in order of source and line; numbered within their source where the table doesn't number them.

    Raises:
        BadValue: two rows are the same line.
    """
    if whole["line_number"].null_count():
        count = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over(_NAME)
        return whole.with_columns(line_number=count)
    place = [*_NAME, "line_number"]
    if whole.select(pl.struct(place).is_duplicated().any()).item():
        twice = whole.filter(pl.struct(place).is_duplicated()).row(0, named=True)
        raise BadValue(TWICE.format(f"line {twice['line_number']} of source '{twice['source']}'"))
    return whole.sort(place)


def facts_of(whole: pl.DataFrame) -> pl.DataFrame:
    """What is known of each source of some rows."""
    micros = pl.col("timestamp").to_physical()
    return whole.group_by(_NAME).agg(
        lines=pl.len(),
        timed=pl.col("timestamp").count(),
        first=pl.col("timestamp").min(),
        last=pl.col("timestamp").max(),
        highest=pl.col("line_number").max().fill_null(0),
        milli=(micros % 1_000_000 != 0).any(),
        micro=(micros % 1_000 != 0).any(),
    )


@dataclass(frozen=True, slots=True)
class Fact:
    """A source: what it is called in the document, and what is known of all its rows. `clock`: its resolution."""

    system: str
    source: str
    called: str
    lines: int
    timed: int
    last: datetime | None
    highest: int
    clock: float


Facts = Mapping[tuple[str, str], Fact]


def said(parts: Sequence[pl.DataFrame]) -> Facts:
    """What `facts_of` some rows says of all of them, in the order in which sources are told.

    Raises:
        NothingReadable: no row has a time.
    """
    whole = (
        pl.concat(parts)
        .group_by(_NAME)
        .agg(
            pl.col("lines", "timed").sum(),
            pl.col("first").min(),
            pl.col("last", "highest").max(),
            pl.col("milli", "micro").any(),
        )
    )
    if not whole["timed"].sum():
        raise NothingReadable("no row of the table has a time")
    shared = set(whole.filter(pl.col("source").is_duplicated())["source"])
    # The files of a rotated set are told in order of time, as when they are read.
    rotation = [collect.Found(Path(), source, "", named=True).rotation for source in whole["source"]]
    whole = whole.with_columns(_set=pl.Series(rotation, dtype=pl.String))
    found: dict[tuple[str, str], Fact] = {}
    for row in whole.sort("system", "_set", "first", "source", nulls_last=True).to_dicts():
        system, source = row["system"], row["source"]
        called = f"{system}/{source}" if source in shared else source
        clock = 1e-6 if row["micro"] else 1e-3 if row["milli"] else 1.0
        known = {name: row[name] for name in ("lines", "timed", "last", "highest")}
        found[system, source] = Fact(system=system, source=source, called=called, clock=clock, **known)
    return found


def bases(facts: Facts) -> dict[str, int]:
    """Per source, how many lines come before its first."""
    found: dict[str, int] = {}
    before = 0
    for fact in facts.values():
        found[fact.called] = before
        before += fact.highest
    return found


def window(facts: Facts, options: collect.Options) -> pl.Expr | None:
    """The times that are wanted; None: all."""
    if not options.selective:
        return None
    return within(options, max(fact.last for fact in facts.values() if fact.last is not None))


def blocks(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The rows in blocks, each of one source."""
    for frame in frames:
        for part in frame.partition_by(_NAME, maintain_order=True):
            yield from (part.slice(start, _BLOCK) for start in range(0, part.height, _BLOCK))


class Tallies:
    """What became of the rows of every source, by what the document calls it."""

    def __init__(self) -> None:
        self.filtered: dict[str, int] = {}
        self.late: dict[str, int] = {}
        self.spans: dict[str, tuple[datetime, datetime]] = {}
        self.rejects: list[pl.DataFrame] = []
        self._ends: dict[str, datetime] = {}

    def count(self, called: str, filtered: int, times: pl.Series) -> None:
        """Count the wanted `times` of a block of a source, and those that were not."""
        self.filtered[called] = self.filtered.get(called, 0) + filtered
        if not len(times):
            return
        late = int((times.diff().dt.total_microseconds() < 0).sum())
        late += called in self._ends and times[0] < self._ends[called]
        self._ends[called] = times[-1]
        self.late[called] = self.late.get(called, 0) + late
        self.span(called, times.min(), times.max())  # type: ignore[arg-type]

    def span(self, called: str, first: datetime, last: datetime) -> None:
        """A source has events from `first` to `last`."""
        known = self.spans.get(called, (first, last))
        self.spans[called] = min(known[0], first), max(known[1], last)


def take_in(block: pl.DataFrame, facts: Facts, wanted: pl.Expr | None, intake: Intake, tallies: Tallies) -> None:
    """Take in rows of one source."""
    fact = facts[block["system"][0], block["source"][0]]
    untimed = pl.col("timestamp").is_null()
    if block["timestamp"].null_count():
        lost = {"source": pl.lit(fact.called), "reason": pl.lit(_NO_TIME), "text": pl.lit("")}
        rejected = block.filter(untimed).with_columns(**lost)
        tallies.rejects.append(rejected.select(pl.col(name).cast(dtype) for name, dtype in REJECTS.items()))
        block = block.filter(~untimed)
    clocked = block.with_columns(clock=pl.col("clock").fill_null(fact.clock))
    events = columns.collected(clocked, fact.system, fact.called)
    inside = events if wanted is None else events.filter(wanted)
    tallies.count(fact.called, events.height - inside.height, inside["timestamp"])
    if inside.is_empty():
        return
    gathered = intake.digest(inside.drop("given"))
    given = inside.filter(pl.col("kind") == Kind.REQUEST.value)["given"]
    reasons = gathered.requests.select(pl.coalesce(given, pl.col("reason")).alias("reason"))
    intake.take_in(replace(gathered, requests=gathered.requests.with_columns(reasons)))


def accounted(facts: Facts, tallies: Tallies, settings: local.Settings) -> collect.Collected:
    """What became of the rows, as if every source were a file."""
    sources = []
    for fact in facts.values():
        filtered = tallies.filtered.get(fact.called, 0)
        first, last = tallies.spans.get(fact.called, (None, None))
        sources.append(
            Source(
                system=fact.system,
                source=fact.called,
                format="table",
                confidence=1.0,
                timezone=settings.collect.tz or "UTC",
                lines=fact.lines,
                records=fact.timed,
                events=fact.timed - filtered,
                rejects=fact.lines - fact.timed,
                filtered=filtered,
                first_seen=first,
                last_seen=last,
            )
        )
    return collect.Collected(
        rejects=pl.concat([pl.DataFrame(schema=REJECTS), *tallies.rejects]),
        sources=tuple(sources),
        files={},
        late={fact.called: tallies.late.get(fact.called, 0) for fact in facts.values()},
    )
