"""Owns `fastify`: JSON lines of Fastify, which tells what was called in one line and how it was answered in another.

The line of the answer is the event; it is known by its request id, and by the process that wrote both lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from authforensics.collect import json_lines
from authforensics.collect.assemble import column
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.two_lines import CALLED, with_calls
from authforensics.schema import Kind

# Reference: https://fastify.dev/docs/latest/Reference/Logging/
_MARK, _MARKS = '"reqId"', (f'"{CALLED}"', '"request completed"')
#: Request ids begin anew with each process.
_PROCESS = ("hostname", "pid")


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(_MARK in line and any(mark in line for mark in _MARKS) for line in sample):
        return None
    parser = json_lines.parser(sample, settings, beside=_PROCESS)
    if parser is None:
        return None

    def joined(lines: pl.LazyFrame) -> pl.LazyFrame:
        return with_calls(lines, [column(key) for key in _PROCESS])

    def cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series] | None:
        found = parser.cut(data)
        return None if found is None else (joined(found[0]), found[1])

    return replace(parser, parse=lambda lines: joined(parser(lines)), cut=cut)


FORMAT = Format(
    name="fastify",
    title="JSON lines of Fastify, two for each request",
    samples=(
        '{"level":30,"time":1759406409392,"reqId":"a1","req":{"method":"GET","url":"/api"},"msg":"incoming request"}',
        '{"level":30,"time":1759406409395,"reqId":"a1","res":{"statusCode":401},"msg":"request completed"}',
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.99,
    prepare=_prepare,
)
