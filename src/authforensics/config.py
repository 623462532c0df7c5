"""Owns the configuration file: its schema, its defaults, and errors that point to the line at fault."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast
from zoneinfo import available_timezones

import polars as pl
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from authforensics.errors import BadValue, MissingInput, UnknownName
from authforensics.findings import Frozen
from authforensics.schema import EndpointClass

FILE_NAME = "authforensics.toml"
METHODS = ("ANY", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")

#: The glob of every file.
_ALL = "*"
#: No abbreviation of a zone is longer.
_ABBREVIATION = 4
_OFFSET = re.compile(r"(?:UTC|GMT)?(?P<sign>[+-])(?P<hours>0?\d|1[0-4])(?::?00)?", re.IGNORECASE)
_DECODE_ERROR = re.compile(r"(?P<what>.*?) \(at (?:line (?P<line>\d+), column \d+|end of document)\)$", re.DOTALL)


def _as_time(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _check_endpoint(rule: str) -> str:
    method, _, pattern = rule.partition(" ")
    if method.upper() not in METHODS or not pattern.lstrip("^").startswith("/"):
        raise ValueError(f"'METHOD /path' with METHOD one of {', '.join(METHODS)}")
    if (fault := pattern_fault(pattern)) is not None:
        raise ValueError(f"a regular expression after {method} ({fault})")
    return rule


def pattern_fault(pattern: str) -> str | None:
    """What is wrong with a regular expression; None: nothing."""
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        reason = re.search(r"^\s*error: (.+)", str(error), re.MULTILINE)
        return reason[1] if reason else "invalid"
    return None


def zone_fault(name: str) -> str | None:
    """What is wrong with the name of a time zone, and which one may be meant; None: nothing."""
    try:
        pl.select(pl.datetime(2000, 1, 1).dt.replace_time_zone(name))
    except (pl.exceptions.PolarsError, ValueError):
        return f"unknown time zone '{name}'; {_meant(name)}"
    return None


def _meant(zone: str) -> str:
    if (offset := _OFFSET.fullmatch(zone)) is not None:
        return f"did you mean '{offset['sign']}{int(offset['hours']):02}:00'?"
    # Letters like those of an abbreviation prove nothing: JST is next to EST.
    near = difflib.get_close_matches(zone, sorted(available_timezones()), n=1) if len(zone) > _ABBREVIATION else []
    return f"did you mean '{near[0]}'?" if near else "expected an IANA name such as 'Asia/Tokyo', or '+09:00'"


def _check_zone(name: str) -> str:
    if (fault := zone_fault(name)) is not None:
        raise PydanticCustomError("zone", "{fault}", {"fault": fault})
    return name


def _as_zones(value: object) -> object:
    return {_ALL: value} if isinstance(value, str) else value


Zone = Annotated[str, AfterValidator(_check_zone)]
Zones = Annotated[dict[str, Zone], BeforeValidator(_as_zones)]
Time = Annotated[str, BeforeValidator(_as_time)]
EndpointRule = Annotated[str, AfterValidator(_check_endpoint)]


class Column(StrEnum):
    """What a column of somebody's table can be said to hold."""

    TIMESTAMP = "timestamp"
    STARTED_AT = "started_at"
    DURATION_MS = "duration_ms"
    DURATION_S = "duration_s"
    CLIENT_IP = "client_ip"
    USER_AGENT = "user_agent"
    REQUEST = "request"
    METHOD = "method"
    PATH = "path"
    QUERY = "query"
    STATUS = "status"
    BYTES = "bytes"
    HOST = "host"
    USER_ID = "user_id"
    DEVICE_ID = "device_id"
    SESSION_ID = "session_id"
    REQUEST_ID = "request_id"
    UPSTREAM = "upstream"
    PLATFORM = "platform"
    APP_VERSION = "app_version"
    REASON = "reason"
    MESSAGE = "message"


