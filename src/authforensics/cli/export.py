"""Owns the exported tables: Parquet as it is, CSV made safe for spreadsheets and terminals."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

import polars as pl
import polars.selectors as cs

from authforensics.redact import redact, visible

if TYPE_CHECKING:
    from authforensics.analysis import Analysis
    from authforensics.cli.outputs import Writer

#: What a spreadsheet takes for a formula.
#: Reference: OWASP, CSV Injection.
_FORMULA = r"^[=+\-@\t\r]"
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_UNSEEN = r"[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]"
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Zl", "Zp"})

#: Values that may hold a credential; only these few are looked at in Python, once each.
_SUSPECT = r"(?i)ey[A-Z0-9_-]{8,}|bearer|basic|token|secret|passw|cookie|api_?key|[A-Z0-9_+-]{40,}"
_FREE_TEXT = ("path", "route", "user_agent", "host", "upstream", "platform", "app_version")


def table_writers(analysis: Analysis, export_format: str) -> dict[str, Writer]:
    """File name to what writes it, for every exported table."""
    frames = {
        "events": _redacted(analysis.events),
        "rejects": analysis.rejects,
        "sessions": analysis.sessions,
        "findings": analysis.findings,
    }
    writer = _write_csv if export_format == "csv" else _write_parquet
    return {f"{name}.{export_format}": writer(frame) for name, frame in frames.items()}


def _write_parquet(frame: pl.DataFrame) -> Writer:
    def write(file: BinaryIO) -> None:
        with _by_number():
            frame.write_parquet(file)

    return write


def _write_csv(frame: pl.DataFrame) -> Writer:
    def write(file: BinaryIO) -> None:
        with _by_number():
            spreadsheet_safe(frame).write_csv(file, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")

    return write


@contextmanager
def _by_number() -> Iterator[None]:
    """Polars tells the system's errors in words, with their number at the end; this raises what Python would."""
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        found = _OS_ERROR.search(str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error


def spreadsheet_safe(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with formula starts quoted by `'` and with control and format characters made visible."""
    text = frame.with_columns(cs.enum().cast(pl.String), cs.categorical().cast(pl.String))
    return text.with_columns(_safe(name) for name in text.select(cs.string()).columns)


def _safe(name: str) -> pl.Expr:
    column = pl.col(name)
    shown = pl.when(column.str.contains(_UNSEEN)).then(column.str.replace_many(_unseen())).otherwise(column)
    return pl.when(column.str.contains(_FORMULA)).then(pl.concat_str(pl.lit("'"), shown)).otherwise(shown).alias(name)


@cache
def _unseen() -> dict[str, str]:
    characters = map(chr, range(sys.maxunicode + 1))
    return {char: visible(char) for char in characters if unicodedata.category(char) in _UNSEEN_CATEGORIES - {"Co"}}


def _redacted(events: pl.DataFrame) -> pl.DataFrame:
    """`events` without the credentials that a path or a user agent may hold."""
    return events.with_columns(_redact_column(events, name) for name in _FREE_TEXT if name in events.columns)


def _redact_column(events: pl.DataFrame, name: str) -> pl.Expr:
    values = events.get_column(name).cast(pl.String)
    suspects = values.filter(values.str.contains(_SUSPECT)).unique()
    clean = {value: redact(value) for value in suspects}
    return pl.col(name).cast(pl.String).replace(clean)
