"""Adds to a message what the traceback below it ends with: the exception and its text, which say why."""

from __future__ import annotations

import polars as pl

from authforensics.collect import secrecy
from authforensics.schema import Disposition

# Reference: https://docs.python.org/3/library/traceback.html (`module.Class: text`, not indented)
_EXCEPTION = r"^((?:[A-Za-z_]\w*\.)*[A-Z]\w*: .{1,500})"


def exceptions() -> dict[str, pl.Expr]:
    """For classified lines in order: `owner`, the event a line belongs to, and `exception`, what it says of it."""
    disposition = pl.col("disposition")
    number = pl.when(disposition == Disposition.EVENT.value).then(pl.col("line_number"))
    continuation = pl.when(disposition == Disposition.CONTINUATION.value).then(pl.col("line"))
    return {"owner": number.forward_fill(), "exception": continuation.str.extract(_EXCEPTION)}


def with_exceptions(frame: pl.DataFrame) -> pl.DataFrame:
    """The messages with the last exception of the lines that continue them."""
    last = (
        frame.filter(pl.col("exception").is_not_null())
        .group_by("owner")
        .agg(pl.col("exception").last())
        .rename({"owner": "line_number"})
    )
    joined = frame.drop("owner", "exception").join(last, on="line_number", how="left", maintain_order="left")
    told = pl.concat_str("message", "exception", separator=": ")
    whole = joined.with_columns(message=pl.coalesce(told, "message")).drop("exception")
    return whole.with_columns(secrecy.readable(whole["message"]))
