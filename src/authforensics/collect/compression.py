"""Decompresses by content, member by member, and keeps everything before a break; of tables the rows are the lines."""

from __future__ import annotations

import bz2
import lzma
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from isal import isal_zlib

from authforensics.collect import columnar

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError

    def _zstd() -> Decompressor:
        return ZstdDecompressor()
else:
    from zstandard import ZstdDecompressor, ZstdError

    def _zstd() -> Decompressor:
        return ZstdDecompressor().decompressobj()


#: Bytes read at a time: of compressed data few, since little can hold much.
CHUNK, PLAIN_CHUNK = 1 << 16, 1 << 20
_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "bzip2": b"BZh", "xz": b"\xfd7zXZ\x00"}
#: isal's type hints take its exception for an instance.
_BROKEN_GZIP: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment]
_ERRORS = (_BROKEN_GZIP, OSError, EOFError, ValueError, lzma.LZMAError, ZstdError)


class Decompressor(Protocol):
    """What all four libraries offer: feed bytes, learn when a member ends and what follows it."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the member."""

    def decompress(self, data: bytes, /) -> bytes:
        """The content of the next bytes."""


_NEW: dict[str, Callable[[], Decompressor]] = {
    "gzip": lambda: isal_zlib.decompressobj(wbits=31),
    "zstd": _zstd,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}


class Break(Exception):
    """The compressed data stop making sense here; what came before is good."""


def kind_of(head: bytes) -> str | None:
    """The compression, or the kind of table, that the first bytes of a file announce."""
    return next((name for name, magic in _MAGIC.items() if head.startswith(magic)), columnar.kind_of(head))


def compressed(path: Path) -> bool:
    """Whether a file is, or is a table: its content isn't there as it stands.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return kind_of(file.read(columnar.HEAD)) is not None


def chunks(path: Path) -> Iterator[tuple[bytes, int]]:
    """The content of a file, decompressed where it is compressed, with the bytes of the file read so far.

    Raises:
        Break: after the last good chunk, where the data are truncated or damaged.
    """
    with path.open("rb") as file:
        data = file.read(CHUNK)
        name = kind_of(data)
        if name is None:
            while data:
                yield data, file.tell()
                data = file.read(PLAIN_CHUNK)
            return
        if name in columnar.KINDS:
            yield from _rows(path, name)
            return
        member = _NEW[name]()
        fresh = True
        while data:
            if fresh and not data.lstrip(b"\0"):
                return
            try:
                plain = member.decompress(data)
            except _ERRORS as error:
                raise Break(f"the {name} data are damaged from here on") from error
            if plain:
                yield plain, file.tell()
            if member.eof:
                data = member.unused_data or file.read(CHUNK)
                member, fresh = _NEW[name](), True
            else:
                data, fresh = file.read(CHUNK), False
        if not fresh:
            raise Break(f"the {name} data end here before their end mark")


def readable(path: Path) -> Iterator[bytes]:
    """As `chunks`, the content as far as it can be read."""
    try:
        for data, _ in chunks(path):
            yield data
    except (OSError, Break):
        return


def _rows(path: Path, kind: str) -> Iterator[tuple[bytes, int]]:
    try:
        yield from columnar.texts(path, kind)
    except columnar.Unreadable as error:
        raise Break(str(error)) from error
