"""Lines of `key=value` pairs (logfmt): what they hold by key, cut at their quotes where they are laid out alike."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from authforensics.collect.assemble import column
from authforensics.collect.blocks import split
from authforensics.collect.requests import where
from authforensics.collect.splitting import columns

# Reference: https://pkg.go.dev/github.com/kr/logfmt, https://brandur.org/logfmt
KEY = r"[A-Za-z_@][A-Za-z0-9_.@/-]*"
# A line may be cut off within its last value.
# lograge has single quotes.
_VALUE = r"(?:\"(?:[^\"\\]|\\.)*(?:\"|$)|'[^'\"]*'|\[(?:[^\]\"]|\"[^\"]*\")*\]|[^\s\"\[][^\s]*|)"
# Digits and letters are spelled out: \d and \w are those of all scripts, which makes this pattern five times as large.
_TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
    r"(?: ?(?:Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?"
)
_NAME = "[A-Za-z0-9_.-]+"
_LEVEL = r"(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|UNKNOWN|ANY)"
# Reference: https://devcenter.heroku.com/articles/logging (the time and the dyno in front, and logplex's frames);
# https://docs.ruby-lang.org/en/master/Logger/Formatter.html
_AHEAD = (
    rf"(?:[A-Z], \[(?P<called>{_TIME})(?: #[0-9]+)?\] +{_LEVEL} -- [^=\":]*: +"
    rf"|(?:(?:[0-9]+ )?<[0-9]+>[0-9]* ?)?(?:\[?(?P<at>{_TIME})\]?:? +)?(?:{_NAME} {_NAME} {_NAME} - )?"
    rf"(?:{_NAME}\[{_NAME}\]: +)?(?:\[?{_LEVEL}\]?:? +)?)(?:\[[^\]=\"\s]*\] +)*"
)
LINE = rf"^{_AHEAD}{KEY}={_VALUE}(?:\s+{KEY}(?:={_VALUE})?)*\s+{KEY}={_VALUE}(?:\s+{KEY}(?:={_VALUE})?)*\s*$"
_PAIR = rf"(?:^|\s)({KEY})=({_VALUE})"
_SINGLE = re.compile(r"'[^'\"]*'")
_FORM, _IN_PAIR = re.compile(LINE), re.compile(_PAIR)
#: More pairs than a line of a log has.
_MOST_PAIRS = 300
#: How many lines of a sample, of all parts of it, tell the layout.
_LOOKED_AT = 50
#: The key that stands for the time in front of the pairs.
TIME_AHEAD = "time in front"


@dataclass(frozen=True, slots=True)
class Layout:
    """How lines are laid out: between quotes, and at which place of the words outside of them, each key has its value.

    `words` has the keys of each piece that isn't quoted; None is a word in front of the pairs, of which `time` is the
    place of the time; `quoted` has the keys of the others.
    """

    words: tuple[tuple[str | None, ...], ...]
    quoted: tuple[str, ...]
    time: int | None


def _form(line: str) -> re.Match[str] | None:
    # A line that doesn't match is tried at each of its pairs.
    return _FORM.match(line) if line.count("=") <= _MOST_PAIRS else None


def pairs(line: str) -> dict[str, str]:
    """The values of a line by key; none if it has another form."""
    form = _form(line)
    if form is None:
        return {}
    found = ((key, value.rstrip()) for key, value in reversed(_IN_PAIR.findall(line)))
    told = {key: _bare(value) for key, value in found}
    time = form["called"] or form["at"]
    return {**told, TIME_AHEAD: time} if time else told


def _bare(value: str) -> str:
    if value[:1] == '"':
        return value[1:].removesuffix('"')
    return value[1:-1] if _SINGLE.fullmatch(value) else value


def values(lines: pl.Series, keys: Sequence[str]) -> pl.DataFrame:
    """The text of each key in lines of any layout, under `assemble`'s names, and `matched`."""
    matched = lines.str.contains(LINE).fill_null(value=False)
    places = matched.arg_true()
    there = lines.gather(places)
    found = pl.DataFrame({"row": places.cast(pl.UInt32), "pair": there.str.extract_all(_PAIR)}).explode("pair")
    cut = found["pair"].str.strip_chars_start().str.splitn("=", 2).struct
    told = _unquoted(cut.field("field_1"))
    long = pl.DataFrame({"row": found["row"], "key": cut.field("field_0"), "value": told})
    made = {"matched": matched, **by_key(long, len(lines), keys)}
    if TIME_AHEAD in keys:
        ahead = there.str.extract_groups(rf"^{_AHEAD}").struct
        time = pl.select(pl.coalesce(ahead.field("called"), ahead.field("at"))).to_series()
        made[column(TIME_AHEAD)] = made[column(TIME_AHEAD)].scatter(places, time)
    return pl.DataFrame(made)


