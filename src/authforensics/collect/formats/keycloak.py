"""Owns `keycloak`: Keycloak's server log, as text or JSON, whose events tell which token was refused, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import polars as pl

from authforensics.collect import json_lines, keycloak_events
from authforensics.collect.assemble import column
from authforensics.collect.cutting import iso_of, with_message
from authforensics.collect.format import Cutting, Format, Parser, Settings
from authforensics.collect.moments import spelt
from authforensics.collect.provider_events import recorded
from authforensics.collect.times import MOMENT
from authforensics.schema import Kind

# Reference: JBossLoggingEventListenerProvider.java of Keycloak; https://www.keycloak.org/server/logging (the layout
# `%d{yyyy-MM-dd HH:mm:ss,SSS} %-5p [%c] (%t) %s%e%n`). WildFly's had no date.
_TIME = r"(?:\d{4}-\d{2}-\d{2}[T ])?\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})?"
_LINE = rf"^(?P<at>{_TIME}) +(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL) +\[[^\]()]*\] \([^)]*\) "
#: Any other layout of text: what stands between the time and an event is level, logger and thread, never a quote.
_AHEAD = rf"(?:\[?(?P<at>{_TIME})\]?[\s|:-]*)?"
_EVENT = rf"^(?:[^\"]*?[\s\]):|-])?({keycloak_events.EVENT}.*)$"
_BEHIND = re.compile(rf"^{_AHEAD}(?:[^\"]*?[\s\]):|-])?{keycloak_events.EVENT}")
#: Objects of its JSON output (`--log-console-output=json`, also in the names of ECS), and those with an event's text.
_LOGGED = re.compile(rf'"org\.keycloak\.|"(?:message|msg)": ?"{keycloak_events.EVENT}'.replace(r"\"", r'\\"'))
#: What the admin API gives of each event, and of what administrators do.
# Reference: https://www.keycloak.org/docs-api/latest/rest-api/ (EventRepresentation, AdminEventRepresentation)
_PLACES: dict[str, tuple[str, ...]] = {
    "at": ("time",),
    "type": ("type",),
    "realm": ("realmId",),
    "realm_name": ("realmName",),
    "user": ("userId",),
    "session": ("sessionId",),
    "ip": ("ipAddress",),
    "error": ("error",),
    "reason": ("details", "reason"),
    "code": ("details", "code_id"),
    "admin": ("authDetails", "userId"),
    "admin_ip": ("authDetails", "ipAddress"),
    "operation": ("operationType",),
    "resource": ("resourcePath",),
}


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    objects = [line for line in sample if line.lstrip().startswith("{")]
    if 2 * len(objects) > len(sample):
        if recorded(objects, ("keycloak",)):
            return _records(objects, settings)
        return _objects(sample, settings) if any(map(_LOGGED.search, objects)) else None
    if any("[org.keycloak" in line and re.match(_LINE, line) for line in sample):
        return _server_log(settings)
    events = [match for line in sample if "type=" in line and (match := _BEHIND.match(line))]
    return _text(settings, timed=2 * sum(match["at"] is not None for match in events) > len(events)) if events else None


def _server_log(settings: Settings) -> Parser:
    """A parser of lines in Keycloak's own layout."""

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = lines.with_columns(parts=pl.col("line").str.extract_groups(_LINE)).unnest("parts")
        matched = pl.col("at").is_not_null()
        # Neither time, level nor the logger's name has a parenthesis.
        message = pl.when(matched).then(pl.col("line").str.splitn(") ", 2).struct.field("field_1"))
        parts = parts.with_columns(matched=matched, message=message, moment=iso_of(pl.col("at"), settings.tz))
        return keycloak_events.logged(parts.unnest("moment").drop("at"))

    return parse


def _text(settings: Settings, timed: bool) -> Parser:
    """A parser of lines in a layout of someone's own: those with a time, or all that begin with no space."""

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = with_message(lines, _AHEAD)
        event = pl.col("message").str.extract(_EVENT)
        begins = pl.col("at").is_not_null() if timed else pl.col("line").str.contains(r"^\S")
        matched = event.is_not_null() | begins
        parts = parts.with_columns(
            matched=matched.fill_null(value=False),
            message=pl.when(matched).then(pl.coalesce(event, "message")),
            moment=iso_of(pl.col("at"), settings.tz),
        )
        return keycloak_events.logged(parts.unnest("moment").drop("at"))

    return parse


def _objects(sample: Sequence[str], settings: Settings) -> Parser | None:
    """A parser of objects with a line's text as their message."""
    made = json_lines.parser(sample, settings)
    if made is None:
        return None

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        return _with_events(made(lines))

    return Cutting(parse, lambda _data: None, units=made.units)


def _with_events(parts: pl.LazyFrame) -> pl.LazyFrame:
    return keycloak_events.logged(parts) if "message" in parts.collect_schema() else parts


def _records(sample: Sequence[str], settings: Settings) -> Parser:
    """A parser of objects that are events."""
    example = next(iter(json_lines.values_of(sample).get("time", [])), "")

    read = partial(spelt, example=example, tz=settings.tz)

    def finish(lines: pl.LazyFrame) -> pl.LazyFrame:
        there = {*lines.collect_schema().names()}
        values = {name: pl.col(column(name)) if column(name) in there else pl.lit(None, pl.String) for name in _PLACES}
        parts = lines.with_columns(**{f"_{name}": value for name, value in values.items()})
        told = pl.any_horizontal(pl.col("_type", "_operation").is_not_null())
        parts = parts.with_columns(
            _user=pl.coalesce("_user", "_admin"),
            _ip=pl.coalesce("_ip", "_admin_ip"),
            _done=pl.concat_str("_operation", "_resource", separator=" ", ignore_nulls=True).replace("", None),
            moment=pl.col("_at").map_batches(read, return_dtype=pl.Struct(MOMENT), is_elementwise=True),
            problem=pl.coalesce("problem", pl.when(pl.col("matched") & ~told).then(pl.lit("has no type"))),
        ).unnest("moment")
        own = [name for name in ("line_number", "line", "matched", "problem", *MOMENT) if name in {*there, *MOMENT}]
        return keycloak_events.recorded(parts.select(*own, "_done", *(f"_{name}" for name in keycloak_events.VALUES)))

    return json_lines.reader(_PLACES, (), finish, plain=False)


FORMAT = Format(
    name="keycloak",
    title="server log of Keycloak, as text or JSON, with its login and token events",
    samples=(
        (
            '2026-03-01 10:02:03,123 WARN  [org.keycloak.events] (executor-thread-1) type="REFRESH_TOKEN_ERROR",'
            ' realmId="5d2c", realmName="shop", clientId="app", userId="null", sessionId="e5586fcd",'
            ' ipAddress="203.0.113.7", error="invalid_token", reason="Token is not active", grant_type="refresh_token",'
            ' refresh_token_type="Refresh", client_auth_method="client-secret"'
        ),
        "2026-03-01 10:02:04,000 INFO  [org.keycloak.quarkus.runtime.KeycloakMain] (main) Running the server",
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    # Above that of JSON lines, as which its own can be read, too.
    specificity=0.985,
    prepare=_prepare,
    multiline=True,
    record_start=rf'^(?:\[?{_TIME}\b|\{{")',
)
