"""Owns `logger`: time, level and name that a logging library puts in front of lines of an access log."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.peel_text import with_time
from authforensics.collect.wrapper import Peel, Wrapper, peeled

# As Quarkus, Spring's reactor-netty through Logback and Python's logging do; what stands behind has to begin as a line
# of the CLF family: messages name addresses, too.
_TIME = r"\[?(?P<at>\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d{2}:?\d{2}))?)\]?"
_LEVEL = r"\b(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR)\b"
_ADDRESS = r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]+)(?::\d{1,5})?"
_CALL = rf"{_ADDRESS} [^\[\"]{{0,80}}\[\d{{2}}/[A-Z][a-z]{{2}}/\d{{4}}:.*"
_LINE = rf"^{_TIME}[^\"]{{0,60}}?{_LEVEL}[^\"]{{0,120}}?[ :\]](?P<inner>{_CALL})$"


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    if not any(re.match(_LINE, line) for line in sample):
        return None

    def peel(lines: pl.Series) -> pl.DataFrame:
        parts = lines.to_frame("line").select(pl.col("line").str.extract_groups(_LINE)).unnest("line")
        return peeled(with_time(parts, settings.tz))

    return peel


WRAPPER = Wrapper(
    name="logger",
    title="time, level and logger in front of access lines: Logback, Quarkus, Python's logging",
    samples=(
        '2026-03-01 10:02:03,123 INFO access: 203.0.113.9 - - [01/Mar/2026:10:02:03 +0000] "GET / HTTP/1.1" 200 1',
    ),
    prepare=_prepare,
    taken="if known",
)
