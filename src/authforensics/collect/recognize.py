"""Recognizes the format of a file: each format parses a sample of its lines, and the one that is surest wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import polars as pl

from authforensics import _registry
from authforensics.collect import formats as package
from authforensics.collect.blocks import block_size
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.lay_out import classify
from authforensics.collect.normalize import normalize
from authforensics.errors import UnknownName

#: Below this confidence a file is no log of any known format.
ENOUGH = 0.2
#: At this confidence the first format tried is taken without trying the others.
SURE = 0.9


@dataclass(frozen=True, slots=True)
class Match:
    """A format, its parser for this file and how sure that is; `block` is how many bytes of it to read in one go."""

    form: Format
    parser: Parser
    confidence: float
    block: int


@cache
def formats() -> dict[str, Format]:
    """Every format that there is, by name."""
    return _registry.load(package, "FORMAT", Format)


def named(name: str) -> Format:
    """The format of that name.

    Raises:
        UnknownName: there is none.
    """
    known = formats()
    if name not in known:
        raise UnknownName("format", name, known)
    return known[name]


def recognize(
    sample: Sequence[str], settings: Settings, first: Sequence[str] = (), only: str | None = None
) -> Match | None:
    """The best match for `sample`, however bad; None if no format could be meant.

    `first` are formats to try before the others; `only` is the one to use whatever it matches.
    """
    candidates = {only: named(only)} if only else _ordered(formats(), first)
    best: Match | None = None
    for name, form in candidates.items():
        parser = form.prepare(sample, settings)
        if parser is None:
            continue
        confidence = round(share(sample, form, parser) * form.specificity, 4)
        match = Match(form, parser, confidence, block_size(sample))
        if best is None or match.confidence > best.confidence:
            best = match
        if name in first and best.confidence >= SURE:
            break
    return best


def share(sample: Sequence[str], form: Format, parser: Parser) -> float:
    """The share of lines that become events; a line that continues one counts half."""
    numbers = pl.int_range(1, len(sample) + 1, dtype=pl.UInt32, eager=True)
    lines = pl.LazyFrame(
        {"line_number": numbers, "line": list(sample)}, schema={"line_number": pl.UInt32, "line": pl.String}
    )
    laid = classify(normalize(parser(lines), form, "", ""), form).select("disposition").collect()["disposition"]
    counts: dict[str, int] = dict(laid.value_counts().rows())
    counted = len(sample) - counts.get("header", 0)
    if not counts.get("event"):
        return 0.0
    return (counts["event"] + counts.get("continuation", 0) / 2) / max(counted, 1)


def _ordered(known: Mapping[str, Format], first: Sequence[str]) -> dict[str, Format]:
    ahead = {name: known[name] for name in dict.fromkeys(("log_format", *first)) if name in known}
    return {**ahead, **known}
