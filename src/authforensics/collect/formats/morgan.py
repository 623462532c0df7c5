"""Owns `morgan`: the short forms of Express' logger (dev, tiny, short), with a time in front, or in what wraps them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.cutting import IN_FRONT, iso_of
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind

# Reference: https://github.com/expressjs/morgan#predefined-formats
_COLOUR = r"(?:\x1b\[[0-9;]*m)*"
_WHO = r"(?:(?P<client_ip>[0-9A-Fa-f.:]+|-) (?P<user_id>\S+) )?"
_CALL = r"(?P<method>[A-Z][A-Z-]+) (?P<target>\S+)(?: HTTP/\d(?:\.\d)?)?"
_RESULT = rf" {_COLOUR}(?P<status>\d{{3}}|-){_COLOUR}"
_DEV = rf" (?P<lasted>\d+(?:\.\d+)?|-) ms - (?P<size>\d+|-){_COLOUR}"
_TINY = rf" (?P<bytes>\d+|-) - (?P<duration>\d+(?:\.\d+)?|-) ms{_COLOUR}"
_LINE = rf"^{_COLOUR}{IN_FRONT}{_COLOUR}{_WHO}{_CALL}{_RESULT}(?:{_DEV}|{_TINY})(?:\s.*)?$"


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(map(re.compile(_LINE).match, sample)):
        return None

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = lines.with_columns(parts=pl.col("line").str.extract_groups(_LINE)).unnest("parts")
        parts = parts.with_columns(
            matched=pl.col("target").is_not_null(),
            moment=iso_of(pl.col("at"), settings.tz),
            duration_ms=pl.coalesce("lasted", "duration").cast(pl.Float64, strict=False),
            bytes=pl.coalesce("size", "bytes"),
        )
        return parts.unnest("moment").drop("at", "lasted", "duration", "size")

    return parse


FORMAT = Format(
    name="morgan",
    title="Express' morgan: dev, tiny or short, with a time in front or in what wraps it",
    samples=(
        "2025-10-02T12:00:08.123Z GET /api/me 401 5.123 ms - 12",
        "2025-10-02T12:00:09.123Z POST /login 200 - - 12.001 ms",
        "2025-10-02T12:00:10.123Z 203.0.113.7 - GET /a HTTP/1.1 304 - - 0.411 ms",
    ),
    time="end",
    kinds=(Kind.REQUEST,),
    specificity=0.97,
    prepare=_prepare,
)
