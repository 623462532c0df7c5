"""Owns `logger`: level and name, perhaps a time, that a logging library puts in front of lines of an access log."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.cutting import TIME_IN_FRONT
from authforensics.collect.format import Settings
from authforensics.collect.peel_text import groups, with_time
from authforensics.collect.wrapper import Peel, Wrapper, peeled

# As Quarkus, Spring's reactor-netty through Logback and Python's logging do; what stands behind has to begin as a line
# of the CLF family: messages name addresses, too.
_TIME = rf"\[?(?P<at>{TIME_IN_FRONT}(?: (?:Z|[+-]\d{{2}}:?\d{{2}}))?)\]?"
_LEVEL = r"\b(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR)\b"
_ADDRESS = r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]+)(?::\d{1,5})?"
_CALL = rf"{_ADDRESS} [^\[\"]{{0,80}}\[\d{{2}}/[A-Z][a-z]{{2}}/\d{{4}}"
# Python's logging by default, in front of werkzeug's lines, too: with a time these are of its format.
_BARE = rf"{_LEVEL}:[\w.-]+:(?P<bare>{_CALL}[: ].*)"
_LINE = rf"^(?:{_TIME}[^\"]{{0,60}}?{_LEVEL}[^\"]{{0,120}}?[ :\]](?P<inner>{_CALL}:.*)|{_BARE})$"


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    if not any(map(re.compile(_LINE, re.DOTALL).match, sample)):
        return None

    def peel(lines: pl.Series) -> pl.DataFrame:
        parts = groups(lines, _LINE).with_columns(inner=pl.coalesce("inner", "bare"))
        return peeled(with_time(parts, settings.tz))

    return peel


WRAPPER = Wrapper(
    name="logger",
    title="level and logger, perhaps a time, in front of access lines: Logback, Quarkus, Python's logging",
    samples=(
        '2026-03-01 10:02:03,123 INFO access: 203.0.113.9 - - [01/Mar/2026:10:02:03 +0000] "GET / HTTP/1.1" 200 1',
    ),
    prepare=_prepare,
    taken="if known",
)
