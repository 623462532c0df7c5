"""Unpacks archives, known by their content: each member is an input of its own.

Members are kept compressed where they are: what is in an archive may be many times its size.
"""

from __future__ import annotations

import errno
import lzma
import os
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from time import mktime
from typing import IO, BinaryIO, Self, cast

from isal import isal_zlib

from authforensics.collect.aside import Place
from authforensics.collect.compression import CHUNK, Break, chunks, compressed, kind_of
from authforensics.collect.documents import recorded
from authforensics.collect.exported import systems
from authforensics.collect.found import Found, shortage
from authforensics.collect.left_alone import by_name

#: An archive may hold archives, and so on.
_DEEPEST = 3
_MOST_MEMBERS = 100_000
_LARGEST_HEADER = 1 << 20
_DAMAGED = (tarfile.TarError, Break, EOFError, ValueError, zipfile.BadZipFile, struct.error, NotImplementedError)
_BLOCK = 512
_NOT_ENTERED = re.compile(r"(?:^|/)(?:\.git|\.svn|node_modules|__pycache__|__MACOSX)/")
_GENERIC = {"logs", "log", "data", ".", ""}
#: How zip says that a member is stored, deflated, or a stream of a library that files are compressed with, too.
# Reference: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, section 4.4.5
_STORED, _DEFLATED, _BZIP2, _STREAMS = 0, 8, 12, {93, 95}
_ENCRYPTED = 0x1
#: What bz2 says of damaged data, and seeking of a place that can't be.
_NO_FAULT_OF_THE_DISK = {None, errno.EINVAL}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
#: Reference: RFC 1952: a header without a name, so that a deflated member becomes a file.
_GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def unpacked(found: list[Found], folder: Callable[[], Path] | None) -> list[Found]:
    """The same inputs, archives replaced by their members, JSON documents by their records, exported tables by systems.

    Raises:
        InputError: there is no room for them.
    """
    place = Place(folder)
    members = [member for each in found for member in _unpacked(each, place, _DEEPEST)]
    return [part for member in members for part in systems(member, place) or recorded(member, place)]


def _unpacked(found: Found, place: Place, deeper: int) -> Iterator[Found]:
    kind = None if found.problem is not None or by_name(found.path.name, found.named) else _kind(found.path)
    if kind is None:
        yield found
    elif not deeper:
        yield replace(found, problem=f"a {kind} archive in too many others: unpack it first")
    else:
        members = list(_zipped(found, place) if kind == "zip" else _tarred(found, place))
        for member in members:
            yield from _unpacked(member, place, deeper - 1)
        if not members:
            yield found


def _kind(path: Path) -> str | None:
    """What kind of archive a file is, perhaps compressed; None if it is none, or can't be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_BLOCK)
        if kind_of(head) is not None:
            head = b""
            for chunk, _ in chunks(path):
                head += chunk
                if len(head) >= _BLOCK:
                    break
    except (OSError, Break):
        return None
    if head.startswith(_ZIP):
        return "zip"
    return "tar" if _is_tar(head[:_BLOCK]) else None


def _is_tar(header: bytes) -> bool:
    """Whether these bytes begin a tar archive: they hold their own sum.

    Reference: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html (ustar)
    """
    if len(header) < _BLOCK or not header[0]:
        return False
    stored = header[148:156].strip(b" \0")
    if not re.fullmatch(rb"[0-7]{1,7}", stored):
        return False
    return int(stored, 8) == sum(header[:148]) + sum(header[156:]) + 8 * ord(" ")


def _member(found: Found, name: str, path: Path, problem: str | None = None) -> Found:
    parent = PurePosixPath(name).parent.as_posix().strip("/")
    system = found.system if parent.lower() in _GENERIC or ".." in parent.split("/") else _shown(parent)
    return replace(
        found, path=path, source=f"{found.source}!{_shown(name)}", system=system, named=False, problem=problem
    )


def _shown(name: str) -> str:
    readable = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", readable)


def _zipped(found: Found, place: Place) -> Iterator[Found]:
    if compressed(found.path):
        yield replace(found, problem="a zip archive that is compressed once more: unpack it first")
        return
    try:
        with found.path.open("rb") as file, zipfile.ZipFile(file) as archive:
            infos = [
                info for info in archive.infolist() if not info.is_dir() and not _NOT_ENTERED.search(info.filename)
            ]
            if sum(info.compress_size for info in infos) > found.path.stat().st_size or len(infos) > _MOST_MEMBERS:
                yield replace(found, problem="a zip archive whose members overlap: it can't be what it says")
                return
            for info in infos:
                yield _from_zip(found, archive, file, info, place)
    except _DAMAGED as error:
        yield replace(found, problem=f"a damaged zip archive: {error}")
    except OSError as error:
        if error.errno in _NO_FAULT_OF_THE_DISK:
            yield replace(found, problem=f"a damaged zip archive: {error}")
            return
        raise shortage(error, found.source, found.path) from error


def _from_zip(found: Found, archive: zipfile.ZipFile, file: BinaryIO, info: zipfile.ZipInfo, place: Place) -> Found:
    if info.flag_bits & _ENCRYPTED:
        return _member(found, info.filename, found.path, "encrypted: unpack it first")
    path = place.path(info.filename)
    try:
        if info.compress_type in _STREAMS or not _packed(archive, info):
            with path.open("wb") as out:
                _copy_raw(file, info, out)
        else:
            with archive.open(info) as member:
                _copy(member, path)
    except (NotImplementedError, RuntimeError):
        return _member(found, info.filename, found.path, "compressed in a way that is not known: unpack it first")
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        return _member(found, info.filename, found.path, f"damaged: {error}")
    except OSError as error:
        if error.errno not in _NO_FAULT_OF_THE_DISK:
            raise
        return _member(found, info.filename, found.path, f"damaged: {error}")
    _dated(path, info)
    return _member(found, info.filename, path)


def _packed(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    """Whether a member can't be put aside as it is stored: its way, or what it holds, is of another kind."""
    with archive.open(info) as member:
        return info.compress_type not in {_STORED, _DEFLATED, _BZIP2} or _is_packed(member.read(_BLOCK))


