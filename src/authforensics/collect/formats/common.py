"""Owns `common`: the access log without referer and user agent."""

from __future__ import annotations

import re
from collections.abc import Sequence

from authforensics.collect import clf
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind

_MEANT = re.compile(r"[^\[]*\[\d{2}/[A-Za-z]{3}/\d{4}:")


def _prepare(sample: Sequence[str], _settings: Settings) -> Parser | None:
    return clf.parser(sample, agents=False) if any(map(_MEANT.match, sample)) else None


FORMAT = Format(
    name="common",
    title="access log without referer and user agent, perhaps a host in front and fields behind",
    samples=('203.0.113.9 - frank [10/Oct/2025:13:55:36 -0700] "GET /index.html HTTP/1.0" 200 2326',),
    time="end",
    kinds=(Kind.REQUEST,),
    specificity=0.9,
    prepare=_prepare,
    header=r"^#",
)
