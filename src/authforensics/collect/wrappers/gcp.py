"""Owns `gcp`: entries of Google Cloud Logging that carry a line or an object, save those of a load balancer."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.collect.format import Settings
from authforensics.collect.peel_json import by_keys
from authforensics.collect.wrapper import Peel, Wrapper

# Reference: https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry
_KEYS = {
    "inner": ("textPayload", "jsonPayload"),
    "at": ("timestamp", "receiveTimestamp"),
    "instance": ("resource.labels.pod_name", "resource.labels.revision_name", "resource.labels.instance_id"),
    "call": ("httpRequest",),
}
_MARKS = ('"logName"', 'Payload"')


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    # With `httpRequest` the entry itself is the record of a request.
    inner = pl.when(pl.col("call").is_null()).then(pl.col("inner")).alias("inner")
    return by_keys(_KEYS, _MARKS, [inner])(sample, settings)


WRAPPER = Wrapper(
    name="gcp",
    title="entries of Google Cloud Logging",
    samples=(
        '{"logName":"projects/p/logs/stdout","timestamp":"2026-03-01T10:02:03.123456789Z","textPayload":"hello"}',
    ),
    prepare=_prepare,
)
