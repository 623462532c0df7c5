"""Owns `java_logging`: what java.util.logging writes: Tomcat's catalina.out in one line, Java's own default in two."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect import cutting, notations
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.times import MOMENT
from authforensics.schema import Kind

# Reference: org/apache/juli/OneLineFormatter.java; the name of the level is that of the locale.
_TOMCAT = (
    r"(?P<tomcat>[0-9]{2}-[A-Z][a-z]{2}-[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)"
    r" [^\s\[\]]+ \[.*?\] (?P<place>\S+) "
)
# Reference: java/util/logging/SimpleFormatter.java; up to Java 20 there is a plain space before the half of the day.
_JAVA = (
    r"(?P<java>[A-Z][a-z]{2} [0-9]{2}, [0-9]{4} [0-9]{1,2}:[0-9]{2}:[0-9]{2}[ \u202f][AP]M)"
    r" (?P<class>\S+)(?: \S+)?$"
)
_FRONT = rf"(?:{_TOMCAT}|{_JAVA})"
#: The second line of two: the level and what is said.
_SAID = r"^[^\s:]+: (.*)$"
#: The method behind the class.
_METHOD = r"\.[^.]*$"


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(map(re.compile(_FRONT).match, sample)):
        return None

    def moment(values: pl.Series) -> pl.Series:
        return cutting.restated(values, notations.restated, settings.tz)

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = cutting.with_message(lines, _FRONT)
        at, below = pl.coalesce("tomcat", "java"), pl.col("line").shift(-1).str.extract(_SAID)
        parts = parts.with_columns(
            matched=at.is_not_null(),
            moment=at.map_batches(moment, return_dtype=pl.Struct(MOMENT), is_elementwise=True),
            message=pl.when(pl.col("java").is_null()).then("message").otherwise(below),
            origin=pl.coalesce(pl.col("place").str.replace(_METHOD, ""), "class"),
        )
        return parts.unnest("moment").drop("tomcat", "java", "place", "class")

    return parse


FORMAT = Format(
    name="java_logging",
    title="java.util.logging: Tomcat's catalina.out, and the two lines a record that are Java's default",
    samples=(
        ("01-Mar-2026 10:02:03.123 SEVERE [http-nio-8080-exec-7] app.TokenFilter.doFilter Token refused at /api/me"),
    ),
    time="end",
    kinds=(Kind.MESSAGE,),
    specificity=0.98,
    prepare=_prepare,
    multiline=True,
    record_start=r"^(?:[0-9]{2}-[A-Z][a-z]{2}-[0-9]{4} |[A-Z][a-z]{2} [0-9]{2}, [0-9]{4} [0-9]{1,2}:[0-9]{2}:)",
)
