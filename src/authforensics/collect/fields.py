"""Cleans the fields that all formats share: null markers, numbers, user agents."""

from __future__ import annotations

import polars as pl

#: The ways to write that there is no value.
NULLS = ["", "-", "null", "(null)", "<nil>", "undefined", '""', "[]"]
_CODES = {f"%{code:02X}": chr(code) for code in range(0x20, 0x7F) if code != 0x25}


def text(value: pl.Expr) -> pl.Expr:
    """The value, or null where it is one of the ways to write that there is none."""
    # To choose by `when` would strip each value twice.
    return value.str.strip_chars().replace(NULLS, None)


def given(value: pl.Expr) -> pl.Expr:
    """Whether there is a value: as `text` is not null, without looking for spaces around it."""
    return value.is_not_null() & ~value.is_in(NULLS)


def agent(value: pl.Expr) -> pl.Expr:
    """A user agent: null markers gone, the quotes that Apache and nginx escape restored, and CloudFront's spaces."""
    value = text(value)
    encoded = value.str.contains("%20", literal=True) & ~value.str.contains(" ", literal=True)
    value = pl.when(encoded).then(unencoded(value)).otherwise(value)
    escaped = pl.when(value.str.contains("\\", literal=True)).then(value)
    plain = escaped.str.replace_all('\\"', '"', literal=True).str.replace_all("\\x22", '"', literal=True)
    return pl.coalesce(plain, value)


def unencoded(value: pl.Expr) -> pl.Expr:
    """A text without its URL encoding, which CloudFront used to apply twice."""
    return value.str.replace_all("%25", "%", literal=True).str.replace_many(_CODES, ascii_case_insensitive=True)


def status(value: pl.Expr) -> pl.Expr:
    """An HTTP status; what isn't a number of up to three digits is none."""
    return value.str.extract(r"^\s*(\d{1,3})(?:\.0+)?\s*$").cast(pl.UInt16, strict=False)


def count(value: pl.Expr) -> pl.Expr:
    """A number of bytes; `-` is none."""
    return value.str.extract(r"^\s*(\d{1,18})(?:\.0+)?\s*$").cast(pl.Int64, strict=False)
