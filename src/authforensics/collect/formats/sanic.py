"""Owns `sanic`: the log of Sanic, its access lines and its messages, of each layout that it had."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.collect.cutting import TIME_IN_FRONT
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.in_words import LEVEL, parser
from authforensics.schema import Kind

# Reference: https://sanic.dev/en/guide/best-practices/logging.html, sanic/log.py, sanic/logging/formatter.py
# (LegacyAccessFormatter; ProdAccessFormatter, whose lines begin with the worker's name and a bar; AutoFormatter, with
# the name and a blank)
_WORKER = r"[A-Za-z][\w .:-]{0,19}[| ]"
_AHEAD = (
    rf"(?:\[|{_WORKER})?(?P<at>{TIME_IN_FRONT}(?: [+-][0-9]{{4}})?)"
    rf"(?:\] - \([\w.]+\)\[{LEVEL}\](?:\[(?P<peer>[^\]\s]*?)(?::[0-9]{{1,5}})?\])?: |\] \[[0-9]+\] \[{LEVEL}\] "
    rf"| +(?:[0-9]+ +)?(?:ACCESS|{LEVEL}): +)"
)
#: The message, which is mostly empty, stands between the address and the status.
_CALL = (
    r"^(?:(?P<client_ip>[^\s\"]*?)(?::[0-9]{1,5})? )?(?P<method>[A-Z]+) (?P<target>(?:https?://|/)\S*) (?:.*? )?"
    r"(?P<status>[1-5][0-9]{2}) (?P<bytes>-?[0-9]+)(?: {1,2}(?P<lasted>[0-9]+\.[0-9]+)(?P<unit>ms|s|µs))?(?:\s.*)?$"
)


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    made = parser(sample, settings, _AHEAD, _CALL)
    if made is None:
        return None

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        client = pl.coalesce("client_ip", "peer")
        # Without an address it says UNKNOWN.
        return made(lines).with_columns(client_ip=pl.when(client.str.contains("[.:]")).then(client)).drop("peer")

    return parse


FORMAT = Format(
    name="sanic",
    title="log of Sanic (Python)",
    samples=(
        "[2025-10-02 12:00:08 +0000] - (sanic.access)[INFO][203.0.113.7:5000]: GET http://shop.example/api/me  401 14",
        "[2025-10-02 12:00:08 +0000] [17] [INFO] Starting worker [17]",
        "Srv 0|2025-10-02 12:00:08 +0000 INFO: 203.0.113.7:5000 GET http://shop.example/api/me 401 14  1.2ms",
        "2025-10-02 12:00:08 +0000 17 ACCESS: 203.0.113.7:5000 GET http://shop.example/api/me  401 14 1.2ms",
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.97,
    prepare=_prepare,
    multiline=True,
    record_start=rf"^(?:\[|{_WORKER})?[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ][0-9]{{2}}:",
)
