"""Looks at the beginning of a file, to know what it is: compressed, binary, empty, and its first lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from authforensics.collect import columnar
from authforensics.collect.compression import Break, chunks, kind_of

_HEAD = 256 << 10
_LATER = 64 << 10
#: The most lines that are taken from the start, of every file alike.
HEAD_LINES = 400
_LATER_LINES = 100
#: At so many places so many bytes of a plain file are looked at further on, and so many of what is in a compressed one.
_PLACES, _PLACE, _UNPACKED = 32, 16 << 10, 2 << 20
_LONGEST = 64 << 10
_NULS = re.compile(rb"\0+")
_CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True, slots=True)
class Sample:
    """The beginning of a file. `binary` says what it is where it is no text.

    `broken` says what is wrong with it if nothing can be read.
    """

    lines: tuple[str, ...]
    compression: str | None
    binary: str | None
    empty: bool
    broken: str | None = None

    @property
    def table(self) -> str | None:
        """The kind of table that it is; None if it is none."""
        return self.compression if self.compression in columnar.KINDS else None


def take(path: Path) -> Sample:
    """Up to 400 non-blank lines from the start, and of a plain file up to 100 from its middle.

    Raises:
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        magic = file.read(columnar.HEAD)
    head, broken = _head(path)
    if not head:
        return Sample((), kind_of(magic), None, True, broken)
    binary = _binary(head)
    if binary:
        return Sample((), kind_of(magic), binary, False)
    lines = _lines(head, HEAD_LINES, whole=len(head) < _HEAD)
    size = path.stat().st_size
    if kind_of(magic) is None and size > 4 * _HEAD:
        with path.open("rb") as file:
            file.seek(size // 2)
            lines += _lines(file.read(_LATER), _LATER_LINES + 1, whole=False)[1:]
    return Sample(tuple(lines), kind_of(magic), None, False)


def further(path: Path, compression: str | None) -> list[str]:
    """The lines at places all over a plain file; those in the first megabytes of a compressed one.

    Raises:
        OSError: the file can't be read.
    """
    if compression is not None:
        return _lines(_head(path, _UNPACKED)[0], None, whole=False)
    lines: list[str] = []
    size = path.stat().st_size
    with path.open("rb") as file:
        for begin in range(0, size, max(size // _PLACES, _PLACE)):
            file.seek(begin)
            lines += _lines(file.read(_PLACE), None, whole=False)[begin > 0 :]
    return lines


def _head(path: Path, most: int = _HEAD) -> tuple[bytes, str | None]:
    """The first bytes of the content, and what is wrong with what follows them."""
    parts: list[bytes] = []
    problem = None
    try:
        for chunk, _ in chunks(path):
            parts.append(chunk)
            if sum(map(len, parts)) >= most:
                break
    except Break as broken:
        problem = str(broken)
    return b"".join(parts)[:most], problem


def _lines(data: bytes, most: int | None, whole: bool) -> list[str]:
    lines = data.decode(errors="replace").removeprefix("\ufeff").split("\n")
    if not whole and len(lines) > 1:
        lines.pop()
    lines = [line.lstrip("\0").removesuffix("\r") for line in lines]
    return [line[:_LONGEST] for line in lines if line.strip()][:most]


def _binary(head: bytes) -> str | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "a zip archive without files"
    if (table := columnar.foreign(head)) is not None:
        return table
    if head[257:262] == b"ustar":
        return "a tar archive without files"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text in UTF-16: convert it to UTF-8 first"
    if head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"%PDF-", b"\x7fELF")) or not _is_text(head):
        return "binary"
    return None


def _is_text(head: bytes) -> bool:
    """Whether NULs are padding or damage in a text: no other control bytes, and no more than about one run a line."""
    start = head.lstrip(b"\0")[:4096]
    if b"\0" not in start:
        return bool(start)
    return len(_NULS.findall(start)) <= start.count(b"\n") + 1 and _CONTROLS.search(start) is None
