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
from authforensics.collect.lay_out import classify, unlike
from authforensics.collect.layers import BARE, Layers
from authforensics.collect.missed import calls, missed
from authforensics.collect.mixed import CONTINUES, once, together, words
from authforensics.collect.normalize import outlined
from authforensics.collect.tables import NAMES
from authforensics.collect.unwrap import unwrapped
from authforensics.document import Unit
from authforensics.errors import UnknownName
from authforensics.schema import Disposition, Kind

#: Below this confidence a file is no log of any known format.
ENOUGH = 0.2
#: Up to this specificity a format takes lines of any kind.
ANY = 0.5
#: So many lines are few. The share of lines which look like requests that must be some.
_FEW, _MOST_CALLS = 2, 0.4
#: By how much a format that knows the requests in lines may be less sure than one that takes them for messages.
_REQUESTS = 0.1


@dataclass(frozen=True, slots=True)
class Match:
    """A format, its parser for this file and how sure that is; `block` is how many bytes of it to read in one go.

    `requests` is the share of its events that are requests, `calls` that of all lines, `layers` what is around its
    lines; these are `timed` if they have a time without what is around them, `log_format` their layout if it was
    inferred, `units` those of the fields whose unit the format leaves open, `columns` the names of columns by what
    their values alone tell that they hold, `table` the kind of table whose rows they are; `beside` are the
    formats of the lines among them that are of another, `note` is what is odd.
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
    beside: tuple[str, ...] | None = None
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
    found = _found(whole, settings, only) if only else _with_others(whole, _found(whole, settings), settings)
    if found is None:
        return None
    if not only and found.form.specificity <= ANY and no_events(sample) is not None:
        # Formats for any words would take them for messages.
        return replace(found, confidence=0.0)
    if found.beside:
        return replace(found, note=f"among lines of {found.form.name} stand some of {', '.join(found.beside)}")
    return found if found.requests else replace(found, note=missed(found.layers.inside(whole).drop_nulls()))


def _found(sample: pl.Series, settings: Settings, only: str | None = None, around: Layers = BARE) -> Match | None:
    """The best match for lines all of which are of one format, and `around` which stand some wrappers at least."""
    candidates = [named(only)] if only else _surest_first()

    def best(lines: list[str], layers: Layers, peeled: pl.DataFrame, least: float) -> Match | None:
        able = [form for form in candidates if form.specificity >= least]
        return _best(sample, lines, layers, able, settings, peeled=peeled, as_named=only is not None)

    return unwrapped(sample, settings, best, around)


def _with_others(sample: pl.Series, found: Match | None, settings: Settings) -> Match | None:
    """What was found; or a match for the lines of two formats, if more of them are read as that.

    A layout that was given comes before what is found in its lines, as long as no request is lost by that.
    """
    declared = _declared(sample, found, settings)
    first = declared or _first(sample, found, settings)
    if first is None:
        return found
    own, layers = formats()[first.form.name], first.layers
    # Layouts are inferred from requests alone; elsewhere messages have keys of their own.
    inside = layers.bare(layers.peel(sample.filter(calls(sample)) if own.specificity <= ANY else sample))
    parser = own.prepare(inside, settings)
    if parser is None:
        return found
    parts = [(own, parser)]
    second = _messages(sample.filter(~taken(sample, *layers.around(own, parser))), layers, settings, own)
    parts = once([*parts, *([second] if second else [])], layers.inside(sample).drop_nulls())
    others = tuple(form.name for form, _ in parts[1:])
    parts += words(settings, wrapped=bool(layers.wrappers))
    form, parser = layers.around(*together(parts))
    laid = _laid(sample, form, parser)
    asked, events = _fates(laid)
    before = (0, 0) if found is None or found.confidence < ENOUGH else _fates(_laid(sample, found.form, found.parser))
    # What takes any words takes the lines of traces for messages, too: it can't be asked how many events there are.
    surer = declared is not None or (_wordy(found) and own.specificity > ANY)
    if asked < before[0] or not (surer or max(asked - before[0], events - before[1]) >= _FEW):
        return found
    # Traces may have more lines than all else.
    event = laid["disposition"] == Disposition.EVENT.value
    whole = int((event | ~layers.inside(sample).fill_null("").str.contains(CONTINUES)).sum())
    return replace(
        first,
        form=form,
        parser=parser,
        confidence=round(events / whole * own.specificity, 4),
        block=block_size(sample.to_list()),
        requests=asked / max(events, 1),
        calls=asked / len(sample),
        beside=others,
    )


def _declared(sample: pl.Series, found: Match | None, settings: Settings) -> Match | None:
    """A match for the lines of the layout that was given, if something else takes more of the lines."""
    if settings.log_format is None or (found is not None and found.form.name == "log_format"):
        return None
    match = _found(sample, settings, "log_format")
    return None if match is None or match.calls * len(sample) < _FEW else match


def _first(sample: pl.Series, found: Match | None, settings: Settings) -> Match | None:
    """A match for those lines that look like calls, if there may be others that it doesn't take."""
    if found is not None and not _wordy(found) and found.confidence >= found.form.specificity:
        return None
    if found is not None and headed(found):
        return None
    called = calls(sample)
    if called.sum() < _FEW:
        return None
    first = _calls(sample, called, settings)
    return None if first is None or first.calls < _MOST_CALLS or headed(first) else first