def _is_packed(head: bytes) -> bool:
    """Whether something that begins so would not be looked into if it were compressed once more."""
    return kind_of(head) is not None or head.startswith(_ZIP)


def _copy_raw(file: BinaryIO, info: zipfile.ZipInfo, out: IO[bytes]) -> None:
    """A member as it is stored; one that is deflated becomes a gzip file."""
    file.seek(info.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    file.seek(name + extra, os.SEEK_CUR)
    deflated = info.compress_type == _DEFLATED
    out.write(_GZIP if deflated else b"")
    left = info.compress_size
    while left and (data := file.read(min(left, CHUNK))):
        out.write(data)
        left -= len(data)
    if deflated:
        out.write(struct.pack("<II", info.CRC, info.file_size & 0xFFFFFFFF))


def _dated(path: Path, info: zipfile.ZipInfo) -> None:
    try:
        written = mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return
    os.utime(path, (written, written))


class _Stream:
    """The content of a file, decompressed, for a reader that only goes forward."""

    def __init__(self, path: Path) -> None:
        self._chunks = chunks(path)
        self._held = b""

    def read(self, size: int) -> bytes:
        """The next bytes."""
        parts, length = [self._held], len(self._held)
        while length < size:
            chunk, _ = next(self._chunks, (b"", 0))
            if not chunk:
                break
            parts.append(chunk)
            length += len(chunk)
        whole = b"".join(parts)
        self._held = whole[size:]
        return whole[:size]


class _Info(tarfile.TarInfo):
    """A header of a tar archive; what describes a member can't be larger than any name is."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """The header in these bytes."""
        info = super().frombuf(buf, encoding, errors)
        if not info.isreg() and info.size > _LARGEST_HEADER:
            raise tarfile.ReadError("a header without end")
        return info


def _tarred(found: Found, place: Place) -> Iterator[Found]:
    stream = cast("BinaryIO", _Stream(found.path))
    path = None
    try:
        with tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape", tarinfo=_Info) as archive:
            for number, info in enumerate(archive):
                if number == _MOST_MEMBERS:
                    yield replace(found, problem=f"more than {_MOST_MEMBERS} members: the others are not read")
                    return
                if not info.isreg() or info.issparse() or _NOT_ENTERED.search(info.name):
                    continue
                path = place.path(info.name)
                _copy(archive.extractfile(info), path)
                with suppress(OverflowError, ValueError):
                    os.utime(path, (info.mtime, info.mtime))
                yield _member(found, info.name, path)
                path = None
    except _DAMAGED as error:
        if path is not None and path.exists():
            yield _member(found, info.name, path)
        yield replace(found, problem=f"a damaged tar archive, read as far as it goes: {error}")
    except OSError as error:
        raise shortage(error, found.source, found.path) from error


def _copy(member: IO[bytes] | None, path: Path) -> None:
    """Put a member aside, compressed unless it is small or compressed already; of a damaged one what can be read."""
    data = b"" if member is None else member.read(CHUNK)
    plain = len(data) < CHUNK or _is_packed(data)
    packer = None if plain else isal_zlib.compressobj(level=1, wbits=31)
    with path.open("wb") as out:
        try:
            while member is not None and data:
                out.write(data if packer is None else packer.compress(data))
                data = member.read(CHUNK)
        finally:
            if packer is not None:
                out.write(packer.flush())