def by_key(pairs: pl.DataFrame, count: int, keys: Sequence[str]) -> dict[str, pl.Series]:
    """The texts of each key in so many lines, under `assemble`'s names, of pairs: `row`, `key`, `value`, in order."""
    empty = pl.Series([None], dtype=pl.String).new_from_index(0, count)
    # The first of two with the same key counts.
    told = dict(pairs.reverse().partition_by("key", as_dict=True))
    made = {}
    for key in keys:
        own = told.get((key,))
        made[column(key)] = empty.clone() if own is None else empty.clone().scatter(own["row"], own["value"])
    return made


def _unquoted(value: pl.Series) -> pl.Series:
    bare = where(value, f"^{_SINGLE.pattern}$", lambda text: text.str.slice(1).str.strip_suffix("'"))
    quoted = where(bare, '^"', lambda text: text.str.slice(1).str.strip_suffix('"'))
    return where(
        quoted,
        r"\\",
        lambda text: text.str.replace_all('\\"', '"', literal=True).str.replace_all("\\\\", "\\", literal=True),
    )


def layout_of(sample: Sequence[str]) -> Layout | None:
    """The layout that most lines have, as far as one can be cut; None if there is none."""
    # It costs as much to look at a line as to cut a hundred.
    layouts = Counter(filter(None, map(_layout, sample[:: 1 + len(sample) // _LOOKED_AT])))
    return layouts.most_common(1)[0][0] if layouts else None


def _layout(line: str) -> Layout | None:
    if "\\" in line or "=[" in line or "='" in line or _form(line) is None:
        return None
    cut = line.split('"')
    if len(cut) % 2 == 0:
        return None
    quoted = [part.rpartition(" ")[2].removesuffix("=") for part in cut[:-1:2]]
    words = [part.split(" ") for part in cut[::2]]
    named = [tuple(_named(word) for word in own) for own in words]
    ahead = [word for word in words[0] if re.fullmatch(_TIME, word)]
    keys = [key for own in named for key in own if key]
    in_front = [word for word in words[0] if word and _named(word) is None]
    alone = not any(word and _named(word) is None for own in words[1:] for word in own)
    if not alone or len(set(keys)) < len(keys) or len(ahead) > 1 or (in_front and not ahead):
        return None
    return Layout(tuple(named), tuple(quoted), words[0].index(ahead[0]) if ahead else None)


def _named(word: str) -> str | None:
    key, mark, _ = word.partition("=")
    return key if mark and re.fullmatch(KEY, key) else None


def cut(data: bytes, layout: Layout, keys: Sequence[str]) -> tuple[pl.DataFrame, pl.Series]:
    """The text of each key in a block of lines, and which of them have this layout."""
    behind = 2 * len(layout.words) - 1
    parts = columns(data, '"', [str(place) for place in range(behind + 1)])
    plain = (parts[str(behind)] == "") & parts["0"].str.contains(rf"^{_AHEAD}{KEY}=")
    made: dict[str, pl.Series] = {}
    for number, named in enumerate(layout.words):
        quoted = layout.quoted[number] if number < len(layout.quoted) else None
        words = _Words(parts[str(2 * number)], named)
        plain &= words.like(quoted)
        made |= {column(key): words.value(key) for key in keys if key in named and key != quoted}
        if quoted in keys:
            made[column(str(quoted))] = parts[str(2 * number + 1)]
        if number == 0 and layout.time is not None:
            time = made[column(TIME_AHEAD)] = words.fields.field(f"field_{layout.time}")
            plain &= time.str.contains(rf"^{_TIME}$")
    if not data.isascii() or any(odd in data for odd in (b"\t", b"\x0b", b"\x0c", b"\r", b"\\")):
        plain &= ~split(data).str.contains(r"[^\S ]|\\")
    return pl.DataFrame(made), plain


class _Words:
    """The words of a piece between two quotes."""

    def __init__(self, part: pl.Series, named: tuple[str | None, ...]) -> None:
        self.part, self.named = part, named
        self.fields = part.str.splitn(" ", len(named)).struct

    def value(self, key: str) -> pl.Series:
        """What the word of a key says."""
        return self._word(self.named.index(key)).str.slice(len(key) + 1)

    def like(self, quoted: str | None) -> pl.Series:
        """Which pieces have these words; the last ends before a quoted value of that key."""
        alike = ~self._word(len(self.named) - 1).str.contains(" ", literal=True)
        alike &= ~self.part.str.contains(r"=[\[']")
        for place, key in enumerate(self.named):
            word = self._word(place)
            if key is None:
                alike &= ~word.str.contains("=", literal=True)
            elif key == quoted:
                alike &= word == f"{key}="
            else:
                alike &= word.str.starts_with(f"{key}=")
        return alike.fill_null(value=False)

    def _word(self, place: int) -> pl.Series:
        return self.fields.field(f"field_{place}")
