"""Ranks what some lines could be: not only the format that they are surest of, but those that come after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import polars as pl

from authforensics.collect.account import Outcome, ordered
from authforensics.collect.collection import Reader, checked
from authforensics.collect.discover import Found
from authforensics.collect.format import Settings
from authforensics.collect.layers import BARE, Layers
from authforensics.collect.options import Options
from authforensics.collect.read import Digest
from authforensics.collect.recognize import Match, formats, recognize, share
from authforensics.collect.sample import take
from authforensics.collect.step import Progress


def looked_at(
    found: Sequence[Found], options: Options, progress: Progress | None = None
) -> list[tuple[Outcome, Match | None]]:
    """What became of each input, in the order in which they are told, and what else it could have been.

    Every line is read; events aren't kept. An input that is no log is no error.

    Raises:
        UsageError: as `collect` does.
    """
    settings = checked(options)
    times: Digest[None] = Digest(("timestamp",), _nothing)
    reader = Reader(found, options, settings, times, progress)
    outcomes = ordered([reader.one(each, _nothing) for each in found])
    return [(outcome, _runner_up(outcome, settings)) for outcome in outcomes]


def ranked(sample: Sequence[str], settings: Settings, only: str | None = None) -> list[Match]:
    """What `sample` could be: first what `recognize` takes it for, then every other format in the order of confidence.

    The others are tried on the lines as they stand, and inside of the same wrappers.
    """
    found = recognize(sample, settings, only=only)
    if found is None:
        return []
    told = {found.form.name: found}
    around = {layers.names: layers for layers in (found.layers, BARE)}
    tried = [] if only else [match for layers in around.values() for match in _all(sample, layers, settings)]
    for match in sorted(tried, key=_confidence, reverse=True):
        told.setdefault(match.form.name, match)
    return list(told.values())


def _all(sample: Sequence[str], layers: Layers, settings: Settings) -> Iterator[Match]:
    """Every format that could be meant inside of some wrappers."""
    whole = pl.Series("line", list(sample), dtype=pl.String)
    lines = layers.bare(layers.peel(whole))
    for bare in formats().values():
        parser = bare.prepare(lines, settings)
        if parser is not None:
            form, around = layers.around(bare, parser)
            taken, requests, calls, _ = share(whole, form, around)
            yield Match(form, around, round(taken * form.specificity, 4), 0, requests, calls, layers)


def _confidence(match: Match) -> float:
    return match.confidence


def _nothing(_events: object) -> None:
    return None


def _runner_up(outcome: Outcome, settings: Settings) -> Match | None:
    """The surest of the formats that a file isn't taken for."""
    if outcome.source.format is None:
        return None
    try:
        sample = take(outcome.found.path)
    except OSError:
        return None
    others = ranked(sample.lines, replace(settings.of(outcome.found), latest=None))
    rivals = [match for match in others if match.form.name != outcome.source.format and match.confidence > 0]
    best = max(rivals, key=_confidence, default=None)
    return best if best is None or sample.table is None else replace(best, table=sample.table.lower())
