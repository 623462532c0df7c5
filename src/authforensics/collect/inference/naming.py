"""Names the columns of lines of an unknown layout, as nginx would, and writes the layout as a format string."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from authforensics.collect import keys, synonyms, units
from authforensics.collect.compiled import IGNORED, Layout, compile_layout
from authforensics.collect.fields import NULLS
from authforensics.collect.inference import looks
from authforensics.collect.inference.columns import Column, Part, parts_of

#: Lines that are looked at, and how long they may be.
_LINES, _LONGEST = 150, 2_000
#: Of so few lines none is left out.
_FEW = 4
#: The share of the lines that the layout must take just as the columns are.
_ENOUGH = 0.6
#: What the values of a field look like, where they must look like anything.
_LOOKS: dict[str, set[str | None]] = {
    "client_ip": {"address", "peer", "addresses"},
    "forwarded": {"address", "addresses"},
    "request": {"request"},
    "method": {"method"},
    "target": {"path", "url"},
    "status": {"status"},
    "bytes": {"integer", "status"},
    "user_agent": {"agent", None},
    "query": {None},
}
_LASTING = {"integer", "decimal", "status", "lasted"}
#: Keys that the synonyms lack, for they mean it in text only.
_KEYS = {"rt": "request_time", "urt": "upstream_response_time", "took": "duration_ms", "from": "remote_addr"}
#: What a duration is called in each unit, by its milliseconds.
_DURATIONS = {1e3: "request_time", 1.0: "duration_ms", 1e-3: "request_time_us", 1e-6: "duration_ns"}
#: Of two numbers that may be the status one is it if they differ in fewer lines than this.
_ALIKE = 0.2


@dataclass(frozen=True, slots=True)
class Inferred:
    """A layout, and the format string that says the same."""

    text: str
    layout: Layout


def infer(sample: Sequence[str]) -> Inferred | None:
    """The layout of most of these lines; None if they have none with time, status and what was asked for."""
    lines = [line for line in sample if len(line) <= _LONGEST and not line.startswith(("{", "#"))][:_LINES]
    if not lines or len(lines) * 2 < min(len(sample), _LINES):
        return None
    # The first and the last may have been cut off, and have other columns then.
    return _inferred(lines) or (_inferred(lines[1:-1]) if len(lines) > _FEW else None)


def _inferred(lines: Sequence[str]) -> Inferred | None:
    parts, kept = parts_of(lines)
    columns = [part for part in parts if isinstance(part, Column)]
    if not any(column.kind in looks.TIMES for column in columns):
        return None
    names = named(columns)
    if names is None:
        return None
    text = _written(parts, names)
    if text is None:
        return None
    layout = compile_layout(text)
    right = _right(layout, [lines[place] for place in kept], columns, names)
    return Inferred(text, layout) if right >= _ENOUGH * len(lines) else None


def named(columns: Sequence[Column]) -> list[str] | None:
    """What nginx would call these columns, `IGNORED` where it has no name; None if they are no requests for certain."""
    return _Names(columns).names()


def _right(layout: Layout, lines: Sequence[str], columns: Sequence[Column], names: Sequence[str]) -> int:
    """How many lines the layout takes, and gets from each what the columns have."""
    if layout.pattern is None:
        return 0
    pattern = re.compile(layout.pattern)
    groups = {name: group for group, name in reversed(layout.names.items()) if name != IGNORED}
    found = {name: column for name, column in reversed(list(zip(names, columns, strict=True))) if name in groups}
    right = 0
    for place, line in enumerate(lines):
        match = pattern.match(line)
        right += match is not None and all(match[groups[name]] == found[name].values[place] for name in found)
    return right


def _written(parts: Sequence[Part], names: Iterable[str]) -> str | None:
    """The parts as a format string; None if that can't say them."""
    text = ""
    left = iter(names)
    for place, part in enumerate(parts):
        if isinstance(part, str):
            if "$" in part or "\\" in part:
                return None
            text += part.replace("\t", "\\t")
            continue
        following = parts[place + 1] if place + 1 < len(parts) else ""
        name = next(left)
        text += f"${{{name}}}" if isinstance(following, str) and re.match(r"\w", following) else f"${name}"
    return text


