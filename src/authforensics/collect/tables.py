"""Reads tables that are written as text: a line of names, then values between separators, some of them in quotes.

Blocks are cut by polars' reader where every quote is closed in its line; other lines go through a pattern. Both give
the same. A value can't go on in the next line: who wrote the table knows where it begins, but no block does.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import polars as pl

from authforensics.collect import synonyms
from authforensics.collect.assemble import assemble, column, units_in
from authforensics.collect.blocks import split
from authforensics.collect.compiled import IGNORED
from authforensics.collect.format import Cutting, Settings
from authforensics.collect.inference import named
from authforensics.collect.inference.columns import Column
from authforensics.collect.times import ZONE_UTC
from authforensics.collect.units import duration_in

_SEPARATORS = "\t,;|"
_NAME = r"(?:[^\W\d]|[@#$%*^&<>(){}!?/=~\[\]])(?:[^\t,;|\"\d][^\t,;|\"]*|[^\t,;|\"]?)"
#: A line of names; a line of values has numbers: a time at least. Rows may be numbered in a column without a name, as
#: pandas and R write them.
NAMES = rf"^\s*(?:(?:\"\")?[\t,;|] ?)?(?:\"?(?:{_NAME})\"?[\t,;|] ?){{2,}}\"?(?:{_NAME})\"?\s*$"
#: A column of Azure Monitor; what is in brackets behind a name, and the type that it puts behind one.
# Reference: https://learn.microsoft.com/azure/azure-monitor/logs/data-collector-api#record-type-and-properties
_AZURE = "timegenerated"
_UNIT, _TYPE = re.compile(r"\s*[(\[]\s*([^()\[\]]*?)\s*[)\]]\s*$"), re.compile(r"_[sdbgt]$")
#: Units of amounts that go without saying; with any other, unless it is known, it is not known how much there is.
_PLAIN_UNITS = {"", "b", "byte", "bytes", "ns", "us", "µs", "ms", "s", "msec", "millis", "milliseconds"}
_PLAIN_UNITS |= {"sec", "secs", "second", "seconds", "microseconds", "nanoseconds"}
#: What only CloudWatch Logs Insights calls columns: its times are UTC.
_INSIGHTS = {"@message", "@logStream", "@log", "@ptr"}
_STATUS = re.compile(r"\s*[0-9]{1,3}(?:\.0)?\s*")
#: Rows that are looked at for what their values tell, and the share of them that must have a value for each column.
_ROWS, _WHOLE = 150, 0.9
_FEW = "has fewer values than the table has columns"
_OPEN = "a quote is not closed, or closed within a value"


@dataclass(frozen=True, slots=True)
class Table:
    """The head of a table: its first line, its separator, and by its key the place of each column that matters.

    `told` are the names of those whose values alone say what they hold, by that as the configuration calls it.
    """

    head: str
    separator: str
    places: Mapping[str, int]
    width: int
    told: Mapping[str, str] = field(default_factory=dict)

    def parser(self, values: Mapping[str, Sequence[str]], settings: Settings) -> Cutting:
        """A parser of its lines; `values` are some of each column, by key."""
        keys = list(self.places)
        names, _ = _names(self.head)
        called = {key: names[place] for key, place in self.places.items()}
        # As Azure Monitor writes it: `TimeGenerated [UTC]`.
        timed = [called[key] for key in synonyms.times_in(keys)]
        utc = all(_unit(name) == "utc" for name in timed) or (
            timed == ["@timestamp"] and not _INSIGHTS.isdisjoint(names)
        )
        put_together = partial(
            assemble,
            keys=keys,
            examples={key: own[0] for key, own in values.items()},
            settings=replace(settings, tz="UTC") if utc else settings,
            messages=True,
            values=values,
        )

        def made(parts: pl.LazyFrame) -> pl.LazyFrame:
            told = put_together(parts)
            return told.with_columns(ZONE_UTC) if utc else told

        value = rf"(?:\"(?:[^\"]|\"\")*\"|[^\"{self.separator}][^{self.separator}]*|)"

        def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
            line = pl.col("line")
            cells = (self.separator + line).str.extract_all(f"[{self.separator}]{value}")
            whole = line.str.contains(f"^{value}(?:[{self.separator}]{value})*$")
            enough = cells.list.len() >= self.width
            bare = line.str.strip_chars()
            head = (bare == "") | (bare == self.head.strip())
            cleaned = {
                column(key): _bare(cells.list.get(place, null_on_oob=True)) for key, place in self.places.items()
            }
            problem = pl.when(head).then(None).when(~whole).then(pl.lit(_OPEN)).when(~enough).then(pl.lit(_FEW))
            # Values that look like names are still no names.
            parts = lines.with_columns(matched=~head, problem=problem, **cleaned)
            return made(parts)

        def cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series] | None:
            read = self._cut(data)
            if read is None:
                return None
            parts, plain = read
            known = parts.lazy().with_columns(matched=pl.lit(value=True), problem=pl.lit(None, pl.String))
            return made(known), plain

        return Cutting(parse, cut, units=units_in(keys, values, called), columns=self.told)

    def _cut(self, data: bytes) -> tuple[pl.DataFrame, pl.Series] | None:
        """The values of the lines of a block, and which lines are plain; None if it can't be cut."""
        lines = split(data)
        quoted = b'"' in data
        plain = ~lines.str.contains(NAMES)
        if self.separator == "\t":
            plain &= lines.str.strip_chars() != ""
        if quoted:
            value = rf"(?:\"(?:[^\"]|\"\")*\"|[^\"{self.separator}]*)"
            whole = lines.str.contains(f"^{value}(?:[{self.separator}]{value})*$")
            plain &= whole
            if not whole.all():  # What isn't closed would go on in the next line.
                texts = lines.to_frame("line").select(pl.when(whole).then("line").otherwise(pl.lit("")))
                data = "\n".join(texts.to_series()).encode()
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
        end = names.get(self.width - 1, f"piece {self.width - 1}")
        found = cells.select({*names.values(), end}).collect(engine="in-memory").rechunk()
        if found.height != len(lines):
            return None
        last = found[end].fill_null("")
        if not (last != "").all():  # It may be empty, or missing.
            bare = lines.str.replace_all('"[^"]*"', "") if quoted else lines
            plain &= bare.str.count_matches(self.separator, literal=True) >= self.width - 1
        return found.select(names.values()), plain


