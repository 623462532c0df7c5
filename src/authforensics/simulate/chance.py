"""Draws that depend on nothing but a seed and on whose they are: the same on every machine and Python."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

_EIGHT_DIGITS = 16**8


class Chance:
    """One actor's draws.

    # Reference: https://docs.python.org/3/library/random.html#notes-on-reproducibility: `random()` alone keeps its
    # sequence, so everything is made of it.
    """

    def __init__(self, *whose: object) -> None:
        self._next = Random("/".join(map(str, whose))).random  # noqa: S311 - nothing here is secret

    def happens(self, share: float) -> bool:
        """True in that share of the cases."""
        return share > 0 and self._next() < share

    def between(self, low: float, high: float) -> float:
        """Any number of the range, all alike."""
        return low + (high - low) * self._next()

    def whole(self, low: int, high: int) -> int:
        """A whole number, `high` included."""
        return low + int((high - low + 1) * self._next())

    def exponential(self, mean: float) -> float:
        """A wait between independent happenings."""
        return -mean * math.log(1 - self._next())

    def pick(self, among: Sequence[T]) -> T:
        """One of them, all alike."""
        return among[int(len(among) * self._next())]

    def weighted(self, among: Mapping[T, float]) -> T:
        """One of the keys, as often as it weighs."""
        left = self._next() * sum(among.values())
        for key, weight in among.items():
            left -= weight
            if left < 0:
                return key
        return key

    def hex(self, digits: int) -> str:
        """So many hexadecimal digits, a multiple of eight."""
        return "".join(f"{int(self._next() * _EIGHT_DIGITS):08x}" for _ in range(digits // 8))
