"""Finds inputs that begin with lines that stand in another one, too, as exports do whose times overlap.

Identical lines by themselves mean nothing: a client may repeat itself. Lines count as shared only where all that one
input has from some place on, to its end or to that of the other, is what the other one begins with, byte by byte.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from authforensics.collect.compression import compressed, readable
from authforensics.collect.found import Found, Shared
from authforensics.collect.left_alone import by_name
from authforensics.parallel import in_order

#: How much is looked at to know how an input begins, and how a plain one ends.
_EDGE = 64 << 10
#: What is shared must hold so many different lines, and bytes: fewer may be alike by chance.
_LINES, _BYTES = 10, 1024
#: Places at which an input may begin in another one; text that returns more often has no times in it.
_PLACES = 64
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
#: Times of which the text tells which is earlier, whatever their zone: the same lines have the same times.
_ISO = re.compile(rb"(?P<year>[12]\d{3})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ](?P<clock>\d\d:\d\d:\d\d)")
_CLF = re.compile(rb"(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<clock>\d\d:\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class _Edge:
    """How an input begins: with a `header`, then comes `text`; when that was, and when the input ends, if known."""

    found: Found
    header: bytes
    text: bytes
    begins: bytes | None
    ends: bytes | None


def overlaps(found: Sequence[Found], copies: Mapping[str, str]) -> dict[str, Shared]:
    """Per input the lines at its beginning that another one of its system has, too. Each chain of them has an end.

    Args:
        found: all inputs.
        copies: those that are wholly in another one: they are passed over.
    """
    systems: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        if one.problem is None and one.source not in copies and by_name(one.path.name, one.named) is None:
            systems[one.system].append(one)
    shared: dict[str, Shared] = {}
    for inputs in systems.values():
        if len(inputs) > 1:
            edges = list(in_order(sorted(inputs, key=lambda one: one.source), _edge, pl.thread_pool_size()))
            for met in in_order(edges, partial(_held, edges=edges), pl.thread_pool_size()):
                for source, lines in met.items():
                    if source not in shared or shared[source].count < lines.count:
                        shared[source] = lines
    for source in sorted(shared):
        if _circular(source, shared):
            del shared[source]
    return shared


def _circular(source: str, shared: Mapping[str, Shared]) -> bool:
    """Whether the lines of an input would count in itself."""
    place = shared[source].original
    met = {source}
    while place in shared and place not in met:
        met.add(place)
        place = shared[place].original
    return place == source


def _edge(found: Found) -> _Edge:
    head = b""
    for data in readable(found.path):
        head += data
        if len(head) >= _EDGE:
            break
    lines = [line + b"\n" for line in head[:_EDGE].split(b"\n")[:-1]]
    begins = [_when(line) for line in lines[:_LINES]]
    first = next((number for number, when in enumerate(begins) if when), None)
    if first is None:
        first = next((number for number, line in enumerate(lines) if not line.startswith(b"#")), 0)
    when = begins[first] if first < len(begins) else None
    return _Edge(found, b"".join(lines[:first]), _start(lines[first:]), when, _end(found))


def _start(lines: Sequence[bytes]) -> bytes:
    """As much of these lines as doesn't come about by chance; nothing, if all of them might."""
    different: set[bytes] = set()
    size = 0
    for number, line in enumerate(lines, start=1):
        different.add(line)
        size += len(line)
        if len(different) >= _LINES and size >= _BYTES:
            return b"".join(lines[:number])
    return b""


def _end(found: Found) -> bytes | None:
    """The last time of a plain file; None if it isn't known."""
    try:
        if compressed(found.path):
            return None
        with found.path.open("rb") as file:
            file.seek(max(0, found.path.stat().st_size - _EDGE))
            return max(filter(None, map(_when, file.read(_EDGE).split(b"\n"))), default=None)
    except OSError:
        return None


def _when(line: bytes) -> bytes | None:
    """The first time in a line, so written that a later one is greater."""
    found = _ISO.search(line) or _CLF.search(line)
    if found is None:
        return None
    month = found["month"]
    number = _MONTHS.index(month) + 1 if month in _MONTHS else int(month) if month.isdigit() else 0
    return b"%b-%02d-%b %b" % (found["year"], number, found["day"], found["clock"])


def _held(edge: _Edge, edges: Sequence[_Edge]) -> dict[str, Shared]:
    """Which inputs begin with what one has from some place to its end, or to theirs."""
    wanted = [other for other in edges if other is not edge and other.text and _may_hold(edge, other)]
    found: dict[str, Shared] = {}
    tried: Counter[str] = Counter()
    for other, place in _places(edge.found, wanted):
        source = other.found.source
        tried[source] += 1
        # The first place has most in common.
        if source not in found and tried[source] <= _PLACES and (count := _common(edge.found, place, other)):
            found[source] = Shared(edge.found.source, other.header.count(b"\n") + 1, count)
    return found


def _may_hold(edge: _Edge, other: _Edge) -> bool:
    """Whether the beginning of another input is within the times of one."""
    if edge.begins is None or other.begins is None:
        return edge.begins is other.begins
    return edge.begins <= other.begins and (edge.ends is None or other.begins < edge.ends)


def _places(found: Found, wanted: Sequence[_Edge]) -> Iterator[tuple[_Edge, int]]:
    """Where in the content of an input others begin: bytes before it."""
    if not wanted:
        return
    longest = max(len(edge.text) for edge in wanted)
    held, before = b"", 0
    for data in readable(found.path):
        block = held + data
        for edge in wanted:
            place = block.find(edge.text)
            tries = 0
            while place >= 0 and tries < _PLACES:
                tries += 1
                # What ends in what was held has been found before.
                new = place + len(edge.text) > len(held)
                if new and ((place == 0 and before == 0) or block[place - 1 : place] == b"\n"):
                    yield edge, before + place
                place = block.find(edge.text, place + 1)
        held = block[-longest:]
        before += len(block) - len(held)


def _common(found: Found, place: int, other: _Edge) -> int:
    """How many lines an input has from a place on that another one begins with; 0 if neither has them to its end."""
    mine, its = _after(found, place), _after(other.found, len(other.header))
    left = right = b""
    count, last = 0, b""
    while True:
        left = left or next(mine, b"")
        right = right or next(its, b"")
        size = min(len(left), len(right))
        if not size:
            break
        if left[:size] != right[:size]:
            return 0
        count += left.count(b"\n", 0, size)
        last = left[size - 1 : size]
        left, right = left[size:], right[size:]
    whole = all(rest[:1] in {b"", b"\n"} for rest in (left, right))
    return count + (last != b"\n" and whole)


def _after(found: Found, place: int) -> Iterator[bytes]:
    for data in readable(found.path):
        if place < len(data):
            yield data[place:]
        place = max(0, place - len(data))
