"""Owns `exported`: tables that stores of logs export, with the line itself in `message`: Graylog, New Relic, others."""

from __future__ import annotations

from authforensics.collect.peel_text import by_column
from authforensics.collect.wrapper import Wrapper

# Reference: https://go2docs.graylog.org/current/interacting_with_your_log_data/export_search_results.html,
# https://docs.newrelic.com/docs/logs/ui-data/use-logs-ui/
_OTHERS = {"at": ("timestamp",), "instance": ("hostname", "source", "host")}

WRAPPER = Wrapper(
    name="exported",
    title="tables with a line in each row, as Graylog and New Relic export them",
    samples=(),
    prepare=by_column("message", _OTHERS, "timestamp"),
    taken="if known",
    header=r'^(?:(?:"[\w.-]+"|[\w.-]+),)*"?message"?(?:,(?:"[\w.-]+"|[\w.-]+))*$',
)
