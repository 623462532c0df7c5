"""What values are by their looks: times, addresses, requests, statuses, durations, ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from authforensics.collect.fields import NULLS
from authforensics.collect.requests import REQUEST_LINE
from authforensics.collect.synonyms import wanted

_CLF = r"\d{2}/[A-Z][a-z]{2}/\d{4}[: ]\d{2}:\d{2}:\d{2}(?: [+-]\d{4})?"
_ISO = r"\d{4}[-/]\d{2}[-/]\d{2}[Tt ]\d{2}:\d{2}:\d{2}"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})(?!\w))?"
#: A time that may hold spaces.
TIME = rf"{_CLF}|{_ISO}(?:\.\d{{1,9}}|,\d{{3}}(?![\d.]))?{_ZONE}"
#: The same, where commas separate values and what follows is a status.
TIME_BEFORE_COMMA = rf"{_CLF}|{_ISO}(?:\.\d{{1,9}})?{_ZONE}"
_IPV4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_IPV6 = r"\[?(?=[0-9A-Fa-f:]*::|(?:[0-9A-Fa-f]{1,4}:){6})[0-9A-Fa-f:]{2,39}(?:\d{1,3}(?:\.\d{1,3}){3})?(?:%\w+)?\]?"
_METHOD = r"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|CONNECT|TRACE|PROPFIND|REPORT|MKCOL)"
_URL = r"https?://\S+"
#: Numbers whose unit may stand behind, and what it can be.
NUMBERS = frozenset({"integer", "decimal", "status"})
UNITS = {"ms": "duration_ms", "msec": "duration_ms", "us": "request_time_us", "µs": "request_time_us"}
UNITS |= dict.fromkeys(("s", "sec", "secs", "seconds"), "request_time")
# Reference: https://www.iana.org/assignments/http-status-codes; and what nginx, AWS and Cloudflare add.
_OTHER_STATUSES = {440, 444, 449, 450, 460, 463, *range(494, 500), 509, *range(520, 531), 561, 598}
_REGISTERED = {*range(100, 104), *range(200, 209), 226, *range(300, 309), *range(400, 427), *range(428, 432), 451}
_AFTER_TIME = re.compile(rf"{_ISO},(\d+),")
STATUSES = frozenset(map(str, {*_REGISTERED, *range(500, 512), *_OTHER_STATUSES}))
#: Of the values of a column that aren't null, the share that must look alike; what clients write needs not.
_MOST, _WRITTEN = 0.9, 0.5
_MONOTONE = 0.8

#: The first that fits counts.
_KINDS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "clf": rf"{_CLF}",
        "iso": rf"{_ISO}(?:[.,]\d{{1,9}})?{_ZONE}",
        "epoch": r"1\d{9}(?:\.\d{1,9})?|1\d{12}|1\d{15}|1\d{18}",
        "request": REQUEST_LINE,
        "address": rf"(?:{_IPV4}|{_IPV6})",
        "peer": rf"(?:{_IPV4}|\[[0-9A-Fa-f:]+\]):\d{{1,5}}",
        "addresses": rf"(?:{_IPV4}|{_IPV6})(?::\d+)?(?:, ?(?:{_IPV4}|{_IPV6})(?::\d+)?)*",
        "method": _METHOD,
        "call": rf"{_METHOD} (?:/|{_URL})\S*",
        "protocol": r"HTTPS?/\d(?:\.\d)?",
        "path": r"/\S*",
        "url": _URL,
        "lasted": r"\d+(?:\.\d+)?(?:ns|us|µs|ms|s)",
        "integer": r"\d+",
        "decimal": r"\d+\.\d+",
        "id": r"[0-9a-f]{32}|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
        "agent": r"(?:Mozilla/\d|[A-Za-z][\w .-]{0,40}/v?\d).*",
    }.items()
}
TIMES = {"clf": "time_local", "iso": "time_iso8601", "epoch": "msec"}
#: Words that stand before a value without saying more.
_WORDS = frozenset({"from", "in", "by", "to", "with", "took", "took:", "for"})


def kind_of(values: Sequence[str]) -> str | None:
    """What nearly all of some values are; None if they don't look alike, or have no looks that tell."""
    told = [value for value in values if value not in NULLS]
    if not told:
        return None
    for name, pattern in _KINDS.items():
        least = _WRITTEN if name in {"request", "agent"} else _MOST
        if sum(pattern.fullmatch(value) is not None for value in told) >= least * len(told):
            return _narrowed(name, told)
    return None


def parted(values: Sequence[str]) -> bool:
    """Whether a comma behind the time is no part of it: a status follows, not a fraction of a second."""
    found = [match[1] for match in map(_AFTER_TIME.search, values) if match is not None]
    return bool(found) and STATUSES.issuperset(found)


def names(word: str) -> bool:
    """Whether a word tells what stands behind it, or leads to it."""
    return word in _WORDS or wanted(word.rstrip(":="))


_EPOCH = re.compile(r"1[0-9]+(?:\.[0-9]+)?")


def _narrowed(name: str, values: list[str]) -> str:
    """The kind of numbers: times go on, statuses are few."""
    if name == "epoch":
        numbers = [value for value in values if _EPOCH.fullmatch(value)]
        at = [float(value) / 10 ** (len(value.partition(".")[0]) - 10) for value in numbers]
        grows = sum(later >= earlier - 60 for earlier, later in pairwise(at))
        if grows < _MONOTONE * (len(at) - 1):
            return "decimal" if "." in values[0] else "integer"
    if name == "integer" and sum(value in STATUSES for value in values) >= _MOST * len(values):
        return "status"
    return name
