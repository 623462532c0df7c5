"""Peels wrappers that are JSON objects with a line inside: as a text, or as an object of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.json_values import Decoder
from authforensics.collect.peel_text import with_time
from authforensics.collect.wrapper import Peel, peeled

#: Which keys (dotted, where objects are nested) hold what: `at`, the time, and columns of `PEELED`.
Keys = Mapping[str, tuple[str, ...]]

_OBJECT = re.compile(r"\s*\{")


def by_keys(
    keys: Keys, marks: Sequence[str], also: Sequence[pl.Expr] = (), tz: Literal["UTC"] | None = None
) -> Callable[[Sequence[str], Settings], Peel | None]:
    """For objects in which the first of some keys that has a value holds what is wanted.

    Args:
        keys: what is wanted, with its keys.
        marks: texts of which each line has all.
        also: columns made of those.
        tz: the zone of naive times, where it is known: UTC.
    """
    names = list(dict.fromkeys(name for some in keys.values() for name in some))

    def prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
        objects = filter(_OBJECT.match, sample)
        if not any(all(mark in line for mark in marks) for line in objects):
            return None

        def peel(lines: pl.Series) -> pl.DataFrame:
            values = {name: pl.coalesce([pl.col(key) for key in some]) for name, some in keys.items()}
            told = values_of(lines, names).select(**values).with_columns(*also)
            return peeled(with_time(told, settings.tz, tz))

        return peel

    return prepare


def values_of(lines: pl.Series, keys: Sequence[str]) -> pl.DataFrame:
    """The values of keys as texts; null where there is none, and where the line is no JSON object."""
    decoder = Decoder(tuple(tuple(key.split(".")) for key in keys))
    return decoder.batch(lines.fill_null("")).struct.unnest().select(keys)
