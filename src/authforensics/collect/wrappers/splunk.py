"""Owns `splunk`: results that Splunk exports as JSON or as a table, with the line itself in `_raw`."""

from __future__ import annotations

from collections.abc import Sequence

from authforensics.collect.format import Settings
from authforensics.collect.peel_json import by_keys
from authforensics.collect.peel_text import by_column
from authforensics.collect.wrapper import Peel, Wrapper

# Reference: https://help.splunk.com/en/splunk-enterprise/search/search-manual/export-search-results/export-search-results
_KEYS = {"inner": ("result._raw", "_raw"), "at": ("result._time", "_time"), "instance": ("result.host", "host")}


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    table = by_column("_raw", {"at": ("_time",), "instance": ("host",)}, "_time")
    return by_keys(_KEYS, ('"_raw"',))(sample, settings) or table(sample, settings)


WRAPPER = Wrapper(
    name="splunk",
    title="exports of Splunk",
    samples=(
        '{"preview":false,"offset":0,"result":{"_raw":"hello","_time":"2026-03-01T10:02:03.123+00:00","host":"a"}}',
    ),
    prepare=_prepare,
    header=r'^(?:"?[\w.:]+"?,)*"?_raw"?(?:,"?[\w.:]+"?)*$',
)
