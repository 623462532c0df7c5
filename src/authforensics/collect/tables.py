"""Reads tables that are written as text: a line of names, then values between separators, some of them in quotes.

Blocks are cut by polars' reader where every quote is closed in its line; other lines go through a pattern. Both give
the same. A value can't go on in the next line: who wrote the table knows where it begins, but no block does.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from authforensics.collect import synonyms
from authforensics.collect.assemble import assemble, column
from authforensics.collect.blocks import split
from authforensics.collect.format import Cutting, Settings

_SEPARATORS = "\t,;|"
_NAME = r"[A-Za-z_@#$][^\t,;|\"\d][^\t,;|\"]*|[A-Za-z_@#$][^\t,;|\"]?"
#: A line of names; a line of values has numbers: a time at least.
NAMES = rf"^\s*(?:\"?(?:{_NAME})\"?[\t,;|] ?){{2,}}\"?(?:{_NAME})\"?\s*$"
_FEW = "has fewer values than the table has columns"
_OPEN = "a quote is not closed, or closed within a value"


@dataclass(frozen=True, slots=True)
class Table:
    """The head of a table: its separator, and by the key that it is known by the place of each column that matters."""

    separator: str
    places: Mapping[str, int]
    width: int

    def parser(self, examples: Mapping[str, str], settings: Settings) -> Cutting:
        """A parser of its lines; `examples` are values by key."""
        keys = list(self.places)
        value = rf"(?:\"(?:[^\"]|\"\")*\"|[^\"{self.separator}][^{self.separator}]*|)"

        def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
            line = pl.col("line")
            cells = (self.separator + line).str.extract_all(f"[{self.separator}]{value}")
            whole = line.str.contains(f"^{value}(?:[{self.separator}]{value})*$")
            enough = cells.list.len() >= self.width
            head = line.str.contains(NAMES) | (line.str.strip_chars() == "")
            values = {column(key): _bare(cells.list.get(place, null_on_oob=True)) for key, place in self.places.items()}
            problem = pl.when(head).then(None).when(~whole).then(pl.lit(_OPEN)).when(~enough).then(pl.lit(_FEW))
            parts = lines.with_columns(matched=~head & whole & enough, problem=problem, **values)
            return assemble(parts, keys, examples, settings, messages=True)

        def cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series] | None:
            read = self._cut(data)
            if read is None:
                return None
            parts, plain = read
            known = parts.lazy().with_columns(matched=pl.lit(value=True), problem=pl.lit(None, pl.String))
            return assemble(known, keys, examples, settings, messages=True), plain

        return Cutting(parse, cut)

    def _cut(self, data: bytes) -> tuple[pl.DataFrame, pl.Series] | None:
        """The values of the lines of a block, and which lines are plain; None if it can't be cut."""
        lines = split(data)
        quoted = b'"' in data
        bare, plain = lines, ~lines.str.contains(NAMES)
        if quoted:
            value = rf"(?:\"(?:[^\"]|\"\")*\"|[^\"{self.separator}]*)"
            whole = lines.str.contains(f"^{value}(?:[{self.separator}]{value})*$")
            plain &= whole
            bare = lines.str.replace_all('"[^"]*"', "")
            if not whole.all():  # What isn't closed would go on in the next line.
                texts = lines.to_frame("line").select(pl.when(whole).then("line").otherwise(pl.lit("")))
                data = "\n".join(texts.to_series()).encode()
        plain &= bare.str.count_matches(self.separator, literal=True) >= self.width - 1
        names = {place: column(key) for key, place in self.places.items()}
        cells = pl.scan_csv(
            io.BytesIO(data),
            has_header=False,
            separator=self.separator,
            quote_char='"' if quoted else None,
            schema={names.get(place, f"piece {place}"): pl.String() for place in range(self.width)},
            infer_schema=False,
            empty_string_is_null=False,
            missing_columns="insert",
            extra_columns="ignore",
        )
        found = cells.select(names.values()).collect(engine="in-memory").rechunk()
        return (found, plain) if found.height == len(lines) else None


def table_of(sample: Sequence[str], settings: Settings) -> tuple[Table, dict[str, str]] | None:
    """The table that a file is, and a value of each of its columns; None if its first line doesn't say so."""
    head = sample[0] if sample else ""
    if not re.match(NAMES, head):
        return None
    separator = max(_SEPARATORS, key=head.count)
    names = _row(head, separator)
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        key = _key(name, settings)
        if key is not None:
            places.setdefault(key, place)
    told = synonyms.matching(places)
    if not synonyms.times_in(places) or not {"status", "message", "error", "reason"} & {*told}:
        return None
    table = Table(separator, places, len(names))
    return table, _examples(table, sample[1:])


def _examples(table: Table, lines: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        row = _row(line, table.separator)
        for key, place in table.places.items():
            if place < len(row) and row[place] not in {"", "-"}:
                found.setdefault(key, row[place])
    return found


def _row(line: str, separator: str) -> list[str]:
    try:
        return [value.strip() for value in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def _key(name: str, settings: Settings) -> str | None:
    """The key that a column is known by: its name in small letters, with its unit; None if it means nothing."""
    if name == settings.device_field:
        return name
    plain, _, unit = name.partition("(")
    folded = re.sub(r"[\s/-]+", "_", plain.strip().lstrip("@#$").lower())
    for known in (f"{folded}_{unit.strip(' )').lower()}", folded, plain.strip(), name):
        if synonyms.wanted(known):
            return known
    return None


def _bare(cell: pl.Expr) -> pl.Expr:
    """A value without the separator before it and the quotes around it."""
    value = cell.str.slice(1)
    quoted = value.str.starts_with('"')
    inner = value.str.slice(1).str.head(-1).str.replace_all('""', '"', literal=True)
    return pl.when(quoted).then(inner).otherwise(value)
