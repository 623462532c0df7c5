"""Keeps frames in partitions: in memory where there is little, else as Parquet files in a directory of its own."""

from __future__ import annotations

import errno
import re
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import polars.selectors as cs

from authforensics.errors import InputError

#: Rows that are held back before they are written, so that files are few.
_HELD = 600_000
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: What polars says of these, which has no numbers for errors.
_FULL_SIGNS = ("no space left", "quota exceeded", "file too large")
_ADVICE = "name a directory with room: --work-dir"
_PREFIX, _GONE = "authforensics-", ".gone"
_NAME = re.compile(rf"{_PREFIX}[0-9a-f]{{16}}")
#: What there is to remove should the process end before its objects do.
_OPEN: set[Path] = set()
#: By the names of work directories, where each was to be made, as its caller said; polars cuts long paths short.
_PLACES: dict[str, Path] = {}


class WorkDirectory:
    """A directory that nobody else may look into, made when first used and gone when this object is."""

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent
        self._made: Path | None = None
        self._finalizer: weakref.finalize[[Path], WorkDirectory] | None = None

    @property
    def path(self) -> Path:
        """Where it is.

        Raises:
            InputError: it can't be made.
        """
        if self._made is None:
            place = self._parent or Path(tempfile.gettempdir())
            path = place.resolve() / f"{_PREFIX}{secrets.token_hex(8)}"
            # Before it is made: an interrupt may come at any moment.
            _OPEN.add(path)
            _PLACES[path.name] = place
            self._made, self._finalizer = path, weakref.finalize(self, _remove, path)
            try:
                path.mkdir(mode=0o700)
            except OSError as error:
                self.close()
                raise InputError(
                    f"{place}: no work directory can be made there ({error.strerror}); {_ADVICE}"
                ) from error
        return self._made

    def close(self) -> None:
        """Remove it."""
        if self._made is not None:
            _remove(self._made)
            if self._finalizer is not None:
                self._finalizer.detach()
            self._made = self._finalizer = None


def remove_all() -> None:
    """Remove the work directories of this process, whoever still uses them."""
    for path in list(_OPEN):
        _remove(path)


def _remove(path: Path) -> None:
    # Under another name no thread that is still writing can add to it.
    gone = path.with_name(path.name + _GONE)
    with suppress(OSError):
        path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)
    _OPEN.discard(path)


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """Says in one line what is wrong with `folder`, where writing into it or reading from it fails for that.

    Raises:
        InputError: it does: there is no room, it is gone, or it may not be used any more.
    """
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        told = trouble(error, folder)
        if told is None:
            raise
        raise told from error


def trouble(error: Exception, folder: Path | None = None) -> InputError | None:
    """What is wrong with a work directory, if `error` comes of that.

    Args:
        error: what polars or the system raised.
        folder: what was worked with, where that is known; else the work directory that the error names.
    """
    text = str(error)
    name = _NAME.search(str(folder or text))
    place = folder if name is None else _PLACES.get(name[0], folder)
    if place is None:
        return None
    if (isinstance(error, OSError) and error.errno in _FULL) or any(sign in text.lower() for sign in _FULL_SIGNS):
        return InputError(f"{place}: no room for temporary files; {_ADVICE}")
    if not isinstance(error, OSError):
        return None
    what = error.strerror or text.partition(" (")[0]
    return InputError(
        f"{place}: the temporary files there can't be used any more ({what}); --work-dir names another place"
    )


