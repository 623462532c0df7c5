"""Cuts lines of a compiled layout: at their quotes, and what stands outside of these at spaces or another separator.

A line is plain if no other reading of it by the layout's pattern is possible: it has just the quotes of the layout and
as many words, and no value holds what could end it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial, reduce

import polars as pl

from authforensics.collect.assemble import column
from authforensics.collect.blocks import split
from authforensics.collect.compiled import IGNORED, SPACED, TIMES, Layout
from authforensics.collect.distinct import each_of
from authforensics.collect.splitting import columns, unescaped

#: What may stand between words, looked for in this order.
_SEPARATORS = (" | ", "\t", "; ", ";", "|", ", ", ",", " ")
#: Where the value of the list `a, b` or `a : b` goes on.
_GOES_ON = r"\s[,:]|[,:](?:\s|$)"
_ISO = ("time_iso8601",)
_ZONED = ("2025-12-25", "13:00:09", "+0900")
#: A time whose zone is a word of its own.
_ZONE_BEHIND = r"\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})? (?:[Zz]|UTC|GMT|[+-]\d{2}:?\d{2})(?:\s|$)"


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or the `count` words of a time: its variables, each with what stands before it, and what is last."""

    parts: tuple[tuple[str, str], ...]
    after: str
    count: int

    def has(self, names: Collection[str]) -> bool:
        """Whether one of these variables is in it."""
        return any(name in names for _, name in self.parts)

    def pattern(self, separator: str, last: bool) -> str:
        """What it looks like where no value can end at any other place."""
        made = ""
        follow = ([before for before, _ in self.parts] + [self.after])[1:]
        for (before, name), behind in zip(self.parts, follow, strict=True):
            ends = re.escape(separator.strip(" ") + behind[:1]) + (r"\[" if name == "remote_user" else "")
            value = " ".join([rf"[^\s{ends}]+"] * self.count)
            if name == "apache_time":
                value = r"\[" + " ".join([r"[^\s\]]+"] * self.count) + r"\]"
            elif name in TIMES and self.count > 1 and behind[:1] != "]":
                value = TIMES[name]
            elif name in SPACED:
                value = rf"[^\s,{ends}]+"
            elif last and not behind:
                value = rf"[^\s{ends}].*"
            elif separator.strip(" "):
                value = rf"[^\s{ends}](?:[^\n{ends}]*[^\s{ends}])?"
            made += re.escape(before) + f"({value})"
        return made + re.escape(self.after)

    def values(self, text: list[pl.Series], pattern: str) -> dict[str, pl.Series]:
        """The values of its variables in such words."""
        if len(self.parts) > 1:
            places = [str(place) for place in range(1, len(self.parts) + 1)]
            groups = each_of(text[0], partial(_groups, pattern=pattern), dict.fromkeys(places, pl.String())).struct
            return {name: groups.field(place) for place, (_, name) in zip(places, self.parts, strict=True)}
        ((before, name),) = self.parts
        text[0] = text[0].str.strip_prefix(before) if before else text[0]
        text[-1] = text[-1].str.strip_suffix(self.after) if self.after else text[-1]
        return {name: reduce(lambda left, right: left + " " + right, text)}


def _groups(values: pl.DataFrame, pattern: str) -> pl.DataFrame:
    return values.select(found=pl.col("value").str.extract_groups(f"^{pattern}$")).unnest("found")


