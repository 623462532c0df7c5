"""Owns `php_error`: PHP's error_log, whose times name their zone; stack traces continue a record."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect import times
from authforensics.collect.cutting import with_message
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind

# Reference: php_log_err_with_severity in main/main.c of PHP: "[%d-%b-%Y %H:%M:%S zone] text"
_FRONT = (
    r"\[(?P<at>\d{2}-[A-Z][a-z]{2}-\d{4} \d{2}:\d{2}:\d{2})(?P<micros>\.[0-9]{1,6})?"
    r"(?: (?P<name>[A-Za-z0-9_/+:-]+))?\] ?"
)


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(map(re.compile(_FRONT).match, sample)):
        return None

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = with_message(lines, _FRONT)
        naive = pl.col("at").str.to_datetime("%d-%b-%Y %H:%M:%S", strict=False, time_unit="us")
        fraction = pl.col("micros").str.slice(1).str.pad_end(6, "0").cast(pl.Int64).fill_null(0)
        naive = naive + pl.duration(microseconds=fraction)
        return parts.with_columns(
            matched=pl.col("at").is_not_null(),
            time=times.named(naive, pl.col("name"), settings.tz),
            zone=pl.col("name").fill_null(times.NAIVE),
            clock=pl.when(pl.col("micros").is_null()).then(1.0).otherwise(1e-6).cast(pl.Float32),
        )

    return parse


FORMAT = Format(
    name="php_error",
    title="PHP error_log",
    samples=(
        "[25-Dec-2025 13:00:20 Asia/Tokyo] [auth] check_session: JWT decode failed: Expired token uid=815",
        "[25-Dec-2025 04:00:20 UTC] PHP Warning:  Undefined variable $a in /srv/www/a.php on line 3",
    ),
    time="end",
    kinds=(Kind.MESSAGE,),
    specificity=0.99,
    prepare=_prepare,
    multiline=True,
    record_start=r"^\[\d{1,2}-[A-Za-z]{3}-\d{4}",
)