@dataclass(frozen=True)
class _File:
    """A frame in a file; the columns that have one value all over are kept beside it, as a single row.

    Of categories the file has the numbers, which mean something in this process only.
    """

    path: Path
    constant: pl.DataFrame

    @classmethod
    def write(cls, frame: pl.DataFrame, path: Path, constant: list[str]) -> _File:
        """Write it without its constant columns."""
        numbers = frame.drop(constant).with_columns(_CODED.to_physical())
        numbers.write_parquet(path, compression="lz4", statistics=False)
        # Gathered: a slice would keep the whole columns.
        if frame.is_empty() or not constant:
            return cls(path, pl.DataFrame({name: [None] for name in constant}))
        return cls(path, frame.select(pl.col(constant).gather([0])))

    def scan(self, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
        """The frame, with the columns of `schema`."""
        beside = {name: pl.lit(self.constant[name].cast(schema[name])).first() for name in self.constant.columns}
        coded = [name for name, dtype in schema.items() if isinstance(dtype, pl.Categorical | pl.Enum)]
        named = {name: pl.col(name).cat.to(schema[name]) for name in coded if name not in beside}
        return pl.scan_parquet(self.path).with_columns(**named, **beside).select(schema.keys())


_CODED = cs.categorical() | cs.enum()


def _kept(schema: Mapping[str, pl.DataType]) -> list[pl.Series]:
    """A series of each set of categories: while there is one, their numbers mean what they meant."""
    return [pl.Series([""], dtype=dtype) for dtype in schema.values() if isinstance(dtype, pl.Categorical)]


def _constant(frame: pl.DataFrame) -> list[str]:
    """The columns that have one value all over, or none at all."""
    return [column.name for column in frame if column.null_count() == frame.height or _one_value(column)]


def _one_value(column: pl.Series) -> bool:
    if column.null_count() or column[0] != column[-1] or column.dtype.is_float():
        return False
    codes = column.to_physical()
    return bool(codes.min() == codes.max())


class Partitions:
    """Frames of one schema, the rows of each in the partition that its column `partition` says.

    With `count` 1 all stay in memory, and no such column is needed.
    """

    def __init__(self, schema: dict[str, pl.DataType], count: int, work: WorkDirectory, name: str) -> None:
        self._schema, self.count, self.work, self._name = schema, count, work, name
        self._kept = _kept(schema)
        self._held: list[pl.DataFrame] = []
        self._rows = 0
        self._files: list[list[_File]] = [[] for _ in range(count)]

    def add(self, frame: pl.DataFrame) -> None:
        """Take in some rows.

        Raises:
            InputError: there is no room for them.
        """
        self._held.append(frame)
        self._rows += frame.height
        if self.count > 1 and self._rows >= _HELD:
            self.write()

    def write(self) -> None:
        """Write what is held back, if it is to be written at all."""
        if self.count == 1 or not self._held:
            return
        whole = pl.concat(self._held)
        self._held, self._rows = [], 0
        constant = _constant(whole.drop("partition"))
        parts = whole.partition_by("partition", as_dict=True, include_key=False)
        folder = self.work.path / self._name
        with room(folder):
            folder.mkdir(exist_ok=True)
            for (number,), part in parts.items():
                files = self._files[int(str(number))]
                files.append(_File.write(part, folder / f"{number}-{len(files)}.parquet", constant))

    def forget(self, number: int) -> None:
        """Give up a partition that isn't needed any more."""
        for file in self._files[number]:
            file.path.unlink(missing_ok=True)
        self._files[number] = []

    def load(self, number: int) -> pl.DataFrame:
        """All rows of one partition, in the order they came.

        Raises:
            InputError: they have been put aside, and are not there any more.
        """
        self.write()
        if not self._files[number]:
            return self.scan(number).collect()
        with room(self._files[number][0].path.parent):
            return self.scan(number).collect()

    def scan(self, number: int) -> pl.LazyFrame:
        """The same, to be read as needed."""
        self.write()
        parts = self._held if self.count == 1 else [file.scan(self._schema) for file in self._files[number]]
        empty = pl.DataFrame(schema=self._schema)
        return pl.concat([empty.lazy(), *(part.lazy() for part in parts)])

    def scan_all(self) -> pl.LazyFrame:
        """All rows of all partitions."""
        return pl.concat([self.scan(number) for number in range(self.count)])


class Table:
    """A table that comes in parts, one of each partition; kept in memory or written, as `work` says."""

    def __init__(self, schema: dict[str, pl.DataType], work: WorkDirectory | None, name: str) -> None:
        self._schema, self._work, self._name = schema, work, name
        self._kept = _kept(schema)
        self._parts: dict[int, pl.DataFrame | _File] = {}

    def add(self, number: int, part: pl.DataFrame) -> None:
        """Take in the part of one partition; twice, and the second takes the first one's place.

        Raises:
            InputError: there is no room for it.
        """
        part = part.select(pl.col(name).cast(dtype) for name, dtype in self._schema.items())
        if self._work is None:
            self._parts[number] = part
            return
        folder = self._work.path / self._name
        with room(folder):
            folder.mkdir(exist_ok=True)
            self._parts[number] = _File.write(part, folder / f"{number}.parquet", _constant(part))

    def scan(self) -> pl.LazyFrame:
        """All parts."""
        parts = [self._parts[number] for number in sorted(self._parts)]
        scanned = [part.scan(self._schema) if isinstance(part, _File) else part.lazy() for part in parts]
        return pl.concat([pl.DataFrame(schema=self._schema).lazy(), *scanned])
