"""Looks at each distinct value of a column once, however many rows have it."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

Make = Callable[[pl.DataFrame], pl.DataFrame]


def each(column: str, make: Make, dtypes: dict[str, pl.DataType]) -> pl.Expr:
    """A struct of what `make` says of the values of a text column.

    Args:
        column: the column.
        make: gets a frame whose only column, `value`, has the distinct values and null; returns the same number of
            rows with the columns of `dtypes`. A value says the same wherever it stands.
        dtypes: what `make` returns.
    """

    def of(values: pl.Series) -> pl.Series:
        return each_of(values, make, dtypes)

    return pl.col(column).map_batches(of, return_dtype=pl.Struct(dtypes), is_elementwise=True)


def each_of(values: pl.Series, make: Make, dtypes: dict[str, pl.DataType]) -> pl.Series:
    """As `each`, of a text column at hand."""
    return _spread(values, make, dtypes).to_struct(values.name)


def each_run_of(values: pl.Series, make: Make, dtypes: dict[str, pl.DataType]) -> pl.Series:
    """As `each_of`, of values of which the same stand side by side, as times do."""
    begins = values.ne_missing(values.shift())
    if len(values):
        begins[0] = True
    places = begins.arg_true()
    if len(places) * 2 > len(values):
        return each_of(values, make, dtypes)
    made = make(values.gather(places).alias("value").to_frame()).select(list(dtypes))
    return made.select(pl.all().gather(begins.cum_sum().cast(pl.UInt32) - 1)).to_struct(values.name)


def fits(
    values: pl.Series, pattern: str, look: Callable[[pl.Series, Make, dict[str, pl.DataType]], pl.Series] = each_of
) -> pl.Series:
    """Which values fit a pattern, each distinct one looked at once; `look` may be `each_run_of`."""

    def made(distinct: pl.DataFrame) -> pl.DataFrame:
        return distinct.select(fits=pl.col("value").str.contains(pattern))

    return look(values, made, {"fits": pl.Boolean()}).struct.field("fits")


def each_run(column: str, make: Make, dtypes: dict[str, pl.DataType]) -> pl.Expr:
    """As `each`, of a column in which the same stand side by side."""

    def of(values: pl.Series) -> pl.Series:
        return each_run_of(values, make, dtypes)

    return pl.col(column).map_batches(of, return_dtype=pl.Struct(dtypes), is_elementwise=True)


def mapped(column: str, make: Callable[[pl.Series], pl.Series], dtype: pl.DataType) -> pl.Expr:
    """As `each`, of a single column: `make` gets the distinct values and null, and returns as many."""
    dtypes = {"made": dtype}

    def of(values: pl.Series) -> pl.Series:
        frame = _spread(values, lambda distinct: pl.DataFrame({"made": make(distinct["value"]).cast(dtype)}), dtypes)
        return frame.to_series().alias(values.name)

    return pl.col(column).map_batches(of, return_dtype=dtype, is_elementwise=True)


def _spread(values: pl.Series, make: Make, dtypes: dict[str, pl.DataType]) -> pl.DataFrame:
    empty = values.null_count()
    text = values.dtype == pl.String()
    if empty == len(values) or (text and not empty and values[0] == values[-1] and (values == values[0]).all()):
        one = pl.Series("value", [values[0] if len(values) else None], dtype=pl.String)
        made = make(one.to_frame())
        return pl.DataFrame([made[name].new_from_index(0, len(values)) for name in dtypes])
    # Categories of their own: those of the columns are shared, and would keep every value ever seen.
    coded = values.cast(pl.Categorical(pl.Categories.random())) if text else values
    known, rows = _numbered(coded) if text else _renumbered(coded)
    distinct = known.cast(pl.String).extend(pl.Series([None], dtype=pl.String)).alias("value")
    made = make(distinct.to_frame()).select(list(dtypes))
    rows = rows.fill_null(len(known)) if empty else rows
    return pl.DataFrame([_dealt(column, rows) for column in made])


def _dealt(column: pl.Series, rows: pl.Series) -> pl.Series:
    if column.null_count() == len(column):
        return column.new_from_index(0, len(rows))
    return column[rows]


def _numbered(coded: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The values of categories that nobody shares, numbered as they came, and which of them stands where."""
    codes = coded.to_physical()
    last = codes.max()
    every = pl.int_range(last + 1 if isinstance(last, int) else 0, dtype=pl.UInt32, eager=True)
    known = every.cat.to(coded.dtype)
    return (known, codes) if not known.null_count() else _renumbered(coded)


def _renumbered(coded: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The same of categories that others use, too."""
    known = coded.unique().drop_nulls()
    numbers = known.to_physical()
    last = numbers.max()
    places = pl.Series([0], dtype=pl.UInt32).new_from_index(0, last + 1 if isinstance(last, int) else 1)
    places = places.scatter(numbers, pl.int_range(len(known), dtype=pl.UInt32, eager=True))
    return known, places.gather(coded.to_physical())
