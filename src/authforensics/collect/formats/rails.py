"""Owns `rails`: Rails' own log of requests: what starts one is the event, and what completes it tells its status.

Lines of one request belong together by their tag (`config.log_tags = [:request_id]`), else by the process.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.cutting import iso_of
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind

# Reference: https://guides.rubyonrails.org/debugging_rails_applications.html#the-logger (Rails::Rack::Logger,
# ActionController::LogSubscriber); https://docs.ruby-lang.org/en/master/Logger/Formatter.html
_TIME = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?"
_AHEAD = (
    rf"^(?:[A-Z], \[(?P<written>{_TIME}) *#(?P<process>\d+)\] +[A-Z]+ -- [^:]*: )?"
    r"(?P<tags>(?:\[[^\]]*\] ?)*)\s*"
)
_STARTED = (
    rf"{_AHEAD}Started (?P<method>[A-Z]+) \"(?P<target>[^\"]*)\" for (?P<client_ip>\S*)"
    rf" at (?P<at>{_TIME}) (?P<offset>[+-]\d{{4}}|UTC)"
)
_COMPLETED = r"Completed (?P<status>\d{3})\b.*? in (?P<duration>[0-9]+(?:\.[0-9]+)?)ms"
_HALTED = r"(Filter chain halted as .*)"
#: What the application says while it answers, not Rails of the request, the frames of a trace, or anything to debug.
_SAID = r"^(?:[A-CE-Z], \[[^\]]*\] +[A-Z]+ -- [^:]*: )?(?:\[[^\]]*\] ?)*([^\s\[].*)$"
_OF_RAILS = (
    r"^(?:Started [A-Z]|Processing by |Parameters: |Completed [0-9]|Redirected to |Sent |Render|Filter chain "
    r"|Read fragment|Write fragment|Unpermitted |[A-Z], \[|[-=*] |=== |[^\s:]+:[0-9]+:in )"
)
#: Rails completes no request that it has no route for.
_UNROUTED = "ActionController::RoutingError (No route matches "
#: So many characters tell why a request failed.
_LONGEST = 500
_ID = r"\[([0-9a-fA-F][0-9A-Fa-f-]{15,})\]"


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(map(re.compile(_STARTED).match, sample)):
        return None

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        line = pl.col("line")
        parts = lines.with_columns(
            started=line.str.extract_groups(_STARTED), ahead=line.str.extract_groups(_AHEAD).struct.rename_fields(_OF)
        )
        parts = parts.unnest("started").drop("process", "tags").unnest("ahead")
        parts = parts.with_columns(
            matched=pl.col("at").is_not_null(),
            completed=line.str.extract_groups(_COMPLETED),
            halted=line.str.extract(_HALTED),
            said=line.str.extract(_SAID),
            request_id=pl.col("of_tags").str.extract(_ID),
        )
        # Only what starts a request names the offset of all these times.
        text = pl.coalesce("written", "at") + pl.when(pl.col("offset") == "UTC").then(pl.lit("Z")).otherwise("offset")
        read = iso_of(text, settings.tz)
        return _joined(parts.with_columns(moment=read)).unnest("moment")

    return parse


_OF = ["of_written", "of_process", "of_tags"]


def _joined(parts: pl.LazyFrame) -> pl.LazyFrame:
    """The lines with what the later ones of the same request tell; `_` is what they have in common."""
    same = pl.coalesce("request_id", "of_process", pl.lit(""))
    parts = parts.with_columns(_request=same).with_columns(
        _turn=pl.col("matched").cast(pl.UInt32).cum_sum().over("_request")
    )
    unrouted = pl.when(pl.col("said").str.starts_with(_UNROUTED)).then(pl.lit("404"))
    first = {
        "status": pl.coalesce(pl.col("completed").struct.field("status"), unrouted),
        "duration_ms": pl.col("completed").struct.field("duration").cast(pl.Float64),
        "halted": pl.col("halted"),
    }
    told = {name: value.drop_nulls().first().over("_request", "_turn") for name, value in first.items()}
    own = pl.when(~pl.col("said").str.contains(_OF_RAILS)).then("said")
    told["said"] = own.str.join("; ", ignore_nulls=True).over("_request", "_turn").str.head(_LONGEST)
    failed = pl.col("status").str.contains("^[45]")
    said = pl.when(failed & (pl.col("said") != "")).then("said")
    parts = parts.with_columns(**told).with_columns(reason_text=pl.coalesce("halted", said))
    return parts.drop("written", "at", "offset", "completed", "halted", "said", "_request", "_turn", *_OF)


FORMAT = Format(
    name="rails",
    title="log of Rails: requests started and completed",
    samples=('Started GET "/users/1" for 203.0.113.7 at 2026-03-01 10:02:03 +0000',),
    time="start",
    kinds=(Kind.REQUEST,),
    specificity=0.98,
    prepare=_prepare,
    multiline=True,
    record_start=r"^(?:[A-Z], \[.{0,60}? -- [^:]*: )?(?:\[[^\]]*\] ?)*\s*Started [A-Z]+ \"",
)
