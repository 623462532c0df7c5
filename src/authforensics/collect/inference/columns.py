"""Takes lines of an unknown layout apart: what stands in every line, and the columns of values between.

Nothing is known of the lines but that they were written by one statement: they are split where most of them have as
many pieces, at tabs, bars, semicolons, commas or spaces outside of quotes and brackets, and the pieces again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from authforensics.collect.inference import looks
from authforensics.collect.synonyms import wanted

#: The share of lines that must have the same pieces, of whole lines and of what is within them.
_LINES, _WITHIN = 0.6, 0.95
_SEPARATORS = ("\t", "|", ";", ",", " ")
_ENCLOSING = {"[": "]", "(": ")", "<": ">", "{": "}"}
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_BRACKETED = r"\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}"


def _piece(separator: str, time: str) -> re.Pattern[str]:
    return re.compile(rf"(?:(?<![^\s\[(|;,=])(?:{time})|{_QUOTED}|{_BRACKETED}|[^{separator}])*")


#: What stands between separators.
_PIECES = {separator: _piece(separator, looks.TIME) for separator in _SEPARATORS}
_PARTED = _piece(",", looks.TIME_BEFORE_COMMA)
_KEY = re.compile(r"([A-Za-z_][\w.-]{0,40})(=|: ?)(?!//)")
#: Brackets within brackets go this deep.
_DEEPEST = 6


@dataclass(slots=True)
class Column:
    """What stands in one place of each line.

    Attributes:
        values: by line.
        key: what stands before it and says what it is.
        quoted: whether quotes enclose it.
        kind: what its values are, if they tell.
        unit: of a number, if that stands behind.
    """

    values: list[str]
    key: str | None = None
    quoted: bool = False
    kind: str | None = field(init=False)
    unit: str | None = None

    def __post_init__(self) -> None:
        self.kind = looks.kind_of(self.values)


#: Text that every line has, and columns.
Part = str | Column


def parts_of(lines: Sequence[str]) -> tuple[list[Part], list[int]]:
    """The parts of which most lines consist, and which lines those are; no parts if they have nothing in common."""
    split = _split(list(lines), _LINES)
    if split is None:
        return [], []
    separator, kept, pieces = split
    parts: list[Part] = []
    for place, values in enumerate(pieces):
        if place:
            parts.append(separator)
        parts += _taken_apart(values, None, _DEEPEST)
    return _worded(parts), kept


def _taken_apart(values: list[str], key: str | None, depth: int) -> list[Part]:
    """The parts of what stands in one place."""
    bare = [value.strip(" ") for value in values]
    if bare != values:
        return _spaced(values, bare, key, depth)
    column = Column(values, key)
    if column.kind == "call":
        return _call(values)
    if column.kind is not None or depth <= 0:
        return [column]
    first, last = values[0][:1], values[0][-1:]
    if all(re.fullmatch(_QUOTED, value) for value in values):
        return ['"', *_in_quotes([value[1:-1] for value in values], key, depth - 1), '"']
    if _ENCLOSING.get(first) == last and all(value[:1] == first and value[-1:] == last for value in values):
        return [first, *_taken_apart([value[1:-1] for value in values], key, depth - 1), last]
    named = _named(values)
    if named is not None:
        length, name = named
        return [values[0][:length], *_taken_apart([value[length:] for value in values], name, depth - 1)]
    split = _split(values, _WITHIN)
    if split is None or len(split[1]) != len(values):
        return [column]
    separator, _, pieces = split
    parts: list[Part] = []
    for place, piece in enumerate(pieces):
        parts += ([separator] if place else []) + _taken_apart(piece, None, depth - 1)
    return parts


def _spaced(values: list[str], bare: list[str], key: str | None, depth: int) -> list[Part]:
    """The parts of what has spaces around it, as there are around ` | `; some lines only: they belong to the value."""
    before = all(value.startswith(" ") for value in values)
    behind = all(value.endswith(" ") and value.strip(" ") for value in values)
    if not before and not behind:
        return [Column(values, key)]
    inner = bare if before and behind else [value.lstrip(" ") if before else value.rstrip(" ") for value in values]
    return [*([" "] if before else []), *_taken_apart(inner, key, depth - 1), *([" "] if behind else [])]


def _in_quotes(values: list[str], key: str | None, depth: int) -> list[Part]:
    """The parts of what stands in quotes: one value, save a time in brackets and a request without its protocol."""
    column = Column(values, key, quoted=True)
    if column.kind is None and all(value[:1] == "[" and value[-1:] == "]" for value in values):
        return _taken_apart(values, key, depth)
    return _call(values) if column.kind == "call" else [column]


def _call(values: list[str]) -> list[Part]:
    """A request without its protocol."""
    method, target = zip(*(value.partition(" ")[::2] for value in values), strict=True)
    return [Column(list(method)), " ", Column(list(target))]


def _named(values: list[str]) -> tuple[int, str] | None:
    """The key that all values begin with, and how long it is with what follows."""
    match = _KEY.match(values[0])
    if match is None or not all(value.startswith(match[0]) for value in values):
        return None
    return (match.end(), match[1]) if match[2] == "=" or wanted(match[1]) else None


def _split(values: list[str], least: float) -> tuple[str, list[int], list[list[str]]] | None:
    """The separator at which most values have the same number of pieces, which values those are, and the pieces."""
    best: tuple[str, list[int], list[list[str]]] | None = None
    for separator in _SEPARATORS:
        if sum(separator in value for value in values) < least * len(values):
            continue
        piece = _PARTED if separator == "," and looks.parted(values) else _PIECES[separator]
        pieces = [_pieces(value, separator, piece) for value in values]
        (count, times), *_ = Counter(map(len, pieces)).most_common(1)
        if count < 2 or times < least * len(values) or (best is not None and times <= len(best[1])):
            continue
        kept = [place for place, found in enumerate(pieces) if len(found) == count]
        best = separator, kept, [list(column) for column in zip(*(pieces[place] for place in kept), strict=True)]
        if times == len(values):
            break
    return best


def _pieces(text: str, separator: str, piece: re.Pattern[str]) -> list[str]:
    """Text cut at a separator outside of quotes, brackets and times; several spaces are one."""
    found: list[str] = []
    place = 0
    while True:
        match = piece.match(text, place)
        assert match is not None
        found.append(match[0])
        place = match.end() + 1
        if place > len(text):
            return found
        while separator == " " and text[place : place + 1] == " ":
            place += 1


def _worded(parts: list[Part]) -> list[Part]:
    """The parts, with words that every line has in one place taken for what they are: names of what follows, units."""
    found: list[Part] = []
    columns = [(place, part) for place, part in enumerate(parts) if isinstance(part, Column)]
    following = {place: after for (place, _), (_, after) in pairwise(columns)}
    preceding = {place: before for (_, before), (place, _) in pairwise(columns)}
    for place, part in enumerate(parts):
        if isinstance(part, str):
            found.append(part)
            continue
        word = part.values[0]
        constant = part.kind is None and not part.quoted and len(part.values) > 1 and len(set(part.values)) == 1
        before, after = preceding.get(place), following.get(place)
        if constant and word in looks.UNITS and before is not None and before.kind in looks.NUMBERS:
            before.unit = word
            found.append(word)
        elif constant and after is not None and after.kind is not None and after.key is None and looks.names(word):
            after.key = word.rstrip(":=")
            found.append(word)
        elif constant and word and "$" not in word and not any(char.isalnum() for char in word) and word != "-":
            found.append(word)
        else:
            found.append(part)
    return found
