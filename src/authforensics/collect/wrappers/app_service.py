"""Owns `app_service`: rows of Azure App Service, whose properties are a text that holds an object."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.peel_json import by_keys
from authforensics.collect.wrapper import Peel, Wrapper

# Reference: https://learn.microsoft.com/azure/app-service/monitor-app-service-reference#resource-logs
_KEYS = {"inner": ("properties",), "at": ("EventTime", "time")}
#: Elsewhere the properties are an object as it stands, and the row is one whole.
_TEXT = re.compile(r'"properties"\s*:\s*"\s*\{')


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    if not any(map(_TEXT.search, sample)):
        return None
    peel = by_keys(_KEYS, ('"category"', '"properties"'))(sample, settings)
    if peel is None:
        return None
    texts = pl.col("line").str.contains(_TEXT.pattern)
    return lambda lines: peel(lines.to_frame("line").select(pl.when(texts).then("line")).to_series())


WRAPPER = Wrapper(
    name="app_service",
    title="logs of Azure App Service",
    samples=(
        r'{"time":"2026-03-01T10:02:03.123Z","category":"AppServiceConsoleLogs","properties":"{\"message\":\"hello\"}"}',
    ),
    prepare=_prepare,
)