class _Names:
    """Finds the names of columns: those that keys tell, then one after the other what looks tell."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._named: dict[int, str] = {}

    def names(self) -> list[str] | None:
        """The name of each column; None if time, status or what was asked for aren't among them or can't be told."""
        for place, column in enumerate(self._columns):
            name = _keyed(column)
            if name is not None and name not in self._named.values():
                self._named[place] = name
        for kind, name in looks.TIMES.items():
            self._give(name, self._first({kind}))
        self._request()
        if not self._status():
            return None
        self._addresses()
        self._rest()
        names = [self._named.get(place, IGNORED) for place in range(len(self._columns))]
        known = synonyms.matching(names)
        told = synonyms.times_in(names) and "status" in known
        return names if told and {"request", "target"} & {*known} else None

    def _give(self, name: str, place: int | None) -> None:
        if place is not None and name not in self._named.values():
            self._named[place] = name

    def _field(self, name: str) -> bool:
        """Whether a field has a column."""
        return name in synonyms.matching(self._named.values())

    def _places(self, kinds: set[str]) -> list[int]:
        """Where columns of some kinds are that have no name yet."""
        columns = enumerate(self._columns)
        return [place for place, column in columns if column.kind in kinds and place not in self._named]

    def _first(self, kinds: set[str]) -> int | None:
        return next(iter(self._places(kinds)), None)

    def _request(self) -> None:
        """The request line; else method and target, which stands behind it if there are more paths than one."""
        if self._field("request"):
            return
        if (place := self._first({"request"})) is not None:
            self._named[place] = "request"
            return
        if not self._field("method"):
            self._give("request_method", self._first({"method"}))
        if self._field("target"):
            return
        method = next((place for place, name in self._named.items() if name == "request_method"), None)
        paths, urls = self._places({"path"}), self._places({"url"})
        # One that is always the same, beside others, is where all calls go: an upstream.
        paths = [place for place in paths if len({*self._columns[place].values}) > 1] or paths
        if method is not None and method + 1 in {*paths, *urls}:
            self._named[method + 1] = "request_uri"
        elif len(paths) == 1 or (not paths and len(urls) == 1):
            self._named[(paths or urls)[0]] = "request_uri"

    def _status(self) -> bool:
        """The status: the first of the numbers that may be it, if the others say mostly the same.

        Else that which stands behind the request; false if there is none.
        """
        if self._field("status"):
            return True
        places = self._places({"status"})
        asked = {place + 1 for place, name in self._named.items() if name in {"request", "request_uri"}}
        if not places:
            return False
        first = self._columns[places[0]].values
        differ = [place for place in places[1:] if _differing(first, self._columns[place].values) > _ALIKE]
        if not differ:
            self._named[places[0]] = "status"
        elif asked & {*places}:
            self._named[min(asked & {*places})] = "status"
        else:
            return False
        return True

    def _addresses(self) -> None:
        """The client's address: the first that changes, one without a port if there is one; and those of proxies."""
        plain, ported, lists = self._places({"address"}), self._places({"peer"}), self._places({"addresses"})
        if not self._field("client_ip"):
            changing = [place for place in plain + ported if len({*self._columns[place].values}) > 1]
            chosen = next(iter(changing or plain + ported), None)
            if chosen is not None:
                self._named[chosen] = "remote_addr"
            elif len(lists) == 1:
                self._named[lists[0]] = "http_x_forwarded_for"
        others = [place for place in lists + plain if place not in self._named and self._columns[place].quoted]
        if not self._field("forwarded"):
            self._give("http_x_forwarded_for", next(iter(others + self._places({"addresses"})), None))
        if not self._field("upstream"):
            self._give("upstream_addr", self._first({"peer"}))

    def _rest(self) -> None:
        """Durations with a unit or with nginx's three decimals, the size behind the status, user, agent, id."""
        for place in self._places(set(looks.NUMBERS)):
            unit = self._columns[place].unit
            if unit is not None:
                self._give(looks.UNITS[unit], place)
        if units.duration_in(self._named.values()) is None:
            self._give("duration_ms", self._first({"lasted"}))
        seconds = [place for place in self._places({"decimal"}) if _milliseconds(self._columns[place].values)]
        if seconds and units.duration_in(self._named.values()) is None:
            millis = units.unit_of(self._columns[seconds[0]].values, 1e3) == 1.0
            self._give("duration_ms" if millis else "request_time", seconds[0])
        places = {name: place for place, name in self._named.items()}
        behind = places.get("status", -1) + 1
        if behind and not self._field("bytes") and behind in self._places({"integer"}):
            self._named[behind] = "body_bytes_sent"
        self._user(places)
        agents = self._places({"agent"})
        if not self._field("user_agent"):
            self._give("http_user_agent", next(iter(agents), None))
        if not self._field("request_id"):
            ids = [place for place in self._places({"id"}) if _unique(self._columns[place].values)]
            self._give("request_id", next(iter(ids), None))

    def _user(self, places: dict[str, int]) -> None:
        """The user, where nginx and Apache write it: between the address with a `-` and the time."""
        user = places.get("remote_addr", -3) + 2
        clock = [places[name] for name in looks.TIMES.values() if name in places]
        free = user not in self._named and not self._field("user_id")
        if free and user + 1 in clock and {*self._columns[user - 1].values} == {"-"}:
            self._named[user] = "remote_user"


def _keyed(column: Column) -> str | None:
    """The variable of a column whose key says what it is, if its values look like that."""
    if column.key is None:
        return None
    name = _KEYS.get(column.key, keys.fold(column.key).replace(".", "_"))
    if re.fullmatch(r"[A-Za-z_]\w*", name) is None or not synonyms.wanted(name):
        return None
    if synonyms.times_in([name]):
        return name if column.kind in looks.TIMES else None
    if units.duration_in([name]) is not None:
        if column.unit is not None:
            return looks.UNITS[column.unit]
        return _lasting(name, column) if column.kind in _LASTING else None
    field = next(iter(synonyms.matching([name])))
    told = any(value not in NULLS for value in column.values)
    return name if field not in _LOOKS or not told or column.kind in _LOOKS[field] else None


def _lasting(name: str, column: Column) -> str:
    """What to call a duration, so that its name says the unit that its values have."""
    said, told = units.duration_in([name]), units.duration_in([name], {name: column.values})
    return name if said is None or told is None or said == told else _DURATIONS[told[1]]


def _differing(first: Sequence[str], second: Sequence[str]) -> float:
    """The share of lines where two columns differ, of those that have both."""
    pairs = [pair for pair in zip(first, second, strict=True) if "-" not in pair]
    return sum(one != other for one, other in pairs) / max(len(pairs), 1)


def _milliseconds(values: Sequence[str]) -> bool:
    """Whether numbers are durations with as many digits as nginx writes."""
    told = [value for value in values if value not in NULLS]
    return all(re.fullmatch(r"\d+\.\d{3}", value) for value in told) and max(map(float, told)) < 600


def _unique(values: Sequence[str]) -> bool:
    told = [value for value in values if value not in NULLS]
    return len({*told}) >= 0.9 * len(told) and len(told) > 1
