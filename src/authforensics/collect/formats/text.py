"""Owns `text`: lines of any words inside of a wrapper that tells their time; messages, but for requests in words."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.collect import calls
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind


def _prepare(sample: Sequence[str], _settings: Settings) -> Parser | None:
    read = calls.reader(line.strip() for line in sample)

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        told = lines.with_columns(matched=pl.col("line").str.strip_chars() != "", message=pl.col("line"))
        return told if read is None else calls.with_calls(told, read)

    return parse


FORMAT = Format(
    name="text",
    title="any words, inside of a wrapper that tells the time: docker, Kubernetes, syslog, journald",
    samples=(),
    time="end",
    kinds=(Kind.MESSAGE, Kind.REQUEST),
    specificity=0.4,
    prepare=_prepare,
)
