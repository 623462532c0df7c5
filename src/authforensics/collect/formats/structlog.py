"""Owns `structlog`: what structlog's console renderer writes: time, level, event and `key=value`, with its colours.

Tracebacks continue a record.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.collect import key_values, synonyms
from authforensics.collect.assemble import assemble, column
from authforensics.collect.cutting import TIME_IN_FRONT, iso_of
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.key_values import KEY
from authforensics.collect.requests import where
from authforensics.collect.times import MOMENT
from authforensics.schema import Kind

# Reference: https://www.structlog.org/en/stable/api.html#structlog.dev.ConsoleRenderer: levels and events are padded,
# values as Python's repr writes them where they have spaces, quotes or `=`.
_COLOUR = r"\x1b\[[0-9;]*m"
_FRONT = (
    rf"^(?:(?P<at>{TIME_IN_FRONT}) )?"
    r"\[(?:(?:notset|trace|debug|info|notice|warn|warning|err|error|critical|fatal) +|exception)\] "
)
_TEXT = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
_IN_BRACKETS = r"\{(?:[^{}]|\{[^{}]*\})*\}|\[[^\]]*\]|\w*\([^)]*\)|<[^>]*>"
_PAIR = rf" +{KEY}=(?:{_TEXT}|{_IN_BRACKETS}|[^\s'\"{{\[][^\s]*|)"
_LINE = rf"{_FRONT}(?P<event>.*?) *(?: \[(?P<logger>[\w.-]+)\] *)?(?P<pairs>(?:{_PAIR})*)$"
#: Keys that tell why something failed come late and seldom: read even if the sample lacks them.
_ALWAYS = ("error", "exc_type", "reason", "status", "path")
_EVENT, _LOGGER = "event", "logger"


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    lines = pl.Series("line", list(sample), dtype=pl.String)
    parts = _parts(lines).filter(pl.col("event").is_not_null())
    if parts.is_empty():
        return None
    named = _pairs(parts["pairs"]).drop_nulls("value").group_by("key", maintain_order=True).agg("value")
    told: dict[str, list[str]] = dict(named.rows())
    keys = [_EVENT, _LOGGER]
    keys += [key for key in told if synonyms.wanted(key) or key == settings.device_field]
    keys += [key for key in _ALWAYS if key not in keys]
    told |= {_EVENT: parts["event"].to_list()}
    examples = {key: values[0] for key, values in told.items() if values}

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        whole = lines.collect(engine="in-memory")
        parts = _parts(whole["line"])
        known = key_values.by_key(_pairs(parts["pairs"]), whole.height, keys)
        known |= {column(_EVENT): parts["event"], column(_LOGGER): parts["logger"]}
        made = whole.lazy().with_columns(**known, matched=parts["event"].is_not_null(), _at=parts["at"])
        made = assemble(made, keys, examples, settings, messages=True, values=told)
        return made.drop(MOMENT).with_columns(moment=iso_of(pl.col("_at"), settings.tz)).unnest("moment").drop("_at")

    return parse


def _parts(lines: pl.Series) -> pl.DataFrame:
    """`at`, `event`, `logger` and `pairs` of lines, without their colours; all null where a line has another form."""
    bare = where(lines, _COLOUR, lambda text: text.str.replace_all(_COLOUR, ""))
    return bare.to_frame("line").select(pl.col("line").str.extract_groups(_LINE)).unnest("line")


def _pairs(texts: pl.Series) -> pl.DataFrame:
    """`row`, `key` and `value` of the pairs in texts; None is null."""
    found = texts.to_frame("pair").with_row_index("row").with_columns(pl.col("pair").str.extract_all(_PAIR))
    found = found.filter(pl.col("pair").list.len() > 0).explode("pair")
    cut = found["pair"].str.strip_chars_start().str.splitn("=", 2).struct
    value = where(cut.field("field_1"), f"^{_TEXT}$", _unquoted)
    return pl.DataFrame({"row": found["row"], "key": cut.field("field_0"), "value": value.replace("None", None)})


def _unquoted(text: pl.Series) -> pl.Series:
    return text.str.slice(1, text.str.len_chars() - 2).str.replace_all(r"\\(['\"\\])", "${1}")


FORMAT = Format(
    name="structlog",
    title="console output of structlog (Python), also in colours",
    samples=(
        "2025-10-03 05:00:12 [warning  ] token refused      [app.auth] error='Signature has expired' path=/api",
        "2025-10-03T05:00:12.461123Z [info     ] token_refreshed                user=42",
    ),
    time="end",
    kinds=(Kind.MESSAGE, Kind.REQUEST),
    specificity=0.95,
    prepare=_prepare,
    multiline=True,
    record_start=rf"^(?:{_COLOUR})*(?:{TIME_IN_FRONT}(?:{_COLOUR})* )?\[(?:{_COLOUR})*[a-z]+ *(?:{_COLOUR})*\]",
)
