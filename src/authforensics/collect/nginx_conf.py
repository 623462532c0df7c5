"""Reads from an nginx configuration how lines are laid out, and which log has which layout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from authforensics.collect.compiled import compile_layout
from authforensics.collect.found import Found
from authforensics.errors import BadValue, MissingInput

# Reference: https://nginx.org/en/docs/http/ngx_http_log_module.html#access_log
_NO_FILES = ("off", "syslog:", "/dev/stdout", "/dev/stderr")
_PREDEFINED = "combined"
_VARIABLE = re.compile(r"\$(?:\{\w+\}|\w+)")


@dataclass(frozen=True, slots=True)
class Log:
    """A log that nginx writes: its path, `*` for each variable in it; its layout, None for nginx's own `combined`."""

    path: str
    layout: str | None


def logs_of(file: Path) -> tuple[Log, ...]:
    """The logs that a configuration and the files that it includes name; layouts without time or status are left out.

    Raises:
        MissingInput: the file can't be read.
        BadValue: it is no nginx configuration, or has no `access_log` with a layout that can be used.
    """
    import crossplane

    try:
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise MissingInput(f"--nginx-conf: {file}: can't be read: {error.strerror}") from error
    parsed = crossplane.parse(str(file), check_ctx=False, check_args=False)
    main = parsed["config"][0]
    if main["errors"] and not main["parsed"]:
        raise BadValue(f"--nginx-conf: {file}: no nginx configuration: {main['errors'][0]['error']}")
    directives = [one for config in parsed["config"] for one in _flat(config["parsed"])]
    layouts = {
        one["args"][0]: "".join(text for text in one["args"][1:] if not text.startswith("escape="))
        for one in directives
        if one["directive"] == "log_format" and one["args"]
    }
    found = [log for one in directives if one["directive"] == "access_log" and (log := _log(one["args"], layouts))]
    if not found:
        raise BadValue(f"--nginx-conf: {file}: no access_log with a log_format that has time and status")
    return tuple(dict.fromkeys(found))


def layout_for(logs: Sequence[Log], file: Found) -> str | None:
    """The layout of a file: that of the log whose path it has, else of the one with its name, rotated or not.

    None where nginx has none for it, or several.
    """
    for same in (_same_path, _same_name):
        found = {log.layout for log in logs if same(log.path, file)}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _flat(block: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for directive in block:
        yield directive
        yield from _flat(directive.get("block", ()))


def _log(arguments: Sequence[str], layouts: dict[str, str]) -> Log | None:
    """What an `access_log` says; None if it names no file, or a layout that can't be used."""
    if not arguments or arguments[0].startswith(_NO_FILES):
        return None
    named = [argument for argument in arguments[1:2] if "=" not in argument]
    name = named[0] if named else _PREDEFINED
    path = _VARIABLE.sub("*", arguments[0])
    if name not in layouts:
        return Log(path, None) if name == _PREDEFINED else None
    try:
        compile_layout(layouts[name])
    except BadValue:
        return None
    return Log(path, layouts[name])


def _same_path(log: str, file: Found) -> bool:
    return fnmatchcase(_unrotated(str(file.path.absolute())), _unrotated(log))


def _same_name(log: str, file: Found) -> bool:
    return fnmatchcase(_unrotated(file.source.rpartition("/")[2]), _unrotated(log.rpartition("/")[2]))


def _unrotated(name: str) -> str:
    return Found(Path(name), name, "", named=False).rotation
