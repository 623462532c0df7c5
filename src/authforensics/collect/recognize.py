"""Recognizes the format of a file: each format parses a sample of its lines, and the one that is surest wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import polars as pl

from authforensics import _registry
from authforensics.collect import formats as package
from authforensics.collect.blocks import block_size
from authforensics.collect.format import Cutting, Format, Parser, Settings
from authforensics.collect.lay_out import classify
from authforensics.collect.layers import BARE, Layers
from authforensics.collect.normalize import normalize
from authforensics.collect.unwrap import unwrapped
from authforensics.errors import UnknownName
from authforensics.schema import Disposition, Kind

#: Below this confidence a file is no log of any known format.
ENOUGH = 0.2
#: At this confidence the first format tried is taken without trying the others.
SURE = 0.9


@dataclass(frozen=True, slots=True)
class Match:
    """A format, its parser for this file and how sure that is; `block` is how many bytes of it to read in one go.

    `requests` is the share of its events that are requests, `layers` what is around its lines; these are `timed` if
    they have a time without what is around them, `log_format` their layout if it was inferred.
    """

    form: Format
    parser: Parser
    confidence: float
    block: int
    requests: float = 0.0
    layers: Layers = BARE
    timed: bool = True
    log_format: str | None = None


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
    whole = pl.Series("line", list(sample), dtype=pl.String)
    candidates = {only: named(only)} if only else _ordered(formats(), first)

    def best(lines: list[str], layers: Layers) -> Match | None:
        prepared = {name: (form, form.prepare(lines, settings)) for name, form in candidates.items()}
        match = _best(whole, layers, prepared, first)
        if match is None or not layers.wrappers:
            return match
        form, parser = prepared[match.form.name]
        timed = parser is not None and share(pl.Series("line", lines, dtype=pl.String), form, parser)[0] > 0
        return replace(match, timed=timed)

    return unwrapped(whole, settings, best)


def _best(
    sample: pl.Series,
    layers: Layers,
    candidates: Mapping[str, tuple[Format, Parser | None]],
    first: Sequence[str],
) -> Match | None:
    """The best match for `sample`, whose lines are in some wrappers; each candidate has its parser for these."""
    best: Match | None = None
    for name, (bare, prepared) in candidates.items():
        if prepared is None:
            continue
        form, parser = layers.around(bare, prepared)
        taken, requests = share(sample, form, parser)
        confidence = round(taken * form.specificity, 4)
        layout = prepared.log_format if isinstance(prepared, Cutting) else None
        block = block_size(sample.to_list())
        match = Match(form, parser, confidence, block, requests, layers, log_format=layout)
        if best is None or match.confidence > best.confidence:
            best = match
        if name in first and best.confidence >= SURE:
            break
    return best


def share(sample: pl.Series, form: Format, parser: Parser) -> tuple[float, float]:
    """The share of lines that become events, a line that continues one counts half; and of those that are requests."""
    numbers = pl.int_range(1, len(sample) + 1, dtype=pl.UInt32, eager=True)
    lines = pl.LazyFrame({"line_number": numbers, "line": sample})
    laid = classify(normalize(parser(lines), form, "", ""), form).select("disposition", "kind").collect()
    counts: dict[str, int] = dict(laid["disposition"].value_counts().rows())
    events = counts.get(Disposition.EVENT, 0)
    if not events:
        return 0.0, 0.0
    kinds = laid.filter(pl.col("disposition") == Disposition.EVENT.value)["kind"]
    counted = len(sample) - counts.get(Disposition.HEADER, 0)
    taken = (events + counts.get(Disposition.CONTINUATION, 0) / 2) / max(counted, 1)
    return taken, int((kinds == Kind.REQUEST.value).sum()) / events


def _ordered(known: Mapping[str, Format], first: Sequence[str]) -> dict[str, Format]:
    ahead = {name: known[name] for name in dict.fromkeys(("log_format", *first)) if name in known}
    return {**ahead, **known}
