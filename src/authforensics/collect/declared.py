"""Reads lines whose fields a line of the file itself declares, as `#Fields:` does, anew wherever they change.

Where none stands above them (a file that was rotated or forwarded), lines follow one of those that the sample of the
file has, or a usual one: the first that they fit, by the number of their values and what these look like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from authforensics.collect.format import Cutting
from authforensics.collect.splitting import columns

#: The names of the values of a line, in their order.
Names = tuple[str, ...]
_AFTER = "after the last"
#: A block that has more declarations than this isn't cut; what has fewer or more names than this declares nothing.
_MOST = 100
_FEWEST_NAMES, _MOST_NAMES = 4, 300
_TOO_MANY = f"stands below more than {_MOST} different lines of fields"
_UNFIT = "its values are not those that the line of fields above it declares"


def field(name: str) -> str:
    """The column of the values of a field: no canonical column is called so."""
    return f"field {name}"


def declared_in(sample: Sequence[str], begins: str) -> tuple[Names, ...]:
    """The declarations that a sample of lines has, each once."""
    found = (_names(line.removeprefix(begins)) for line in sample if line.startswith(begins))
    return tuple(dict.fromkeys(filter(None, found)))


@dataclass(frozen=True, slots=True)
class Declared:
    """A file with lines of declared fields.

    Attributes:
        begins: what a declaration begins with.
        separator: what stands between values.
        known: the declarations that lines may follow if none stands above them, the likeliest first.
        shapes: what the values of a field look like, by its name.
        wanted: whether `say` wants the values of a field.
        say: the columns of `format.PARSED`, save `matched`, for lines with a column of each wanted name.
    """

    begins: str
    separator: str
    known: tuple[Names, ...]
    shapes: Mapping[str, str]
    wanted: Callable[[str], bool]
    say: Callable[[pl.LazyFrame, Names], pl.LazyFrame]

    def parser(self) -> Cutting:
        """A parser of its lines."""
        return Cutting(self._parse, self._cut)

    def _parse(self, lines: pl.LazyFrame) -> pl.LazyFrame:
        frame = lines.with_row_index("row").collect()
        own, line = frame.columns, frame["line"]
        heads = line.str.starts_with(self.begins)
        above = frame.select(pl.when(heads).then("line").forward_fill()).to_series()
        left = ~line.str.starts_with("#") & (line.str.strip_chars() != "")
        parts = self._follow(frame.filter(left & above.is_null()), self.known, None)
        declared = line.filter(heads).unique(maintain_order=True)
        for head in declared.head(_MOST):
            names = _names(head.removeprefix(self.begins))
            mine = frame.filter(left & (above == head).fill_null(value=False))
            parts += self._follow(mine, (names,) if names else (), _UNFIT)
        rest = frame.filter(left & above.is_in(declared.slice(_MOST).implode()).fill_null(value=False))
        parts += self._follow(rest, (), _TOO_MANY)
        parts.append(frame.filter(~left).lazy().with_columns(matched=pl.lit(value=False)))
        kept = [name for name in own if name != "row"]
        return pl.concat(parts, how="diagonal_relaxed").sort("row").select(*kept, pl.exclude(own))

    def _follow(self, frame: pl.DataFrame, choices: Sequence[Names], problem: str | None) -> list[pl.LazyFrame]:
        """Lines, each as the first of the declarations says that it fits: exactly, or with values behind."""
        own = frame.columns
        parts = []
        for exact, names in [(exact, names) for exact in (True, False) for names in choices]:
            if frame.is_empty():
                break
            values = _values(frame, self.separator, self._columns(names))
            fits = self._fits(values, names, exact=exact)
            parts.append(self._said(values.filter(fits).lazy(), names, own))
            frame = frame.filter(~fits)
        rejected = frame.lazy().with_columns(matched=pl.lit(value=False), problem=pl.lit(problem, pl.String))
        return [*parts, rejected]

    def _cut(self, data: bytes) -> tuple[pl.LazyFrame, pl.Series] | None:
        heads = _heads(data, self.begins.encode())
        if heads is None:
            return None
        declared = {_names(head) for _, head in heads}
        names = declared.pop() if declared else self._likeliest(_first_line(data))
        if declared or not names:
            return None
        values = columns(data, self.separator, self._columns(names))
        plain = self._fits(values, names, exact=True)
        if heads and self._with(len(names)) != names:
            plain &= pl.int_range(values.height, eager=True) >= data.count(b"\n", 0, heads[0][0])
        return self._said(values.lazy(), names, ()), plain

    def _likeliest(self, line: str) -> Names:
        """The declaration that a block without any may follow, by its first line."""
        return self._with(line.count(self.separator) + 1)

    def _with(self, count: int) -> Names:
        """The likeliest declaration of so many values."""
        return next((names for names in self.known if len(names) == count), ())

    def _fits(self, values: pl.DataFrame, names: Names, *, exact: bool) -> pl.Series:
        """Which lines have as many values as names (or more, if not `exact`), that look as they should."""
        fits = (values[field(names[-1])] != "") & ~values[field(names[0])].str.starts_with("#")
        if exact:
            fits &= values[_AFTER] == ""
        for name in names:
            if name in self.shapes:
                fits &= values[field(name)].str.contains(self.shapes[name])
        return fits

    def _columns(self, names: Names) -> list[str | None]:
        """Columns for the values that are looked at, and for what comes after the last."""
        kept = {names[0], names[-1], *filter(self.wanted, names), *self.shapes}
        return [*(field(name) if name in kept else None for name in names), _AFTER]

    def _said(self, values: pl.LazyFrame, names: Names, own: Sequence[str]) -> pl.LazyFrame:
        said = self.say(values, names).with_columns(matched=pl.lit(value=True), problem=pl.lit(None, pl.String))
        taken = filter(None, self._columns(names))
        return said.select(*own, pl.exclude([*own, *taken]))


def _names(text: str) -> Names:
    """The names that a declaration lists; one that comes again is told apart. None if it can't be meant."""
    names: dict[str, None] = {}
    for name in text.split()[: _MOST_NAMES + 1]:
        names[name if name not in names else f"{name} {len(names)}"] = None
    return tuple(names) if _FEWEST_NAMES <= len(names) <= _MOST_NAMES else ()


def _values(frame: pl.DataFrame, separator: str, names: Sequence[str | None]) -> pl.DataFrame:
    """Lines with their values, as `columns` has them."""
    pieces = frame["line"].str.splitn(separator, len(names) + 1).struct
    return frame.with_columns(
        pieces.field(f"field_{place}").fill_null("").alias(name) for place, name in enumerate(names) if name
    )


def _heads(data: bytes, begin: bytes) -> list[tuple[int, str]] | None:
    """Where in a block declarations begin, and what they list; None if they are too many."""
    found: list[tuple[int, str]] = []
    place = 0 if data.startswith(begin) else data.find(b"\n" + begin) + 1
    while place or (not found and data.startswith(begin)):
        if len(found) == _MOST:
            return None
        found.append((place, _first_line(data[place + len(begin) :])))
        place = data.find(b"\n" + begin, place) + 1
    return found


def _first_line(data: bytes) -> str:
    end = data.find(b"\n")
    return (data if end < 0 else data[:end]).rstrip(b"\r").decode()
