"""Takes JSON documents apart into their records, one a line: arrays, answers of APIs, objects over several lines."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from isal import isal_zlib

from authforensics.collect.aside import Place
from authforensics.collect.compression import Break, chunks
from authforensics.collect.found import Found, shortage
from authforensics.collect.left_alone import by_name

#: Characters at the beginning from which a document is known, and the most that one value of it may have.
_HEAD, _MOST = 1 << 16, 1 << 28
_ARRAY = re.compile(r"\s*\[\s*\{")
#: A recording of a browser is a document of its own.
_RECORDING = re.compile(r'\s*\{\s*"log"\s*:\s*\{\s*"(?:version|creator|browser|pages|entries|comment)"')
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
    # Reference: https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTsearch; CloudWatch's GetQueryResults
    "results": {"preview", "init_offset", "messages", "fields", "highlighted", "statistics", "status", "queryLanguage"},
}
_DECODER = json.JSONDecoder()


class _Broken(Exception):
    """The text is no JSON from here on."""


def recorded(found: Found, place: Place) -> list[Found]:
    """The input, or if it is a JSON document what has its records as lines; and where it breaks off.

    Raises:
        InputError: there is no room for it.
    """
    if found.problem is not None or by_name(found.path.name, found.named):
        return [found]
    try:
        text = _Text(found)
        if not _is_document(text.head()):
            return [found]
    except (OSError, _Broken):
        return [found]
    records = _records(text)
    try:
        first = next(records, None)
    except _Broken:
        first = None
    if first is None:
        return [found]
    path = place.path(found.path.name)
    packer = isal_zlib.compressobj(level=1, wbits=31)
    problem = None
    try:
        with path.open("wb") as out:
            try:
                for record in chain([first], records):
                    out.write(packer.compress((_line(record) + "\n").encode(errors="replace")))
            except _Broken as broken:
                problem = f"no JSON from some place on, read as far as it goes: {broken}"
            out.write(packer.flush())
        os.utime(path, (found.path.stat().st_mtime,) * 2)
    except OSError as error:
        raise shortage(error, found.source, path) from error
    # It stands for the file that the caller named, or met under a name that is looked at.
    lines = replace(found, path=path)
    return [lines, replace(found, problem=problem)] if problem else [lines]


def _line(record: object) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _is_document(head: str) -> bool:
    """Whether a text that begins so is no sequence of lines that are objects."""
    if _ARRAY.match(head):
        return True
    if not head.lstrip().startswith("{") or _RECORDING.match(head):
        return False
    first = head.lstrip().partition("\n")[0]
    try:
        value, end = _DECODER.raw_decode(first)
    except (ValueError, RecursionError):
        return True
    return _answer(value) is not None or first[end:].lstrip().startswith("{")


def _records(text: _Text) -> Iterator[object]:
    while text.more():
        if text.peek() == "[":
            yield from text.items()
            continue
        value = text.value()
        answer = _answer(value)
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
    hits = value.get("hits")
    if isinstance(hits, dict) and isinstance(hits.get("hits"), list):
        return list(hits["hits"])
    data = value.get("data")
    if isinstance(data, dict) and isinstance(data.get("result"), list):
        return [record for stream in data["result"] for record in _of_stream(stream)]
    for name, beside in _ANSWERS.items():
        records = value.get(name)
        if isinstance(records, list) and set(value) - {name} <= beside:
            return [_of_fields(record) for record in records]
    return None


def _of_stream(stream: object) -> Iterator[object]:
    """The lines of a stream of Loki. Reference: https://grafana.com/docs/loki/latest/reference/loki-http-api/."""
    if isinstance(stream, dict) and isinstance(stream.get("values"), list):
        for value in stream["values"]:
            if isinstance(value, list) and len(value) > 1:
                yield {"labels": stream.get("stream"), "timestamp": value[0], "line": value[1]}
    else:
        yield stream


def _of_fields(record: object) -> object:
    """A row of CloudWatch Logs Insights, which is a list of its fields."""
    if isinstance(record, list) and all(isinstance(field, dict) and "field" in field for field in record):
        return {str(field["field"]): field.get("value") for field in record}
    return record


class _Text:
    """The text of a file, decompressed, of which only what is needed is held."""

    def __init__(self, found: Found) -> None:
        self._chunks = chunks(found.path)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._held = ""
        self._ended = False

    def head(self) -> str:
        """The beginning."""
        while len(self._held) < _HEAD and self._grow():
            pass
        return self._held[:_HEAD]

    def more(self) -> bool:
        """Whether there is anything but blanks."""
        self._held = self._held.lstrip("\ufeff \t\r\n\0,")
        while not self._held and self._grow():
            self._held = self._held.lstrip("\ufeff \t\r\n\0,")
        return bool(self._held)

    def peek(self) -> str:
        """The next character."""
        return self._held[:1]

    def items(self) -> Iterator[object]:
        """The values of the array that is next."""
        self._held = self._held[1:]
        while self.more():
            if self.peek() == "]":
                self._held = self._held[1:]
                return
            yield self.value()
        raise _Broken("it ends within a list")

    def value(self) -> object:
        """The next value."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held)
            except json.JSONDecodeError as error:
                cut_off = error.msg.startswith("Unterminated string") or error.pos >= len(self._held) - 8
                if cut_off and len(self._held) < _MOST and self._double():
                    continue
                raise _Broken(
                    f"{error.msg} in {self._held[:40]!r}" if not cut_off else "it ends within a value"
                ) from error
            except (ValueError, RecursionError) as error:
                raise _Broken("it can't be read") from error
            if end < len(self._held) or not isinstance(value, int | float) or not self._double():
                self._held = self._held[end:]
                return value

    def _double(self) -> bool:
        wanted = max(2 * len(self._held), _HEAD)
        grown = False
        while len(self._held) < wanted and self._grow():
            grown = True
        return grown

    def _grow(self) -> bool:
        """Hold a chunk more; whether there was one."""
        if self._ended:
            return False
        try:
            data = next(self._chunks, (b"", 0))[0]
        except Break as broken:
            raise _Broken(str(broken)) from broken
        self._ended = not data
        self._held += self._decoder.decode(data, final=self._ended)
        return bool(data)