class Config(Frozen):
    """The configuration file. What the command line says wins over it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    #: The zone of naive times; or globs of files to the zones of theirs, `*` being all others.
    tz: Zones = Field(default_factory=dict)
    format: str | None = None
    log_format: str | None = None
    device_key: str | None = None
    since: Time | None = None
    until: Time | None = None
    #: A regular expression searched in paths and routes.
    path: str | None = None
    #: `401,4xx,200-299`.
    status: str | None = None
    device: Annotated[tuple[str, ...], Field(strict=False)] = ()
    #: "METHOD /path/pattern" to what the endpoint is for; the pattern is a regular expression searched in the path.
    endpoints: dict[EndpointRule, Annotated[EndpointClass, Field(strict=False)]] = Field(default_factory=dict)
    #: Name of a system to globs of the folders that form it.
    systems: dict[str, Annotated[tuple[str, ...], Field(strict=False, min_length=1)]] = Field(default_factory=dict)
    #: Globs of files (tables, CSV, JSON lines) to what their columns are called, by what they hold.
    columns: dict[str, dict[Annotated[Column, Field(strict=False)], Annotated[str, Field(min_length=1)]]] = Field(
        default_factory=dict
    )
    #: Detector to the thresholds that are set for it.
    thresholds: dict[str, dict[str, float]] = Field(default_factory=dict)

    _path: Path | None = PrivateAttr(default=None)
    _text: str = PrivateAttr(default="")

    @property
    def zone(self) -> str | None:
        """The zone of naive times in files that no glob of `zones` fits."""
        return self.tz.get(_ALL)

    @property
    def zones(self) -> tuple[tuple[str, str], ...]:
        """Globs of files, and the zone of the naive times in theirs; the first that fits counts."""
        return tuple((glob, zone) for glob, zone in self.tz.items() if glob != _ALL)

    def place(self, *key: str) -> str | None:
        """`file:line` of a key (`"thresholds", "refresh_loop"`), for errors found later; None without a file."""
        return None if self._path is None else f"{self._path}:{line_of(self._text, key)}"


def find(paths: Iterable[str | Path], cwd: Path | None = None) -> Path | None:
    """The configuration file beside the logs, else the one in the working directory, else None."""
    named = [Path(path) for path in paths if str(path) != "-"]
    # Unlike those of Path, these pass over what can't be looked at.
    folders = [path if os.path.isdir(path) else path.parent for path in named]  # noqa: PTH112
    candidates = (folder / FILE_NAME for folder in [*folders, cwd or Path.cwd()])
    return next((path for path in candidates if os.path.isfile(path)), None)  # noqa: PTH113


def load(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        MissingInput: there is no such file.
        BadValue: it isn't TOML, or a value is of the wrong kind.
        UnknownName: it has a key, or names an endpoint class, that doesn't exist.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        data = tomllib.loads(text)
    except OSError as error:
        raise MissingInput(f"{path}: configuration file can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadValue(f"{path}: expected TOML in UTF-8, found byte 0x{error.object[error.start]:02x}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadValue(decode_message(path, text, str(error))) from error
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise _explain(error.errors()[0], path, text) from error
    config._path, config._text = path, text  # noqa: SLF001 - the loader fills what a reader of the file can't
    return config


def decode_message(path: Path, text: str, message: str) -> str:
    """What the TOML parser says of a text, with the file and the line."""
    match = _DECODE_ERROR.match(message)
    what, line = (match["what"], match["line"]) if match else (message, None)
    return f"{path}:{line or max(1, len(text.splitlines()))}: expected TOML: {what}"


def _explain(error: ErrorDetails, path: Path, text: str) -> BadValue | UnknownName:
    """The first validation error as one line with its place."""
    key = tuple(str(part) for part in error["loc"] if part != "[key]")
    where = f"{path}:{line_of(text, key)}"
    if error["type"] == "extra_forbidden":
        return UnknownName("configuration key", key[-1], Config.model_fields, where)
    if error["type"] == "enum":
        kind, known = ("kind of column", Column) if key[0] == "columns" else ("endpoint class", EndpointClass)
        return UnknownName(kind, str(error["input"]), list(known), where)
    if error["type"] == "zone":
        return BadValue(f"{where}: tz: {error['msg']}")
    found = error["input"]
    if key == ("tz",):
        return BadValue(f"{where}: tz: expected a zone, or a table of globs of files with zones, found {found!r}")
    kinds = {
        "string_type": "text",
        "float_type": "a number",
        "dict_type": "a table",
        "tuple_type": "a list of folder patterns",
        "too_short": "at least one folder pattern",
        "string_too_short": "the name of a column",
        "value_error": error["msg"].removeprefix("Value error, "),
    }
    return BadValue(f"{where}: {'.'.join(key)}: expected {kinds.get(error['type'], error['msg'])}, found {found!r}")


def line_of(text: str, key: Sequence[str]) -> int:
    """The line where `key` is set, or the longest part of it that is."""
    best, found = 0, 1
    for number, line_key in _keys(text):
        shared = len(line_key) if tuple(key[: len(line_key)]) == line_key else 0
        if shared > best:
            best, found = shared, number
    return found


def _keys(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line number and full key of every table header and assignment."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            header = _parsed_key(stripped)
            if header:
                table = header
                yield number, table
            continue
        for match in re.finditer("=", stripped):
            assigned = _parsed_key(f"{stripped[: match.start()]} = 0")
            if assigned:
                yield number, table + assigned
                break


def _parsed_key(line: str) -> tuple[str, ...]:
    """The key that one line of TOML sets, as the TOML parser reads it; empty where it's no key."""
    try:
        value: object = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    parts: list[str] = []
    while isinstance(value, Mapping) and value:
        table = cast("Mapping[str, object]", value)
        parts.append(next(iter(table)))
        value = table[parts[-1]]
    return tuple(parts)
