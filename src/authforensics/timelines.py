"""Timelines of single devices: their trails, the requests drawn of them, and the lines of the logs behind these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from authforensics import collect
from authforensics.among import is_event
from authforensics.document import Band, Device, Mark, Timeline
from authforensics.findings import Finding
from authforensics.parallel import by_part
from authforensics.redact import redact
from authforensics.schema import TRAIL, History
from authforensics.states import AuthEvent

#: Devices with a timeline, of those listed: the worst.
MAX_TIMELINES = 60
#: Requests drawn on all timelines together, and on one at least and at most: more can't be told apart on a screen.
ALL_MARKS = 4000
MIN_MARKS, MAX_MARKS = 50, 600
#: Stretches of state on one timeline; of more, the state that lasted longest in each slot of time stands for it.
MAX_BANDS = 160
_KEYS = ["system", "device_id"]
#: What is needed of each request of a device to draw its timeline.
_TRAIL = [
    *_KEYS,
    "timestamp",
    "row",
    "source",
    "line_number",
    "method",
    "route",
    "status",
    "auth_event",
    "reason",
    "state",
    "straggler",
]


def keyed(keys: Iterable[tuple[str, str]], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Devices as a frame that can be joined with one of this schema."""
    named = pl.DataFrame(list(keys), schema=dict.fromkeys(_KEYS, pl.String), orient="row")
    return named.cast({name: schema[name] for name in _KEYS})


def trails(history: History, listed: Sequence[Device]) -> pl.DataFrame:
    """What the first `MAX_TIMELINES` devices did, in order of time: all that their timelines need."""
    wanted = keyed(with_timeline(listed), TRAIL)
    # Names alone are sought for where the table is read; the join is exact.
    named = pl.col("device_id").is_in(wanted["device_id"].implode())
    return _trail(history, named).join(wanted, on=_KEYS, how="semi", maintain_order="left")


def trail(history: History, system: str, device: str) -> pl.DataFrame:
    """What one device did, in order of time."""
    return _trail(history, (pl.col("system") == system) & (pl.col("device_id") == device))


def _trail(history: History, wanted: pl.Expr) -> pl.DataFrame:
    def mine(part: pl.LazyFrame) -> pl.LazyFrame:
        # In order of device: what lies before the first and behind the last of them is not read at all.
        at = part.select(pl.arg_where(wanted)).collect(engine="in-memory").to_series()
        some = part.head(0) if at.is_empty() else part.slice(int(at[0]), int(at[-1] - at[0]) + 1)
        return some.filter(wanted).select(_TRAIL)

    return by_part(history.events, mine).sort("timestamp", "row")


