"""Reads the records of identity providers: JSON objects with fixed keys, each of which stands for a call, or tells."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import polars as pl

from authforensics.collect import fields, json_lines
from authforensics.collect.assemble import column
from authforensics.collect.cutting import iso_of
from authforensics.collect.format import Parser, Settings
from authforensics.collect.json_values import Path
from authforensics.schema import KIND, Kind

#: Texts, in lower case, that each record of a provider has.
MARKS: dict[str, tuple[str, ...]] = {
    "auth0": ('"log_id"', '"date"', '"type"'),
    "okta": ('"eventtype"', '"published"', '"outcome"'),
    "entra": ('"createddatetime"', '"appid"', '"errorcode"'),
    "cloudtrail": ('"eventsource"', '"eventname"', '"awsregion"'),
    "keycloak": ('"realmid"', '"ipaddress"', '"time"'),
    "firebase": ("google.cloud.identitytoolkit", '"methodname"'),
}
#: In front of a key that isn't beside the mark but at the top.
_TOP = "^"
#: What a record stands for.
CALL: dict[str, pl.DataType] = {"target": pl.String(), "status": pl.UInt16()}
#: What `say` may leave beside `CALL`.
_SAID = (
    "user_id",
    "device_id",
    "session_id",
    "request_id",
    "client_ip",
    "user_agent",
    "host",
    "platform",
    "app_version",
)


def recorded(sample: Sequence[str], names: Iterable[str] = MARKS) -> bool:
    """Whether most lines are records of an identity provider, one of these `names`."""
    lines = [line.lower() for line in sample]
    return any(2 * sum(_has(line, MARKS[name]) for line in lines) > len(lines) for name in names)


@dataclass(frozen=True, slots=True)
class Provider:
    """Records of one provider.

    Attributes:
        name: that of its marks.
        mark: the key that each record has; the others are beside it, wherever that is.
        keys: of each value the keys that may have it, best first, with dots where objects are nested. `at` is the time.
        say: gets lines with a column for each of these, and adds `target` and `status` (null: a record stands for no
            call), and `reason`, a text of what happened.
    """

    name: str
    mark: str
    keys: Mapping[str, tuple[str, ...]]
    say: Callable[[pl.LazyFrame], pl.LazyFrame]

    def prepare(self, sample: Sequence[str], settings: Settings) -> Parser | None:
        """The parser for a file, if a line of its sample has the marks."""
        if not any(_has(line.lower(), MARKS[self.name]) for line in sample if "{" in line):
            return None
        known, plain = json_lines.paths_in(sample)
        marks = [path for path in known if path[-1].lower() == self.mark.lower()]
        mark = min(marks, key=len, default=None)
        if mark is None:
            return None
        places = {name: [_path(key, mark, known) for key in keys] for name, keys in self.keys.items()}
        every = {".".join(path): path for path in [mark, *chain.from_iterable(places.values())]}
        wanted = {name: [".".join(path) for path in paths] for name, paths in places.items()}
        finish = partial(self._told, mark=".".join(mark), wanted=wanted, tz=settings.tz)
        return json_lines.reader(every, (), finish, plain=plain)

    def _told(
        self, lines: pl.LazyFrame, mark: str, wanted: Mapping[str, Sequence[str]], tz: str | None
    ) -> pl.LazyFrame:
        there = {*lines.collect_schema().names()}
        values = {name: _first([column(key) for key in keys if column(key) in there]) for name, keys in wanted.items()}
        matched = pl.col(column(mark)).is_not_null() if column(mark) in there else pl.lit(value=False)
        own = [name for name in ("line_number", "line") if name in there]
        lines = lines.with_columns(
            matched=pl.col("matched") & matched,
            problem=pl.when(pl.col("matched") & ~matched).then(pl.lit(f"has no {self.mark}")).otherwise("problem"),
        )
        lines = lines.select(*own, "matched", "problem", **values)
        return _finished(self.say(lines.with_columns(moment=iso_of(pl.col("at"), tz)).unnest("moment")), own)


def _has(line: str, marks: tuple[str, ...]) -> bool:
    return all(mark in line for mark in marks)


def _path(key: str, mark: Path, known: Container[Path]) -> Path:
    """Where a key is: beside the mark, and in small letters if that is, unless the sample has it otherwise."""
    top = key.startswith(_TOP)
    path = (*(() if top else mark[:-1]), *key.removeprefix(_TOP).split("."))
    return path if path in known or not mark[-1].islower() else tuple(name.lower() for name in path)


def _first(columns: Sequence[str]) -> pl.Expr:
    return pl.coalesce(fields.text(pl.col(name)) for name in columns) if columns else pl.lit(None, pl.String)


def _finished(lines: pl.LazyFrame, own: Sequence[str]) -> pl.LazyFrame:
    """The columns of `format.PARSED`: a record is the call that it stands for, or a message."""
    there = lines.collect_schema().names()
    called = pl.col("target").is_not_null() & pl.col("status").is_not_null()
    kind = pl.when(called).then(pl.lit(Kind.REQUEST.value)).otherwise(pl.lit(Kind.MESSAGE.value))
    return lines.select(
        *own,
        *("matched", "problem", "time", "zone", "clock"),
        *(name for name in _SAID if name in there),
        kind=kind.cast(KIND),
        method=pl.when(called).then(pl.lit("POST")),
        target=pl.when(called).then("target"),
        status=pl.when(called).then("status"),
        reason_text=pl.when(called & (pl.col("status") >= 400)).then("reason"),
        message=pl.when(~called).then("reason"),
    )


def joined(*texts: pl.Expr) -> pl.Expr:
    """Texts that are there, each with `: ` in front but the first."""
    whole = pl.concat_str([pl.lit(": ") + text for text in texts], ignore_nulls=True)
    return whole.str.strip_prefix(": ").replace("", None)


def looked_up(calls: Mapping[str, tuple[str, int]]) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """What looks up the call (`CALL`) that a code stands for."""

    def look_up(values: pl.DataFrame) -> pl.DataFrame:
        code = pl.col("value")
        return values.select(
            target=code.replace_strict({code: call for code, (call, _) in calls.items()}, default=None).cast(pl.String),
            status=code.replace_strict({code: status for code, (_, status) in calls.items()}, default=None).cast(
                pl.UInt16
            ),
        )

    return look_up
