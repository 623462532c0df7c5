"""Recognizes a file by its beginning, and looks further on for lines that what it was taken for doesn't know.

On a healthy morning an application has nothing to say: its messages begin with the incident.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.recognize import ENOUGH, Match, headed, recognize, unknown
from authforensics.collect.sample import Sample, further

#: So many lines that a format doesn't know are no accident, and so many are looked at.
_FEW, _MOST = 2, 200


def recognized(path: Path, sample: Sample, settings: Settings, only: str | None = None) -> Match | None:
    """As `recognize` of the lines of a file's sample; with a second format that only lines further on show.

    Raises:
        OSError: the file can't be read.
    """
    match = recognize(sample.lines, settings, only)
    if match is None or match.confidence < ENOUGH or match.beside or only or sample.table or headed(match):
        return match
    odd = unknown(pl.Series("line", further(path, sample.compression), dtype=pl.String), match)
    odd = odd.filter(~odd.is_in(sample.lines))
    if len(odd) < _FEW:
        return match
    odd = odd.gather_every(-(-len(odd) // _MOST))
    wider = recognize([*sample.lines, *odd], settings)
    return match if wider is None or wider.beside is None or wider.confidence < ENOUGH else wider
