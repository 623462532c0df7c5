"""Reads tables of typed columns, Parquet and Arrow: each row becomes a line, an object of JSON with all its columns.

So whatever is known of JSON lines, wrappers and filters holds for tables as well, a row is found again by its number,
and no more of a table is in memory than some rows.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
from polars._typing import PolarsDataType

#: What a file of each kind begins with. Reference: https://parquet.apache.org/docs/file-format/;
#: https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format, #ipc-streaming-format
_MAGIC = {"Parquet": b"PAR1", "Arrow": b"ARROW1\0\0"}
_STREAM, _OLD_FEATHER, _ENCRYPTED = "Arrow stream", b"FEA1", b"PARE"
KINDS = (*_MAGIC, _STREAM)
#: Bytes of a file that tell its kind.
HEAD = 8
#: Rows that are read first, and the most at a time; bytes of text that they shall come to, about.
_FEW, _MANY, _TEXT = 16, 200_000, 8 << 20
#: Values within values beyond which polars ends the process, not only the reading.
_DEEPEST = 32
#: A stream has no directory: it is read in one piece, and so may not be larger.
_LARGEST_STREAM = 512 << 20
#: Up to here every whole number is a float of its own.
_EXACT = float(2**53)


#: What polars raises of damaged data.
FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


class Unreadable(Exception):
    """The rows from here on can't be read; those before are good."""


def kind_of(head: bytes) -> str | None:
    """The kind of table that the first bytes of a file announce."""
    # A mark, then the length of what describes the columns, a multiple of eight.
    if head.startswith(b"\xff\xff\xff\xff") and len(head) >= HEAD and head[4] % 8 == 0 and head[7] == 0:
        return _STREAM
    return next((kind for kind, magic in _MAGIC.items() if head.startswith(magic)), None)


def kind(path: Path) -> str | None:
    """The kind of table that a file is.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return kind_of(file.read(HEAD))


def foreign(head: bytes) -> str | None:
    """What is said of a table that can't be read; None if it is none of those known."""
    if head.startswith(_OLD_FEATHER):
        return "a table of Feather version 1: write it as Parquet or Arrow (Feather version 2) first"
    if head.startswith(_ENCRYPTED):
        return "an encrypted Parquet table: decrypt it first"
    inner = kind_of(head)
    return f"a table ({inner}) that is compressed as a whole: unpack it first" if inner else None


