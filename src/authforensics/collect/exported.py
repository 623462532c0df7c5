"""Takes an exported table of events apart into its systems: each is judged by itself, as its logs were."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from authforensics.collect import columnar
from authforensics.collect.aside import Place
from authforensics.collect.found import Found, shortage
from authforensics.collect.left_alone import by_name
from authforensics.schema import EVENTS


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
    if len(known) < 2:
        return [replace(found, system=name) for name in known] or [found]
    named = table.with_columns(pl.col("system").cast(pl.String).fill_null(known[0]))
    try:
        return [_part(found, named.filter(pl.col("system") == name), name, place) for name in known]
    except columnar.FAULTS:  # It is read as far as it goes.
        return [found]


def _part(found: Found, rows: pl.LazyFrame, system: str, place: Place) -> Found:
    path = place.path(found.path.name)
    try:
        rows.sink_parquet(path, maintain_order=True)
    except OSError as error:
        raise shortage(error, found.source, path) from error
    return replace(found, path=path, source=f"{found.source}!{system}", system=system)
