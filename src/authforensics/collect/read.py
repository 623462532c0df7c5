"""Reads one file of a known format: its events, its rejects and how many lines met which fate."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from authforensics.collect.continuations import exceptions, with_exceptions
from authforensics.collect.discover import Found
from authforensics.collect.format import Settings
from authforensics.collect.lay_out import classify
from authforensics.collect.lines import Damage, stream, tolerant
from authforensics.collect.normalize import normalize
from authforensics.collect.recognize import Match
from authforensics.collect.times import EPOCH, NAIVE
from authforensics.redact import redact
from authforensics.schema import COLLECTED, REJECTS, Disposition

_LONGEST_TEXT = 2_000
#: Redaction goes text by text; beyond this many rejects of one file only place and reason are kept.
_MOST_TEXTS = 10_000


@dataclass(frozen=True, slots=True)
class File:
    """What is needed to read a file again: where it is, and whether polars can stream it."""

    path: Path
    tolerant: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What one file gave. `counts` has the number of lines by disposition."""

    events: pl.DataFrame
    rejects: pl.DataFrame
    counts: dict[str, int]
    timezone: str | None
    file: File
    damage: Damage = field(default_factory=Damage)


def read(found: Found, match: Match, settings: Settings) -> Reading:
    """Every line of the file in its place.

    Raises:
        OSError: it can't be read at all.
    """
    damage = Damage()
    file = File(found.path)
    try:
        frame = _collect(stream(found.path), found, match)
    except (pl.exceptions.ComputeError, OSError, UnicodeEncodeError):
        file = File(found.path, tolerant=True)
        frame = _collect(tolerant(found.path, damage), found, match)
    counts: dict[str, int] = dict(frame["disposition"].value_counts().rows())
    rejects = frame.filter(pl.col("disposition") == Disposition.REJECT.value).select(
        "source", "line_number", "reason", "text"
    )
    if damage.reason is not None:
        counts[Disposition.REJECT.value] = counts.get(Disposition.REJECT.value, 0) + 1
        broken = {
            "source": found.source,
            "line_number": damage.line_number,
            "reason": damage.reason,
            "text": damage.text,
        }
        rejects = pl.concat([rejects, pl.DataFrame([broken], schema=REJECTS)])
    events = frame.filter(pl.col("disposition") == Disposition.EVENT.value)
    zones = events["zone"].unique().sort().drop_nulls().to_list()
    return Reading(events.select(list(COLLECTED)), _redacted(rejects), counts, _timezone(zones, settings), file, damage)


def _collect(lines: pl.LazyFrame, found: Found, match: Match) -> pl.DataFrame:
    normal = normalize(match.parser(lines), match.form, found.system, found.source)
    laid = classify(normal, match.form)
    rejected = pl.col("disposition") == Disposition.REJECT.value
    text = pl.when(rejected).then(pl.col("line").str.slice(0, _LONGEST_TEXT))
    more = exceptions() if match.form.multiline else {}
    frame = laid.select(*COLLECTED, "disposition", "reason", "zone", text=text, **more).collect(engine="streaming")
    return with_exceptions(frame) if more else frame


def _redacted(rejects: pl.DataFrame) -> pl.DataFrame:
    texts = pl.Series([redact(text or "") for text in rejects["text"].head(_MOST_TEXTS)], dtype=pl.String)
    rejects = rejects.with_columns(text=texts.extend_constant(None, rejects.height - len(texts)))
    return rejects.select(pl.col(name).cast(dtype) for name, dtype in REJECTS.items())


def _timezone(zones: list[str], settings: Settings) -> str | None:
    labels = {_label(zone, settings) for zone in zones}
    if len(labels) > 1:
        labels -= {"epoch"}
    return "mixed" if len(labels) > 1 else next(iter(labels), None)


def _label(zone: str, settings: Settings) -> str:
    if zone == NAIVE:
        return settings.tz or "UTC (assumed)"
    if zone != EPOCH and zone[:1] in "+-" and ":" not in zone:
        return f"{zone[:3]}:{zone[3:]}"
    return zone
