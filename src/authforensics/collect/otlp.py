"""Takes batches of OpenTelemetry's own JSON (OTLP) apart into their log records.

Reference: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding,
https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/
"""

from __future__ import annotations

import math
from collections.abc import Iterator

#: The scopes of a batch; versions before 0.15 had another name for them.
_SCOPES = ("scopeLogs", "instrumentationLibraryLogs")
#: The types of a value that stand for themselves, and those that hold others.
_PLAIN = ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue")
_DEEPEST = 20


def log_records(value: dict[str, object]) -> list[object] | None:
    """The log records of a batch, each with the attributes of its resource beside its own; None if it is no batch."""
    batches = value.get("resourceLogs")
    if not isinstance(batches, list):
        return None
    return [record for batch in batches for record in _of_batch(batch)]


def _of_batch(batch: object) -> Iterator[object]:
    if not isinstance(batch, dict):
        yield batch
        return
    resource = batch.get("resource")
    shared = _pairs(resource.get("attributes"), 0) if isinstance(resource, dict) else {}
    for name in _SCOPES:
        for scope in _list(batch.get(name)):
            for record in _list(scope.get("logRecords") if isinstance(scope, dict) else None):
                yield _record(record, shared) if isinstance(record, dict) else record


def _record(record: dict[str, object], shared: dict[str, object]) -> dict[str, object]:
    attributes = _pairs(record.get("attributes"), 0)
    body = _value(record.get("body"), 0)
    beside = {} if isinstance(body, dict) else {"body": body}
    # What is logged as an object has its values by name, as attributes do.
    said = {**(body if isinstance(body, dict) else {}), **attributes}
    return {**record, **beside, "attributes": said, "resource": shared}


def _pairs(pairs: object, depth: int) -> dict[str, object]:
    known = [pair for pair in _list(pairs) if isinstance(pair, dict)]
    return {str(pair.get("key")): _value(pair.get("value"), depth) for pair in known}


def _value(value: object, depth: int) -> object:
    """What a value with its type says; deeper than any log is nested it says nothing."""
    if not isinstance(value, dict) or depth > _DEEPEST:
        return None
    for kind in _PLAIN:
        if kind in value:
            plain = value[kind]
            return None if isinstance(plain, float) and not math.isfinite(plain) else plain
    if isinstance(listed := value.get("arrayValue"), dict):
        return [_value(each, depth + 1) for each in _list(listed.get("values"))]
    if isinstance(pairs := value.get("kvlistValue"), dict):
        return _pairs(pairs.get("values"), depth + 1)
    return None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
