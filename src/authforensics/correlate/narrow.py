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


def one_number(columns: Sequence[pl.Series], beside: Sequence[pl.Series] = ()) -> pl.Series:
    """One number, `code`, in place of some categories or whole numbers; null is a value like others.

    `beside` are columns of another table of the same kinds: if either gets the numbers beside the other, they are the
    same for the same values.
    """
    count = 1
    codes = []
    parts = []
    for place, column in enumerate(columns):
        span = _span([column, *beside[place : place + 1]])
        if span is not None:
            low, high = span
            codes.append(column.to_physical().alias(str(place)))
            parts.append((str(place), low, high - low + 2))
            count *= high - low + 2
    dtype = next((dtype for dtype, most in _WIDE if count <= most), pl.Int128)
    code = pl.repeat(0, len(columns[0]), dtype=dtype)
    for name, low, size in parts:
        code = code * pl.lit(size, dtype) + (pl.col(name) - low + 1).cast(dtype).fill_null(0)
    return pl.DataFrame(codes).select(code.alias("code")).to_series()


def _span(columns: Sequence[pl.Series]) -> tuple[int, int] | None:
    """The least and the greatest number in columns; None if they have one value all over, or none."""
    known = [column.to_physical() for column in columns if column.null_count() < len(column)]
    if not known:
        return None
    low = min(int(column.min()) for column in known)  # type: ignore[arg-type]
    high = max(int(column.max()) for column in known)  # type: ignore[arg-type]
    return None if low == high and not any(column.null_count() for column in columns) else (low, high)
