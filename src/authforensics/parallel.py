"""Runs a function over items in order, a few at a time, never holding more of them than there are threads, and one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import polars as pl

#: Parts of a table that are worked on at a time.
PARTS = min(2, os.cpu_count() or 1)

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(items: Iterable[Item], function: Callable[[Item], Result], threads: int) -> Iterator[Result]:
    """`function` of each item, in the order of the items; what it raises is raised here."""
    if threads <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def beside(function: Callable[[], Result]) -> Iterator[Callable[[], Result]]:
    """Run `function` beside what is done meanwhile; yields what waits for its result, and raises what it raises."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(function).result


def by_part(parts: Sequence[pl.LazyFrame], look: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.DataFrame:
    """What `look` makes of each part of a table, below each other: no more of them are in memory than are worked on."""

    def one(part: pl.LazyFrame) -> pl.DataFrame:
        return look(part).collect(engine="in-memory")

    return pl.concat(in_order(parts, one, PARTS))
