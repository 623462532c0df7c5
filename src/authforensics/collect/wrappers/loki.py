"""Owns `loki`: what `logcli` writes of Loki's lines, as JSON lines or as text, and what Grafana downloads."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.peel_json import by_keys
from authforensics.collect.peel_text import ISO, by_column, groups, with_time
from authforensics.collect.wrapper import Peel, Wrapper, peeled

# Reference: https://grafana.com/docs/loki/latest/query/logcli/ (--output=jsonl, default)
_KEYS = {
    "inner": ("line",),
    "at": ("timestamp",),
    "instance": ("labels.pod", "fields.pod", "labels.instance", "labels.host", "labels.container"),
}
_LABELS = r'\{(?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*"(?:, ?)?)*\}'
_TEXT = rf"^(?P<at>{ISO}) (?P<labels>{_LABELS}) (?P<inner>.*)$"
#: Labels that name who wrote a line, the best first.
_INSTANCES = ("pod", "instance", "host", "container")
#: A download as CSV, known by a column that Grafana adds; one with the labels as columns has a `Date`, too.
_TABLE = by_column("Line", {"at": ("Date", "Time"), "instance": ("pod",)}, "tsNs")


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    found = (by_keys(_KEYS, ('"line"', '"timestamp"', mark))(sample, settings) for mark in ('"labels"', '"fields"'))
    peel = next((peel for peel in found if peel is not None), None)
    return peel or _text(sample, settings) or _TABLE(sample, settings)


def _text(sample: Sequence[str], settings: Settings) -> Peel | None:
    if not any(map(re.compile(_TEXT).match, sample)):
        return None
    named = [pl.col("labels").str.extract(rf'[{{ ,]{label}="((?:[^"\\]|\\.)+)"') for label in _INSTANCES]

    def peel(lines: pl.Series) -> pl.DataFrame:
        parts = groups(lines, _TEXT).with_columns(instance=pl.coalesce(named))
        return peeled(with_time(parts, settings.tz))

    return peel


WRAPPER = Wrapper(
    name="loki",
    title="logcli, downloads of Grafana",
    samples=(
        '{"labels":{"pod":"api-1"},"line":"hello world","timestamp":"2026-03-01T10:02:03.123456789Z"}',
        '2026-03-01T10:02:03Z {app="api", pod="api-1"} hello world',
    ),
    prepare=_prepare,
    header=r'^(?:(?:"[^"]*"|[^",]*),)*"?Line"?,(?:(?:"[^"]*"|[^",]*),)*"?tsNs"?(?:,|$)',
)
