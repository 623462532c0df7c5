"""Measures how far a line is one of a format that doesn't take it, whatever the format is made of.

The beginnings of the line are put before the ends of lines that the format is known to take, its samples: the longest
beginning that becomes a line of the format so, is how far it goes. Of a layout that the caller declared, which has no
samples, the longest part of its pattern that matches tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from authforensics.collect.compiled import BEHIND, compile_layout
from authforensics.collect.format import Format, Parser, Settings

#: Beyond this many characters a line is not looked at.
_LONGEST = 8_000
#: Characters of beginnings and ends that are parsed in one go, about; and the fewest beginnings.
_ROOM, _FEWEST = 600_000, 3
#: Where a line may well be cut: before a word, a space, a mark.
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_VARIABLE = re.compile(r"\(\?P<(\w+)>")
_ATOM = re.compile(r"\\.\+?|.", re.DOTALL)
#: Parentheses, and all that may hold one that is none.
_BRACKETS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reach:
    """How many characters of a line fit, and what a line of the format goes on with there."""

    characters: int
    wanted: str


def reach(form: Format, line: str, settings: Settings) -> Reach | None:
    """How far a line goes; None: there is nothing to measure it by."""
    line = line[:_LONGEST]
    if form.name == "log_format" and settings.log_format is not None:
        return _by_pattern(line, settings.log_format)
    if not form.samples:
        return None
    parser = form.prepare([line, *form.samples], settings) or form.prepare(form.samples, settings)
    if parser is None:
        return None
    taken = _taken(parser, pl.Series(form.samples, dtype=pl.String))
    samples = [sample for sample, good in zip(form.samples, taken, strict=True) if good]
    return _by_samples(parser, samples, line) if samples else None


def _taken(parser: Parser, lines: pl.Series) -> pl.Series:
    """Which lines a parser takes, with a time where it says any."""
    numbers = pl.int_range(1, len(lines) + 1, dtype=pl.UInt32, eager=True)
    parsed = parser(pl.LazyFrame({"line_number": numbers, "line": lines}))
    present = parsed.collect_schema().names()
    good = pl.col("matched").fill_null(value=False)
    good = good & pl.col("problem").is_null() if "problem" in present else good
    good = good & pl.col("time").is_not_null() if "time" in present else good
    return parsed.select(good=good).collect(engine="in-memory")["good"]


def _by_samples(parser: Parser, samples: Sequence[str], line: str) -> Reach:
    """Narrows down between the longest beginning that is taken and the next one that isn't, word by word."""
    ends = _ends(samples)
    best, over, wanted = 0, len(line) + 1, samples[0]
    cuts = [*_cuts(line)[1:], len(line)]
    most = max(_FEWEST, _ROOM // (len(ends) * (len(line) + max(map(len, ends)) + 1)))
    while cuts:
        tried = _spread(cuts, most)
        found = _longest(parser, [line[:cut] for cut in tried], ends)
        place = -1
        if found is not None:
            place, wanted = found
            best = tried[place]
        over = tried[place + 1] if place + 1 < len(tried) else over
        cuts = [cut for cut in cuts if best < cut < over]
    return Reach(best, wanted)


def _ends(samples: Sequence[str]) -> list[str]:
    """What samples end with, the shortest of the first sample first."""
    starts = ([*_cuts(sample), len(sample)] for sample in samples)
    both = zip(samples, starts, strict=True)
    return list(dict.fromkeys(sample[start:] for sample, begun in both for start in reversed(begun)))


def _longest(parser: Parser, beginnings: Sequence[str], ends: Sequence[str]) -> tuple[int, str] | None:
    """The last of the beginnings that some end makes a line of, and the first such end."""
    lines = pl.Series([begun + end for begun in beginnings for end in ends], dtype=pl.String)
    good = _taken(parser, lines).arg_true()
    if not len(good):
        return None
    place = int(good[-1]) // len(ends)
    first = int(good.filter(good >= place * len(ends))[0])
    return place, ends[first - place * len(ends)]


def _cuts(text: str) -> list[int]:
    return [match.start() for match in _WORD.finditer(text)] or [0]


def _spread(cuts: Sequence[int], most: int) -> list[int]:
    """At most so many of the places, evenly, the last among them."""
    if len(cuts) <= most:
        return list(cuts)
    return sorted({cuts[(number + 1) * len(cuts) // most - 1] for number in range(most)})


def _by_pattern(line: str, log_format: str) -> Reach | None:
    layout = compile_layout(log_format)
    if layout.pattern is None:
        return None
    text = pl.Series([line], dtype=pl.String)
    pieces = list(_pieces(layout.pattern.removesuffix("$").removesuffix(BEHIND)))
    for count in range(len(pieces), 0, -1):
        begun = text.str.extract(f"({''.join(pieces[:count])})", 1)[0]
        if begun is not None:
            return Reach(len(begun), "".join(_readable(pieces[count:], layout.names)))
    return None


def _pieces(pattern: str) -> Iterator[str]:
    """A compiled layout, each variable and each character between them on its own."""
    start = 0
    while start < len(pattern):
        if pattern.startswith("(?P<", start):
            end = start + _closed(pattern[start:])
        else:
            match = _ATOM.match(pattern, start)
            end = match.end() if match else start + 1
        yield pattern[start:end]
        start = end


def _closed(pattern: str) -> int:
    """Where the group ends that a pattern begins with."""
    depth = 0
    for match in _BRACKETS.finditer(pattern):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    return len(pattern)


def _readable(pieces: Sequence[str], names: Mapping[str, str]) -> Iterator[str]:
    """What stands before the next variable, and that."""
    for piece in pieces:
        if (variable := _VARIABLE.match(piece)) is not None:
            yield f"${names[variable[1]]}"
            return
        yield " " if piece == r"\s+" else piece.removeprefix("\\")
