"""Owns the bounds of a run: how much memory, and where temporary files go; checked before the analysis."""

from __future__ import annotations

import os
import re
from pathlib import Path

from authforensics.errors import BadValue

#: With less than this a run would be nothing but small files.
LEAST = "16M"
#: Bytes of a key that nobody guesses.
_KEY = 16
_EXPECTED = "expected a size such as 512M, 2G or 1.5GiB; a plain number is bytes"
_SIZE = re.compile(r"\s*(\d+(\.\d+)?|\.\d+)\s*([kmgtp]?b?|[kmgtp]ib)\s*", re.IGNORECASE | re.ASCII)


def memory(text: str | None) -> int | None:
    """The bytes that `--memory` means.

    Raises:
        BadValue: it is no size, or too small a one.
    """
    if text is None:
        return None
    size = _bytes(text) if _SIZE.fullmatch(text) else None
    if not size:
        raise BadValue(f"--memory: {_EXPECTED}; found '{text}'")
    if size < _bytes(LEAST):
        raise BadValue(f"--memory: expected at least {LEAST}, found '{text}'")
    return size


def _bytes(text: str) -> int:
    from pydantic import ByteSize, TypeAdapter

    return TypeAdapter(ByteSize).validate_python(text.strip())


def work_dir(text: str | None) -> Path | None:
    """The directory that `--work-dir` means, where temporary files can be written.

    Raises:
        BadValue: they can't, and why.
    """
    if text is None:
        return None
    path = Path(text)
    if not text:
        raise BadValue("--work-dir: expected a directory, found nothing")
    if not path.exists():
        raise BadValue(f"--work-dir: no directory {path}")
    if not path.is_dir():
        raise BadValue(f"--work-dir: expected a directory, {path} is a file")
    if not os.access(path, os.W_OK | os.X_OK):
        raise BadValue(f"--work-dir: directory {path} can't be written to")
    return path


def fingerprint_key(text: str | None) -> bytes | None:
    """The key that `--fingerprint-key` names: what a file holds, or, after `env:`, a variable of the environment.

    Raises:
        BadValue: there is none, or too short a one.
    """
    if text is None:
        return None
    name = text.removeprefix("env:")
    if name != text:
        key = os.environ.get(name, "").encode()
        if not key:
            raise BadValue(f"--fingerprint-key: the variable {name} is not set")
    else:
        try:
            key = Path(text).read_bytes().strip()
        except OSError as error:
            raise BadValue(f"--fingerprint-key: {text}: can't be read: {error.strerror}") from error
    if len(key) < _KEY:
        raise BadValue(f"--fingerprint-key: {text}: expected at least {_KEY} bytes, found {len(key)}")
    return key
