"""Where the clock of a log goes back: it was set, on that machine, or the server was started with another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

#: Seconds that a log goes back: what takes longer to answer is logged late, and zones are quarters of an hour.
LEAST, MOST = 30.0, 840.0
#: So many lines before and behind it must be in order, the nearest of each by one clock and the other; and a log in
#: which it happens more often than `OFTEN` has none: it is in pieces of several processes, or the newest comes first.
_LINES, _NEAREST, OFTEN = 8, 2, 2
#: Seconds that lines are out of order. What was begun long ago and ends together, as connections do that a restart
#: closes, may be logged by its begin, in any order.
_ORDER = 5.0


@dataclass(frozen=True, slots=True)
class Setback:
    """The first line by the other clock; when it was `before`, by the one that held until then, and `since`."""

    line_number: int
    before: datetime
    since: datetime

    @property
    def seconds(self) -> float:
        """By how much the clock goes back, at least."""
        return (self.before - self.since).total_seconds()


def setbacks(events: pl.DataFrame) -> tuple[Setback, ...]:
    """Where the clock seems to go back among events in the order of their lines: `timestamp`, `line_number`.

    One more than `OFTEN` at most; then it is no clock that goes back.
    """
    times = events["timestamp"]
    back = -times.diff().dt.total_microseconds() / 1e6
    places = back.is_between(LEAST, MOST).fill_null(value=False).arg_true()
    return tuple(
        Setback(
            line_number=int(events["line_number"][place]),
            before=times[place - 1].astimezone(UTC),
            since=times[place].astimezone(UTC),
        )
        for place in places.head(OFTEN + 1).to_list()
        if len(places) > OFTEN or _stays(times, place)
    )


def _stays(times: pl.Series, place: int) -> bool:
    """Whether the lines before `place` are of one clock, and those from there on of the other."""
    half = times[place - 1] - (times[place - 1] - times[place]) / 2
    earlier, later = times.slice(max(place - _LINES, 0), min(place, _LINES)), times.slice(place, _LINES)
    if not len(earlier) == len(later) == _LINES:
        return False
    if not (earlier.tail(_NEAREST) > half).all() or not (later.head(_NEAREST) < half).all():
        return False
    return all(float((-one.diff().dt.total_microseconds()).max()) <= _ORDER * 1e6 for one in (earlier, later))  # type: ignore[arg-type]


def certain(found: Sequence[Setback], begin: datetime | None) -> tuple[Setback, ...]:
    """Those that are the clock's, of all of a log that has its first event at `begin`."""
    if len(found) > OFTEN or begin is None:
        return ()
    # Logs that were put behind each other begin anew.
    return tuple(one for one in found if (one.since - begin).total_seconds() > LEAST)
