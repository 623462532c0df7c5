"""Keeps frames in partitions: in memory where there is little, else as Arrow files in a directory of its own."""

from __future__ import annotations

import errno
import re
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import polars as pl

from authforensics.errors import InputError
from authforensics.parallel import PARTS, in_order

#: Rows that are held back before they are written, so that files are few; and of a file's pieces, read one by one.
_HELD, _PIECE = 600_000, 100_000
#: Numbers of the errors that say that there is no room, and what helps then.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
ELSEWHERE = "name a directory with room: --work-dir"
#: What polars says of these, which has no numbers for errors.
_FULL_SIGNS = ("no space left", "quota exceeded", "file too large")
_PREFIX, _GONE = "authforensics-", ".gone"
#: How often to remove a directory that is not empty yet: no new file can be begun in it.
_TRIES = 5
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
                    f"{place}: no work directory can be made there ({error.strerror}); {ELSEWHERE}"
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
    for _ in range(_TRIES):
        # What was being made when the name changed may come after the others were listed.
        shutil.rmtree(gone, ignore_errors=True)
        if not gone.exists():
            break
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
    if (isinstance(error, OSError) and error.errno in FULL) or any(sign in text.lower() for sign in _FULL_SIGNS):
        return InputError(f"{place}: no room for temporary files; {ELSEWHERE}")
    if not isinstance(error, OSError):
        return None
    what = error.strerror or text.partition(" (")[0]
    return InputError(
        f"{place}: the temporary files there can't be used any more ({what}); --work-dir names another place"
    )


