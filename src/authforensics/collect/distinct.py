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
        return _spread(values, make, dtypes).to_struct(values.name)

    return pl.col(column).map_batches(of, return_dtype=pl.Struct(dtypes), is_elementwise=True)


def mapped(column: str, make: Callable[[pl.Series], pl.Series], dtype: pl.DataType) -> pl.Expr:
    """As `each`, of a single column: `make` gets the distinct values and null, and returns as many."""
    dtypes = {"made": dtype}

    def of(values: pl.Series) -> pl.Series:
        frame = _spread(values, lambda distinct: pl.DataFrame({"made": make(distinct["value"]).cast(dtype)}), dtypes)
        return frame.to_series().alias(values.name)

    return pl.col(column).map_batches(of, return_dtype=dtype, is_elementwise=True)


def _spread(values: pl.Series, make: Make, dtypes: dict[str, pl.DataType]) -> pl.DataFrame:
    if values.dtype != pl.String():
        values = values.cast(pl.String)
    empty = values.null_count()
    if empty == len(values) or (not empty and (values == values[0]).all()):
        made = make(pl.DataFrame({"value": [values[0] if len(values) else None]}, schema={"value": pl.String}))
        return pl.DataFrame([made[name].new_from_index(0, len(values)) for name in dtypes])
    # Categories of their own: those of the columns are shared, and would keep every value ever seen.
    coded = values.cast(pl.Categorical(pl.Categories.random()))
    known = coded.unique().drop_nulls()
    numbers = known.to_physical()
    order = numbers.arg_sort()
    codes = coded.to_physical()
    if numbers.max() != len(known) - 1:  # Not counted from 0 without a gap: so that it is.
        codes = codes.replace_strict(numbers.gather(order), pl.int_range(len(known), dtype=pl.UInt32, eager=True))
    made = make(known.gather(order).cast(pl.String).extend_constant(None, 1).alias("value").to_frame())
    return made.select(list(dtypes)).select(pl.all().gather(codes.fill_null(len(known))))