def _wordy(found: Match | None) -> bool:
    """Whether any words are taken for what was found."""
    return found is not None and found.form.specificity <= ANY


def headed(match: Match) -> bool:
    """Whether lines above tell what is in those below them."""
    form = formats()[match.form.name]
    return form.declares is not None or form.header == NAMES


def _fates(laid: pl.DataFrame) -> tuple[int, int]:
    """How many lines are requests, and how many events."""
    events = laid.filter(pl.col("disposition") == Disposition.EVENT.value)
    return int((events["kind"] == Kind.REQUEST.value).sum()), events.height


def _calls(sample: pl.Series, called: pl.Series, settings: Settings) -> Match | None:
    """The best match for lines that look like calls, inside of what is around the others, too."""
    lines, others = sample.filter(called), sample.filter(~called)
    around = _found(others, settings) if len(others) else None
    known = around is not None and around.confidence >= ENOUGH
    return _found(lines, settings, around=around.layers if around is not None and known else BARE)


def _messages(left: pl.Series, layers: Layers, settings: Settings, first: Format) -> tuple[Format, Parser] | None:
    """The format of messages, and its parser, that most lines are of that another one doesn't know."""
    lines = layers.bare(layers.peel(left)) if len(left) else []
    if len(lines) < _FEW:
        return None
    best, found = ENOUGH, None
    for form in formats().values():
        if Kind.MESSAGE not in form.kinds or form.specificity <= ANY or form.declares or form is first:
            continue
        parser = form.prepare(lines, settings)
        if parser is not None:
            sure = share(left, *layers.around(form, parser))[0] * form.specificity
            if sure > best:
                best, found = sure, (form, parser)
    return found


def no_events(sample: Sequence[str]) -> str | None:
    """What most lines are, if some format knows them, but tells of no event in them."""
    lines = pl.Series("line", list(sample), dtype=pl.String)
    known = [kind for form in formats().values() for kind in form.no_events.items()]
    return next((what for pattern, what in known if 2 * lines.str.contains(pattern).sum() > len(lines)), None)


def _surest_first() -> list[Format]:
    return sorted(formats().values(), key=lambda form: form.specificity, reverse=True)


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
    laid = _laid(sample, form, parser)
    counts: dict[str, int] = dict(laid["disposition"].value_counts().rows())
    events = counts.get(Disposition.EVENT, 0)
    if not events:
        return 0.0, 0.0, 0.0, False
    told = laid.filter(pl.col("disposition") == Disposition.EVENT.value)
    counted = max(len(sample) - counts.get(Disposition.HEADER, 0), 1)
    taken = (events + counts.get(Disposition.CONTINUATION, 0) / 2) / counted
    requests = int((told["kind"] == Kind.REQUEST.value).sum())
    return taken, requests / events, requests / counted, bool(told["timed"].any())


def taken(sample: pl.Series, form: Format, parser: Parser) -> pl.Series:
    """Which lines become events."""
    return _laid(sample, form, parser)["disposition"] == Disposition.EVENT.value


def unknown(lines: pl.Series, match: Match) -> pl.Series:
    """Those of the lines of a file that are of another layout than its format."""
    return lines.filter(_laid(lines, match.form, match.parser)["reason"] == unlike(match.form))


def _laid(sample: pl.Series, form: Format, parser: Parser) -> pl.DataFrame:
    numbers = pl.int_range(1, len(sample) + 1, dtype=pl.UInt32, eager=True)
    lines = pl.LazyFrame({"line_number": numbers, "line": sample})
    classified = classify(outlined(parser(lines), form), form)
    return classified.select("disposition", "reason", "kind", "timed").collect(engine="in-memory")
