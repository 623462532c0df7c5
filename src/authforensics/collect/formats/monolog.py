"""Owns `monolog`: what Monolog writes, as in Laravel and Symfony; stack traces continue a record."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.cutting import iso_of, with_message
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind

# Reference: https://github.com/Seldaek/monolog/blob/main/src/Monolog/Formatter/LineFormatter.php (SIMPLE_FORMAT:
# "[%datetime%] %channel%.%level_name%: %message% %context% %extra%")
_LEVEL = r"(?:DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|ALERT|EMERGENCY)"
_FRONT = rf"\[(?P<at>\d{{4}}-[^\]]*)\] [\w.-]+\.{_LEVEL}: "
#: Where context and extra begin: `{"userId":1} []`.
_CONTEXT = ' {"'


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    if not any(map(re.compile(_FRONT).match, sample)):
        return None

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = with_message(lines, _FRONT)
        context = '"' + pl.col("message").str.splitn(_CONTEXT, 2).struct.field("field_1")
        return (
            parts.with_columns(_context=context)
            .with_columns(
                matched=pl.col("at").is_not_null(),
                moment=iso_of(pl.col("at"), settings.tz),
                user_id=_named("userId|user_id|uid|user"),
                device_id=_named("deviceId|device_id"),
                request_id=_named("request_id|requestId|req_id"),
                client_ip=_named("ip|client_ip|remote_addr"),
            )
            .unnest("moment")
            .drop("at", "_context")
        )

    return parse


def _named(names: str) -> pl.Expr:
    return pl.col("_context").str.extract(rf'"(?:{names})":\s*"?([A-Za-z0-9_.:@+-]+)')


FORMAT = Format(
    name="monolog",
    title="log of Monolog: Laravel, Symfony",
    samples=(
        '[2026-03-01 10:02:03] production.ERROR: Token has expired {"userId":7,"exception":"[object]"} []',
        "[2026-03-01T10:02:03.123456+00:00] security.INFO: Authenticator failed. [] []",
    ),
    time="end",
    kinds=(Kind.MESSAGE,),
    specificity=0.98,
    prepare=_prepare,
    multiline=True,
    record_start=r"^\[\d{4}-\d{2}-\d{2}[T ]",
)
