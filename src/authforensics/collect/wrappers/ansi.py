"""Owns `ansi`: the colours that programs write for terminals, also as rsyslog and cat spell them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.wrapper import Peel, Wrapper, peeled

# Reference: ECMA-48 section 5.4; https://www.rsyslog.com/doc/configuration/input_directives/rsconf1_escapecontrolcharactersonreceive.html
_COLOUR = r"(?:\x1b|#033|\^\[)\[[0-9;?]*[ -/]*[A-Za-z]"


def _prepare(sample: Sequence[str], _settings: Settings) -> Peel | None:
    if not any(map(re.compile(_COLOUR).search, sample)):
        return None
    return lambda lines: peeled(lines.to_frame("line").select(inner=pl.col("line").str.replace_all(_COLOUR, "")))


WRAPPER = Wrapper(
    name="ansi",
    title="colours of terminals",
    samples=("\x1b[32mINFO\x1b[0m: hello world",),
    prepare=_prepare,
    at_once=True,
)
