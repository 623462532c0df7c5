"""Takes events in, block by block: what is kept of them, requests in partitions by what seems to be their device."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import polars as pl

from authforensics import correlate
from authforensics.correlate import clocks, condense, endpoints, identity
from authforensics.partitions import Partitions
from authforensics.tokens import carried

#: Sightings of tokens that are worth being put together.
_SIGHTINGS = 100_000


@dataclass(frozen=True)
class Gathered:
    """What one block of events, all of one folder, came to."""

    folder: str
    requests: pl.DataFrame
    messages: pl.DataFrame
    seen: pl.DataFrame
    clocks: pl.DataFrame
    heard: int
    sightings: pl.DataFrame


class Intake:
    """Takes in events, block by block: requests into partitions by a guess of what tells their devices apart."""

    def __init__(self, requests: Partitions, device_key: str | None) -> None:
        self.requests = requests
        self.messages: list[pl.DataFrame] = []
        self.seen: list[pl.DataFrame] = []
        self._sketches: list[pl.DataFrame] = []
        self._sightings: list[pl.DataFrame] = []
        self.covered: dict[str, dict[str, int]] = {}
        self.heard: dict[str, int] = {}
        self._device_key = device_key
        self._guesses: dict[str, str | None] = {}
        self._guessing = Lock()

    def digest(self, events: pl.DataFrame) -> Gathered:
        """What is kept of a block of events, all of one folder; safe to be called from several threads."""
        folder = str(events["system"][0])
        requests = condense.requests(events)
        messages = condense.messages(events)
        if self.requests.count > 1 and not requests.is_empty():
            with self._guessing:
                guess = self._guesses.setdefault(folder, identity.likely(condense.coverage(requests), self._device_key))
            requests = requests.with_columns(identity.spread(requests, guess, self.requests.count))
        seen, sketch = endpoints.seen(requests), clocks.sketch(requests, messages)
        sightings = carried.sighted(events)
        return Gathered(folder, requests, messages, seen, sketch, events.height - requests.height, sightings)

    def take_in(self, block: Gathered) -> None:
        """Keep it."""
        if not block.sightings.is_empty():
            self._sightings.append(block.sightings)
            if sum(one.height for one in self._sightings) > max(2 * self._sightings[0].height, _SIGHTINGS):
                self._sightings = [carried.merged(self._sightings)]
        if not block.clocks.is_empty():
            self._sketches.append(block.clocks)
            if sum(one.height for one in self._sketches) > 2 * clocks.ALL:
                self._sketches = [clocks.merged(self._sketches)]
        if not block.requests.is_empty():
            self.requests.add(block.requests)
            self.seen.append(block.seen)
            covered = self.covered.setdefault(block.folder, {})
            for name, count in condense.coverage(block.requests).items():
                covered[name] = covered.get(name, 0) + count
        if block.heard:
            self.heard[block.folder] = self.heard.get(block.folder, 0) + block.heard
            self.messages.append(block.messages)

    def sketch(self) -> pl.DataFrame:
        """When each log first tells of some request ids, see `correlate.clocks`."""
        return clocks.merged(self._sketches)

    def sightings(self) -> pl.DataFrame:
        """Where which tokens can be read, see `tokens.carried`."""
        return carried.merged(self._sightings)

    def settle(self, ground: correlate.Ground) -> None:
        """Have each device in one partition: as they are if every guess was right, else some requests move."""
        ladder = ground.ladder
        right = all(guess == ladder.keys[ground.folders[folder]] for folder, guess in self._guesses.items())
        if self.requests.count > 1 and not (right and ladder.links.is_empty() and ladder.told.is_empty()):
            self.requests.deal(
                ladder.telling, lambda rows: identity.places(ground.in_systems(rows), ladder, self.requests.count)
            )
