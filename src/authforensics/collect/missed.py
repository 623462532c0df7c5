"""Tells of lines that look like those of requests, but were taken for messages of an application."""

from __future__ import annotations

import polars as pl

from authforensics.collect.inference.looks import STATUSES

_METHOD = r"\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\b"
_PATH = r"[\s\"'=:(](?:https?://[^\s/\"]+)?/(?:[\w?%.~-]|[\s\"',]|$)"
_STATUS = rf"(?:[\s\"'=:(>]|\x1b\[[\d;]*m)(?:{'|'.join(sorted(STATUSES))})(?:[\s\"',;)}}]|\x1b|$)"
_OBJECT = r"^\s*\{"
#: The share of the lines that must name a call, and of those that must name a status, be it in the same lines or not.
_ENOUGH = 0.2


def calls(lines: pl.Series) -> pl.Series:
    """Which lines name a call and a status."""
    return lines.str.contains(_METHOD) & lines.str.contains(_PATH) & lines.str.contains(_STATUS)


def missed(lines: pl.Series) -> str | None:
    """What is said of lines of which none is a request, if they seem to tell of some."""
    called = int((lines.str.contains(_METHOD) & lines.str.contains(_PATH)).sum())
    answered = int(lines.str.contains(_STATUS).sum())
    if min(called, answered) < max(1, _ENOUGH * len(lines)):
        return None
    hint = "" if lines.str.contains(_OBJECT).any() else "; --log-format can say how its lines are laid out"
    return (
        f"no requests: of the {len(lines):,} lines that were looked at {called:,} name a method and a path,"
        f" {answered:,} a status, but all are read as messages{hint}"
    )
