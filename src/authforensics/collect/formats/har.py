"""Owns `har`: what is taken from the entries of an HTTP Archive, the recording of one browser or app session."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import polars as pl

from authforensics.collect import fields, json_lines
from authforensics.collect.assemble import column
from authforensics.collect.cutting import iso_of
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind

_MARK = re.compile(r'"har"\s*:\s*"')
#: What is called here as in `format.PARSED`.
_ALIKE = ("method", "status", "bytes", "user_agent", "user_id", "session_id", "request_id", "platform", "app_version")
_KEYS = (*_ALIKE, "har", "problem", "url", "reason", "grant", "operation", "cached", "other_site", "started", "ms")
_ORIGIN = r"^(?i)[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?(\[[^\]/?#]*\]|[^/?#:]*)"


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    marked = sum(_MARK.search(line) is not None for line in sample)
    if not marked:
        return None
    paths = {name: (name,) for name in _KEYS}
    return json_lines.reader(paths, (), partial(_told, tz=settings.tz), plain=marked == len(sample))


def _told(lines: pl.LazyFrame, tz: str | None) -> pl.LazyFrame:
    there = {*lines.collect_schema().names()}
    own = [name for name in ("line_number", "line") if name in there]
    values = {name: pl.col(column(name)) if column(name) in there else pl.lit(None, pl.String) for name in _KEYS}
    known = pl.col("matched") & values["har"].is_not_null()
    fault = pl.coalesce("problem", values.pop("problem"))
    lines = lines.select(*own, matched=known, fault=fault, **values)
    return (
        lines.with_columns(moment=iso_of(pl.col("started"), tz))
        .unnest("moment")
        .select(
            *own,
            *("matched", "time", "zone", "clock", *(name for name in _ALIKE if name != "status")),
            problem="fault",
            duration_ms=pl.col("ms").cast(pl.Float64, strict=False),
            host=pl.col("url").str.extract(_ORIGIN),
            device_id="har",
            # The answer of another site, or of the client's own cache, says nothing about the session.
            target=pl.when(pl.col("other_site").is_null()).then(_target()),
            status=pl.when(pl.col("other_site").is_null() & ~_unseen()).then("status"),
            reason_text="reason",
        )
    )


def _target() -> pl.Expr:
    """What is called, with what its body selects: routes have only what stands in the query."""
    url = pl.col("url").str.replace(r"#.*$", "")
    mark = pl.when(url.str.contains("?", literal=True)).then(pl.lit("&")).otherwise(pl.lit("?"))
    asked = [
        pl.lit(f"{name}=") + pl.col(key) for name, key in (("grant_type", "grant"), ("operationName", "operation"))
    ]
    both = pl.concat_str(asked, separator="&", ignore_nulls=True)
    return pl.when(both == "").then(url).otherwise(url + mark + both)


def _unseen() -> pl.Expr:
    """Whether an answer that grants was never the server's."""
    return fields.given(pl.col("cached")) & (fields.status(pl.col("status")) < 400).fill_null(value=False)


FORMAT = Format(
    name="har",
    title="recording of one browser or app session (HTTP Archive), an entry a line",
    samples=(
        (
            '{"status":401,"sent":"Bearer #5f3c1b7a9e20","reason":"Bearer error=\\"invalid_token\\"","method":"GET",'
            '"url":"https://api.example.com/me","started":"2026-03-01T10:02:03.123Z","ms":41.7,'
            '"user_agent":"Mozilla/5.0","har":"har:2026-03-01T10:02:00.000Z"}'
        ),
    ),
    time="start",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
)
