"""Owns `fluent_bit`: JSON records that collectors make of a line (fluent-bit, fluentd, Filebeat, Vector, Logstash)."""

from __future__ import annotations

from collections.abc import Sequence

from authforensics.collect.format import Settings
from authforensics.collect.peel_json import by_keys
from authforensics.collect.wrapper import Peel, Wrapper

# Reference: https://docs.fluentbit.io/manual/data-pipeline/filters/kubernetes,
# https://www.elastic.co/docs/reference/beats/filebeat/exported-fields-log, https://vector.dev/docs/architecture/data-model/log-event/
_KEYS = {
    "inner": ("log", "event.original", "message", "msg"),
    "at": ("time", "@timestamp", "timestamp", "date", "ts"),
    "instance": ("kubernetes.pod_name", "kubernetes.pod.name", "container_name", "host.name", "hostname"),
    "stream": ("stream",),
}
_MARKS = (('"log"',), ('"original"',), ('"message"',), ('"msg"',))


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    found = (by_keys(_KEYS, marks)(sample, settings) for marks in _MARKS)
    return next((peel for peel in found if peel is not None), None)


WRAPPER = Wrapper(
    name="fluent_bit",
    title="JSON of collectors with a line inside: fluent-bit, fluentd, Filebeat, Vector, Logstash",
    samples=('{"date":1772359323.123456,"log":"hello world","stream":"stdout","kubernetes":{"pod_name":"api-1"}}',),
    prepare=_prepare,
    taken="if known",
)