def table_of(sample: Sequence[str], settings: Settings) -> tuple[Table, dict[str, list[str]]] | None:
    """The table that a file is, and some values of each of its columns; None if its first line doesn't say so."""
    head = sample[0] if sample else ""
    if not re.match(NAMES, head):
        return None
    names, separator = _names(head)
    kept = names if settings.columns is None else settings.columns.kept(names)
    places: dict[str, int] = {}
    keys = [_key(name, settings) if name in kept else None for name in names]
    typed: list[str | None] = []
    if _AZURE in keys:
        bare = [
            _TYPE.sub("", name) if name in kept and key is None else "" for key, name in zip(keys, names, strict=True)
        ]
        typed = [_key(name, settings) for name in bare]
    # A name as it stands comes first.
    for own in (keys, typed):
        for place, key in enumerate(own):
            if key is not None:
                places.setdefault(key, place)
    named = [name if name in kept else "" for name in names]
    table = _with_code(Table(head, separator, places, len(names)), named, sample[1:])
    values = _values(table, sample[1:])
    if is_log(table.places, values):
        return table, values
    told = _by_values(table, names, sample[1:], settings) if settings.columns is None else None
    return None if told is None else (told, _values(told, sample[1:]))


def _by_values(table: Table, names: Sequence[str], lines: Sequence[str], settings: Settings) -> Table | None:
    """The table with the columns that values tell where names don't; None if these tell no requests for certain."""
    # As in what was put together of several exports, the line of names may come again.
    told_by = [line for line in lines[:_ROWS] if line.strip() not in {"", table.head.strip()}]
    rows = _whole_rows(told_by, table.separator, table.width)
    if not rows:
        return None
    keys = [_key(name, settings) for name in names]
    shown = [key or name for key, name in zip(keys, names, strict=True)]
    columns = [Column(list(own), name) for own, name in zip(zip(*rows, strict=True), shown, strict=True)]
    for one in columns:
        if one.kind == "call":  # A request line, though without its protocol.
            one.kind = "request"
    found = named(columns)
    if found is None:
        return None
    places = {key: place for place, key in enumerate(found) if key != IGNORED}
    places |= {key: place for key, place in table.places.items() if key == settings.device_field}
    told = {held: names[place] for key, place in places.items() if keys[place] is None and (held := _held(key))}
    return replace(table, places=places, told=told)


