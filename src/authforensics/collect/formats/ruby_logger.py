"""Owns `ruby_logger`: what Ruby's Logger writes, with Rails' tags: messages; traces continue them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.cutting import iso_of, with_message
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.in_words import RUBY
from authforensics.schema import Kind

# Reference: https://api.rubyonrails.org/classes/ActiveSupport/TaggedLogging.html
_FRONT = rf"{RUBY}(?P<tags>(?:\[[^\]]*\] ?)*)"
#: Lines of Rails' own log, which its format puts together.
_OF_RAILS = re.compile(r"[A-Z], \[.{0,60} -- .{0,80}: (?:\[[^\]]*\] ?)*Started [A-Z]+ \"")
_ID = r"\[([0-9a-fA-F][0-9A-Fa-f-]{15,})\]"


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(map(re.compile(_FRONT).match, sample)) or any(map(_OF_RAILS.match, sample)):
        return None

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = with_message(lines, _FRONT).with_columns(
            matched=pl.col("at").is_not_null(),
            moment=iso_of(pl.col("at"), settings.tz),
            request_id=pl.col("tags").str.extract(_ID),
        )
        return parts.unnest("moment").drop("at", "tags")

    return parse


FORMAT = Format(
    name="ruby_logger",
    title="Ruby's Logger, perhaps with Rails' tags",
    samples=(
        "W, [2026-03-01T10:02:03.123456 #17]  WARN -- : [ddaa28e2-3395-4e66-9ca7-48480882a1df] JWT: expired",
        "I, [2026-03-01T10:02:03.123456 #17]  INFO -- auth: session of user=42 ended",
    ),
    time="end",
    kinds=(Kind.MESSAGE,),
    specificity=0.9,
    prepare=_prepare,
    multiline=True,
    record_start=r"^[A-Z], \[[0-9]{4}-",
)
