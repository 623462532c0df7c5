"""Owns `gin`: what the logger of Gin, Go's framework, writes of each request; local time, where that is isn't said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import polars as pl

from authforensics.collect.cutting import cutting, iso
from authforensics.collect.distinct import each_run_of, fits
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.units import SUFFIXES
from authforensics.schema import Kind

# Reference: https://github.com/gin-gonic/gin/blob/master/logger.go (defaultLogFormatter); colours are peeled off before
_AT = r"[0-9]{4}/[0-9]{2}/[0-9]{2} - [0-9]{2}:[0-9]{2}:[0-9]{2}"
_LASTED = r"(?:[0-9]+h)?(?:[0-9]+m)?[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s)"
_LINE = (
    rf"^\[GIN\] (?P<at>{_AT}) \| *(?P<status>[0-9]{{3}}) *\| *(?P<lasted>{_LASTED}) *\| *(?P<client_ip>[^\s|\"]*) *"
    r"\| *(?P<method>[A-Z-]+) +\"(?P<target>(?:[^\"\\]|\\.)*)\"\s*$"
)
_NAMES = ("at", "status", "lasted", "client_ip", "method")
_SHAPES = {
    "status": r"^ *[0-9]{3} *$",
    "client_ip": r"^ *[^\s]* *$",
    "method": r"^ *[A-Z-]+ +$",
}


def _take(pieces: pl.DataFrame, tz: str | None) -> tuple[pl.DataFrame, pl.Series]:
    """The parts of lines, from what is before, between and behind their quotes, and which are plain."""
    parts = pieces["0"].str.splitn("|", len(_NAMES)).struct.rename_fields(_NAMES).struct.unnest()
    plain = (pieces["2"] == "") & fits(parts["at"], rf"^\[GIN\] {_AT} $", each_run_of)
    for name, shape in _SHAPES.items():
        plain &= fits(parts[name], shape)
    plain &= parts["lasted"].str.contains(f"^ *{_LASTED} *$")
    moment = _moment(parts["at"].str.slice(6, 21), tz).alias("moment")
    bare = parts.select(pl.exclude("at").str.strip_chars(" "))
    return bare.with_columns(moment, pieces["1"].alias("target")), plain.fill_null(value=False)


def _make(parts: pl.LazyFrame) -> pl.LazyFrame:
    lasted = pl.col("lasted")
    amount = lasted.str.extract(r"([0-9]+(?:\.[0-9]+)?)[a-zµ]+$").cast(pl.Float64)
    factor = lasted.str.extract(r"([a-zµ]+)$").replace_strict(SUFFIXES, default=None, return_dtype=pl.Float64)
    hours, minutes = (lasted.str.extract(rf"([0-9]+){unit}[0-9]").cast(pl.Float64).fill_null(0) for unit in "hm")
    duration = amount * factor + (hours * 60 + minutes) * 60_000
    return parts.with_columns(duration_ms=duration).drop("lasted")


def _moment(values: pl.Series, tz: str | None) -> pl.Series:
    days = values.str.replace_all("/", "-", literal=True).str.replace(" - ", " ", literal=True)
    return iso(days, tz)


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(map(re.compile(_LINE).match, sample)):
        return None
    return cutting(_LINE, 3, partial(_take, tz=settings.tz), _make, partial(_moment, tz=settings.tz))


FORMAT = Format(
    name="gin",
    title="logger of Gin (Go)",
    samples=('[GIN] 2025/10/03 - 05:00:12 | 401 |     115.747µs |     203.0.113.9 | GET      "/api/me?lang=en"',),
    time="end",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
    header=r"^\[GIN-debug\]",
)