def _held(key: str) -> str | None:
    """What the configuration says of a column that is known by this key; None if it has no word for it."""
    if synonyms.times_in([key]):
        return "timestamp"
    field = next(iter(synonyms.matching([key])), None)
    return {"target": "path", "forwarded": None}.get(field, field) if field else None


def _with_code(table: Table, names: Sequence[str], lines: Sequence[str]) -> Table:
    """With the column `code` or `resultCode` as status, if it is that."""
    for place, name in enumerate(names):
        if not synonyms.is_code(name):
            continue
        values = _values(replace(table, places={**table.places, "code": place}), lines)
        # The line of names may come again, and lines may be cut off.
        codes = [code for code in values.get("code", ()) if code and not synonyms.is_code(code)]
        known = {key: values.get(key, []) for key in table.places}
        if synonyms.code_in({**known, "code": codes}) is not None:
            operation = synonyms.operation_in(name, names)
            called = {} if operation is None else {"route_key": names.index(operation)}
            return replace(table, places={**table.places, "status": place, **called})
    return table


def is_log(keys: Collection[str], values: Mapping[str, Sequence[str]]) -> bool:
    """Whether columns say when something happened, and what: a message, or the status of a request.

    Args:
        keys: what they are known by.
        values: some of their values.
    """
    told = synonyms.matching(keys)
    if not synonyms.times_in(keys):
        return False
    if {"message", "error", "reason"} & {*told}:
        return True
    statuses = [value for key in told.get("status", []) for value in values.get(key, ())]
    return "status" in told and (not statuses or any(map(_STATUS.fullmatch, statuses)))


def names_of(sample: Sequence[str]) -> list[str]:
    """What the columns of a table as text are called; empty if its first line doesn't say."""
    return _names(sample[0])[0] if sample and re.match(NAMES, sample[0]) else []


def columns_of(sample: Sequence[str]) -> list[str]:
    """What the columns of a table as text are called; empty if its rows don't have just these."""
    if not names_of(sample):
        return []
    names, separator = _names(sample[0])
    return names if _whole_rows(sample[1:_ROWS], separator, len(names)) else []


def _whole_rows(lines: Sequence[str], separator: str, width: int) -> list[list[str]]:
    """The rows that have a value for each column; none if not nearly all of these lines are such rows."""
    rows = [row for row in (_row(line, separator) for line in lines) if len(row) == width]
    return rows if len(rows) >= max(1, _WHOLE * len(lines)) else []


def _names(head: str) -> tuple[list[str], str]:
    """The names in the first line of a table, and what is between them."""
    separator = max(_SEPARATORS, key=head.count)
    return _row(head, separator), separator


def _values(table: Table, lines: Iterable[str]) -> dict[str, list[str]]:
    """The values of each column in some lines, by key; what is left of a line that was cut off says nothing."""
    found: dict[str, list[str]] = {}
    for row in (_row(line, table.separator) for line in lines):
        if len(row) < table.width:
            continue
        for key, place in table.places.items():
            if row[place] not in {"", "-"}:
                found.setdefault(key, []).append(row[place])
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
    if settings.columns is not None and name in settings.columns.known:
        return settings.columns.known[name]
    plain, unit = _UNIT.sub("", name).strip(), _unit(name)
    folded = re.sub(r"[\s/-]+", "_", plain.lstrip("@#$").lower())
    if unit and synonyms.wanted(f"{folded}_{unit}"):
        return f"{folded}_{unit}"
    known = next((known for known in (folded, plain, name) if synonyms.wanted(known)), None)
    return None if known and unit not in _PLAIN_UNITS and _is_amount(known) else known


def _is_amount(key: str) -> bool:
    return duration_in([key]) is not None or "bytes" in synonyms.matching([key])


def _unit(name: str) -> str:
    """What stands in brackets behind a name, in small letters."""
    match = _UNIT.search(name)
    return match[1].lower() if match else ""


def _bare(cell: pl.Expr) -> pl.Expr:
    """A value without the separator before it and the quotes around it."""
    value = cell.str.slice(1)
    quoted = value.str.starts_with('"')
    inner = value.str.slice(1).str.head(-1).str.replace_all('""', '"', literal=True)
    return pl.when(quoted).then(inner).otherwise(value)
