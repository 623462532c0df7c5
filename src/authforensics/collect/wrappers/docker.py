"""Owns `docker`: what docker's json-file driver writes; a line longer than 16 KiB is cut into several."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.peel_json import by_keys
from authforensics.collect.wrapper import Peel, Wrapper

# Reference: https://docs.docker.com/engine/logging/drivers/json-file/
_KEYS = {"inner": ("log",), "at": ("time",), "stream": ("stream",)}
_WHOLE = re.compile(r'\\n"\s*,\s*"(?:stream|attrs|time)":')
_FOREIGN = re.compile(r'[,{]\s*"(?!log"|stream"|attrs"|time")[\w@.-]+":[^"]*(?:"[^"]*")?\}$')


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    # Collectors that pass such records on take the ends of lines away, and add keys.
    whole = sum(bool(_WHOLE.search(line)) for line in sample)
    if whole * 2 < sum(line.startswith("{") for line in sample) or any(_FOREIGN.search(line) for line in sample[:5]):
        return None
    unfinished = (~pl.col("inner").str.ends_with("\n")).alias("open")
    return by_keys(_KEYS, ('"log":', '"stream":', '"time":'), [unfinished])(sample, settings)


WRAPPER = Wrapper(
    name="docker",
    title="docker's json-file driver",
    samples=(r'{"log":"hello \"world\"\n","stream":"stdout","time":"2026-03-01T10:02:03.123456789Z"}',),
    prepare=_prepare,
    parts=True,
    at_once=True,
)
