"""Finds the files that the caller's paths mean: directories, globs, standard input; names each and its system."""

from __future__ import annotations

import atexit
import glob
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from authforensics.collect.archives import unpacked
from authforensics.collect.found import Found, shortage
from authforensics.collect.naming import absolute, called, printable
from authforensics.collect.step import Progress
from authforensics.errors import BadValue, InputError, MissingInput
from authforensics.partitions import ELSEWHERE

__all__ = ["STANDARD_INPUT", "Found", "discover"]

STANDARD_INPUT = "-"
_STANDARD_INPUT_PATHS = {"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_NOT_ENTERED = {".git", ".hg", ".svn", ".venv", "node_modules", "__pycache__"}


def discover(
    paths: Sequence[str | Path], folder: Callable[[], Path] | None = None, progress: Progress | None = None
) -> list[Found]:
    """Every file that `paths` mean, once, sorted within each directory.

    What can be read once only is kept in the directory that `folder` gives, by default the system's.
    `progress` is told while objects are fetched from a store.

    Raises:
        MissingInput: a path that doesn't exist, a glob that matches nothing.
        BadValue: a device or a socket.
        InputError: a directory that may not be read, a pipe that can't be kept.
    """
    met: dict[str, tuple[Path, bool]] = {}
    closed: dict[Path, str] = {}
    roots: list[str] = []
    spooled = _fetched([str(given) for given in paths if _is_url(str(given))], folder, progress)
    for given in paths:
        if _is_url(str(given)):
            continue
        if str(given) == STANDARD_INPUT:
            if not any(one.source == STANDARD_INPUT for one in spooled):
                if sys.stdin is None:
                    raise MissingInput("-: standard input is closed")
                spooled.append(
                    Found(_spool(sys.stdin.buffer, "standard input", folder), STANDARD_INPUT, "stdin", named=True)
                )
            continue
        for path in _expand(given):
            if _is_pipe(path):
                with path.open("rb") as pipe:
                    spooled.append(Found(_spool(pipe, str(path), folder), printable(str(path)), "stdin", named=True))
                continue
            directory = path.is_dir()
            roots.append(str(absolute(path if directory else path.parent)))
            inside = _walk(path, closed) if directory else iter([path])
            for file in inside:
                key = os.path.realpath(file)
                met[key] = (file, not directory or met.get(key, (file, False))[1])
    root = Path(os.path.commonpath(roots)) if roots else Path()
    found = [called(file, root, named) for file, named in met.values()]
    found += [replace(called(folder, root, named=False), problem=problem) for folder, problem in closed.items()]
    return _unique(unpacked(found + spooled, folder))


def _is_url(given: str) -> bool:
    """Whether it names a place by its scheme, and nothing here is called so."""
    return _URL.match(given) is not None and not Path(given).exists()


def _fetched(urls: Sequence[str], folder: Callable[[], Path] | None, progress: Progress | None) -> list[Found]:
    """The objects that URLs mean."""
    if not urls:
        return []
    try:
        from authforensics.collect import object_store
    except ImportError as error:
        what = urls[0].partition("://")[0]
        raise InputError(f"{what}:// needs more than is installed: pip install 'authforensics[cloud]'") from error
    return object_store.spooled(object_store.find(urls), folder, progress)


def _expand(given: str | Path) -> list[Path]:
    if not str(given):
        raise MissingInput("an empty path; expected a file, a directory, a glob or -")
    path = Path(given)
    if path.exists() or path.is_symlink():
        return [path]
    matches = sorted(glob.glob(str(given), recursive=True)) if glob.has_magic(str(given)) else []  # noqa: PTH207 - may be absolute
    if not matches:
        what = "nothing matches" if glob.has_magic(str(given)) else "no such file or directory:"
        raise MissingInput(f"{what} '{given}'")
    return [Path(match) for match in matches]


def _is_pipe(path: Path) -> bool:
    """Whether it can be read once only.

    Raises:
        BadValue: it is a device or a socket, which has no end or no lines.
    """
    if path.is_file() or path.is_dir() or not path.exists():
        return False
    if not path.is_fifo() and str(path) not in _STANDARD_INPUT_PATHS:
        kind = "socket" if path.is_socket() else "device"
        raise BadValue(f"{path}: expected a file, a directory, a pipe or -, found a {kind}")
    return True


def _walk(directory: Path, closed: dict[Path, str]) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        closed[Path(error.filename)] = f"this directory can't be read: {error.strerror}"
        if error.filename == str(directory):
            raise InputError(f"{directory}: this directory can't be read ({error.strerror})") from error

    for folder, inner, files in os.walk(directory, onerror=refuse):
        inner[:] = sorted(name for name in inner if name not in _NOT_ENTERED and not name.startswith("."))
        yield from (path for name in sorted(files) if _may_be_file(path := Path(folder, name)))


def _may_be_file(path: Path) -> bool:
    """Whether it is a file, or something that can't be looked at, of which reading will say why."""
    try:
        return path.is_file() or not path.exists()
    except OSError:
        return True


def _unique(found: list[Found]) -> list[Found]:
    sources: set[str] = set()
    for index, one in enumerate(found):
        source, number = one.source, 1
        while source in sources:
            number += 1
            source = f"{one.source} ({number})"
        sources.add(source)
        found[index] = replace(one, source=source)
    return found


def _spool(stream: BinaryIO, what: str, folder: Callable[[], Path] | None) -> Path:
    try:
        handle, name = tempfile.mkstemp(prefix="authforensics-", dir=None if folder is None else folder())
    except OSError as error:
        raise InputError(f"{what}: no temporary directory to keep it in ({error.strerror}); {ELSEWHERE}") from error
    atexit.register(_remove, name)
    try:
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(stream, file)
    except OSError as error:
        raise shortage(error, what, Path(name)) from error
    return Path(name)


def _remove(name: str) -> None:
    Path(name).unlink(missing_ok=True)
