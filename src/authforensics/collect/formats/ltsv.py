"""Owns `ltsv`: labeled tab-separated values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import polars as pl

from authforensics.collect.assemble import assemble, column, units_in
from authforensics.collect.blocks import split
from authforensics.collect.format import Cutting, Format, Parser, Settings
from authforensics.collect.splitting import columns
from authforensics.collect.synonyms import wanted
from authforensics.schema import Kind

# Reference: http://ltsv.org/
_LABEL = r"[\w.-]+"
_FIELD = rf"{_LABEL}:[^\t]*"
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
    layout = _layout(sample)

    def made(parts: pl.LazyFrame) -> pl.LazyFrame:
        return assemble(parts, labels, examples, settings, preferred=_LABELS, values=told)

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        line = pl.col("line")
        values = {column(label): line.str.extract(rf"(?:^|\t){re.escape(label)}:([^\t]*)") for label in labels}
        return made(lines.with_columns(matched=line.str.contains(_LINE), **values))

    def cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series] | None:
        if layout is None:
            return None
        values, plain = _cut(data, layout, labels)
        return made(values.lazy().with_columns(matched=pl.lit(value=True))), plain

    return Cutting(parse, cut, units=units_in(labels, told))


def _layout(sample: Sequence[str]) -> tuple[str, ...] | None:
    """The labels that most lines have, in their order; None if they can't be cut."""
    layouts = Counter(tuple(item.partition(":")[0] for item in line.split("\t")) for line in sample)
    labels = layouts.most_common(1)[0][0]
    named = all(re.fullmatch(_LABEL, label, re.ASCII) for label in labels)
    return labels if named and 1 < len(labels) == len(set(labels)) else None


def _cut(data: bytes, layout: tuple[str, ...], labels: Sequence[str]) -> tuple[pl.DataFrame, pl.Series]:
    """The text of each label in a block of lines, and which of them have just the labels of this layout."""
    pieces = columns(data, "\t", layout)
    plain = pl.select(pl.all_horizontal(pieces[label].str.starts_with(f"{label}:") for label in layout)).to_series()
    tabs = len(layout) - 1
    if not plain.all() or data.count(b"\t") != tabs * pieces.height:
        plain &= split(data).str.count_matches("\t", literal=True) == tabs
    values = {column(label): pieces[label].str.slice(len(label) + 1) for label in labels if label in layout}
    return pl.DataFrame(values), plain


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
