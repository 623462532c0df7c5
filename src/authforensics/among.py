"""Owns asking whether an enum is one of several values: compared by code, one after the other."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from authforensics.states import AuthEvent


def among(column: str, values: Iterable[str]) -> pl.Expr:
    """Whether an enum is one of these values; null where it is null."""
    return pl.any_horizontal(pl.col(column) == value for value in values)


def is_event(*events: AuthEvent) -> pl.Expr:
    """Whether `auth_event` is one of these, stragglers or not."""
    return among("auth_event", (event.value for event in events))