@dataclass(frozen=True, slots=True)
class Piece:
    """What is before, between or behind the quotes of a line: its words, between these separators."""

    words: tuple[Word, ...]
    separator: str

    @property
    def bare(self) -> bool:
        """Whether all of it is the value of one variable."""
        return (
            len(self.words) == 1 and [before for before, _ in self.words[0].parts] == [""] and not self.words[0].after
        )

    def values(self, text: pl.Series) -> dict[str, pl.Series]:
        """The values of the variables in such texts."""
        if self.bare:
            return {self.words[0].parts[0][1]: text}
        fields = text.str.splitn(self.separator, sum(word.count for word in self.words)).struct
        found: dict[str, pl.Series] = {}
        place = 0
        for word in self.words:
            if any(name not in found and name != IGNORED for _, name in word.parts):
                own = [fields.field(f"field_{place + number}") for number in range(word.count)]
                found = word.values(own, word.pattern(self.separator, word is self.words[-1])) | found
            place += word.count
        return found

    def plain(self, text: pl.Series, quoted: bool, last: bool) -> pl.Series:
        """Which texts have these words and can't be read in another way."""
        if quoted and self.bare:
            return text.is_not_null()
        if not any(word.parts for word in self.words):
            return text == self.separator.join(word.after for word in self.words)
        words = [word.pattern(self.separator, last and word is self.words[-1]) for word in self.words]
        plain = text.str.contains(f"^{re.escape(self.separator).join(words)}$")
        if any(word.has(SPACED) for word in self.words):
            plain &= ~text.str.contains(_GOES_ON)
        if self.separator == " " and any(word.has(_ISO) and word.count < len(_ZONED) for word in self.words):
            plain &= ~text.str.contains(_ZONE_BEHIND)
        return plain


@dataclass(frozen=True, slots=True)
class Cut:
    """How lines of a layout are cut: every second piece is between quotes."""

    pieces: tuple[Piece, ...]

    def __call__(self, data: bytes, known: Iterable[str]) -> tuple[pl.DataFrame, pl.Series]:
        """The texts of these variables in the lines of a block, under `assemble`'s names, and which lines are plain."""
        quotes = len(self.pieces) - 1
        names = [str(place) for place in range(len(self.pieces))]
        lines = split(data)
        texts = columns(data, '"', names) if quotes else lines.to_frame("0")
        plain = unescaped(data, lines.str.count_matches('"', literal=True) == quotes if quotes else lines.is_not_null())
        found: dict[str, pl.Series] = {}
        for place, piece in enumerate(self.pieces):
            text = texts[names[place]]
            plain &= piece.plain(text, quoted=place % 2 == 1, last=place == quotes)
            found = piece.values(text) | found
        return pl.DataFrame({column(name): found[name] for name in known}), plain


def cut_of(layout: Layout, examples: Mapping[str, str]) -> Cut | None:
    """How to cut lines of a layout, of whose variables these are values; None if that can't be done."""
    texts: list[list[tuple[str, str | None]]] = [[]]
    for literal, name in layout.parts:
        *closed, rest = literal.split('"')
        for text in closed:
            texts[-1].append((text, None))
            texts.append([])
        texts[-1].append((rest, name))
    pieces = [_piece(text, examples) for text in texts]
    made = tuple(piece for piece in pieces if piece is not None)
    return Cut(made) if len(made) == len(pieces) and len(made) % 2 else None


def _piece(parts: Iterable[tuple[str, str | None]], examples: Mapping[str, str]) -> Piece | None:
    """A piece of literal texts, each with the variable behind it; None if its words can't be told apart."""
    parts = list(parts)
    separator = next((one for one in _SEPARATORS if any(one in literal for literal, _ in parts)), " ")
    words: list[list[tuple[str, str]]] = [[]]
    afters = [""]
    for literal, name in parts:
        first, *others = literal.split(separator)
        afters[-1] += first
        words += [[] for _ in others]
        afters += others
        if name is not None:
            if (words[-1] and not afters[-1]) or (name in SPACED and "," in separator):
                return None
            words[-1].append((afters[-1], name))
            afters[-1] = ""
    made = [
        Word(tuple(own), after, _count(own, after, separator, examples))
        for own, after in zip(words, afters, strict=True)
    ]
    return None if any(word.count > 1 and len(word.parts) > 1 for word in made) else Piece(tuple(made), separator)


def _count(parts: Iterable[tuple[str, str]], after: str, separator: str, examples: Mapping[str, str]) -> int:
    """How many words the value of a variable is."""
    return max(
        (
            1 + examples.get(name, "").count(" ")
            for before, name in parts
            if separator == " " and (name in TIMES or name == "apache_time" or (before[-1:], after[:1]) == ("[", "]"))
        ),
        default=1,
    )
