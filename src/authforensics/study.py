"""What is done to one partition of devices, and how the partitions become one history: the same on every engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from authforensics import correlate, detect, diagnose
from authforensics.partitions import Table, WorkDirectory
from authforensics.schema import DEVICES, EPISODES, GRANTS, SESSIONS, TRAIL, History


@dataclass(frozen=True)
class Task:
    """What is to be done to every partition alike.

    `table` has the class of every endpoint; `explained` the refusals that messages explain (None: no messages).
    """

    ground: correlate.Ground
    table: pl.DataFrame
    explained: pl.DataFrame | None
    wanted: Sequence[detect.Detector]
    thresholds: Mapping[str, Mapping[str, float]]


#: The tables of a study that may be large, and are put aside.
LARGE = {"events": TRAIL, "sessions": SESSIONS, "grants": GRANTS, "episodes": EPISODES, "devices": DEVICES}
#: Those that stay small however many devices there are.
SMALL = ("rates", "changes", "counts", "closed", "refreshes", "refusals", "keys", "behavior", "claimed")


@dataclass(frozen=True)
class Study:
    """What is kept of one partition.

    `large` and `small` are frames by the names of `LARGE` and `SMALL`: `refreshes` is what there is to learn of
    endpoints, `refusals` how the reasons of refusals were found, `keys` how many requests each rung of the identity
    ladder told, `behavior` what the versions of apps did after refusals, `claimed` how long tokens claim to live.
    """

    large: dict[str, pl.DataFrame]
    small: dict[str, pl.DataFrame]
    observed: detect.Observed


def study(arranged: pl.DataFrame, task: Task) -> Study:
    """Study one partition.

    Args:
        arranged: what `correlate.arrange` gave.
        task: what to do.
    """
    sessions, refusals = correlate.sessionize(arranged, task.table, task.explained, task.ground)
    telling = sessions.events.filter(correlate.telling())
    return Study(
        large={
            "events": telling.with_columns(traced=pl.col("request_id").is_not_null()).select(TRAIL.keys()),
            "sessions": sessions.sessions,
            "grants": sessions.grants,
            "episodes": diagnose.keep(sessions.episodes),
            "devices": sessions.devices,
        },
        small={
            "rates": sessions.rates,
            "changes": sessions.changes,
            "counts": sessions.counts,
            "closed": sessions.closed,
            "refreshes": correlate.endpoints.observe(arranged),
            "refusals": refusals,
            "keys": _keys(arranged),
            "behavior": diagnose.behavior.observe(sessions),
            "claimed": diagnose.claimed.observe(sessions),
        },
        observed=detect.observe(sessions, task.wanted, task.thresholds),
    )


def _keys(arranged: pl.DataFrame) -> pl.DataFrame:
    # Devices in order have runs of one key, as a rule.
    runs = arranged.select("system", "identity_key").select(pl.struct(pl.all()).rle().alias("run")).unnest("run")
    summed = runs.group_by("value").agg(requests=pl.col("len").sum())
    return summed.unnest("value")


class Studies:
    """The studies of all partitions: large tables put aside, the others at hand."""

    def __init__(self, work: WorkDirectory | None) -> None:
        self._work = work
        self._large = {name: Table(schema, work, name) for name, schema in LARGE.items()}
        self._small: dict[int, dict[str, pl.DataFrame]] = {}
        self._frames: dict[str, Table] = {}
        self._lines: dict[int, pl.DataFrame] = {}

    def add(self, number: int, one: Study) -> None:
        """Take in the study of one partition."""
        for name, frame in one.large.items():
            self._large[name].add(number, frame)
        self._small[number], self._lines[number] = one.small, one.observed.lines
        for name, frame in one.observed.frames.items():
            if name not in self._frames:
                # Lists are of few rows.
                flat = not any(dtype.is_nested() for dtype in frame.dtypes)
                self._frames[name] = Table(frame.schema, self._work if flat else None, f"observed-{name}")
            self._frames[name].add(number, frame)

    def small(self, name: str) -> list[pl.DataFrame]:
        """The frames of that name, in order of partition."""
        return [self._small[number][name] for number in sorted(self._small)]

    @property
    def observed(self) -> list[detect.Observed]:
        """What detectors observed, in order of partition."""
        return [detect.Observed(_Observed(self._frames, number), self._lines[number]) for number in sorted(self._lines)]

    def history(self, known: correlate.Ground) -> History:
        """All of them together."""
        return History(
            events=self._large["events"].parts(),
            sessions=self._large["sessions"].scan(),
            grants=self._large["grants"].scan(),
            episodes=self._large["episodes"].scan(),
            devices=self._large["devices"].scan().collect(),
            rates=correlate.population.merge_rates(self.small("rates")),
            populations=correlate.population.merge(self.small("changes"), known.spans, known.steps),
            spans=known.spans,
            counts=_summed(self.small("counts"), ["system", "auth_event", "straggler"]),
            closed=_summed(self.small("closed"), ["system"]),
        )


def _summed(parts: Sequence[pl.DataFrame], keys: list[str]) -> pl.DataFrame:
    return pl.concat(parts).group_by(keys).agg(pl.exclude(keys).sum())


class _Observed(Mapping[str, pl.DataFrame]):
    """What each detector observed in one partition, read when it is asked for: there may be much of all of them."""

    def __init__(self, frames: Mapping[str, Table], number: int) -> None:
        self._frames, self._number = frames, number

    def __getitem__(self, name: str) -> pl.DataFrame:
        return self._frames[name].part(self._number)

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)
