"""Takes JSON documents apart into their records, one a line: arrays, answers of APIs, objects over several lines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from isal import isal_zlib

from authforensics.collect import har
from authforensics.collect.aside import Place
from authforensics.collect.found import Found, shortage
from authforensics.collect.json_text import Broken, JsonText
from authforensics.collect.left_alone import by_name
from authforensics.collect.otlp import log_records

_ARRAY = re.compile(r"\s*\[\s*\{")
#: Under which key an answer has its records, and what it may have beside them.
_ANSWERS: dict[str, set[str]] = {
    # Reference: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
    "events": {"searchedLogStreams", "nextToken", "nextForwardToken", "nextBackwardToken"},
    # Reference: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html
    "Records": set(),
    # Reference: https://learn.microsoft.com/en-us/azure/azure-monitor/essentials/resource-logs-schema
    "records": set(),
    # Reference: https://learn.microsoft.com/en-us/graph/api/signin-list
    "value": {"@odata.context", "@odata.nextLink"},
    # Reference: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list
    "entries": {"nextPageToken"},
    # Reference: https://docs.datadoghq.com/api/latest/logs/
    "data": {"meta", "links"},
    # Reference: https://supabase.com/docs/reference/api/v1-get-project-logs
    "result": {"error"},
    # Reference: https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTsearch; CloudWatch's GetQueryResults
    "results": {"preview", "init_offset", "messages", "fields", "highlighted", "statistics", "status", "queryLanguage"},
}
#: What an answer of Azure Monitor has, whose tables name their columns once.
# Reference: https://learn.microsoft.com/azure/azure-monitor/logs/api/response-format
_TABLES = {"tables", "statistics", "render", "error", "dataSources"}
_DECODER = json.JSONDecoder()


def recorded(found: Found, place: Place) -> list[Found]:
    """The input, or if it is a JSON document what has its records as lines; and where it breaks off.

    Raises:
        InputError: there is no room for it.
    """
    if found.problem is not None or by_name(found.path.name, found.named):
        return [found]
    try:
        text = JsonText(found.path)
        head = text.head()
    except OSError:
        return [found]
    recording = har.is_recording(head)
    if not recording and not _is_document(head):
        return [found]
    records = har.records(text) if recording else _records(text)
    try:
        first = next(records, None)
    except Broken as broken:
        return [replace(found, problem=f"a HAR recording that can't be read: {broken}") if recording else found]
    if first is None:
        return [found]
    path, problem = _put_aside(found, place, chain([first], records))
    # It stands for the file that the caller named, or met under a name that is looked at.
    lines = replace(found, path=path, system=har.system(found.system) if recording else found.system)
    return [lines, replace(found, problem=problem)] if problem else [lines]


def _put_aside(found: Found, place: Place, records: Iterable[object]) -> tuple[Path, str | None]:
    """Where the records are now, one a line, and what is wrong with the document."""
    path = place.path(found.path.name)
    packer = isal_zlib.compressobj(level=1, wbits=31)
    problem = None
    try:
        with path.open("wb") as out:
            try:
                for record in records:
                    out.write(packer.compress((_line(record) + "\n").encode(errors="replace")))
            except Broken as broken:
                problem = f"no JSON from some place on, read as far as it goes: {broken}"
            out.write(packer.flush())
        os.utime(path, (found.path.stat().st_mtime,) * 2)
    except OSError as error:
        raise shortage(error, found.source, path) from error
    return path, problem


def _line(record: object) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _is_document(head: str) -> bool:
    """Whether a text that begins so is no sequence of lines that are objects."""
    if _ARRAY.match(head):
        return True
    if not head.lstrip().startswith("{"):
        return False
    first = head.lstrip().partition("\n")[0]
    try:
        value, end = _DECODER.raw_decode(first)
    except (ValueError, RecursionError):
        return True
    return _answer(value) is not None or first[end:].lstrip().startswith("{")


def _records(text: JsonText) -> Iterator[object]:
    batches = False
    while text.more():
        if text.peek() == "[":
            yield from map(_plain, text.items())
            continue
        try:
            value = text.value()
        except Broken:
            # Where each line is a batch the next one is whole again; that which isn't becomes a reject.
            line = text.line() if batches else None
            if line is None:
                raise
            yield line
            continue
        answer = _answer(value)
        batches |= answer is not None
        yield from [value] if answer is None else answer


def _answer(value: object) -> list[object] | None:
    """The records of an answer; None if it is none."""
    if not isinstance(value, dict):
        return None
    events = value.get("logEvents")
    # Reference: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
    if isinstance(events, list) and "logGroup" in value:
        stream = {"logStream": value.get("logStream")}
        return [{**stream, **event} if isinstance(event, dict) else event for event in events]
    batch = log_records(value)
    if batch is not None:
        return batch
    hits = value.get("hits")
    if isinstance(hits, dict) and isinstance(hits.get("hits"), list):
        return list(hits["hits"])
    data = value.get("data")
    if isinstance(data, dict) and isinstance(data.get("result"), list):
        return [record for stream in data["result"] for record in _of_stream(stream)]
    tables = value.get("tables")
    if isinstance(tables, list) and tables and set(value) <= _TABLES and all(map(_is_table, tables)):
        return [record for table in tables for record in _of_table(table)]
    for name, beside in _ANSWERS.items():
        records = value.get(name)
        if isinstance(records, list) and set(value) - {name} <= beside:
            return [_plain(record) for record in records]
    return None


def _of_stream(stream: object) -> Iterator[object]:
    """The lines of a stream of Loki. Reference: https://grafana.com/docs/loki/latest/reference/loki-http-api/."""
    if isinstance(stream, dict) and isinstance(stream.get("values"), list):
        for value in stream["values"]:
            if isinstance(value, list) and len(value) > 1:
                yield {"labels": stream.get("stream"), "timestamp": value[0], "line": value[1]}
    else:
        yield stream


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("columns"), list) and isinstance(value.get("rows"), list)


def _of_table(table: dict[str, Any]) -> Iterator[object]:
    """The rows of a table of Azure Monitor as objects."""
    names = [str(one.get("name")) if isinstance(one, dict) else "" for one in table["columns"]]
    for row in table["rows"]:
        # What has other values than these is a row that can't be read.
        yield dict(zip(names, row, strict=True)) if isinstance(row, list) and len(row) == len(names) else row


def _unnested(value: object) -> object:
    """A value with the object itself for each list of one."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0]
    return {key: _unnested(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _plain(record: object) -> object:
    """A row of CloudWatch Logs Insights, which is a list of its fields; or of Supabase, whose objects are lists of one.

    Reference: https://supabase.com/docs/guides/monitoring-and-debugging/advanced-log-filtering#unnesting-arrays
    """
    if isinstance(record, dict) and "event_message" in record and isinstance(record.get("metadata"), list):
        return {**record, "metadata": _unnested(record["metadata"])}
    if isinstance(record, list) and all(isinstance(field, dict) and "field" in field for field in record):
        return {str(field["field"]): field.get("value") for field in record}
    return record
