"""Simulated time: the queue of what happens when, the processes that wait in it, and what a log shows of a moment.

A process is a generator. It yields the seconds it sleeps, or a `Signal` it waits for.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass(slots=True)
class Signal:
    """Something that happens once; processes wait for it."""

    fired: bool = False
    waiting: list[Process] = field(default_factory=list)


Process = Generator["float | Signal", None, None]


class Clock:
    """What happens when. `now` is in seconds since the log starts: what comes before it has negative times."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._queue: list[tuple[float, int, Process]] = []
        self._count = 0

    def start(self, process: Process, at: float | None = None) -> None:
        """Let a process begin at once, or at a time."""
        self._count += 1
        heapq.heappush(self._queue, (self.now if at is None else max(at, self.now), self._count, process))

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do one thing at a time."""
        self.start(_once(action), time)

    def fire(self, signal: Signal) -> None:
        """Wake all that wait."""
        signal.fired = True
        for process in signal.waiting:
            self.start(process)
        signal.waiting.clear()

    def together(self, processes: Iterable[Process]) -> Signal:
        """Start processes at once; the signal fires when the last has ended."""
        done = Signal()
        running = list(processes)
        left = len(running)

        def counted(process: Process) -> Process:
            nonlocal left
            yield from process
            left -= 1
            if not left:
                self.fire(done)

        for process in running:
            self.start(counted(process))
        return done

    def run(self, until: float) -> None:
        """Let everything happen that happens before a time."""
        while self._queue and self._queue[0][0] < until:
            self.now, _, process = heapq.heappop(self._queue)
            try:
                wanted = next(process)
            except StopIteration:
                continue
            if not isinstance(wanted, Signal):
                self.start(process, self.now + wanted)
            elif wanted.fired:
                self.start(process)
            else:
                wanted.waiting.append(process)


def _once(action: Callable[[], None]) -> Process:
    action()
    yield from ()


def awake(time: float, start: datetime, *, by_day: bool) -> float:
    """How busy people are at a time, 1 at the busiest: half past one in the afternoon, and least at night."""
    if not by_day:
        return 1.0
    hour = (start + timedelta(seconds=time)).hour + (time % HOUR) / HOUR
    return 0.08 + 0.92 * math.pow(max(0.0, math.sin((hour - 4.5) / 18 * math.pi)), 1.5)