def texts(path: Path, kind: str) -> Iterator[tuple[bytes, int]]:
    """The rows of a table as lines, some at a time, and about how many bytes of the file are read so far.

    The same pieces at every reading.

    Raises:
        Unreadable: after the last good piece, where the table is damaged.
        OSError: it can't be read at all.
    """
    size = path.stat().st_size
    try:
        table = scan(path, kind)
        schema = table.collect_schema()
        total = max(table.select(pl.len()).collect().item(), 1)
        told = {name: _told(pl.nth(place), dtype) for place, (name, dtype) in enumerate(schema.items())}
        columns = [value.alias(name) for name, value in told.items() if value is not None]
        done, count = 0, _FEW
        while True:
            rows = table.slice(done, count).collect(engine="in-memory")
            if rows.is_empty():
                return
            done += rows.height
            text = _lines(rows, columns)
            yield text, size * done // total
            count = max(1, min(_MANY, 8 * count, rows.height * _TEXT // len(text)))
    except FAULTS as error:
        raise Unreadable(f"the {kind} table is damaged or cut off: {_gist(error)}") from error


def scan(path: Path, kind: str) -> pl.LazyFrame:
    """A table as it is, of which no more is read than asked for.

    Raises:
        Unreadable: it can't be read in parts, and is too large to be read at once.
        OSError: it can't be read at all.
    """
    if kind == _STREAM:
        if path.stat().st_size > _LARGEST_STREAM:
            raise Unreadable("an Arrow stream of this size can't be read in parts: write it as an Arrow file")
        return pl.read_ipc_stream(path).lazy()
    scanned = pl.scan_ipc if kind == "Arrow" else pl.scan_parquet
    table = scanned(path, glob=False, hive_partitioning=False)
    schema = table.collect_schema()
    # By their places: polars takes names like `*` and `^...$` for patterns.
    shallow = [place for place, dtype in enumerate(schema.dtypes()) if _depth(dtype) <= _DEEPEST]
    if not shallow and len(schema):
        raise Unreadable("all of its columns are nested too deeply")
    return table if len(shallow) == len(schema) else table.select(pl.nth(shallow))


def _depth(dtype: PolarsDataType) -> int:
    """How deep a type is nested."""
    deepest, left = 0, [(dtype, 1)]
    while left:
        one, depth = left.pop()
        deepest = max(deepest, depth)
        if isinstance(one, pl.BaseExtension):
            left.append((one.ext_storage(), depth + 1))
        elif isinstance(one, pl.Struct):
            left += [(field.dtype, depth + 1) for field in one.fields]
        elif isinstance(one, pl.List | pl.Array):
            left.append((one.inner, depth + 1))
    return deepest


def _gist(error: BaseException) -> str:
    """The first line of what polars says."""
    return str(error).strip().partition("\n")[0].removeprefix("parquet: ")[:200]


def _lines(rows: pl.DataFrame, columns: list[pl.Expr]) -> bytes:
    out = io.BytesIO()
    if columns:
        rows.select(columns).write_ndjson(out)
    else:
        out.write(b"{}\n" * rows.height)
    return out.getvalue()


def _told(value: pl.Expr, dtype: PolarsDataType) -> pl.Expr | None:
    """A value as JSON can have it, written as logs write it; None if there is nothing of it that a log would have."""
    if isinstance(dtype, pl.BaseExtension):
        return _told(value.ext.storage(), dtype.ext_storage())
    if isinstance(dtype, pl.Struct):
        places = [str(place) for place in range(len(dtype.fields))]
        within = value.struct.rename_fields(places).struct
        inner = {
            one.name: _told(within.field(place), one.dtype) for place, one in zip(places, dtype.fields, strict=True)
        }
        fields = [told.alias(name) for name, told in inner.items() if told is not None]
        return pl.when(value.is_not_null()).then(pl.struct(fields)) if fields else None
    if isinstance(dtype, pl.List | pl.Array):
        told = _told(pl.element(), dtype.inner)
        listed = value.arr.to_list() if isinstance(dtype, pl.Array) else value
        return None if told is None else listed.list.eval(told)
    if isinstance(dtype, pl.Object | pl.Unknown):
        return None
    if isinstance(dtype, pl.Datetime):
        zoned = dtype.time_zone is not None
        return _time(value.dt.convert_time_zone("UTC")) + "Z" if zoned else _time(value)
    return next((say(value) for known, say in _SAID if isinstance(dtype, known)), value)


def _time(value: pl.Expr) -> pl.Expr:
    """A time with as many digits as the times around it have: those tell how fine they are, not their type."""
    micros = value.dt.timestamp("us")
    whole, milli = (((micros % step) == 0).all() for step in (1_000_000, 1_000))
    digits = pl.when(whole).then(19).when(milli).then(23).otherwise(26)
    return value.dt.to_string("%Y-%m-%dT%H:%M:%S%.6f").str.head(digits)


def _real(value: pl.Expr) -> pl.Expr:
    """A number; one that is whole is written so: a column of whole numbers with nulls is often one of floats."""
    whole = (value == value.floor()) & (value.abs() < _EXACT)
    numbers = pl.when(whole).then(value).cast(pl.Int64, strict=False).cast(pl.String)
    return pl.when(value.is_finite()).then(pl.coalesce(numbers, value.cast(pl.String)))


def _bytes(values: pl.Series) -> pl.Series:
    """Texts that are not declared to be; hexadecimal numbers where they are none."""
    try:
        return values.cast(pl.String)
    except pl.exceptions.ComputeError:
        # polars can't tell which of them are no text.
        decoded = [None if value is None else _decoded(value) for value in values]
        return pl.Series(values.name, decoded, dtype=pl.String)


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


#: How values of each type are told; the others are as they are.
_SAID: tuple[tuple[type[pl.DataType], Callable[[pl.Expr], pl.Expr]], ...] = (
    (pl.Duration, lambda value: (value.dt.total_microseconds() / 1000).cast(pl.String) + "ms"),
    (pl.Decimal, lambda value: value.cast(pl.String).str.replace(r"\.0+$", "")),
    (pl.Float32, _real),
    (pl.Float64, _real),
    (pl.Binary, lambda value: value.map_batches(_bytes, return_dtype=pl.String, is_elementwise=True)),
    (pl.Categorical, lambda value: value.cast(pl.String)),
    (pl.Enum, lambda value: value.cast(pl.String)),
)
