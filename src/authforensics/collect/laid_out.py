"""Parses lines of a layout that is compiled from a format string: what `log_format` and `inferred` share."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.assemble import assemble, column
from authforensics.collect.compiled import IGNORED
from authforensics.collect.format import Cutting, Settings


def parser(
    sample: Sequence[str], pattern: str, names: dict[str, str], settings: Settings, *, log_format: str | None = None
) -> Cutting:
    """A parser of lines that a pattern takes apart; `names` are the variables by its groups."""
    compiled = re.compile(pattern)
    groups = {name: group for group, name in reversed(names.items())}
    examples: dict[str, str] = {}
    for match in filter(None, map(compiled.match, sample)):
        for name, group in groups.items():
            if match[group] not in {"", "-"}:
                examples.setdefault(name, match[group])
    known = [name for name in groups if name != IGNORED]
    values = {column(name): pl.col("parts").struct.field(groups[name]) for name in known}

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = lines.with_columns(parts=pl.col("line").str.extract_groups(pattern))
        parts = parts.with_columns(matched=pl.col("line").str.contains(pattern), **values).drop("parts")
        return assemble(parts, known, examples, settings)

    return Cutting(parse, lambda _data: None, log_format)
