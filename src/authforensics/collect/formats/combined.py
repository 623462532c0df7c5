"""Owns `combined`: the access log of nginx and Apache with referer and user agent."""

from __future__ import annotations

import re
from collections.abc import Sequence

from authforensics.collect import clf
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind

_AGENTS = re.compile(r'" (?:\d{1,3}|-)(?: (?:\d+|-))? (?:"(?:[^"\\]|\\.)*"|-) "')


def _prepare(sample: Sequence[str], _settings: Settings) -> Parser | None:
    return clf.parser(sample, agents=True) if any(_AGENTS.search(line) for line in sample) else None


FORMAT = Format(
    name="combined",
    title="access log of nginx or Apache with referer and user agent, perhaps a host in front and fields behind",
    samples=(
        '203.0.113.9 - - [10/Oct/2025:13:55:36 -0700] "GET /index.html HTTP/1.1" 200 2326 "-" "curl/8.5.0"',
        'shop.example:443 203.0.113.9 - - [10/Oct/2025:13:55:36 +0000] "-" 408 - "-" "-"',
    ),
    time="end",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
    header=r"^#",
)
