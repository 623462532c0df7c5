"""Parses lines of a layout that is compiled from a format string: what `log_format` and `inferred` share."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.assemble import assemble, column, units_in
from authforensics.collect.compiled import IGNORED, Layout
from authforensics.collect.format import Cutting, Settings
from authforensics.collect.layout_cutting import cut_of


def parser(
    sample: Sequence[str], layout: Layout, pattern: str, settings: Settings, *, log_format: str | None = None
) -> Cutting:
    """A parser of lines of a layout, which its pattern takes apart if they can't be cut."""
    compiled = re.compile(pattern)
    groups = {name: group for group, name in reversed(layout.names.items())}
    told: dict[str, list[str]] = {}
    for match in filter(None, map(compiled.match, sample)):
        for name, group in groups.items():
            if match[group] not in {"", "-"}:
                told.setdefault(name, []).append(match[group])
    examples = {name: found[0] for name, found in told.items()}
    known = [name for name in groups if name != IGNORED]
    values = {column(name): pl.col("parts").struct.field(groups[name]) for name in known}
    cutting = cut_of(layout, examples)

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = lines.with_columns(parts=pl.col("line").str.extract_groups(pattern))
        parts = parts.with_columns(matched=pl.col("line").str.contains(pattern), **values).drop("parts")
        return assemble(parts, known, examples, settings)

    def cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series] | None:
        if cutting is None:
            return None
        parts, plain = cutting(data, known)
        return assemble(parts.lazy().with_columns(matched=pl.lit(value=True)), known, examples, settings), plain

    return Cutting(parse, cut, log_format, units_in(known, told if log_format else None))
