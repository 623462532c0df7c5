"""Owns `aspnet`: the console log of .NET, in which ASP.NET Core writes its requests; what a line says is below it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.cutting import TIME_IN_FRONT, iso_of
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.in_words import told
from authforensics.schema import Kind

# Reference: https://learn.microsoft.com/en-us/dotnet/core/extensions/logging/console-log-formatter (Simple, Systemd)
_AHEAD = (
    rf"^(?:(?P<priority><[0-7]>))?(?:\[?(?P<at>{TIME_IN_FRONT})\]?:? *)?"
    r"(?:(?P<level>trce|dbug|info|warn|fail|crit): )?(?P<logger>[A-Za-z_][\w.+`]*)\[-?[0-9]+\](?: +(?P<own>.*))?$"
)
_BELOW = r"^(?: {4,}|\t)\s*(.*)$"
#: With `IncludeScopes` these are in front of what is said, on a line of their own if there are several lines.
_SCOPES = "^=> "
_EXCEPTION = r"^((?:[A-Za-z_]\w*\.)+\w*(?:Exception|Error)\w*(?: \([^)]*\))?: .*)$"
# Reference: HostingApplicationDiagnostics and HostingRequestFinishedLog of ASP.NET Core: up to version 7 with type and
# length of what was sent in front of the dash.
_CALL = (
    r"^Request finished HTTP/[0-9.]+ (?P<method>[A-Z]+) (?P<target>\S+)(?: \S+ \S+)? - (?P<status>[1-5][0-9]{2})"
    r"(?: (?P<bytes>[0-9]+|-|null))?(?: \S+)?(?: (?P<lasted>[0-9]+(?:\.[0-9]+)?)ms)?(?:\s.*)?$"
)
_HOST = r"^https?://(\[[^\]]*\]|[^/:?#]+)"


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    fronts = filter(None, map(re.compile(_AHEAD).match, sample))
    if not any(front["priority"] or front["level"] for front in fronts):
        return None

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = lines.with_columns(
            _below=pl.col("line").str.extract(_BELOW), parts=pl.col("line").str.extract_groups(_AHEAD)
        ).unnest("parts")
        # What is below a line: one that begins a record is below none.
        first, second, third = (pl.col("_below").shift(-number) for number in (1, 2, 3))
        parts = parts.with_columns(_scoped=first.str.contains(_SCOPES) & pl.col("own").is_null())
        said = pl.when("_scoped").then(second).otherwise(first)
        thrown = pl.when(pl.col("own").is_not_null()).then(first).when("_scoped").then(third).otherwise(second)
        # An exception may be two lines below, and then not the first of them in another record.
        there = pl.when("_scoped").then(second.is_not_null()).otherwise(True) & (first.is_not_null())
        parts = parts.with_columns(
            matched=pl.any_horizontal(pl.col("priority", "level").is_not_null()),
            message=pl.coalesce("own", said),
            _thrown=pl.when(there).then(thrown.str.extract(_EXCEPTION)),
            moment=iso_of(pl.col("at"), settings.tz),
        )
        message = pl.when("matched").then(pl.concat_str("message", "_thrown", separator=" ", ignore_nulls=True))
        parts = parts.with_columns(message=message.replace("", None), origin=pl.when("matched").then("logger"))
        parts = parts.with_columns(call=pl.col("message").str.extract_groups(_CALL)).unnest("moment").unnest("call")
        parts = parts.with_columns(host=pl.col("target").str.extract(_HOST))
        return told(parts.drop("at", "priority", "level", "logger", "own", "_below", "_scoped", "_thrown"))

    return parse


FORMAT = Format(
    name="aspnet",
    title="console log of .NET with the requests of ASP.NET Core",
    samples=(
        (
            "2025-10-02 12:00:08 info: Microsoft.AspNetCore.Hosting.Diagnostics[2] Request finished HTTP/1.1 GET"
            " https://shop.example/api/me - 401 0 - 1.2340ms"
        ),
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.98,
    prepare=_prepare,
    multiline=True,
    record_start=r"^(?:<[0-7]>)?(?:\[?[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:|(?:trce|dbug|info|warn|fail|crit): )",
)
