"""Recognizes a file by its beginning, and looks further on for lines that what it was taken for doesn't know.

On a healthy morning an application has nothing to say: its messages begin with the incident. And what begins with lines
that no format knows, as a server's that tell no time, may have records that do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.recognize import ANY, ENOUGH, Match, headed, no_events, recognize, unknown
from authforensics.collect.sample import Sample, further

#: So many lines that a format doesn't know are no accident, and so many are looked at.
_FEW, _MOST = 2, 200
#: Where nothing is known so many lines are looked at, in runs: what continues a record stands below it.
_LINES, _RUN = 1000, 40
#: A time that lines are given to see whether that is all they lack, and the share of requests that they must be then.
_SOME_TIME, _REQUESTS = "2000-01-01T00:00:00Z", 0.2
#: What gives a time to lines that have none.
PUT_IN_FRONT = "`docker logs -t`, `kubectl logs --timestamps` and `journalctl -o short-iso` put one in front"


def recognized(path: Path, sample: Sample, settings: Settings, only: str | None = None) -> Match | None:
    """As `recognize` of the lines of a file's sample; with what only lines further on show, also a second format.

    Raises:
        OSError: the file can't be read.
    """
    match = recognize(sample.lines, settings, only)
    if only or sample.table:
        return match
    if match is None or match.confidence < ENOUGH:
        return _elsewhere(path, sample, settings) or match
    if match.beside or headed(match):
        return match
    odd = unknown(pl.Series("line", further(path, sample.compression), dtype=pl.String), match)
    odd = odd.filter(~odd.is_in(sample.lines))
    if len(odd) < _FEW:
        return match
    odd = odd.gather_every(-(-len(odd) // _MOST))
    wider = recognize([*sample.lines, *odd], settings)
    return match if wider is None or wider.beside is None or wider.confidence < ENOUGH else wider


def timeless(lines: Sequence[str], settings: Settings) -> str | None:
    """The format of requests that lack nothing but a time; None if that is not all."""
    match = recognize([f"{_SOME_TIME} {line}" for line in lines], settings)
    if match is None or match.confidence < ENOUGH or match.requests < _REQUESTS or match.form.name == "inferred":
        return None
    return match.form.name


def _elsewhere(path: Path, sample: Sample, settings: Settings) -> Match | None:
    """A match for what a file has beyond a beginning that no format knows; None if that is no better known."""
    lines = further(path, sample.compression)
    if len({*lines} - {*sample.lines}) < _FEW or no_events(sample.lines) is not None:
        return None
    runs = [lines[at : at + _RUN] for at in range(0, len(lines), _RUN)]
    match = recognize([line for run in runs[:: -(-len(lines) // _LINES)] for line in run], settings)
    # Any words are lines of formats for these.
    if match is None or match.confidence < ENOUGH or match.form.specificity <= ANY:
        return None
    name = timeless(sample.lines, settings)
    if name is None:
        return match
    return replace(
        match, note=f"only what has a time is read, not its lines of {name}, which have none: {PUT_IN_FRONT}"
    )
