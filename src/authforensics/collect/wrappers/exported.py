"""Owns `exported`: tables that stores of logs export, with the line itself in `message`: Graylog, New Relic, others."""

from __future__ import annotations

from collections.abc import Sequence

from authforensics.collect.format import Settings
from authforensics.collect.peel_text import by_column
from authforensics.collect.wrapper import Peel, Wrapper

#: Who wrote a line, the best first.
# Reference: https://go2docs.graylog.org/current/interacting_with_your_log_data/export_search_results.html,
# https://docs.newrelic.com/docs/logs/ui-data/use-logs-ui/
_INSTANCES = ("hostname", "source", "host")


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    names = [name.strip('" ') for name in sample[0].lstrip("\ufeff").split(",")] if sample else []
    instance = next((name for name in _INSTANCES if name in names), "")
    return by_column("message", {"at": "timestamp", "instance": instance}, "timestamp")(sample, settings)


WRAPPER = Wrapper(
    name="exported",
    title="tables with a line in each row, as Graylog and New Relic export them",
    samples=(),
    prepare=_prepare,
    taken="if known",
    header=r'^(?:(?:"[\w.-]+"|[\w.-]+),)*"?message"?(?:,(?:"[\w.-]+"|[\w.-]+))*$',
)
