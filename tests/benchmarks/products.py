"""Writes traffic as products log it in JSON, and as wrappers hand it on: the lines of cases, with other values in each.

What varies is what varies in a log: times, addresses, paths, user agents, ids and amounts. All the rest stays.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random

CASES = Path(__file__).parent.parent / "cases"
#: Formats whose lines are JSON objects.
JSON = ("json", "auth0", "okta", "entra", "cloudtrail", "firebase")
_START, _STEP = datetime(2026, 3, 1, 10, tzinfo=UTC), timedelta(milliseconds=25)
_TOKEN = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"(?P<key>\s*:)?|(?<=[\s:\[])(?P<number>-?\d+(?:\.\d+)?)(?=[\s,\]}])')
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?P<mark>[T ])\d{2}:\d{2}:\d{2}(?:(?P<point>[.,])(?P<digits>\d{1,9}))?")
_NAMED = {
    re.compile(r"\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2}"): "%d/%b/%Y:%H:%M:%S",
    re.compile(r"\b[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}"): "%b %e %H:%M:%S",
}
_EPOCH = re.compile(r"1[67]\d{8}(?P<finer>\d{3}|\d{6}|\d{9})?(?:\.(?P<digits>\d+))?")
_ADDRESS = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")
_ID = re.compile(r"[0-9a-fA-F-]{16,}")
_CALLER = ("iphone", "ipad", "mozilla", "curl", "okhttp", "shop/")
_FIXED = ("status", "code", "level", "severity", "line", "port", "pid", "version")

#: Part of a line: what stands in it, of a time and of chance.
Part = Callable[[datetime, Random], str]


def main() -> None:
    """Write a log: `products.py FILE LINES SOURCE [WRAPPER]`, of a case or of the lines of another log."""
    path, lines, source, *around = sys.argv[1:]
    text = lines_of(source) if source in names() else _lines_in(Path(source))
    text = islice(text, int(lines))
    for name in around:
        text = wrapped(name, text)
    with Path(path).open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in text)


def names() -> list[str]:
    """The cases of formats whose lines are JSON, but for the one of lines that are not."""
    paths = sorted((CASES / "formats").glob("*.toml"))
    return [path.stem for path in paths if path.stem.partition(".")[0] in JSON and path.stem != "json.invalid"]


def wrappers() -> dict[str, str]:
    """What stands around a line, by the case of a wrapper."""
    cases = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in (CASES / "wrappers").glob("*.toml")}
    return {name: cases[name]["around"] for name in sorted(cases) if "around" in cases[name]}


def _lines_in(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from (line.rstrip("\n") for line in file)


def lines_of(name: str) -> Iterator[str]:
    """Lines like those of a case that are events, in turn; no end of them."""
    case = tomllib.loads((CASES / "formats" / f"{name}.toml").read_text(encoding="utf-8"))
    numbers = sorted({event["line_number"] for event in case["events"]})
    return varied([case["lines"][number - 1] for number in numbers])


def varied(templates: Sequence[str]) -> Iterator[str]:
    """Lines like some, in turn; no end of them."""
    chance = Random(5)
    values = _Values(chance)
    parts = [list(_parts(template, values)) for template in templates]
    when = _START
    while True:
        for line in parts:
            yield "".join(part(when, chance) for part in line)
            when += _STEP


def wrapped(name: str, lines: Iterable[str]) -> Iterator[str]:
    """Lines inside of a wrapper."""
    around = wrappers()[name]
    if "%csv%" in around:  # The names of the columns stand above the lines.
        yield tomllib.loads((CASES / "wrappers" / f"{name}.toml").read_text(encoding="utf-8"))["lines"][0]
    for line, outside in zip(lines, varied([around]), strict=False):
        marks = {
            "%text%": line,
            "%object%": line,
            "%json%": json.dumps(line),
            "%json_line%": json.dumps(f"{line}\n"),
            "%csv%": '"' + line.replace('"', '""') + '"',
        }
        (mark,) = (mark for mark in marks if mark in outside)
        yield outside.replace(mark, marks[mark])


class _Values:
    """The values that come again in a log."""

    def __init__(self, chance: Random) -> None:
        self.addresses = [f"203.0.{chance.randrange(256)}.{chance.randrange(1, 255)}" for _ in range(5_000)]
        self.ids = [f"{chance.getrandbits(64):016x}" for _ in range(2_000)]
        self.numbers = [str(chance.randrange(10_000, 99_999_999)) for _ in range(3_000)]
        agent = "Mozilla/5.0 (iPhone; CPU iPhone OS {} like Mac OS X) AppleWebKit/605.1.15 Shop/{}.{}"
        self.agents = [agent.format(major, minor, patch) for major in "678" for minor in "12345" for patch in "12345"]


def _parts(template: str, values: _Values) -> Iterator[Part]:
    """What a line is put together from."""
    key, done = "", 0
    for token in _TOKEN.finditer(template) if template.startswith("{") else _times(template):
        if token.re is _TOKEN and token["key"]:
            key = token["text"].lower()
            continue
        kind = "number" if token.re is _TOKEN and token["number"] else "text" if token.re is _TOKEN else 0
        part = _part(key, token[kind], kind == "number", values)
        if part is not None:
            yield _same(template[done : token.start(kind)])
            yield part
            done = token.end(kind)
    yield _same(template[done:])


def _times(text: str) -> Iterator[re.Match[str]]:
    """The time in front of a text, if it has one in its front."""
    found = (pattern.search(text[:60]) for pattern in (_ISO, *_NAMED))
    return (match for match in found if match is not None)


def _same(text: str) -> Part:
    return lambda _when, _chance: text


def _part(key: str, value: str, number: bool, values: _Values) -> Part | None:
    """What varies as a value does; None: it never does."""
    if (time := _time(value)) is not None:
        return time
    if number:
        return None if any(word in key for word in _FIXED) else _amount(value)
    if match := _ADDRESS.match(value):
        rest = value[match.end() :]
        return lambda _when, chance: chance.choice(values.addresses) + rest
    if "agent" in key or any(word in value.lower() for word in _CALLER):
        return lambda _when, chance: chance.choice(values.agents)
    if value.startswith(("/", "http://", "https://")) and " " not in value:
        path, mark, query = value.partition("?")
        return lambda _when, chance: f"{path.rstrip('/')}/{chance.choice(values.numbers)}{mark}{query}"
    if "device" in key or "user" in key:
        return lambda _when, chance: chance.choice(values.ids) if value not in ("", "-") else value
    if _ID.fullmatch(value) or (key.endswith("id") and value not in ("", "-")):
        length = max(len(value), 8)
        return lambda _when, chance: f"{chance.getrandbits(4 * length):0{length}x}"
    return None


def _time(value: str) -> Part | None:
    for pattern, layout in _NAMED.items():
        if match := pattern.search(value):
            front, rest = value[: match.start()], value[match.end() :]
            return lambda when, _chance: f"{front}{when.strftime(layout)}{rest}"
    if match := _ISO.match(value):
        mark, point, digits, rest = match["mark"], match["point"] or "", match["digits"] or "", value[match.end() :]
        layout = f"%Y-%m-%d{mark}%H:%M:%S{point}"
        return lambda when, _chance: when.strftime(layout) + _fraction(when, len(digits)) + rest
    if match := _EPOCH.fullmatch(value):
        finer, point, digits = len(match["finer"] or ""), "." if match["digits"] else "", len(match["digits"] or "")
        return lambda when, _chance: f"{int(when.timestamp())}{_fraction(when, finer)}{point}{_fraction(when, digits)}"
    return None


def _fraction(when: datetime, digits: int) -> str:
    return f"{when.microsecond:06}000"[:digits]


def _amount(value: str) -> Part | None:
    digits = len(value.partition(".")[2])
    most = 2 * float(value)
    if most <= 0:
        return None
    return lambda _when, chance: f"{chance.uniform(most / 20, most):.{digits}f}"


if __name__ == "__main__":
    main()
