"""Joins what Fastify tells of a request in two lines: what was called, and how it was answered."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.schema import KIND, Kind

CALLED = "incoming request"
_ANSWERED = r"^request (?:completed|errored)(?:: (.*))?$"
#: What the first line may say of the request.
_TOLD = (
    *("method", "target", "query", "host", "client_ip", "user_agent", "user_id", "device_id", "session_id", "platform"),
    "app_version",
)


def with_calls(lines: pl.LazyFrame, process: Sequence[str]) -> pl.LazyFrame:
    """The lines, those of answers with what the line of their call tells; without one they stay what they are.

    Columns of the `process` that wrote a line tell requests of the same id apart. `_request` is what the lines of one
    request have in common, `_turn` tells apart several of the same id.
    """
    there = set(lines.collect_schema().names())
    if not {"request_id", "message", "method", "target"} <= there:
        return lines
    same = ["request_id", *(name for name in process if name in there)]
    of, said = ("_request", "_turn"), pl.col("message")
    lines = lines.with_columns(
        _request=pl.concat_str(same, separator=" ", ignore_nulls=True),
        _called=(said == CALLED) & pl.col("method").is_not_null() & pl.col("target").is_not_null(),
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
