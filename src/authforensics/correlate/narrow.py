"""Makes keys narrow: one number in place of several columns is grouped, joined and sorted by many times faster."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

_WIDE = ((pl.UInt32, 1 << 32), (pl.UInt64, 1 << 64))


def one_value(column: pl.Series) -> bool:
    """Whether a column of numbers, times or categories has one value all over, or none."""
    if column.null_count():
        return column.null_count() == len(column)
    codes = column.to_physical()
    return bool(codes.min() == codes.max())


def one_number(columns: Sequence[pl.Series]) -> pl.Series:
    """One number, `code`, in place of some categories or whole numbers; null is a value like others."""
    codes = [column.to_physical().alias(str(place)) for place, column in enumerate(columns) if not one_value(column)]
    count = 1
    parts = []
    for column in codes:
        low, high = int(column.min()), int(column.max())  # type: ignore[arg-type]
        size = high - low + 2
        parts.append((column.name, low, size))
        count *= size
    dtype = next((dtype for dtype, most in _WIDE if count <= most), pl.Int128)
    code = pl.repeat(0, len(columns[0]), dtype=dtype)
    for name, low, size in parts:
        code = code * pl.lit(size, dtype) + (pl.col(name) - low + 1).cast(dtype).fill_null(0)
    return pl.DataFrame(codes).select(code.alias("code")).to_series()
