"""Peels wrappers that put text in front of a line, and those that make a table of lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.moments import moments
from authforensics.collect.times import ZONE_UTC
from authforensics.collect.wrapper import Peel, peeled

# Reference: RFC 3339 section 5.6
ISO = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?:[Zz]|[+-]\d{2}:?\d{2})"
#: More than any store exports; every one costs a look at each line.
_MOST_COLUMNS = 500
_FIELD = r'(?:"(?:[^"]|"")*"|[^",]*)'


def by_pattern(pattern: str) -> Callable[[Sequence[str], Settings], Peel | None]:
    """For wrappers whose lines match a pattern with the group `inner`, perhaps `at` (a time) and columns of PEELED."""
    compiled = re.compile(pattern, re.DOTALL)

    def prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
        if not any(map(compiled.match, sample)):
            return None
        return lambda lines: peeled(with_time(groups(lines, pattern), settings.tz))

    return prepare


def groups(lines: pl.Series, pattern: str) -> pl.DataFrame:
    """The groups of a pattern as columns; `inner` is empty where it is missing from a line that matches.

    `inner` may be all that is left of the line, whatever that is: the pattern ends with `(?P<inner>.*)$`, or with that
    and what is in front of it as a group that may be missing, `(?: (?P<inner>.*))?$`.
    """
    front, rest, end = pattern.partition("(?P<inner>.*)")
    if not rest:
        return lines.to_frame("line").select(pl.col("line").str.extract_groups(f"(?s){pattern}")).unnest("line")
    # To look at what stands in front alone takes a fraction of the time.
    if end == ")?$":
        known, _, before = front.rpartition("(?:")
        front = f"{known}(?:{before}|$)"
    named = re.sub(r"^\^", "^(?P<front>", front)
    found = (
        lines.to_frame("line")
        .select("line", groups=pl.col("line").str.extract_groups(f"(?s){named})"))
        .unnest("groups")
    )
    inner = pl.when(pl.col("front").is_not_null()).then(pl.col("line").str.slice(pl.col("front").str.len_chars()))
    return found.with_columns(inner=inner).drop("front", "line")


def with_time(frame: pl.DataFrame, tz: str | None, known: Literal["UTC"] | None = None) -> pl.DataFrame:
    """With `time`, `zone`, `clock` from the text of `at`, if there is one.

    Naive times are of zone `tz`, but for those whose zone is `known`.
    """
    if "at" not in frame.columns:
        return frame
    example = next(iter(frame["at"].drop_nulls().head(1)), "")
    timed = frame.with_columns(moments(frame["at"], example, known or tz)["time", "zone", "clock"])
    return timed if known is None else timed.with_columns(ZONE_UTC)


def by_column(
    text: str, others: Mapping[str, tuple[str, ...]], example: str, tz: Literal["UTC"] | None = None
) -> Callable[[Sequence[str], Settings], Peel | None]:
    """For tables of comma separated values with a header that names the columns `text` and `example`.

    Args:
        text: the column that holds the line inside.
        others: which columns hold what, the best first: `at` and columns of `PEELED`.
        example: another column that such tables have.
        tz: the zone of naive times, where it is known: UTC.
    """

    def prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
        if not sample or not re.search(rf'(?:^|,)"?{re.escape(text)}"?(?:,|$)', sample[0]):
            return None
        names = [name.strip('" ') for name in sample[0].lstrip("\ufeff").split(",")]
        if len(names) > _MOST_COLUMNS:
            return None
        if example not in names:
            return None
        header = sample[0]
        known = {name: next((one for one in columns if one in names), None) for name, columns in others.items()}
        places = {name: names.index(column) for name, column in {"inner": text, **known}.items() if column is not None}

        def peel(lines: pl.Series) -> pl.DataFrame:
            rows = lines.to_frame("line").select(pl.when(pl.col("line") != header).then("line")).to_series()
            return peeled(with_time(_cells(rows, places), settings.tz, tz))

        return peel

    return prepare


def _cells(rows: pl.Series, places: Mapping[str, int]) -> pl.DataFrame:
    """The values at some places of rows, unquoted; null where a row has none there, or none that ends where it should.

    To cut cells off the front one by one takes a fraction of the time of a pattern that extracts one.
    """
    frame = rows.alias("rest").to_frame()
    rest, tail = pl.col("rest"), pl.col("tail")
    found: dict[str, pl.Series] = {}
    for place in range(max(places.values()) + 1):
        frame = frame.with_columns(tail=rest.str.replace(f"^{_FIELD}", ""))
        more = tail.str.starts_with(",")
        quoted = pl.when((tail == "") | more).then(rest.str.strip_suffix(tail))
        cell = quoted.str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)
        found |= {name: frame.select(cell).to_series() for name in places if places[name] == place}
        frame = frame.select(rest=pl.when(more).then(tail.str.slice(1)))
    return pl.DataFrame({name: found[name] for name in places})
