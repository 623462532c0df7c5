"""Owns `fly`: time, machine, region and level that `fly logs` puts in front of each line."""

from __future__ import annotations

from authforensics.collect.peel_text import ISO, by_pattern
from authforensics.collect.wrapper import Wrapper

# Reference: https://fly.io/docs/flyctl/logs/
_LINE = rf"^(?P<at>{ISO}) [a-z]+\[(?P<instance>[0-9a-f]+)\] [a-z]{{3}} \[[a-z]+\] ?(?P<inner>.*)$"

WRAPPER = Wrapper(
    name="fly",
    title="fly logs",
    samples=("2026-03-01T10:02:03Z app[e2865e3df25d86] fra [info]hello world",),
    prepare=by_pattern(_LINE),
)
