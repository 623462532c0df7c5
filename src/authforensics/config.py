"""Owns the configuration file: its schema, its defaults, and errors that point to the line at fault."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError
from pydantic_core import ErrorDetails

from authforensics.errors import BadValue, MissingInput, UnknownName
from authforensics.findings import Frozen
from authforensics.schema import EndpointClass

FILE_NAME = "authforensics.toml"
METHODS = ("ANY", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")

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


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("the IANA name of a time zone, such as 'Asia/Tokyo'") from error
    return name


Zone = Annotated[str, AfterValidator(_check_zone)]
Time = Annotated[str, BeforeValidator(_as_time)]
EndpointRule = Annotated[str, AfterValidator(_check_endpoint)]


class Config(Frozen):
    """The configuration file. What the command line says wins over it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tz: Zone | None = None
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
    #: Detector to the thresholds that are set for it.
    thresholds: dict[str, dict[str, float]] = Field(default_factory=dict)

    _path: Path | None = PrivateAttr(default=None)
    _text: str = PrivateAttr(default="")

    def place(self, *key: str) -> str | None:
        """`file:line` of a key (`"thresholds", "refresh_loop"`), for errors found later; None without a file."""
        return None if self._path is None else f"{self._path}:{_line_of(self._text, key)}"


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
        raise BadValue(_decode_message(path, text, str(error))) from error
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise _explain(error.errors()[0], path, text) from error
    config._path, config._text = path, text  # noqa: SLF001 - the loader fills what a reader of the file can't
    return config


def _decode_message(path: Path, text: str, message: str) -> str:
    match = _DECODE_ERROR.match(message)
    what, line = (match["what"], match["line"]) if match else (message, None)
    return f"{path}:{line or max(1, len(text.splitlines()))}: expected TOML: {what}"


def _explain(error: ErrorDetails, path: Path, text: str) -> BadValue | UnknownName:
    """The first validation error as one line with its place."""
    key = tuple(str(part) for part in error["loc"] if part != "[key]")
    where = f"{path}:{_line_of(text, key)}"
    if error["type"] == "extra_forbidden":
        return UnknownName("configuration key", key[-1], Config.model_fields, where)
    if error["type"] == "enum":
        return UnknownName("endpoint class", str(error["input"]), list(EndpointClass), where)
    found = error["input"]
    kinds = {
        "string_type": "text",
        "float_type": "a number",
        "dict_type": "a table",
        "tuple_type": "a list of folder patterns",
        "too_short": "at least one folder pattern",
        "value_error": error["msg"].removeprefix("Value error, "),
    }
    return BadValue(f"{where}: {'.'.join(key)}: expected {kinds.get(error['type'], error['msg'])}, found {found!r}")


def _line_of(text: str, key: Sequence[str]) -> int:
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
