"""Finds inputs that are there twice: plain and compressed, copied, or copied while they grew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from authforensics.collect.compression import readable
from authforensics.collect.found import Found
from authforensics.collect.left_alone import by_name

#: Bytes at the beginning that are compared first; a few lines may be alike by chance.
_HEAD, _LEAST = 4096, 1024


def duplicates(found: Sequence[Found]) -> dict[str, str]:
    """The inputs all of whose lines are at the beginning of another one, or are that one: which of them that is."""
    alike: dict[bytes, list[Found]] = defaultdict(list)
    for each in found:
        read = each.problem is None and by_name(each.path.name, each.named) is None
        head = _head(each) if read else b""
        if len(head) >= _LEAST:
            alike[head].append(each)
    copies: dict[str, str] = {}
    for group in alike.values():
        kept: list[Found] = []
        for each in group:
            _place(each, kept, copies)
    return {source: _last(source, copies) for source in copies}


def lines_of(found: Found) -> int:
    """How many lines an input has."""
    count, last = 0, b"\n"
    for data in readable(found.path):
        count, last = count + data.count(b"\n"), data
    return count + (not last.endswith(b"\n"))


def _place(each: Found, kept: list[Found], copies: dict[str, str]) -> None:
    """Compare an input to those that are kept so far."""
    for number, other in enumerate(kept):
        longer = _longer(each, other)
        if longer is other:
            copies[each.source] = other.source
            return
        if longer is each:
            copies[other.source] = each.source
            kept[number] = each
            return
    kept.append(each)


def _longer(each: Found, other: Found) -> Found | None:
    """Which of two inputs begins with all of the other, the second if they are the same; None if neither does."""
    mine, its = readable(each.path), readable(other.path)
    left, right = b"", b""
    while True:
        left = left or next(mine, b"")
        right = right or next(its, b"")
        size = min(len(left), len(right))
        if left[:size] != right[:size]:
            return None
        if not size:
            return other if not left else each
        left, right = left[size:], right[size:]


def _last(source: str, copies: dict[str, str]) -> str:
    while source in copies:
        source = copies[source]
    return source


def _head(found: Found) -> bytes:
    head = b""
    for data in readable(found.path):
        head += data
        if len(head) >= _HEAD:
            break
    return head[:_HEAD]
