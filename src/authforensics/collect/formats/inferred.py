"""Owns `inferred`: lines of a layout that nobody declared, told from the lines themselves."""

from __future__ import annotations

from collections.abc import Sequence

from authforensics.collect import laid_out
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.inference import infer
from authforensics.schema import Kind


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    inferred = infer(sample)
    if inferred is None or inferred.layout.pattern is None:
        return None
    return laid_out.parser(sample, inferred.layout, inferred.layout.pattern, settings, log_format=inferred.text)


FORMAT = Format(
    name="inferred",
    title="a text layout that nobody declared: time, request, status, address told by their looks and keys",
    samples=(),
    time="either",
    kinds=(Kind.REQUEST,),
    # Whatever is declared and takes half of the lines is surer.
    specificity=0.5,
    prepare=_prepare,
    header=r"^#",
)
