"""Takes an exported table of events apart into its systems: each is judged by itself, as its logs were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from authforensics.collect import columnar
from authforensics.collect.aside import Place
from authforensics.collect.found import Found, shortage
from authforensics.collect.left_alone import by_name
from authforensics.redact import redact, visible
from authforensics.schema import EVENTS

#: More are no systems, but ids of something.
_SYSTEMS = 200
_LONGEST_NAME = 200


def systems(found: Found, place: Place) -> list[Found]:
    """A table; or if it is an exported one, what has the rows of each system, numbered by themselves.

    Empty if the input is no table.

    Raises:
        InputError: there is no room for it.
    """
    if found.problem is not None or by_name(found.path.name, found.named):
        return []
    try:
        kind = columnar.kind(found.path)
        if kind is None:
            return []
        table = columnar.scan(found.path, kind)
        if not {*EVENTS} <= {*table.collect_schema()}:
            return [found]
        names = table.select(pl.col("system").cast(pl.String).drop_nulls().unique()).collect(engine="streaming")
    except (OSError, columnar.Unreadable, *columnar.FAULTS):  # Whoever reads it says so.
        return [found]
    known = sorted(names.to_series())
    if len(known) > _SYSTEMS:
        return [replace(found, problem=f"a table of {len(known)} systems: at most {_SYSTEMS} can be told apart")]
    shown = _shown(known)
    if len(known) < 2:
        return [replace(found, system=shown[name]) for name in known] or [found]
    named = table.with_columns(pl.col("system").cast(pl.String).fill_null(known[0]))
    try:
        return [_part(found, named.filter(pl.col("system") == name), shown[name], place) for name in known]
    except columnar.FAULTS:  # It is read as far as it goes.
        return [found]


def _shown(names: Sequence[str]) -> dict[str, str]:
    """What systems are called here: the table may name them by anything."""
    shown: dict[str, str] = {}
    for name in names:
        clean = redact(visible(name))[:_LONGEST_NAME] or "logs"
        shown[name] = clean if clean not in shown.values() else f"{clean} ({len(shown) + 1})"
    return shown


def _part(found: Found, rows: pl.LazyFrame, system: str, place: Place) -> Found:
    path = place.path(found.path.name)
    try:
        rows.sink_parquet(path, maintain_order=True)
    except OSError as error:
        raise shortage(error, found.source, path) from error
    return replace(found, path=path, source=f"{found.source}!{system}", system=system)
