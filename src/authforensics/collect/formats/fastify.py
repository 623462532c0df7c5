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
from authforensics.schema import KIND, Kind

# Reference: https://fastify.dev/docs/latest/Reference/Logging/
_CALLED = "incoming request"
_ANSWERED = r"^request (?:completed|errored)(?:: (.*))?$"
_MARK, _MARKS = '"reqId"', (f'"{_CALLED}"', '"request completed"')
#: Request ids begin anew with each process.
_PROCESS = ("hostname", "pid")
#: What the first line may say of the request.
_TOLD = (
    *("method", "target", "query", "host", "client_ip", "user_agent", "user_id", "device_id", "session_id", "platform"),
    "app_version",
)


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(_MARK in line and any(mark in line for mark in _MARKS) for line in sample):
        return None
    parser = json_lines.parser(sample, settings, beside=_PROCESS)
    if parser is None:
        return None

    def cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series] | None:
        found = parser.cut(data)
        return None if found is None else (_joined(found[0]), found[1])

    return replace(parser, parse=lambda lines: _joined(parser(lines)), cut=cut)


def _joined(lines: pl.LazyFrame) -> pl.LazyFrame:
    """The lines, those of answers with what the line of their call tells; without one they stay messages.

    `_request` is what the lines of one request have in common, `_turn` tells apart several of the same id.
    """
    there = set(lines.collect_schema().names())
    if not {"request_id", "message", "method", "target"} <= there:
        return lines
    same = ["request_id", *(column(key) for key in _PROCESS if column(key) in there)]
    of, said = ("_request", "_turn"), pl.col("message")
    lines = lines.with_columns(
        _request=pl.concat_str(same, separator=" ", ignore_nulls=True),
        _called=(said == _CALLED) & pl.col("method").is_not_null() & pl.col("target").is_not_null(),
        _answered=said.str.contains(_ANSWERED) & pl.col("status").is_not_null(),
    )
    called, answered = pl.col("_called").fill_null(value=False), pl.col("_answered").fill_null(value=False)
    called &= pl.col("request_id").is_not_null()
    lines = lines.with_columns(_called=called, _turn=called.cast(pl.UInt32).cum_sum().over("_request"))
    first = answered & (answered.cast(pl.UInt32).cum_sum().over(of) == 1) & (pl.col("_turn") > 0)
    lines = lines.with_columns(_event=first)
    event = pl.col("_event")
    told = {
        name: pl.when(event)
        .then(pl.coalesce(name, pl.when("_called").then(name).drop_nulls().first().over(of)))
        .otherwise(name)
        for name in _TOLD
        if name in there
    }
    # An error that was thrown has a line with both, too.
    again = ~event & (pl.col("kind") == Kind.REQUEST.value) & event.any().over(of)
    reason = pl.col("reason_text") if "reason_text" in there else pl.lit(None, pl.String)
    kind = pl.when(event).then(pl.lit(Kind.REQUEST.value, KIND)).when(again).then(pl.lit(Kind.MESSAGE.value, KIND))
    return lines.with_columns(
        **told,
        kind=kind.otherwise("kind"),
        reason_text=pl.when(event).then(said.str.extract(_ANSWERED)).when(~again).then(reason),
        message=pl.when(again).then(reason).when(~event).then(said),
    ).drop("_request", "_turn", "_called", "_answered", "_event")


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
