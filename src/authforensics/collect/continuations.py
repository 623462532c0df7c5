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
#: Python tells what caused an exception above it, and says so between the two.
_CAUSED_ABOVE = r"\s*(?:The above exception was the direct cause of|During handling of the above exception)"
#: So many of these are told.
_MOST = 4


def exceptions() -> dict[str, pl.Expr]:
    """For classified lines in order: `owner`, the event a line belongs to; `exception` or `cause` that it names.

    `above`: whether it says that the exceptions above it are causes.
    """
    disposition = pl.col("disposition")
    number = pl.when(disposition == Disposition.EVENT.value).then(pl.col("line_number"))
    continuation = pl.when(disposition == Disposition.CONTINUATION.value).then(pl.col("line"))
    return {
        "owner": number.forward_fill(),
        "exception": continuation.str.extract(_EXCEPTION).str.strip_chars_start(),
        "cause": continuation.str.extract(_CAUSE),
        "above": continuation.str.contains(f"^{_CAUSED_ABOVE}").fill_null(value=False),
    }


def with_exceptions(frame: pl.DataFrame) -> pl.DataFrame:
    """The messages with the last exception of the lines that continue them, and what caused it.

    That is its last cause where causes stand below it, and all exceptions where they stand above.
    """
    naming = frame.filter(pl.col("exception").is_not_null() | pl.col("cause").is_not_null() | pl.col("above"))
    said_above = pl.col("exception").filter(pl.col("above").cum_sum(reverse=True) > 0).drop_nulls()
    above = said_above.unique(maintain_order=True).head(_MOST).str.join(": ")
    last = (
        naming.group_by("owner", maintain_order=True)
        .agg(
            pl.col("exception").drop_nulls().last(),
            cause=pl.coalesce(pl.col("cause").drop_nulls().last(), pl.when(above != "").then(above)),
        )
        .rename({"owner": "line_number"})
    )
    without = frame.drop("owner", "exception", "cause", "above")
    joined = without.join(last, on="line_number", how="left", maintain_order="left")
    # A format may have read what is below its lines itself.
    said = pl.col("message")
    new = [pl.when(~said.str.contains(pl.col(name), literal=True)).then(name) for name in ("exception", "cause")]
    told = pl.concat_str(said, *new, separator=": ", ignore_nulls=True)
    whole = joined.with_columns(message=pl.when(said.is_not_null()).then(told)).drop("exception", "cause")
    return whole.with_columns(secrecy.readable(whole["message"]))


def causes(trace: pl.Expr) -> pl.Expr:
    """What a trace that is one text says of the causes of its exception; null where it has none."""
    marked = trace.str.extract_all(rf"\n[^\s][^\n]*\n{_CAUSED_ABOVE}")
    above = marked.list.eval(pl.element().str.extract(r"^\n([^\n]*)")).list.head(_MOST).list.join(": ")
    below = trace.str.extract_all(r"\nCaused by: [^\r\n]+").list.last().str.strip_prefix("\nCaused by: ")
    return pl.when(above != "").then(above).otherwise(below)
