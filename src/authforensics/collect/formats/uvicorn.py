"""Owns `uvicorn`: uvicorn's access lines and messages, with a time in front, or in what wraps them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.cutting import IN_FRONT, iso_of
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import KIND, Kind

# Reference: https://github.com/encode/uvicorn/blob/master/uvicorn/logging.py
_COLOUR = r"(?:\x1b\[[0-9;]*m)*"
_LEVEL = rf"{_COLOUR}(?:TRACE|DEBUG|INFO|WARNING|ERROR|CRITICAL){_COLOUR}"
_CALL = (
    rf"(?:(?:uvicorn\.access[ |-]+)?\[?{_LEVEL}\]?:?[ |-]+(?:uvicorn\.access:?[ |-]+)?)?"
    r"(?:None|(?P<client_ip>[^\s\"]*?))(?::\d{1,5})? - "
    rf"\"{_COLOUR}(?P<request>[^\"]*?){_COLOUR}\" {_COLOUR}(?P<status>\d{{3}})\b"
)
_LINE = rf"^{IN_FRONT}(?:{_CALL}|{_LEVEL}: +(?P<message>\S.*)$)"
_SURE = re.compile(rf"^{IN_FRONT}{_CALL}")


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(map(_SURE.match, sample)):
        return None

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = lines.with_columns(parts=pl.col("line").str.extract_groups(_LINE)).unnest("parts")
        called = pl.col("request").is_not_null()
        read = iso_of(pl.col("at"), settings.tz)
        return (
            parts.with_columns(
                matched=called | pl.col("message").is_not_null(),
                kind=pl.when(called).then(pl.lit(Kind.REQUEST.value)).otherwise(pl.lit(Kind.MESSAGE.value)).cast(KIND),
                moment=read,
            )
            .unnest("moment")
            .drop("at")
        )

    return parse


FORMAT = Format(
    name="uvicorn",
    title="access log of uvicorn, with a time in front or in what wraps it",
    samples=(
        '2025-10-02 12:00:08,123 INFO:     203.0.113.7:5000 - "GET / HTTP/1.1" 200 OK',
        '2025-10-02 12:00:09,123 - INFO - 203.0.113.7:5000 - "GET /api/me HTTP/1.1" 401',
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.97,
    prepare=_prepare,
)
