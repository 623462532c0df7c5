"""Recognizes what is around the lines of a file: peels wrappers as long as what is inside makes more sense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.layers import BARE, Layers, within
from authforensics.collect.wrapper import Wrapper, wrappers

if TYPE_CHECKING:
    from authforensics.collect.recognize import Match

#: The share of lines that a wrapper must take: of five the first and the last may be cut off.
_MOST = 0.6
#: Wrappers that stand in each other.
_DEEPEST = 4
#: Below these confidences what is inside is no match, and none that counts against anything.
_ENOUGH, _GOOD = 0.2, 0.5
#: Shares of requests that differ by less are the same.
_SAME = 0.1
#: Of so many lines the first may be cut off, and says nothing of what the others have in front.
_SEVERAL = 10

#: Gets lines, the wrappers that they were inside of, what these peel off the whole sample, and the least confidence
#: that matters; gives the best match for the whole sample.
Best = Callable[[list[str], Layers, pl.DataFrame, float], "Match | None"]


def unwrapped(sample: pl.Series, settings: Settings, best: Best, around: Layers = BARE) -> Match | None:
    """The best match for `sample`, or for what is inside of its lines, if that makes more sense; inside of `around`."""
    return _inside(around.peel(sample), settings, best, replace(around, zoned=settings.tz is not None), 0.0)


def _inside(peeled: pl.DataFrame, settings: Settings, best: Best, around: Layers, least: float) -> Match | None:
    """The same of what is inside of some wrappers, which were `peeled`.

    One of less confidence than `least` need not be found.
    """
    lines, said = around.bare(peeled), around.said(peeled)
    found = best(lines, around, peeled, least)
    if len(around.wrappers) == _DEEPEST:
        return found
    for wrapper in sorted(wrappers().values(), key=lambda wrapper: wrapper.taken):
        next_one = None if found is None else found.layers.after(around)
        if next_one is not None and next_one.taken < wrapper.taken:
            break
        known = any(outer.name == wrapper.name for outer, _ in around.wrappers)
        peel = None if known else wrapper.prepare(lines, settings)
        own = None if peel is None else peel(peeled["line"])
        if peel is not None and own is not None and _takes(wrapper, own.filter(said), lines):
            rival = _match(found)
            bare = next_one is None
            enough = max(least, _least(rival, wrapper, bare=bare))
            more = within(peeled, wrapper, own)
            inside = _match(_inside(more, settings, best, around.under(wrapper, peel), enough))
            if inside is not None and _better(inside, rival, wrapper, bare=bare, lines=len(lines)):
                found = inside
    return found


def _takes(wrapper: Wrapper, own: pl.DataFrame, lines: list[str]) -> bool:
    """Whether most lines are of the wrapper, which peels this off them; those that it only adds don't count."""
    inner = own["inner"].is_not_null()
    series = pl.Series("line", lines, dtype=pl.String)
    counted = inner | (~series.str.contains(wrapper.header) if wrapper.header else True)
    return int(inner.sum()) >= _MOST * int(counted.sum())


def _match(found: Match | None) -> Match | None:
    return None if found is None or found.confidence < _ENOUGH else found


def _least(found: Match | None, wrapper: Wrapper, bare: bool) -> float:
    """The confidence below which `_better` takes nothing that is inside of a wrapper."""
    if found is not None and found.requests >= 1 - _SAME and _has_to_be_sure(wrapper, bare):
        return found.confidence  # There can't be more requests in it.
    return _floor(found, wrapper)


def _better(inside: Match, found: Match | None, wrapper: Wrapper, bare: bool, lines: int) -> bool:
    """Whether what is inside of a wrapper makes more sense than what was found: without it (`bare`), or in another."""
    if inside.confidence < _floor(found, wrapper):
        return False
    if found is None:
        return True
    if wrapper.taken == "if known" and found.requests and _fewer(inside, found, lines):
        return False
    more = inside.requests - found.requests
    if inside.form.name == found.form.name and inside.confidence <= found.confidence and not inside.timed:
        # The format knows what is in front of its lines, and needs it; unless it takes the whole for something else.
        return wrapper.taken == "always" and more > _SAME
    if abs(more) > _SAME:
        return more > 0
    if not _has_to_be_sure(wrapper, bare):
        return True
    return inside.confidence >= found.confidence if bare else inside.confidence > found.confidence


def _fewer(inside: Match, found: Match, lines: int) -> bool:
    """Whether what is inside leaves out what stands beside the requests, and has no more of these."""
    cut = 1 / lines if lines >= _SEVERAL else 0.0
    return _share(inside) + cut < _share(found) and inside.calls <= found.calls


def _share(match: Match) -> float:
    """How many of the lines are of the format, whatever that says of how sure it is."""
    return round(match.confidence / match.form.specificity, 3)


def _floor(found: Match | None, wrapper: Wrapper) -> float:
    """Below this confidence what is inside does not count against what was found."""
    return _ENOUGH if found is None or wrapper.taken == "always" else _GOOD


def _has_to_be_sure(wrapper: Wrapper, bare: bool) -> bool:
    """Whether, of as many requests, what is inside must not be less sure."""
    return not bare or wrapper.taken == "if no less sure"
