"""Owns `log_format`: lines laid out as an nginx log_format or Apache LogFormat string says."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect import json_lines
from authforensics.collect.assemble import assemble, column
from authforensics.collect.compiled import compile_layout
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if settings.log_format is None:
        return None
    layout = compile_layout(settings.log_format)
    if layout.pattern is None:
        return json_lines.parser(sample, settings, layout.names)
    return _parser(sample, layout.pattern, layout.names, settings)


def _parser(sample: Sequence[str], pattern: str, names: dict[str, str], settings: Settings) -> Parser:
    compiled = re.compile(pattern)
    groups = {name: group for group, name in reversed(names.items())}
    examples: dict[str, str] = {}
    for match in filter(None, map(compiled.match, sample)):
        for name, group in groups.items():
            if match[group] not in {"", "-"}:
                examples.setdefault(name, match[group])
    known = [name for name in groups if name != "ignored"]
    values = {column(name): pl.col("parts").struct.field(groups[name]) for name in known}

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = lines.with_columns(parts=pl.col("line").str.extract_groups(pattern))
        parts = parts.with_columns(matched=pl.col("line").str.contains(pattern), **values).drop("parts")
        return assemble(parts, known, examples, settings)

    return parse


FORMAT = Format(
    name="log_format",
    title="lines laid out as --log-format says: an nginx log_format or Apache LogFormat string",
    samples=(),
    time="either",
    kinds=(Kind.REQUEST,),
    specificity=1.0,
    prepare=_prepare,
    header=r"^#",
)
