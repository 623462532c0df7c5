"""Runs our own functions on Spark: numbered tasks through `mapInArrow`, each giving some named pieces of bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from authforensics.errors import AuthforensicsError, BadValue, InputError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

Item = TypeVar("Item")
#: What a task gives: pieces by name, such as frames as Arrow IPC.
Pieces = Mapping[str, bytes]

_MADE = "number long, name string, piece binary"
#: Tasks for each core: enough to even out, not so many that starting them counts.
_TASKS = 16
#: Pieces that say what went wrong, and whose fault it is.
_USAGE, _INPUT = "error of usage", "error of input"


def run(spark: SparkSession, items: Sequence[Item], function: Callable[[Item], Pieces]) -> list[Pieces]:
    """`function` of each item, on the executors, in the order of the items.

    Raises:
        InputError, UsageError: what it raised there.
    """

    def batches(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                yield _tried(number, partial(function, items[number]))

    if not items:
        return []
    made = dict(_collected(_numbers(spark, len(items)).mapInArrow(batches, _MADE)))
    return [made[number] for number in range(len(items))]


def shuffle(
    spark: SparkSession,
    items: Sequence[Item],
    load: Callable[[Item], pl.DataFrame],
    *,
    keys: Sequence[str],
    count: int,
    function: Callable[[int, pl.DataFrame], Pieces],
) -> list[tuple[int, Pieces]]:
    """Load a frame of each item, bring rows with equal `keys` together in `count` partitions, and take each of them.

    Returns:
        Of each partition that has rows, its number and what `function` made of it.

    Raises:
        InputError, UsageError: what `function` raised there.
    """
    places = _places(spark, count)

    def loaded(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                for place, part in _split(load(items[number]), keys, count):
                    # Parquet: in Arrow IPC each part would carry the categories of all.
                    yield _packed(places[place], {"rows": _stored(part)})

    def taken(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts: dict[int, list[pl.DataFrame]] = {}
        for batch in batches:
            for key, piece in zip(batch.column("number").to_pylist(), batch.column("piece"), strict=True):
                parts.setdefault(places.index(key), []).append(pl.read_parquet(io.BytesIO(piece.as_buffer())))
        for number, frames in parts.items():
            yield _tried(number, partial(function, number, pl.concat(frames)))

    shuffled = _numbers(spark, len(items)).mapInArrow(loaded, _MADE).repartition(count, "number")
    return sorted(_collected(shuffled.mapInArrow(taken, _MADE)), key=itemgetter(0))


def _places(spark: SparkSession, count: int) -> list[int]:
    """For every partition a number that Spark, which goes by its hash, puts there: so no two get the same place."""
    found = spark.range(0, 50 * count + 50).selectExpr(f"pmod(hash(id), {count}) AS place", "id")
    first: dict[int, int] = dict(found.groupBy("place").min("id").collect())
    spare = -1
    return [first.get(place, spare - place) for place in range(count)]


def _split(frame: pl.DataFrame, keys: Sequence[str], count: int) -> Iterator[tuple[int, pl.DataFrame]]:
    # The hash of a text is the same in every process, that of a category is not.
    place = pl.struct(pl.col(name).cast(pl.String).hash() for name in keys).hash() % count
    parts = frame.with_columns(_place=place).partition_by("_place", as_dict=True, include_key=False)
    for (number,), part in parts.items():
        yield int(str(number)), part


def _stored(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream, compression="lz4", statistics=False)
    return stream.getvalue()


def over(table: DataFrame, function: Callable[[int, Iterator[pl.DataFrame]], Pieces], rows: int) -> list[Pieces]:
    """`function` of each partition of a table, by number, in frames of about so many rows.

    Raises:
        InputError, UsageError: what it raised there.
    """

    def taken(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        context = TaskContext.get()
        number = 0 if context is None else context.partitionId()
        yield _tried(number, partial(function, number, _gathered(batches, rows)))

    return [pieces for _, pieces in sorted(_collected(table.mapInArrow(taken, _MADE)), key=itemgetter(0))]


def _gathered(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pl.DataFrame]:
    waiting: list[pl.DataFrame] = []
    for batch in batches:
        waiting.append(pl.DataFrame(batch))
        if sum(one.height for one in waiting) >= rows:
            yield pl.concat(waiting)
            waiting = []
    if waiting:
        yield pl.concat(waiting)


def packed(frame: pl.DataFrame) -> bytes:
    """A frame as Arrow IPC."""
    stream = io.BytesIO()
    frame.write_ipc(stream, compression="lz4")
    return stream.getvalue()


def unpacked(piece: bytes) -> pl.DataFrame:
    """The frame that `packed` was given."""
    return pl.read_ipc(io.BytesIO(piece))


def cores(spark: SparkSession) -> int:
    """How many tasks run at a time."""
    return max(1, int(spark.sparkContext.defaultParallelism))


def _numbers(spark: SparkSession, count: int) -> DataFrame:
    return spark.range(0, count, 1, min(count, _TASKS * cores(spark)))


def _tried(number: int, make: Callable[[], Pieces]) -> pa.RecordBatch:
    """What it makes; an error of ours is handed on: Spark would try again, and bury it in its own."""
    try:
        return _packed(number, make())
    except UsageError as error:
        return _packed(number, {_USAGE: str(error).encode()})
    except AuthforensicsError as error:
        return _packed(number, {_INPUT: str(error).encode()})


def _packed(number: int, pieces: Pieces) -> pa.RecordBatch:
    import pyarrow as pa

    columns = {"number": [number] * len(pieces), "name": list(pieces), "piece": list(pieces.values())}
    schema = pa.schema([("number", pa.int64()), ("name", pa.string()), ("piece", pa.binary())])
    return pa.RecordBatch.from_pydict(columns, schema=schema)


def _collected(made: DataFrame) -> Iterable[tuple[int, Pieces]]:
    found: dict[int, dict[str, bytes]] = {}
    for number, name, piece in made.collect():
        if name in {_USAGE, _INPUT}:
            raise BadValue(piece.decode()) if name == _USAGE else InputError(piece.decode())
        found.setdefault(number, {})[name] = bytes(piece)
    return found.items()
