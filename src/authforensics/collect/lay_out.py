"""Gives every line its one disposition, and a reason to those that are rejected."""

from __future__ import annotations

import polars as pl

from authforensics.collect.format import Format
from authforensics.schema import DISPOSITION, Disposition


def is_event() -> pl.Expr:
    """Whether a normalized line became an event."""
    return pl.col("matched") & pl.col("timestamp").is_not_null() & pl.col("problem").is_null()


def unlike(form: Format) -> str:
    """What is said of a line that has another layout."""
    return f"not a line of the format {form.name}"


def classify(lines: pl.LazyFrame, form: Format) -> pl.LazyFrame:
    """Adds `disposition`, and `reason` where it is a reject, to normalized lines in the order of their file."""
    if form.inside is not None:
        inner = pl.col("line").map_batches(form.inside.lines, return_dtype=pl.String)
        return classify(lines.with_columns(line=inner), form.inside.form)
    event = is_event()
    part = pl.col("line").is_null()
    blank = ~pl.col("matched") & (pl.col("line").str.strip_chars() == "")
    header = ~pl.col("matched") & pl.col("line").str.contains(form.header) if form.header else pl.lit(False)
    begins = pl.col("line").str.contains(form.record_start) if form.record_start else pl.lit(True)
    loose = ~pl.col("matched") & ~blank & ~begins
    if form.multiline:
        # What a line that begins no record belongs to: the last record above it, if that became an event.
        owner = pl.when(event).then(1).when(pl.col("matched") | (begins & ~blank)).then(0)
        continues = loose & (owner.forward_fill() == 1).fill_null(False)
    else:
        continues = pl.lit(False)
    disposition = (
        pl.when(event)
        .then(pl.lit(Disposition.EVENT.value))
        .when(blank)
        .then(pl.lit(Disposition.BLANK.value))
        .when(header)
        .then(pl.lit(Disposition.HEADER.value))
        .when(continues | part)
        .then(pl.lit(Disposition.CONTINUATION.value))
        .otherwise(pl.lit(Disposition.REJECT.value))
    )
    orphan = "continues a record that is not in this file" if form.multiline else unlike(form)
    reason = (
        pl.when(disposition != Disposition.REJECT.value)
        .then(pl.lit(None, pl.String))
        .when(pl.col("problem").is_not_null())
        .then(pl.col("problem"))
        .when(pl.col("matched"))
        .then(pl.lit("its time can't be read"))
        .when(loose)
        .then(pl.lit(orphan))
        .otherwise(pl.lit(unlike(form)))
    )
    return lines.with_columns(disposition=disposition.cast(DISPOSITION), reason=reason)