@dataclass(frozen=True)
class _File:
    """A frame in a file; the columns that have one value all over are kept beside it, as a single row.

    Of categories the file has the numbers, which mean something in this process only. `left` are its rows that still
    count (None: all).
    """

    path: Path
    constant: pl.DataFrame
    left: pl.Series | None = None

    @classmethod
    def write(cls, numbers: pl.DataFrame, constant: pl.DataFrame, path: Path) -> _File:
        """Write what `_packed` made of a frame, or some rows of it."""
        numbers.write_ipc(path, record_batch_size=_PIECE)
        return cls(path, constant)

    def scan(self, schema: Mapping[str, pl.DataType], others: Sequence[_File] = ()) -> pl.LazyFrame:
        """The frame, with the columns of `schema`; and `others` of the same frame, of which all rows count."""
        if self.left is not None:
            return self.read(schema).lazy()
        paths = [self.path, *(other.path for other in others)]
        return pl.scan_ipc(paths).with_columns(self._made(schema)).select(schema.keys())

    def read(self, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
        """The same at once: quicker, if all of it is wanted."""
        written = [name for name in schema if name not in self.constant.columns]
        # None of those wanted: any tells how many rows there are.
        numbers = pl.read_ipc(self.path, columns=written or None)
        whole = numbers if self.left is None else numbers.filter(self.left)
        return whole.with_columns(self._made(schema)).select(schema.keys())

    def only(self, rows: pl.Series) -> _File:
        """The same with only those of its rows."""
        left = rows if self.left is None else self.left.clone().scatter(self.left.arg_true(), rows)
        return replace(self, left=left)

    def _made(self, schema: Mapping[str, pl.DataType]) -> list[pl.Expr]:
        """The columns that aren't in the file as they are wanted."""
        found = []
        for name, dtype in schema.items():
            if name in self.constant.columns:
                found.append(pl.lit(self.constant[name].item(), dtype).alias(name))
            elif isinstance(dtype, pl.Categorical | pl.Enum):
                found.append(pl.col(name).cast(_NUMBERS[type(dtype)]).cat.to(dtype))
        return found


#: What numbers of categories are, in memory.
_NUMBERS: dict[type[pl.DataType], type[pl.DataType]] = {pl.Categorical: pl.UInt32, pl.Enum: pl.UInt8}
#: Whole numbers as wide as a float.
_BITS: dict[type[pl.DataType], type[pl.DataType]] = {pl.Float32: pl.UInt32, pl.Float64: pl.UInt64}
#: What numbers of categories may be written as, and how many that can tell apart.
_NARROW = ((pl.UInt8, 1 << 8), (pl.UInt16, 1 << 16))


def _packed(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The columns to be written, categories as numbers of as few bytes as they fit in; and a row of the others.

    One column is always written: it tells how many rows there are.
    """
    constant = [column.name for column in frame if column.null_count() == frame.height or _one_value(column)]
    constant = constant[: frame.width - 1]
    if frame.is_empty():
        row = pl.DataFrame({name: [None] for name in constant})
    else:
        # Gathered: a slice would keep the whole columns.
        row = frame.select(pl.col(constant).gather([0]))
    varied = frame.drop(constant)
    return pl.DataFrame([_narrow(column.rechunk()) for column in varied]), row


def _one_value(column: pl.Series) -> bool:
    if column.null_count() or column[0] != column[-1]:
        return False
    if column.dtype.is_float():
        # By their bits: a float may equal another one, or not itself.
        column = column.reinterpret(dtype=_BITS[type(column.dtype)])
    codes = column if column.dtype.is_numeric() else column.to_physical()
    return bool(codes.min() == codes.max())


def _narrow(column: pl.Series) -> pl.Series:
    codes = column.to_physical() if isinstance(column.dtype, pl.Categorical | pl.Enum) else column
    if not isinstance(column.dtype, pl.Categorical):
        return codes
    most = codes.max()
    fits = [dtype for dtype, count in _NARROW if isinstance(most, int) and most < count]
    return codes.cast(fits[0], wrap_numerical=True) if fits else codes


def _kept(schema: Mapping[str, pl.DataType]) -> list[pl.Series]:
    """A series of each set of categories: while there is one, their numbers mean what they meant."""
    return [pl.Series([""], dtype=dtype) for dtype in schema.values() if isinstance(dtype, pl.Categorical)]


class Partitions:
    """Frames of one schema, the rows of each in the partition that its column `partition` says.

    With `count` 1 all stay in memory, and no such column is needed.
    """

    def __init__(self, schema: dict[str, pl.DataType], count: int, work: WorkDirectory, name: str) -> None:
        self._schema, self.count, self.work, self._name = schema, count, work, name
        self._kept = _kept(schema)
        self._held: list[pl.DataFrame] = []
        self._rows = self._numbered = 0
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
        numbers, constant = _packed(whole.drop("partition"))
        groups = whole.select("partition").with_row_index("at").group_by("partition").agg("at")
        del whole
        folder = self.work.path / self._name
        with room(folder):
            folder.mkdir(exist_ok=True)
            for number, rows in zip(groups["partition"], groups["at"], strict=True):
                path = folder / f"{number}-{self._numbered}.arrow"
                self._files[number].append(_File.write(numbers[rows], constant, path))
                self._numbered += 1

    def deal(self, wanted: Sequence[str], place: Callable[[pl.DataFrame], pl.Series]) -> None:
        """Put every row in the partition that `place` says by its columns `wanted`.

        Those that are there stay where they are; the others are written anew.

        Raises:
            InputError: there is no room for them, or what was put aside is not there any more.
        """
        self.write()
        before, self._files = self._files, [[] for _ in range(self.count)]
        files = [(number, file) for number, files in enumerate(before) for file in files]

        def sort(one: tuple[int, _File]) -> tuple[_File | None, pl.DataFrame | None]:
            number, file = one
            with room(file.path.parent):
                return self._sorted(number, file, wanted, place)

        for (number, _), (staying, moving) in zip(files, in_order(files, sort, PARTS), strict=True):
            if staying is not None:
                self._files[number].append(staying)
            if moving is not None:
                self.add(moving)
        self.write()

    def _sorted(
        self, number: int, file: _File, wanted: Sequence[str], place: Callable[[pl.DataFrame], pl.Series]
    ) -> tuple[_File | None, pl.DataFrame | None]:
        """What of a file stays in a partition, and the rows that belong in others."""
        places = place(file.read({name: self._schema[name] for name in wanted}))
        leaving = places != number
        if not leaving.any():
            return file, None
        if few := 2 * leaving.sum() > len(leaving):
            # What few stay in isn't worth keeping.
            leaving = pl.repeat(value=True, n=len(leaving), eager=True)
        moving = file.only(leaving).read(self._schema).with_columns(places.filter(leaving).alias("partition"))
        if few:
            file.path.unlink(missing_ok=True)
        return (None if few else file.only(~leaving)), moving

    def load(self, number: int) -> pl.DataFrame:
        """All rows of one partition, in the order they came.

        Raises:
            InputError: they have been put aside, and are not there any more.
        """
        self.write()
        if not self._files[number]:
            return self.scan(number).collect()
        with room(self._files[number][0].path.parent):
            # Gathering from many chunks takes several times as long.
            return pl.concat([file.read(self._schema) for file in self._files[number]], rechunk=True)

    def scan(self, number: int) -> pl.LazyFrame:
        """The same, to be read as needed."""
        self.write()
        parts = self._held if self.count == 1 else [file.scan(self._schema) for file in self._files[number]]
        empty = pl.DataFrame(schema=self._schema)
        return pl.concat([empty.lazy(), *(part.lazy() for part in parts)])

    def scan_all(self) -> pl.LazyFrame:
        """All rows of all partitions, in any order."""
        self.write()
        # What was written together is read together: there may be thousands of files.
        written: dict[int, list[_File]] = {}
        for file in chain.from_iterable(self._files):
            written.setdefault(id(file.constant if file.left is None else file), []).append(file)
        parts = [first.scan(self._schema, others) for first, *others in written.values()]
        return pl.concat([pl.DataFrame(schema=self._schema).lazy(), *(one.lazy() for one in self._held), *parts])


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
        if self._work is None or part.is_empty():
            self._parts[number] = part
            return
        folder = self._work.path / self._name
        with room(folder):
            folder.mkdir(exist_ok=True)
            self._parts[number] = _File.write(*_packed(part), folder / f"{number}.arrow")

    def part(self, number: int) -> pl.DataFrame:
        """The part of one partition.

        Raises:
            InputError: it has been put aside, and is not there any more.
        """
        part = self._parts[number]
        if isinstance(part, pl.DataFrame):
            return part
        with room(part.path.parent):
            return part.read(self._schema)

    def parts(self) -> list[pl.LazyFrame]:
        """Its parts; an empty one, if there are none."""
        parts = [self._parts[number] for number in sorted(self._parts)] or [pl.DataFrame(schema=self._schema)]
        return [part.scan(self._schema) if isinstance(part, _File) else part.lazy() for part in parts]

    def scan(self) -> pl.LazyFrame:
        """All parts."""
        return pl.concat(self.parts())
