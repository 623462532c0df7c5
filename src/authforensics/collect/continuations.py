"""Adds to a message the exception that the trace below it names, and what caused that: their texts say why."""

from __future__ import annotations

import polars as pl

from authforensics.collect import secrecy
from authforensics.schema import Disposition

# Reference: https://docs.python.org/3/library/traceback.html (`module.Class: text`, not indented); printStackTrace in
# java/lang/Throwable.java, which Tomcat indents as a whole. No class is called in capitals, as levels are.
_CLASS = r"[A-Z][\w$]*[a-z][\w$]*"
_EXCEPTION = rf"^((?:[A-Za-z_][\w$]*\.)*{_CLASS}: .{{1,500}}|\s+(?:[A-Za-z_][\w$]*\.)+{_CLASS}: .{{1,500}})"
_CAUSE = rf"^\s*Caused by: ((?:[A-Za-z_][\w$]*\.)*{_CLASS}: .{{1,500}})"


def exceptions() -> dict[str, pl.Expr]:
    """For classified lines in order: `owner`, the event a line belongs to, and what `exception` or `cause` it names."""
    disposition = pl.col("disposition")
    number = pl.when(disposition == Disposition.EVENT.value).then(pl.col("line_number"))
    continuation = pl.when(disposition == Disposition.CONTINUATION.value).then(pl.col("line"))
    return {
        "owner": number.forward_fill(),
        "exception": continuation.str.extract(_EXCEPTION).str.strip_chars_start(),
        "cause": continuation.str.extract(_CAUSE),
    }


def with_exceptions(frame: pl.DataFrame) -> pl.DataFrame:
    """The messages with the last exception of the lines that continue them, and its last cause."""
    last = (
        frame.filter(pl.col("exception").is_not_null() | pl.col("cause").is_not_null())
        .group_by("owner")
        .agg(pl.col("exception", "cause").drop_nulls().last())
        .rename({"owner": "line_number"})
    )
    without = frame.drop("owner", "exception", "cause")
    joined = without.join(last, on="line_number", how="left", maintain_order="left")
    # A format may have read what is below its lines itself.
    said = pl.col("message")
    new = [pl.when(~said.str.contains(pl.col(name), literal=True)).then(name) for name in ("exception", "cause")]
    told = pl.concat_str(said, *new, separator=": ", ignore_nulls=True)
    whole = joined.with_columns(message=pl.when(said.is_not_null()).then(told)).drop("exception", "cause")
    return whole.with_columns(secrecy.readable(whole["message"]))
