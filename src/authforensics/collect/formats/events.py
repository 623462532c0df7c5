"""Owns `events`: the table of events that `--export` wrote, as Parquet, or its rows as JSON lines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import polars as pl

from authforensics.collect import json_lines
from authforensics.collect.assemble import column
from authforensics.collect.cutting import iso_of
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import EVENTS, Kind

#: Which names no other table has together.
_OWN = ("auth_event", "endpoint_class", "identity_key", "straggler")
#: As they are; the others are made of others.
_PLAIN = ("client_ip", "user_agent", "method", "status", "bytes", "host", "request_id", "upstream", "platform")
_ALSO = ("app_version",)


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    known, plain = json_lines.paths_in(sample)
    if not all((name,) in known for name in _OWN):
        return None
    paths = {name: (name,) for name in EVENTS}
    return json_lines.reader(paths, (), partial(_said, tz=settings.tz), plain=plain)


def _said(lines: pl.LazyFrame, tz: str | None) -> pl.LazyFrame:
    there = {*lines.collect_schema().names()}

    def of(name: str) -> pl.Expr:
        return pl.col(column(name)) if column(name) in there else pl.lit(None, pl.String)

    request = of("kind") != Kind.MESSAGE.value
    # An operation that the query selected stands in the route alone.
    target = pl.coalesce(of("path") + of("route").str.extract(r"(\?.*)$").fill_null(""), of("route"))
    ends = iso_of(of("timestamp"), tz).struct
    made = lines.with_columns(
        time=ends.field("time"),
        zone=ends.field("zone"),
        start=iso_of(of("started_at"), tz).struct.field("time"),
        duration_ms=of("duration_ms").cast(pl.Float64, strict=False),
    )
    user = pl.when(of("identity_key") == "user_id").then(of("device_id"))
    own = [name for name in ("line_number", "line") if name in there]
    return made.select(
        *own,
        *("matched", "problem", "time", "zone", "duration_ms"),
        *(of(name).alias(name) for name in (*_PLAIN, *_ALSO)),
        # If a log tells how long requests took, one end of them is by its clock, the other to the millisecond.
        clock=pl.max_horizontal(_clock("time"), _clock("start")).over(of("source")),
        at_start=(pl.col("start") == pl.col("time")) & pl.col("duration_ms").is_null(),
        kind=pl.when(of("kind").is_in([kind.value for kind in Kind])).then(of("kind")),
        target=pl.when(request).then(target),
        user_id=pl.coalesce(of("user_id"), user),
        # What a device was told by goes back to where it came from; address and user agent are there themselves.
        device_id=pl.when(of("identity_key").is_in(["device_id", "session_id"])).then(of("device_id")),
        reason_text=pl.when(request).then(of("reason")),
    )


def _clock(time: str) -> pl.Expr:
    """The resolution of some times, in seconds, as the finest of them tells."""
    micros = pl.col(time).to_physical()
    whole, milli = ((micros % step == 0).all() for step in (1_000_000, 1_000))
    clock = pl.when(whole).then(1.0).when(milli).then(1e-3).otherwise(1e-6).cast(pl.Float32)
    return pl.when(pl.col(time).count() > 0).then(clock)


FORMAT = Format(
    name="events",
    title="the table of events that --export writes",
    samples=(
        (
            '{"system":"shop","timestamp":"2025-12-25T13:00:09Z","started_at":null,"duration_ms":null,"source":"access.log"'
            ',"line_number":17,"kind":"request","client_ip":"203.0.113.7","user_agent":"Shop/3.1","method":"GET","path":'
            '"/api/me","route":"/api/me","status":401,"bytes":12,"host":null,"user_id":null,"device_id":"ios-0012"'
            ',"identity_key":"device_id","request_id":null,"upstream":null,"platform":"ios","app_version":"3.1"'
            ',"endpoint_class":"api","auth_event":"api_denied","reason":"token_expired","key_id":null,"token_id":null'
            ',"state":"challenged","straggler":false}'
        ),
    ),
    time="end",
    # What messages said of refusals stands with the requests that they are joined to.
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.99,
    prepare=_prepare,
)