def marks_of(trails: pl.DataFrame, findings: Iterable[Finding]) -> pl.DataFrame:
    """The requests to draw on timelines, thinned evenly to what each may have.

    A quarter of the marks is kept for calls that were simply accepted; of the others, evidence comes first, then
    changes of state.

    Args:
        trails: what the devices did.
        findings: those whose evidence is to be seen.

    Returns:
        Rows of `trails` with `omitted`, how many of the device's were left out.
    """
    proof = _proof(findings).cast({"source": trails.schema["source"]}).with_columns(proof=pl.lit(value=True))
    events = trails.join(proof, on=["source", "line_number"], how="left", maintain_order="left")
    most = min(max(ALL_MARKS // max(trails.select(_KEYS).n_unique(), 1), MIN_MARKS), MAX_MARKS)
    changed = pl.col("state").ne_missing(pl.col("state").shift().over(_KEYS))
    plain = is_event(AuthEvent.API_OK) & pl.col("proof").is_null()
    weight = pl.when("proof").then(0).when(changed).then(1).otherwise(2).cast(pl.Int64)
    # Within a weight, every second, then every fourth … would do; a fixed scramble of the index spreads as evenly.
    index = pl.int_range(pl.len()).over(_KEYS)
    spread = (index * 2654435761) % 4294967296
    ranked = events.with_columns(_plain=plain, _order=weight * 4294967296 + spread).with_columns(
        _rank=pl.col("_order").rank("ordinal").over(*_KEYS, "_plain"),
        _calls=pl.col("_plain").sum().over(_KEYS),
        _all=pl.len().over(_KEYS),
    )
    others = (pl.col("_all") - pl.col("_calls")).cast(pl.Int64)
    accepted = pl.max_horizontal(most // 4, most - others)
    room = pl.when("_plain").then(accepted).otherwise(most - pl.min_horizontal("_calls", most // 4))
    return (
        ranked.filter(pl.col("_rank") <= room)
        .with_columns(omitted=pl.col("_all") - pl.len().over(_KEYS))
        .select(*trails.columns, "omitted")
    )


def timelines(
    trails: pl.DataFrame, listed: Sequence[Device], marks: pl.DataFrame, lines: Mapping[tuple[str, int], str]
) -> tuple[Timeline, ...]:
    """One timeline a device that has marks, in the order of `listed`."""
    drawn = marks.sort("timestamp", "row").partition_by(_KEYS, as_dict=True)
    stretches = _stretches(trails)
    stretched = stretches.partition_by(_KEYS, as_dict=True)
    keys = [(one.system, one.device_id) for one in listed if (one.system, one.device_id) in drawn]
    return tuple(_timeline(*key, stretched.get(key, stretches.clear()), drawn[key], lines) for key in keys)


def timeline(
    system: str, device: str, events: pl.DataFrame, marks: pl.DataFrame, lines: Mapping[tuple[str, int], str]
) -> Timeline:
    """The timeline of one device: `events` is its trail, `marks` those requests to draw, with `omitted`."""
    return _timeline(system, device, _stretches(events), marks.sort("timestamp", "row"), lines)


def _timeline(
    system: str, device: str, stretches: pl.DataFrame, marks: pl.DataFrame, lines: Mapping[tuple[str, int], str]
) -> Timeline:
    return Timeline(
        system=system,
        device_id=device,
        bands=_bands(stretches),
        marks=tuple(_marks(marks, lines)),
        omitted=0 if marks.is_empty() else int(marks["omitted"][0]),
    )


def _stretches(trails: pl.DataFrame) -> pl.DataFrame:
    """The states of devices as stretches of time, `timestamp` to `until`.

    The last one ends with the device's last event that says anything of its session.
    """
    changed = pl.col("state").ne_missing(pl.col("state").shift().over(_KEYS))
    until = pl.col("timestamp").shift(-1).over(_KEYS).fill_null(pl.col("_last"))
    told = trails.select(*_KEYS, "timestamp", "state", _last=pl.col("timestamp").last().over(_KEYS))
    return told.filter(changed).with_columns(until=until).drop("_last")


def _bands(stretches: pl.DataFrame) -> tuple[Band, ...]:
    if stretches.height > MAX_BANDS:
        stretches = _coarser(stretches)
    return tuple(
        Band(state=state, first_seen=begin, last_seen=end)
        for begin, state, end in stretches.select("timestamp", "state", "until").rows()
    )


def _coarser(stretches: pl.DataFrame) -> pl.DataFrame:
    """At most `MAX_BANDS` stretches: in each slot of time the state that lasted longest, neighbours alike joined."""
    begin, end = stretches["timestamp"][0], stretches["until"][-1]
    slot = (end - begin) / MAX_BANDS
    slots = pl.DataFrame({"slot": [begin + slot * index for index in range(MAX_BANDS)]})
    shared = stretches.join_where(
        slots.with_columns(slot_end=pl.col("slot") + slot),
        pl.col("timestamp") < pl.col("slot_end"),
        pl.col("until") > pl.col("slot"),
    ).with_columns(lasted=pl.min_horizontal("until", "slot_end") - pl.max_horizontal("timestamp", "slot"))
    longest = (
        shared.group_by("slot", "state")
        .agg(pl.col("lasted").sum())
        .sort("slot", "lasted", "state", descending=[False, True, False])
        .unique("slot", keep="first", maintain_order=True)
        .filter(pl.col("state").ne_missing(pl.col("state").shift()))
    )
    return longest.select("state", timestamp=pl.col("slot"), until=pl.col("slot").shift(-1).fill_null(end))


def _marks(events: pl.DataFrame, lines: Mapping[tuple[str, int], str]) -> Iterable[Mark]:
    columns = ("timestamp", "auth_event", "reason", "method", "route", "status", "source", "line_number")
    for row in events.select(columns).to_dicts():
        route = row.pop("route")
        yield Mark(
            **row,
            route=None if route is None else shown_route(route),
            text=lines.get((row["source"], row["line_number"]), ""),
        )


@lru_cache(maxsize=1024)
def shown_route(route: str) -> str:
    """A route as it may leave: there are few, and each is asked for often."""
    return redact(route)


@dataclass(frozen=True)
class Drawn:
    """What timelines are drawn from: the `trails` of the devices `of`, the `marks` of these, and the text of `lines`.

    `lines` has that of all evidence, too.
    """

    of: tuple[tuple[str, str], ...]
    trails: pl.DataFrame
    marks: pl.DataFrame
    lines: Mapping[tuple[str, int], str]


def drawn(
    history: History,
    collected: collect.Collected,
    findings: Sequence[Finding],
    listed: Sequence[Device],
    shown: Callable[[str], str | None] | None = None,
    *,
    threads: int | None = None,
) -> Drawn:
    """Read the trails of the first of the devices `listed`, and the lines that are to be shown; tokens as `shown`.

    Each of the `threads`, by default as many as there are, takes memory for a block of lines.
    """
    told = trails(history, listed)
    marks = marks_of(told, findings)
    found = lines(collected, lines_wanted(findings, marks), shown, threads=threads)
    return Drawn(with_timeline(listed), told, marks, found)


def with_timeline(listed: Sequence[Device]) -> tuple[tuple[str, str], ...]:
    """The devices that get a timeline."""
    return tuple((one.system, one.device_id) for one in listed[:MAX_TIMELINES])


def lines_wanted(findings: Iterable[Finding], marks: pl.DataFrame) -> pl.DataFrame:
    """The log lines whose text is needed: `source`, `line_number`."""
    drawn = marks.select(pl.col("source").cast(pl.String), "line_number")
    return pl.concat([_proof(findings), drawn]).unique().sort("source", "line_number")


def lines(
    collected: collect.Collected,
    wanted: pl.DataFrame,
    shown: Callable[[str], str | None] | None = None,
    *,
    threads: int | None = None,
) -> dict[tuple[str, int], str]:
    """The text of the log lines of `lines_wanted`, by source and number; redacted, tokens as `shown` says."""
    fetched = collect.fetch_lines(collected.files, wanted, shown, threads=threads)
    return {(source, number): text for source, number, text in fetched.select("source", "line_number", "text").rows()}


def _proof(findings: Iterable[Finding]) -> pl.DataFrame:
    """The lines that findings rest on: `source`, `line_number`."""
    return pl.DataFrame(
        sorted({(line.source, line.line_number) for one in findings for line in one.evidence}),
        schema={"source": pl.String, "line_number": pl.UInt32},
        orient="row",
    )
