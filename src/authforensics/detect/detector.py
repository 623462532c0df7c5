"""What a detector is: its thresholds, what it looks at in the sessions of some devices, what it concludes of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from authforensics.findings import Severity
from authforensics.schema import REASON, ROW, TIMESTAMP, Sessions
from authforensics.tokens.carried import Carried


@dataclass(frozen=True)
class Threshold:
    """One number that decides, its unit and where it comes from; it can't be set below `least`."""

    name: str
    value: float
    unit: str
    source: str
    least: float = 0


#: What of a finding tells those that come after it what it explains.
FOUND: dict[str, pl.DataType] = {
    "system": pl.String(),
    "device_id": pl.String(),
    "first_seen": TIMESTAMP,
    "last_seen": TIMESTAMP,
}


@dataclass(frozen=True)
class Fleet:
    """What is known across devices when detectors conclude.

    `active` counts the devices with a session per system; `spans` tells when each system's log begins and ends; `weak`
    are the devices (`system`, `device_id`) that may in truth be many. `found` is what detectors found before one that
    comes `after_others`: `system`, `device_id`, `first_seen`, `last_seen` of each finding of those that `explains`.
    `carried` are the tokens that can be read in the logs, `formats` those of the sources.
    """

    active: Mapping[str, int]
    spans: pl.DataFrame
    weak: pl.DataFrame
    found: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FOUND))
    carried: Carried = field(default_factory=Carried)
    formats: Mapping[str, str] = field(default_factory=dict)


#: What `conclude` returns, beside a struct `measures`: one row a finding. `rows` are the events that carry it. Of
#: single devices `observe` returns the same, with the names still as the sessions have them.
DRAFTS: dict[str, pl.DataType] = {
    "system": pl.String(),
    "device_id": pl.String(),
    "devices": pl.UInt32(),
    "first_seen": TIMESTAMP,
    "last_seen": TIMESTAMP,
    "ongoing": pl.Boolean(),
    "count": pl.UInt32(),
    "reason": REASON,
    "rows": pl.List(ROW),
}

#: What a detector sees of each event, unless it `sees_all`.
SEEN = (
    *("row", "system", "device_id", "device", "timestamp", "route", "auth_event", "reason", "state", "straggler"),
    *("grant", "granted_by", "grant_row", "age", "episode", "rejection", "write", "session", "method", "status"),
    *("started_at", "timed", "clock", "client_ip", "user_agent"),
)

Limits = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Detector:
    """One pattern.

    `severity`: 1 locks users out or loses data, 2 hits a group or bleeds slowly, 3 is noise or cost (see the
    pathologies); a draft whose measure `benign` is true is for information. `observe` sees the sessions of a set of
    devices (a partition) and returns what is worth keeping of them, small: `system`, `device_id`, and in `row` or
    `rows` the events that may become evidence; `conclude` sees that of all devices together, in their order, and
    returns DRAFTS with `measures`; `after_others` if it must know what those found that `explains` why calls are
    refused. `describe` says one draft in words.
    One that looks at logs and not at devices gives in `grade` how bad a draft is by its measures: no incident decides
    that. Its rows are those of `lines`, what it shows of all that logs carry, with numbers of their own.
    Accepted calls that say nothing more than that are kept from it (see `detect.observe`), and all columns of events
    but SEEN, unless it `sees_all`.
    """

    name: str
    title: str
    severity: int
    thresholds: tuple[Threshold, ...]
    observe: Callable[[Sessions, Limits], pl.DataFrame]
    conclude: Callable[[pl.DataFrame, Fleet, Limits], pl.DataFrame]
    describe: Callable[[Mapping[str, float]], str]
    sees_all: bool = False
    after_others: bool = False
    explains: bool = True
    grade: Callable[[Mapping[str, float]], Severity] | None = None
    lines: Callable[[Fleet], pl.DataFrame] | None = None

    def limits(self, overrides: Mapping[str, float]) -> dict[str, float]:
        """Its thresholds by name, with `overrides` in place of the declared values."""
        return {threshold.name: overrides.get(threshold.name, threshold.value) for threshold in self.thresholds}


def as_observed(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    """The conclusion of a detector whose findings are about single devices: what was observed."""
    del fleet, limits
    return observed
