"""Owns looking at texts in Python: each distinct one once, however often it stands in a column."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl


def once(values: pl.Series, way: Callable[[str], str | None]) -> pl.Series:
    """What `way` makes of each text; null of null, whose `way` is not asked."""
    texts = values.cast(pl.String)
    distinct = texts.drop_nulls().unique()
    made = pl.Series([way(text) for text in distinct], dtype=pl.String)
    return texts.replace_strict(distinct, made, default=None, return_dtype=pl.String).alias(values.name)
