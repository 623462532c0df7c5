"""Which tokens have which lifetime, where one for all contradicts too many: by time, by platform, by app version.

A deploy that changes a lifetime changes that of tokens given from then on. A split is made where each part agrees on a
lifetime of its own, and these can't be the same; the best first, and each part is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

import polars as pl

from authforensics.diagnose.intervals import MIN_DEVICES, TOLERANCE, Interval, agree, at_least, best, best_of

#: Splits after splits: a change, its end, and one kind of client.
_DEPTH = 3
#: So many statements less must be contradicted for each part more.
_GAIN = 5
#: And the contradictions that are left are at most this share of those there were.
_REST = 0.5
#: Share of the tokens that may contradict without a reason: lines of a log get lost.
_NOISE = 0.005
#: Times of change tried at once; then again between the neighbours of the best. Of more tokens some stand for all.
_CUTS, _THINNED = 12, 10_000
#: Kinds of clients looked at: those with the most tokens.
_KINDS = 12
#: What a frame of tokens has beyond `intervals.TOKENS`.
_BY = ("platform", "app_version")


@dataclass(frozen=True)
class Part:
    """Tokens of one lifetime: given from `since` on and before `until`, to clients of these kinds; null, empty: all.

    `partial`: only to some of them, the others' live longer, and nothing tells them apart but that these were refused.
    `interval` is null where it was not seen to end: then tokens of several devices were accepted at `at_least`.
    """

    tokens: pl.DataFrame
    interval: Interval | None
    at_least: float | None
    since: datetime | None = None
    until: datetime | None = None
    platform: tuple[str, ...] = ()
    app_version: tuple[str, ...] = ()
    partial: bool = False


def parts(tokens: pl.DataFrame) -> list[Part]:
    """The parts, one where all have one lifetime.

    Args:
        tokens: see `intervals.TOKENS`; also `platform` and `app_version`.
    """
    return _split(_part(Part(tokens, None, None), tokens), _DEPTH)


def _part(whole: Part, tokens: pl.DataFrame) -> Part:
    """Some of the tokens of `whole`."""
    return replace(whole, tokens=tokens, interval=agree(tokens), at_least=at_least(tokens))


def _split(whole: Part, depth: int) -> list[Part]:
    _, cost = best(whole.tokens)
    if depth == 0 or cost < max(_GAIN, _NOISE * whole.tokens.height):
        return [whole]
    found = [*_by_time(whole), *(_by_kind(whole, by) for by in _BY), _by_outcome(whole)]
    priced = [(cost_of(one) + _GAIN * (len(one) - 1), one) for one in found if len(one) > 1 and _differ(one)]
    price, chosen = min(priced, key=lambda pair: pair[0], default=(cost, []))
    if price > _REST * cost:
        return [whole]
    return [smaller for part in chosen for smaller in _split(part, depth - 1)]


def cost_of(some: Sequence[Part]) -> int:
    """How many statements they contradict."""
    return sum(best(part.tokens)[1] for part in some)


def _differ(some: Sequence[Part]) -> bool:
    """Whether each has a lifetime, and none that of its neighbour; one without an end must outlive its neighbours."""
    if all(part.interval is None for part in some):
        return False
    for one, other in pairwise(some):
        if one.interval is not None and other.interval is not None:
            if not one.interval.apart(other.interval):
                return False
        elif not (_outlives(one, other) or _outlives(other, one)):
            return False
    return True


def _outlives(one: Part, other: Part) -> bool:
    """Whether tokens of one, which has no end, lived longer than those of the other."""
    if one.interval is not None or other.interval is None or one.at_least is None:
        return False
    return one.at_least > other.interval.high + TOLERANCE


def _by_time(whole: Part) -> Iterator[list[Part]]:
    """Before and after a change; and before, during and after what was changed back."""
    once = _cut(whole)
    if once:
        yield once
        first, second = once
        yield min(([*_cut(first), second], [first, *_cut(second)]), key=cost_of)


def _cut(whole: Part) -> list[Part]:
    """Before and after the time that leaves the fewest contradictions."""
    cut = _time_of_change(whole.tokens)
    if cut is None:
        return []
    later = (pl.col("given_at") >= cut).fill_null(value=False)
    return [
        replace(_part(whole, whole.tokens.filter(~later)), until=cut),
        replace(_part(whole, whole.tokens.filter(later)), since=cut),
    ]


def _time_of_change(tokens: pl.DataFrame) -> datetime | None:
    known = tokens.filter(pl.col("given_at").is_not_null()).sort("given_at", "accepted", "refused")
    known = known.gather_every(known.height // _THINNED + 1)
    times = known["given_at"].unique().sort()
    ages = [
        known.select("given_at", pl.col(name).alias("age")).drop_nulls().sort("age") for name in ("accepted", "refused")
    ]
    first, last, step, at = 0, len(times), len(times), 0
    while step > 1:
        step = max((last - first) // _CUTS, 1)
        costs = {place: _cost_of_cut(ages, times[place]) for place in range(first + step, last, step)}
        if not costs:
            break
        at = min(costs, key=lambda place: costs[place])
        first, last = at - step, min(at + step, last)
    return times[at] if at else None


def _cost_of_cut(ages: Sequence[pl.DataFrame], cut: datetime) -> int:
    """How many statements the lifetimes before and after a time contradict; `ages` in order."""
    later = [some["given_at"] >= cut for some in ages]
    sides = later, [~one for one in later]
    return sum(best_of(*(some["age"].filter(on) for some, on in zip(ages, side, strict=True)))[1] for side in sides)


def _by_kind(whole: Part, by: str) -> list[Part]:
    """By platform or version: kinds that may have the same lifetime are one part."""
    if getattr(whole, by):
        return []
    counts = whole.tokens.group_by(by).agg(pl.len(), pl.col("device_id").n_unique().alias("devices"))
    kinds = counts.filter(pl.col(by).is_not_null(), pl.col("devices") >= MIN_DEVICES).sort(
        "len", by, descending=[True, False]
    )[by]
    groups: list[tuple[Interval, list[str]]] = []
    for kind, interval in _each(whole.tokens, by, kinds.head(_KINDS).to_list()):
        same = next((names for known, names in groups if not known.apart(interval)), None)
        if same is None:
            groups.append((interval, [kind]))
        else:
            same.append(kind)
    if len(groups) < 2:
        return []
    some = []
    for number, (_, names) in enumerate(groups):
        mine = pl.col(by).is_in(names)
        if number == 0:  # most tokens: whoever says too little is taken for one of them
            mine = ~pl.col(by).is_in([name for _, others in groups[1:] for name in others])
        tokens = whole.tokens.filter(mine.fill_null(value=number == 0))
        part = _part(whole, tokens)
        told = tuple(sorted(names))
        some.append(replace(part, platform=told) if by == "platform" else replace(part, app_version=told))
    return some


def _by_outcome(whole: Part) -> list[Part]:
    """Devices that were refused, and those that never were: of kinds that nothing in the log tells apart."""
    if whole.partial:
        return []
    refused = whole.tokens.filter(pl.col("refused").is_not_null()).select("device_id").unique()
    mine, others = (whole.tokens.join(refused, on="device_id", how=how) for how in ("semi", "anti"))
    return [replace(_part(whole, mine), partial=True), _part(whole, others)]


def _each(tokens: pl.DataFrame, by: str, kinds: Sequence[str]) -> Iterator[tuple[str, Interval]]:
    for kind in kinds:
        interval = agree(tokens.filter(pl.col(by) == kind))
        if interval is not None:
            yield kind, interval
