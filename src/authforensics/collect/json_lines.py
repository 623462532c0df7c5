"""Parses lines that are JSON objects: only the keys that carry something, tolerant of lines that are no JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import polars as pl

from authforensics.collect import synonyms, units
from authforensics.collect.assemble import assemble, column, units_in
from authforensics.collect.format import Cutting, Parser, Settings
from authforensics.collect.json_repair import repaired
from authforensics.collect.json_values import Decoder, Path, readable

_DEEPEST = 6
#: Keys that tell why something failed come late and seldom: read even if the sample lacks them.
_ALWAYS = (
    "msg",
    "message",
    "err",
    "error",
    "exception",
    "status",
    "sent_http_www_authenticate",
    "response_code_details",
)
#: What a key `code` is known by that is a status: `status` itself comes first, in lines that have it.
_CODE = "response_code"
#: What a key is known by that names operations with their method.
_OPERATION = "route_key"
#: Keys that name what was called: with one of them in the same object a code is that of the answer.
_CALLED = frozenset({"request", "method", "request_method", "http_method"})
#: The share of the objects that must have it.
_MOST = 0.8


@dataclass(slots=True)
class _Keys:
    """What the keys of a sample hold: leaves with an example each, and which of them are lists."""

    leaves: Counter[Path] = field(default_factory=Counter)
    objects: Counter[Path] = field(default_factory=Counter)
    lists: set[Path] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    values: dict[Path, list[str]] = field(default_factory=dict)

    def add(self, value: object, path: Path = ()) -> None:
        if isinstance(value, dict) and len(path) < _DEEPEST:
            self.objects[path] += 1
            for key, inner in value.items():
                if readable(key):
                    self.add(inner, (*path, key))
            return
        self.leaves[path] += 1
        if isinstance(value, list):
            self.lists.add(path)
        if value not in (None, ""):
            self.values.setdefault(path, []).append(str(value))

    def add_line(self, line: str) -> bool:
        """Add those of a line, if it is a JSON object."""
        value = _load(line) if "{" in line else None
        if isinstance(value, dict):
            self.add(value)
            if not value.keys().isdisjoint(_CALLED):
                self.answers.update(key for key in value if synonyms.is_code(key))
        return isinstance(value, dict)

    def paths(self, known: Mapping[str, str]) -> list[Path]:
        """The leaves that carry something, and are no objects more often than not."""
        paths = [path for path in self.leaves if path and self._carries(".".join(path), known)]
        kept = [path for path in paths if self.leaves[path] >= self.objects[path] and not self._inside_leaf(path)]
        return kept + [(key,) for key in _ALWAYS if not self.leaves[(key,)] and not self.objects[(key,)]]

    def code(self, values: Mapping[str, Sequence[str]]) -> Path | None:
        """The key `code` if it is the status of requests, in objects that have these `values` of other keys."""
        own = {path[0]: codes for path, codes in self.values.items() if len(path) == 1 and synonyms.is_code(path[0])}
        # Each row of a table has it; in a log that numbers its errors those lines alone, unless they name the request.
        whole = {key: codes for key, codes in own.items() if self._is_whole(key)}
        others = {key: told for key, told in values.items() if not synonyms.is_code(key)}
        code = synonyms.code_in({**whole, **others})
        return None if code is None else (code,)

    def _is_whole(self, key: str) -> bool:
        """Whether nearly every object has a key, or at least a third, and these name what was called."""
        there = self.leaves[(key,)]
        if there >= _MOST * self.objects[()]:
            return True
        return there >= self.objects[()] / 3 and self.answers[key] >= _MOST * there

    @staticmethod
    def _carries(key: str, known: Mapping[str, str]) -> bool:
        return key in known or synonyms.wanted(key)

    def _inside_leaf(self, path: Path) -> bool:
        parents = (path[:length] for length in range(1, len(path)))
        return any(self.leaves[parent] >= self.objects[parent] for parent in parents)


def parser(
    sample: Sequence[str], settings: Settings, names: Mapping[str, str] | None = None, beside: Sequence[str] = ()
) -> Cutting | None:
    """A parser for the keys that `sample` has; None if no line of it is a JSON object.

    `names` are better names of keys, where the caller knows what they hold. The texts of those `beside`, which mean
    nothing else, are in `column(key)`, if any line has one.
    """
    if not any("{" in line for line in sample):
        return None
    keys = _Keys()
    broken = [line for line in sample if not keys.add_line(line)]
    plain = keys.objects[()]
    for line in repaired(pl.Series("line", broken, dtype=pl.String)):
        keys.add_line(line)
    if not keys.objects[()]:
        return None
    known = {**(names or {}), **({settings.device_field: settings.device_field} if settings.device_field else {})}
    known |= settings.columns.known if settings.columns else {}
    # The first key of a name wins: those that are always read come last.
    found = keys.paths(known)
    if settings.columns:
        kept = {*settings.columns.kept(map(".".join, found))}
        found = [path for path in found if ".".join(path) in kept]
        found += [tuple(name.split(".")) for name in settings.columns.known if name not in kept]
    paths = {known.get(".".join(path), ".".join(path)): path for path in reversed(found)}
    told = {name: keys.values[path] for name, path in paths.items() if path in keys.values}
    code = keys.code(told)
    if code is not None and code not in paths.values():
        paths[_CODE], told[_CODE] = code, keys.values[code]
        operation = synonyms.operation_in(code[0], (path[0] for path in keys.leaves if len(path) == 1))
        if operation is not None:
            paths[_OPERATION] = (operation,)
    told |= {key: keys.values[(key,)] for key in units.LOGRAGE if (key,) in keys.values}
    examples = {name: values[0] for name, values in told.items()}
    put_together = partial(assemble, keys=paths, examples=examples, settings=settings, messages=True, values=told)
    # Where the sample has other lines too, most blocks will.
    read = {**paths, **{key: (key,) for key in beside}}
    made = reader(read, keys.lists, put_together, plain=plain == len(sample))
    taken = units_in(paths, told, {name: ".".join(path) for name, path in paths.items()})
    return replace(made, units=taken) if isinstance(made, Cutting) else Cutting(made, _uncut, units=taken)


def reader(
    paths: Mapping[str, Path], lists: Container[Path], finish: Callable[[pl.LazyFrame], pl.LazyFrame], *, plain: bool
) -> Parser:
    """A parser that reads some values of each object.

    Args:
        paths: where they are, by name.
        lists: those of which only the first element counts.
        finish: gets lines with `matched`, `problem` and a column, `column(name)`, for each that any of them has; gives
            the columns of `format.PARSED` in place of these.
        plain: nearly all lines are JSON objects, so that whole blocks can be read at once.
    """
    decode = Decoder(tuple(dict.fromkeys(paths.values())), lists)

    def values(texts: Callable[[str], pl.Expr]) -> dict[str, pl.Expr]:
        return {column(name): texts(".".join(path)) for name, path in paths.items()}

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        decoded = lines.with_columns(
            json=pl.col("line").map_batches(decode.batch, return_dtype=decode.dtype, is_elementwise=True)
        )
        valid = pl.col("json").struct.field("valid")
        problem = pl.when(~valid & (pl.col("line").str.strip_chars() != "")).then(pl.lit("not a JSON object"))
        inner = values(pl.col("json").struct.field)
        return finish(decoded.with_columns(matched=valid, problem=problem, **inner).drop("json"))

    def cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series] | None:
        texts = decode.block(data)
        if texts is None:
            return None
        found = texts.select(**values(pl.col))
        found = found.select(text for text in found if text.null_count() < found.height)
        if not found.width:  # A frame without columns has no rows.
            return None
        lines = found.lazy().with_columns(matched=pl.lit(value=True), problem=pl.lit(None, pl.String))
        return finish(lines), _any_value(texts)

    return Cutting(parse, cut) if plain else parse


def _uncut(_data: bytes) -> None:
    """No block can be read at once."""


def paths_in(sample: Sequence[str]) -> tuple[dict[Path, None], bool]:
    """The places of values in the objects of a sample, in their order; and whether each of its lines is an object."""
    keys = _Keys()
    objects = sum(keys.add_line(line) for line in sample)
    return {path: None for path in keys.leaves if path}, objects == len(sample)


def values_of(sample: Sequence[str]) -> dict[str, list[str]]:
    """The values in the objects of a sample that are no nulls, by their key, with dots where objects are nested."""
    keys = _Keys()
    for line in sample:
        keys.add_line(line)
    return {".".join(path): keys.values.get(path, []) for path in keys.leaves if path}


def _load(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _any_value(texts: pl.DataFrame) -> pl.Series:
    """Which lines have any; the others are empty, or no objects."""
    if any(text.null_count() == 0 for text in texts):
        return pl.repeat(True, texts.height, dtype=pl.Boolean, eager=True)
    return texts.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
