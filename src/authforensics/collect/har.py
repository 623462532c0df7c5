"""Takes a HAR, the recording of one client's requests, apart into short records, one for each of its entries.

All entries are of one device, whatever their hosts and addresses. Calls to other sites than those that the session is
about (analytics, fonts, maps) are marked: what they answer says nothing about the session.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from authforensics.collect.har_entry import Entry, condensed
from authforensics.collect.json_text import Broken, JsonText

#: How a recording begins: `log` with what the specification puts into it, or with the fields of a product's own.
# Reference: http://www.softwareishard.com/blog/har-12-spec/
_LOG = re.compile(r'\s*\{\s*"log"\s*:\s*\{\s*"(?:version|creator|browser|pages|entries|comment|_\w+)"')
#: How an entry begins that was taken out of one: sorted by name, or in the order of the specification.
_ENTRY = re.compile(r'\s*(?:\[\s*)?\{\s*"(?:_\w+|cache|connection|pageref|request|startedDateTime|time)"')
_FIELDS = ('"startedDateTime"', '"request"', '"response"')
#: Under which the country codes give names to organisations: `co.uk`, `com.au`, `ne.jp`.
_SECOND_LEVEL = re.compile(r"^(?:ac|co|com|edu|go|gob|gov|ne|net|or|org)\.[a-z]{2}$")
_ADDRESS = re.compile(r"^[\d.]+$|:")


def is_recording(head: str) -> bool:
    """Whether a text that begins so is a HAR, or entries of one."""
    return _LOG.match(head) is not None or (_ENTRY.match(head) is not None and all(name in head for name in _FIELDS))


def system(folder: str) -> str:
    """The system that recordings in a folder are: what servers log there is told apart by other ids."""
    return f"{folder} (HAR)"


def records(text: JsonText) -> Iterator[object]:
    """What is to be known of each entry, in order, with the keys that the format `har` reads.

    Raises:
        Broken: the document breaks off; what comes before was yielded, and a record that says where.
    """
    entries: list[Entry] = []
    try:
        entries += (condensed(value) for value in _entries(text))
    except Broken as broken:
        if not entries:
            raise
        yield from _finished(entries)
        yield {"har": _device(entries), "problem": f"the recording breaks off in entry {len(entries) + 1}: {broken}"}
        raise
    yield from _finished(entries)


def _entries(text: JsonText) -> Iterator[object]:
    while text.more():
        if text.peek() == "[":
            yield from text.items()
        elif text.peek() == "{":
            yield from _of_object(text)
        else:
            yield text.value()


def _of_object(text: JsonText) -> Iterator[object]:
    """The entries of a recording; an entry that stands by itself."""
    own: dict[str, object] = {}
    for key in text.members():
        if key == "log" and text.peek() == "{":
            for inner in text.members():
                if inner == "entries" and text.peek() == "[":
                    yield from text.items()
                else:
                    text.value()
        else:
            own[key] = text.value()
    if "request" in own or "startedDateTime" in own:
        yield own


def _finished(entries: Sequence[Entry]) -> Iterator[dict[str, object]]:
    device, sites = _device(entries), _sites(entries)
    credentials = any(entry.sent is not None or entry.cookies for entry in entries)
    for entry in entries:
        other_site = bool(sites) and site(entry.host) not in sites
        yield {**entry.judged(other_site=other_site, credentials=credentials).shown(), "har": device}


def _device(entries: Sequence[Entry]) -> str:
    """What the device is called: by its id if the requests name one, else by when the recording begins.

    Not as its server calls it, so that a request which both have recorded isn't two of one device.
    """
    ids = {entry.device_id for entry in entries if entry.device_id is not None}
    start = next((entry.started for entry in entries if entry.started is not None), None)
    return f"har:{ids.pop() if len(ids) == 1 else start or 'unknown'}"


def _sites(entries: Sequence[Entry]) -> Collection[str]:
    """The sites that the session is about: the page's own, and those that deal with its tokens; none: not known."""
    pages = Counter(site(entry.page) for entry in entries if entry.page is not None)
    own = {site(entry.host) for entry in entries if entry.credential_of_session}
    own |= {name for name, _ in pages.most_common(1)}
    if not pages:
        own |= {site(entry.host) for entry in entries if entry.cookies}
    return own


def site(host: str | None) -> str:
    """The part of a host's name that an organisation has; of an address, and of a short name, all."""
    name = (host or "").rstrip(".").lower()
    if _ADDRESS.search(name):
        return name
    labels = name.split(".")
    return ".".join(labels[-3:] if _SECOND_LEVEL.match(".".join(labels[-2:])) else labels[-2:])
