"""Owns `ktor`: the log of Ktor's CallLogging, behind what Logback puts in front of it."""

from __future__ import annotations

from collections.abc import Sequence

from authforensics.collect.cutting import TIME_IN_FRONT
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.in_words import LEVEL, parser
from authforensics.schema import Kind

# Reference: https://ktor.io/docs/server-call-logging.html, CallLoggingConfig.kt (defaultFormat); Ktor's own
# logback.xml, `%d{YYYY-MM-dd HH:mm:ss.SSS} [%thread] %-5level %logger{36} - %msg%n`
_AHEAD = rf"\[?(?P<at>{TIME_IN_FRONT})\]? (?:\[[^\]]*\] +)?{LEVEL} +(?:[\w.$\[\]-]+(?: +[:-]|:) )?"
_CALL = (
    r"^(?P<status>[1-5][0-9]{2}) [^:/]*: (?P<method>[A-Z]+) - (?P<target>/\S*)"
    r"(?: in (?P<lasted>[0-9]+)ms)?(?:\s.*)?$"
)


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    return parser(sample, settings, _AHEAD, _CALL)


FORMAT = Format(
    name="ktor",
    title="log of Ktor (Kotlin) with its CallLogging",
    samples=("2025-10-02 12:00:08.123 [loop-4-1] INFO  ktor.application - 401 Unauthorized: GET - /api/me in 8ms",),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.98,
    prepare=_prepare,
    multiline=True,
    record_start=r"^\[?[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:",
)
