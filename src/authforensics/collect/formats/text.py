"""Owns `text`: lines of any words inside of a wrapper that tells their time; each is a message."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind


def _prepare(_sample: Sequence[str], _settings: Settings) -> Parser | None:
    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        return lines.with_columns(matched=pl.col("line").str.strip_chars() != "", message=pl.col("line"))

    return parse


FORMAT = Format(
    name="text",
    title="any words, inside of a wrapper that tells the time: docker, Kubernetes, syslog, journald",
    samples=(),
    time="end",
    kinds=(Kind.MESSAGE,),
    specificity=0.4,
    prepare=_prepare,
)
