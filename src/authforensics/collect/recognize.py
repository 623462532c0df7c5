"""Recognizes the format of a file: each format parses a sample of its lines, and the one that is surest wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import polars as pl

from authforensics import _registry
from authforensics.collect import formats as package
from authforensics.collect.blocks import block_size
from authforensics.collect.format import Cutting, Format, Parser, Settings
from authforensics.collect.lay_out import classify
from authforensics.collect.layers import BARE, Layers
from authforensics.collect.missed import missed
from authforensics.collect.normalize import outlined
from authforensics.collect.unwrap import unwrapped
from authforensics.document import Unit
from authforensics.errors import UnknownName
from authforensics.schema import Disposition, Kind

#: Below this confidence a file is no log of any known format.
ENOUGH = 0.2
#: Up to this specificity a format takes lines of any kind.
_ANY = 0.5
#: By how much a format that knows the requests in lines may be less sure than one that takes them for messages.
_REQUESTS = 0.1


@dataclass(frozen=True, slots=True)
class Match:
    """A format, its parser for this file and how sure that is; `block` is how many bytes of it to read in one go.

    `requests` is the share of its events that are requests, `calls` that of all lines, `layers` what is around its
    lines; these are `timed` if they have a time without what is around them, `log_format` their layout if it was
    inferred, `units` those of the fields whose unit the format leaves open, `columns` the names of columns by what
    their values alone tell that they hold, `table` the kind of table whose rows they are, `note` what is odd.
    """

    form: Format
    parser: Parser
    confidence: float
    block: int
    requests: float = 0.0
    calls: float = 0.0
    layers: Layers = BARE
    timed: bool = True
    log_format: str | None = None
    units: tuple[Unit, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    table: str | None = None
    note: str | None = None

    @property
    def around(self) -> str | None:
        """What its lines are in, from the outermost to the innermost; None if they stand in the file as they are."""
        return " > ".join(filter(None, (self.table, self.layers.names))) or None


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


def recognize(sample: Sequence[str], settings: Settings, only: str | None = None) -> Match | None:
    """The best match for `sample`, however bad; None if no format could be meant.

    `only` is the one format to use, whatever it matches.
    """
    whole = pl.Series("line", list(sample), dtype=pl.String)
    candidates = [named(only)] if only else sorted(formats().values(), key=_specificity, reverse=True)

    def best(lines: list[str], layers: Layers, peeled: pl.DataFrame, least: float) -> Match | None:
        able = [form for form in candidates if form.specificity >= least]
        return _best(whole, lines, layers, able, settings, peeled=peeled, as_named=only is not None)

    found = unwrapped(whole, settings, best)
    if found is None:
        return None
    if not only and found.form.specificity <= _ANY and no_events(sample) is not None:
        # Formats for any words would take them for messages.
        return replace(found, confidence=0.0)
    return found if found.requests else replace(found, note=missed(found.layers.inside(whole).drop_nulls()))


def no_events(sample: Sequence[str]) -> str | None:
    """What most lines are, if some format knows them, but tells of no event in them."""
    lines = pl.Series("line", list(sample), dtype=pl.String)
    known = [kind for form in formats().values() for kind in form.no_events.items()]
    return next((what for pattern, what in known if 2 * lines.str.contains(pattern).sum() > len(lines)), None)


def _specificity(form: Format) -> float:
    return form.specificity


def _best(
    sample: pl.Series,
    lines: list[str],
    layers: Layers,
    candidates: Sequence[Format],
    settings: Settings,
    *,
    peeled: pl.DataFrame,
    as_named: bool,
) -> Match | None:
    """The best match for `sample`; `lines` are inside of it, `peeled` off it. The surest candidates come first.

    `as_named`: where the lines are none of a candidate, those behind them are taken for what its own example is; not
    where it depends on the head of a file what lines mean.
    """
    block = block_size(sample.to_list())
    best: Match | None = None
    for form in candidates:
        most = _worth(form.specificity, Kind.REQUEST in form.kinds)
        if best is not None and most <= _worth(best.confidence, best.requests):
            continue
        parser = form.prepare(lines, settings) or (form.prepare(form.samples[-1:], settings) if as_named else None)
        if parser is None:
            continue
        taken, requests, calls, timed = share(sample, *layers.around(form, parser, peeled))
        confidence = round(taken * form.specificity, 4)
        if best is None or _worth(confidence, requests) > _worth(best.confidence, best.requests):
            best = Match(form, parser, confidence, block, requests, calls, layers, timed)
            if isinstance(parser, Cutting):
                best = replace(best, log_format=parser.log_format, units=parser.units, columns=parser.columns)
    if best is None or not layers.wrappers:
        return best
    form, parser = layers.around(best.form, best.parser)
    return replace(best, form=form, parser=parser)


def _worth(confidence: float, requests: float) -> float:
    """What a match is worth, of which a share are requests."""
    return confidence * (1 + _REQUESTS * requests)


def share(sample: pl.Series, form: Format, parser: Parser) -> tuple[float, float, float, bool]:
    """The share of lines that become events (what continues one counts half), and of these and of all the requests.

    And whether any of them has a time without what is around it.
    """
    numbers = pl.int_range(1, len(sample) + 1, dtype=pl.UInt32, eager=True)
    lines = pl.LazyFrame({"line_number": numbers, "line": sample})
    classified = classify(outlined(parser(lines), form), form)
    laid = classified.select("disposition", "kind", "timed").collect(engine="in-memory")
    counts: dict[str, int] = dict(laid["disposition"].value_counts().rows())
    events = counts.get(Disposition.EVENT, 0)
    if not events:
        return 0.0, 0.0, 0.0, False
    told = laid.filter(pl.col("disposition") == Disposition.EVENT.value)
    counted = max(len(sample) - counts.get(Disposition.HEADER, 0), 1)
    taken = (events + counts.get(Disposition.CONTINUATION, 0) / 2) / counted
    requests = int((told["kind"] == Kind.REQUEST.value).sum())
    return taken, requests / events, requests / counted, bool(told["timed"].any())
