"""Owns `csv`: tables as text, with a line of names: what spreadsheets, databases and log stores export."""

from __future__ import annotations

from collections.abc import Sequence

from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.tables import NAMES, table_of
from authforensics.schema import Kind


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    found = table_of(sample, settings)
    if found is None:
        return None
    table, values = found
    return table.parser(values, settings)


FORMAT = Format(
    name="csv",
    title="table as text with a line of names: values between commas, tabs, semicolons or bars, perhaps in quotes",
    samples=(
        "timestamp,client_ip,method,path,status,user_agent",
        '2025-12-25T13:00:09.123Z,203.0.113.7,GET,/api/me,401,"Shop/3.1 (iOS 18, de)"',
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    # Reference: RFC 4180
    specificity=0.98,
    prepare=_prepare,
    header=NAMES,
)
