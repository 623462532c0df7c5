"""Owns `fluent_bit`: JSON records that collectors make of a line (fluent-bit, fluentd, Filebeat, Vector, Logstash)."""

from __future__ import annotations

from collections.abc import Sequence

from authforensics.collect import calls, json_lines
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
#: Lines that tell whether `log` is a text, and whether a logger wrote them.
_LOOKED_AT = 50
_MARKS = (('"log"',), ('"original"',), ('"message"',), ('"msg"',))


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    keys: dict[str, tuple[str, ...]] = {**_KEYS}
    marks: tuple[tuple[str, ...], ...] = _MARKS
    asked = any('"log"' in line or '"level"' in line for line in sample)
    values = json_lines.values_of(sample[:_LOOKED_AT]) if asked else {}
    said = (*values.get("message", ()), *values.get("msg", ()))
    if "level" in values and "log" not in values and calls.reader(said) is not None:
        # An application's logger, that tells of requests and of much else: as `json` all of it is read.
        return None
    if any('"log"' in line for line in sample) and "log" not in values:
        # Elastic's schema has an object there, of what was read.
        keys["inner"], marks = keys["inner"][1:], marks[1:]
    found = (by_keys(keys, some)(sample, settings) for some in marks)
    return next((peel for peel in found if peel is not None), None)


WRAPPER = Wrapper(
    name="fluent_bit",
    title="JSON of collectors with a line inside: fluent-bit, fluentd, Filebeat, Vector, Logstash",
    samples=('{"date":1772359323.123456,"log":"hello world","stream":"stdout","kubernetes":{"pod_name":"api-1"}}',),
    prepare=_prepare,
    taken="if known",
)
