"""Owns `zap`: lines of zap's console encoder, as Caddy's and RoadRunner's: the object that its JSON would be."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.wrapper import Peel, Wrapper, peeled

# Reference: https://pkg.go.dev/go.uber.org/zap/zapcore#NewConsoleEncoder: time, level, logger and caller if they are
# there, the message and the fields as JSON, with tabs between them; https://caddyserver.com/docs/caddyfile/directives/log
_LINE = (
    r"^(?P<at>[0-9]{4}[/-][0-9]{2}[/-][0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}[^\t\"\\]{0,20})\t"
    r"(?P<level>(?i:DEBUG|INFO|WARN|ERROR|DPANIC|PANIC|FATAL))\t"
    r"(?:(?P<logger>[^\t]*)\t)?(?:[^\t]+:[0-9]+\t)?(?P<msg>[^\t{][^\t]*?|)(?:\t(?P<fields>\{.*\}))?\s*$"
)


def _prepare(sample: Sequence[str], _settings: Settings) -> Peel | None:
    if not any(map(re.compile(_LINE).match, sample)):
        return None

    def peel(lines: pl.Series) -> pl.DataFrame:
        parts = lines.to_frame("line").select(pl.col("line").str.extract_groups(_LINE)).unnest("line")
        return peeled(parts.select(inner=_object()))

    return peel


def _object() -> pl.Expr:
    """A line as one object; null where it has another layout."""
    told = [
        pl.format('"{}":"{}"', pl.lit(key), _escaped(pl.col(name).str.strip_chars()))
        for key, name in {"ts": "at", "level": "level", "logger": "logger", "msg": "msg"}.items()
    ]
    fields = pl.col("fields").str.slice(1).str.strip_chars_start()
    # An object without fields ends with what ends ours.
    rest = pl.when(fields.str.len_bytes() > 1).then(pl.lit(",") + fields).otherwise(pl.lit("}"))
    known = pl.concat_str(told, separator=",", ignore_nulls=True)
    return pl.when(pl.col("at").is_not_null()).then(pl.lit("{") + known + rest)


def _escaped(text: pl.Expr) -> pl.Expr:
    """A text as JSON writes it between quotes: RFC 8259 section 7."""
    quoted = text.str.replace_all("\\", r"\\", literal=True).str.replace_all('"', r"\"", literal=True)
    return quoted.str.replace_all(r"[\x00-\x1f]", " ")


WRAPPER = Wrapper(
    name="zap",
    title="zap's console output: Caddy, RoadRunner",
    samples=('2026/03/01 10:02:03.123\tINFO\thttp.log.access\thandled request\t{"status": 200}',),
    prepare=_prepare,
    taken="if known",
)
