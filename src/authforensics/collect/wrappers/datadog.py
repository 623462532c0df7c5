"""Owns `datadog`: logs that Datadog archives, lists through its API or exports as a table."""

from __future__ import annotations

from collections.abc import Sequence

from authforensics.collect.format import Settings
from authforensics.collect.peel_json import by_keys
from authforensics.collect.peel_text import by_column
from authforensics.collect.wrapper import Peel, Wrapper

# Reference: https://docs.datadoghq.com/logs/log_configuration/archives/, https://docs.datadoghq.com/api/latest/logs/
_KEYS = {
    "inner": ("attributes.message", "message"),
    "at": ("attributes.timestamp", "date", "timestamp"),
    "instance": ("attributes.host", "host"),
}
_MARKS = (('"_id"', '"date"', '"message"'), ('"attributes"', '"message"', '"timestamp"'))


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    table = by_column("Message", {"at": ("Date",), "instance": ("Host",)}, "Date")
    found = (by_keys(_KEYS, marks)(sample, settings) for marks in _MARKS)
    return next((peel for peel in found if peel is not None), None) or table(sample, settings)


WRAPPER = Wrapper(
    name="datadog",
    title="archives and exports of Datadog",
    samples=(
        '{"_id":"A1","date":"2026-03-01T10:02:03.123Z","host":"web-1","service":"api","status":"info","message":"hello"}',
    ),
    prepare=_prepare,
    header=r'^"?Date"?,(?:"?\w+"?,)*"?Message"?(?:,"?\w+"?)*$',
    taken="if known",
)
