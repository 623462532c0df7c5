"""Owns `envoy`: the access log of Envoy in its default text format."""

from __future__ import annotations

import re
from collections.abc import Sequence

from authforensics.collect import envoy_lines
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind

_LINE = re.compile(r"^\[\d{4}-[^\]]*\] \".*?\" (?:\d{1,3}|-) \S+ (?:\d+|-) (?:\d+|-) (?:\d+|-) \S+ \"")


def _prepare(sample: Sequence[str], _settings: Settings) -> Parser | None:
    return envoy_lines.default_parser() if any(map(_LINE.match, sample)) else None


FORMAT = Format(
    name="envoy",
    title="access log of Envoy, its default text",
    samples=(
        (
            '[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http"'
            ' "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80"'
        ),
    ),
    time="start",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
)
