"""Decodes lines that are JSON objects into the texts at some places in them: one by one, or a block at a time."""

from __future__ import annotations

import io
import secrets
from collections.abc import Container, Sequence

import polars as pl
from polars._typing import PolarsDataType

from authforensics.collect.blocks import split
from authforensics.collect.json_repair import repaired
from authforensics.collect.requests import where

#: The keys that lead to a value. Behind `EACH` they are those of every object in a list.
Path = tuple[str, ...]
EACH = "*"

#: Bytes of lines that are decoded at a time: as much as stays near the processor, with the tree that is made of it.
_AT_A_TIME = 800_000
#: What no line can hold by chance, nor because somebody knew it: a mark of where a line begins.
_BEGIN = secrets.token_hex(8)
#: The first element of a list, as polars writes one, that is no list or object; and what begins as only a list does.
_FIRST = (
    r'^\[("(?:[^"\\]|\\["\\/bfnrt]|\\u00[0-9a-fA-F]{2})*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false)[,\]]'
)
_LIST = r"^\[(?:[\[\]{]|null)"


class Decoder:
    """Decodes lines into a struct of texts, one field a path, and `valid`.

    Args:
        paths: where the values are; a list behind `EACH` gives those of all its objects, with spaces between them.
        lists: those of which the first element counts where they hold a list.
    """

    def __init__(self, paths: tuple[Path, ...], lists: Container[Path] = ()) -> None:
        self._schema = _nested([(path, pl.String()) for path in paths])
        self._select = [_text(path, path in lists).alias(".".join(path)) for path in paths]
        whole = [(path, pl.List(pl.String()) if path in lists else pl.String()) for path in paths]
        self._object = pl.Struct({_BEGIN: pl.UInt8(), **_nested(whole)})
        self._take = [_element(path, path in lists).alias(".".join(path)) for path in paths]
        # To read objects within objects takes polars' reader of lines several times as long as its decoder.
        self._deep = any(len(path) > 1 for path in paths)
        self._fields: dict[str, PolarsDataType] = {".".join(path): pl.String() for path in paths}
        self._fields["valid"] = pl.Boolean()
        self.dtype = pl.Struct(self._fields)

    def block(self, data: bytes) -> pl.DataFrame | None:
        """The texts of each line, if all are JSON or blank; a column a path. No line for blank ones."""
        decoded = self._decoded(split(data)) if self._deep else None
        return self._scanned(data) if decoded is None else decoded

    def batch(self, lines: pl.Series) -> pl.Series:
        """The struct of each line; all null and not valid where the line is no JSON object."""
        objects = lines.str.contains(r"^\s*\{")
        decoded = self._try(lines if objects.all() else lines.filter(objects))
        if decoded is None:
            lines = lines.zip_with(_whole(lines) | ~objects, repaired(lines))
            decoded = self._try(lines if objects.all() else lines.filter(objects))
        if decoded is None:
            objects &= _whole(lines)
            decoded = self._halves(lines.filter(objects))
        if decoded.height == len(lines):
            return decoded.to_struct(lines.name)
        places = objects.arg_true().alias("place")
        every = pl.int_range(len(lines), dtype=pl.UInt32, eager=True).alias("place").to_frame()
        decoded = decoded.with_columns(places.cast(pl.UInt32))
        spread = every.join(decoded, on="place", how="left", maintain_order="left").drop("place")
        return spread.with_columns(pl.col("valid").fill_null(value=False)).to_struct(lines.name)

    def _halves(self, lines: pl.Series) -> pl.DataFrame:
        # Lines that one JSON reader of polars takes and the other refuses are found by halving.
        decoded = self._try(lines)
        if decoded is not None:
            return decoded
        if len(lines) == 1:
            return pl.DataFrame([dict.fromkeys(self._fields) | {"valid": False}], schema=self._fields)
        middle = len(lines) // 2
        return pl.concat([self._halves(lines[:middle]), self._halves(lines[middle:])])

    def _try(self, lines: pl.Series) -> pl.DataFrame | None:
        if lines.is_empty():
            return pl.DataFrame(schema=self._fields)
        decoded = self._decoded(lines) if self._deep else None
        if decoded is None:
            decoded = self._lines_scanned(lines)
        return None if decoded is None else decoded.with_columns(valid=pl.lit(value=True))

    def _decoded(self, lines: pl.Series) -> pl.DataFrame | None:
        """The texts of lines that are objects, as `_scanned` gives them; None if many of them are something else."""
        if lines.is_empty() or not lines.str.starts_with("{").all():
            return None
        size = max(1, len(lines) * _AT_A_TIME // max(int(lines.str.len_bytes().sum()), 1))
        parts: list[pl.DataFrame] = []
        alike: list[pl.Series] = []
        for start in range(0, len(lines), size):
            some = lines.slice(start, size)
            if (objects := self._objects(some)) is not None:
                alike.append(objects)
                continue
            scanned = self._lines_scanned(some) if alike or parts else None
            if scanned is None:
                return None
            parts += [*self._taken(alike), scanned]
            alike = []
        return pl.concat([*parts, *self._taken(alike)], rechunk=True)

    def _objects(self, lines: pl.Series) -> pl.Series | None:
        """Some objects; None if one of them has a value of another type, or is no object."""
        marked = pl.select(pl.lit(f'{{"{_BEGIN}":1,') + lines.str.slice(1)).to_series()
        try:
            objects = marked.str.json_decode(self._object)
        except pl.exceptions.PolarsError:
            return None
        # They are decoded as the elements of one list, of which a line may hold two, or half of one.
        whole = len(objects) == len(lines) and not objects.struct.field(_BEGIN).null_count()
        return objects if whole else None

    def _taken(self, objects: list[pl.Series]) -> list[pl.DataFrame]:
        """The texts of objects."""
        return [pl.concat(objects, rechunk=True).struct.unnest().select(self._take)] if objects else []

    def _lines_scanned(self, lines: pl.Series) -> pl.DataFrame | None:
        buffer = io.BytesIO()
        lines.to_frame("line").write_csv(buffer, include_header=False, quote_style="never")
        decoded = self._scanned(buffer.getvalue())
        return decoded if decoded is not None and decoded.height == len(lines) else None

    def _scanned(self, data: bytes) -> pl.DataFrame | None:
        try:
            lines = pl.scan_ndjson(io.BytesIO(data), schema=self._schema, ignore_errors=True)
            # In one piece: to work with many small ones takes several times as long.
            return lines.select(self._select).collect(engine="streaming").rechunk()
        except pl.exceptions.PolarsError:
            return None


def readable(key: str) -> bool:
    """Whether a key of a log is no pattern to polars, which reads `*` and `^...$` as the keys that fit them."""
    return key != EACH and not (key.startswith("^") and key.endswith("$"))


def _whole(lines: pl.Series) -> pl.Series:
    """Which lines are JSON."""
    return lines.to_frame("line").select(pl.col("line").str.json_path_match("$").is_not_null()).to_series()


def _nested(leaves: Sequence[tuple[Path, PolarsDataType]]) -> dict[str, PolarsDataType]:
    """The types of what objects hold, from those of some values, each with its path in them."""
    inner: dict[str, list[tuple[Path, PolarsDataType]]] = {}
    for (key, *rest), dtype in leaves:
        inner.setdefault(key, []).append((tuple(rest), dtype))
    return {key: _type(own) for key, own in inner.items()}


def _type(leaves: Sequence[tuple[Path, PolarsDataType]]) -> PolarsDataType:
    ((rest, dtype), *others) = leaves
    if not rest and not others:
        return dtype
    if rest[:1] == (EACH,):
        return pl.List(_type([(own[1:], dtype) for own, dtype in leaves]))
    return pl.Struct(_nested(leaves))


def _leaf(path: Path) -> pl.Expr:
    expression = pl.col(path[0])
    for place, key in enumerate(path[1:], 1):
        if key == EACH:
            inner = pl.element()
            for name in path[place + 1 :]:
                inner = inner.struct.field(name)
            return expression.list.eval(inner).list.join(" ")
        expression = expression.struct.field(key)
    return expression


def _element(path: Path, is_list: bool) -> pl.Expr:
    """The text at a path whose lists are lists."""
    return _leaf(path).list.first() if is_list else _leaf(path)


def _text(path: Path, is_list: bool) -> pl.Expr:
    """The same where lists are texts, too."""
    value = _leaf(path)
    return value.map_batches(_firsts, pl.String) if is_list else value


def _firsts(values: pl.Series) -> pl.Series:
    return where(values, r"^\[", _first)


def _first(lists: pl.Series) -> pl.Series:
    first = lists.str.extract(_FIRST).str.json_decode(pl.String)
    return first.fill_null(lists.set(lists.str.contains(_LIST), None))
