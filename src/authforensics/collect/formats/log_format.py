"""Owns `log_format`: lines laid out as an nginx log_format or Apache LogFormat string says."""

from __future__ import annotations

from collections.abc import Sequence

from authforensics.collect import json_lines, laid_out
from authforensics.collect.compiled import compile_layout
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if settings.log_format is None:
        return None
    layout = compile_layout(settings.log_format)
    if layout.pattern is None:
        return json_lines.parser(sample, settings, layout.names)
    return laid_out.parser(sample, layout, layout.pattern, settings)


FORMAT = Format(
    name="log_format",
    title="lines laid out as --log-format says: an nginx log_format or Apache LogFormat string",
    samples=(),
    time="either",
    kinds=(Kind.REQUEST,),
    specificity=1.0,
    prepare=_prepare,
    header=r"^#",
)
