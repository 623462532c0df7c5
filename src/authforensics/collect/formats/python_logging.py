"""Owns `python_logging`: what loggers as Python's and loguru write with a time and a level, requests among it.

Tracebacks continue a record.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect import calls
from authforensics.collect.cutting import iso_of, with_message
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind

# Pyramid's own configuration cuts levels at five characters; loguru has two more, java.util.logging others.
_LEVEL = (
    r"(?:TRACE|DEBUG|INFO|NOTICE|SUCCESS|WARNING|WARNI|WARN|ERROR|CRITICAL|CRITI|FATAL|NOTSET"
    r"|SEVERE|CONFIG|FINEST|FINER|FINE)"
)
#: Those of winston, behind the time.
_LOWER = r"\[?(?:silly|debug|verbose|http|info|warn|error)\]?: "
#: A widespread layout of winston's ends with minutes and seconds once more, meant to be milliseconds.
_TIME = r"(?P<at>\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,6})?\s?(?:Z|UTC|[+-]\d{2}:?\d{2})?)(?::\d{2,4}\b)?"
_GAP = r"[\s:|,-]"
#: A logger or thread, perhaps a function and line: no address.
_LOGGER = r"[A-Za-z_][\w.-]*(?::[\w.<>]+)?(?::\d+)?"
#: What stands where a logger's name does, and is none: an exception, or what Django calls the status of a path.
_SAID = r"(?P<said>(?:[\w.]*(?:Error|Exception)|Unauthorized|Forbidden|Conflict|Gone|Locked): )"
# Reference: https://docs.python.org/3/howto/logging.html; the layouts of Flask, gunicorn, Celery and Django's manual
# (module, process and thread); Spring Boot's https://docs.spring.io/spring-boot/reference/features/logging.html;
# https://github.com/winstonjs/winston (printf)
_FRONT = (
    rf"(?:\[?{_LEVEL}\]?{_GAP}+(?:[\w.]+{_GAP}+)?)?\[?{_TIME}\]?"
    rf"(?:{_GAP}*(?:\[[\w.:-]+\]{_GAP}*)*\[?{_LEVEL}(?:/[\w-]+)?\]?\s?{_GAP}*"
    r"(?:\d+ --- (?:\[[^\]]*\] ?)+\S+ *: )?"
    rf"(?:in )?(?:{_SAID}|(?:\[{_LOGGER}\])+ |\[?{_LOGGER}\]?(?:: | - | \| |\] ))?"
    rf"|{_GAP}+\[?[\w.]+\]?{_GAP}+\[?{_LEVEL}\]?{_GAP}+"
    rf"|{_GAP}+(?:\[[^\]]*\] )?{_LOWER}"
    rf"|{_GAP}+(?:{_LOGGER} [0-9]+ [0-9]+ )?)"
)
_HAS_LEVEL = rf"^.{{0,120}}?(?:\b{_LEVEL}\b|{_LOWER})"


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    fronts = {line: match for line in sample if (match := re.match(_FRONT, line))}
    if not fronts:
        return None
    read = calls.reader(line[match.end() :] for line, match in fronts.items())

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = with_message(lines, _FRONT)
        matched = pl.col("at").is_not_null() & pl.col("line").str.contains(_HAS_LEVEL)
        message = pl.concat_str(pl.col("said").fill_null(""), "message")
        parts = parts.with_columns(matched=matched, message=message, moment=iso_of(pl.col("at"), settings.tz))
        told = parts.unnest("moment").drop("at", "said")
        return told if read is None else calls.with_calls(told, read)

    return parse


FORMAT = Format(
    name="python_logging",
    title="Python logging with time, level and usually the logger's name; Spring Boot, log4js, winston, tracing",
    samples=(
        "2025-10-03 05:00:12,461 - app.auth - WARNING - JWT validation failed user=42",
        "2025-10-03 05:00:12,461 WARNING app.auth: JWT validation failed",
        "WARNING:2025-10-03 05:00:12,461:JWT validation failed",
        "[2025-10-03 05:00:12,461] WARNING in auth: JWT validation failed",
        "[2025-10-03 05:00:12 +0000] [17] [INFO] Booting worker with pid: 17",
    ),
    time="end",
    kinds=(Kind.MESSAGE, Kind.REQUEST),
    specificity=0.9,
    prepare=_prepare,
    multiline=True,
    # What has no time, as basicConfig and uvicorn write it, is no part of the record above.
    record_start=rf"^(?:\[?{_LEVEL}\]?:)?\[?\d{{4}}-\d{{2}}-\d{{2}}[T ]\d{{2}}:|^{_LEVEL}:(?:[\w.]+:| {{2}})|^\{{\"",
)
