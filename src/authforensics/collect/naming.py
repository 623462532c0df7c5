"""Says how an input is called and which system wrote it, by where it is."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from authforensics.collect.found import Found

_GENERIC = {"logs", "log", "data", ""}
#: Folders that say when: `2026-11-21`, `2026/11/21/07`, `dt=2026-11-21`, `year=2026`.
# Reference: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
_WHEN = re.compile(
    r"(?:^|/)(?:(?:dt|date|day|year|month|hour|yyyy|mm|dd|hh)=[^/]*"
    r"|(?:19|20)\d\d[-_.]?\d\d(?:[-_.]?\d\d(?:[-_T]?\d\d)?)?|(?:19|20)\d\d(?:/\d\d){1,3})(?=/|$)"
)


def called(file: Path, root: Path, named: bool) -> Found:
    """What a file below a folder is called; its system is its folder, if that doesn't only say when it was written."""
    relative = Path(os.path.relpath(absolute(file), root))
    above = _lasting(root.parts[1:])
    folder = "/".join(_lasting(relative.parent.parts)) or (above.pop() if above else "")
    over = above[-1] if above else ""
    if folder.lower() in _GENERIC and over:
        folder = f"{over}/{folder}" if folder else over
    return Found(file, printable(relative.as_posix()), printable(folder or "logs"), named)


def printable(name: str) -> str:
    """A name whose bytes are no UTF-8, with those bytes spelled out."""
    return os.fsencode(name).decode(errors="backslashreplace")


def absolute(path: Path) -> Path:
    """Where a file is. Unlike `Path.resolve` this keeps links: a file is called what the caller calls it."""
    return Path(os.path.normpath(Path.cwd() / path))


def _lasting(folders: Sequence[str]) -> list[str]:
    """Folders without those that say when."""
    return [folder for folder in _WHEN.sub("", "/".join(folders)).split("/") if folder]
