"""What a wrapper is: what a runtime, a collector or a store puts around each line of somebody else's log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import polars as pl

from authforensics import _registry
from authforensics.collect import wrappers as package
from authforensics.collect.format import Settings
from authforensics.collect.requests import where
from authforensics.schema import TIMESTAMP

#: What is peeled off a line. `inner` is the line inside (null: this is no line of the wrapper), `time`, `zone` and
#: `clock` are the wrapper's own, `instance` the host, pod or container that wrote the line. `open` says that the line
#: goes on in the next one of the same `stream`.
PEELED: dict[str, pl.DataType] = {
    "inner": pl.String(),
    "time": TIMESTAMP,
    "zone": pl.String(),
    "clock": pl.Float32(),
    "instance": pl.String(),
    "stream": pl.String(),
    "open": pl.Boolean(),
}

#: Lines, some of which may be null, in; for each of them the columns of `PEELED` out.
Peel = Callable[[pl.Series], pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper:
    """One way to wrap lines.

    Attributes:
        name: the module's name.
        title: what it is, for people.
        samples: lines of it.
        prepare: what peels lines of a file, from a sample of them; None if this wrapper can't be meant.
        taken: when lines that look so are taken for wrapped: always, if a format is known inside (not just words), or
            if that one is no less sure than one for the whole line.
        parts: a long line is cut into several.
        header: a pattern of lines that the wrapper adds to those inside.
        at_once: its time is when the line was written, not when somebody read it some time later; or it has none.
    """

    name: str
    title: str
    samples: tuple[str, ...]
    prepare: Callable[[Sequence[str], Settings], Peel | None]
    taken: Literal["always", "if known", "if no less sure"] = "always"
    parts: bool = False
    header: str | None = None
    at_once: bool = False


@cache
def wrappers() -> dict[str, Wrapper]:
    """Every wrapper that there is, by name."""
    return _registry.load(package, "WRAPPER", Wrapper)


def peeled(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """The columns of `PEELED`; null what isn't there, and everything where there is no line inside."""
    lines = frame.lazy().collect(engine="in-memory")
    inner = pl.col("inner").is_not_null()
    if "time" in lines.columns:
        lines = lines.with_columns(clock=pl.when(pl.col("time").is_not_null()).then("clock"))
    columns = {
        name: pl.when(inner).then(pl.col(name).cast(dtype)) if name in lines.columns else pl.lit(None, dtype)
        for name, dtype in PEELED.items()
    }
    return lines.select(**columns).with_columns(_on_one_line(lines["inner"]))


def _on_one_line(inner: pl.Series) -> pl.Series:
    """A line is one line: what is inside may have several."""
    return where(
        inner.str.strip_chars_end("\r\n"), r"[\r\n\x00]", lambda odd: odd.str.replace_all(r"[\r\n]+|\x00", " ")
    )
