"""Reads seconds since 1970 with a fraction, in the one form that a format writes them: quicker than any number."""

from __future__ import annotations

import polars as pl

from authforensics.collect.times import EPOCH


def epoch(text: pl.Expr) -> dict[str, pl.Expr]:
    """`time`, `zone`, `clock` of `1286536308.779`, with up to six digits behind the point."""
    digits = text.str.len_bytes().cast(pl.Int64) - 11
    seconds = text.str.head(10).cast(pl.Int64, strict=False)
    micros = text.str.slice(11).str.pad_end(6, "0").cast(pl.Int64, strict=False)
    time = (seconds * 1_000_000 + micros).cast(pl.Datetime("us", "UTC"))
    return {
        "time": time,
        "zone": pl.when(time.is_not_null()).then(pl.lit(EPOCH)),
        "clock": pl.when(digits <= 3).then(1e-3).otherwise(1e-6).cast(pl.Float32),
    }
