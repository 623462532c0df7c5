"""Owns `ltsv`: labeled tab-separated values."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.assemble import assemble, column
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.synonyms import wanted
from authforensics.schema import Kind

# Reference: http://ltsv.org/
_FIELD = r"[\w.-]+:[^\t]*"
_LINE = rf"^{_FIELD}(?:\t{_FIELD})+\t?$"
#: Where ltsv.org's labels mean another field than the same name elsewhere.
_LABELS = {"host": "client_ip", "req": "request", "size": "bytes"}


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    told: dict[str, list[str]] = {}
    for line in sample:
        if re.match(_LINE, line):
            for item in line.split("\t"):
                label, _, value = item.partition(":")
                if value not in {"", "-"}:
                    told.setdefault(label, []).append(value)
    examples = {label: found[0] for label, found in told.items()}
    labels = [label for label in examples if label in {*_LABELS, settings.device_field} or wanted(label)]
    if not labels:
        return None
    values = {column(label): pl.col("line").str.extract(rf"(?:^|\t){re.escape(label)}:([^\t]*)") for label in labels}

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = lines.with_columns(matched=pl.col("line").str.contains(_LINE), **values)
        return assemble(parts, labels, examples, settings, preferred=_LABELS, values=told)

    return parse


FORMAT = Format(
    name="ltsv",
    title="labeled tab-separated values (ltsv.org)",
    samples=(
        "time:10/Oct/2025:13:55:36 -0700\thost:203.0.113.9\treq:GET /a HTTP/1.1\tstatus:200\tsize:12\tua:curl/8.5.0",
    ),
    time="end",
    kinds=(Kind.REQUEST,),
    specificity=0.98,
    prepare=_prepare,
)
