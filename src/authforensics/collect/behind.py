"""What stands behind a common or combined line: times, addresses, and what pairs of `key=value` say.

Which keys there are, and what a bare address or id means, is told from a sample, once for a file: lines of a file that
has nothing of it cost nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from authforensics.collect import fields, synonyms
from authforensics.collect.distinct import each_of, mapped
from authforensics.collect.units import duration_in, unit_of

_FORWARDED = r"(?:^|\s)\"((?:\[?[0-9A-Fa-f]{0,4}[:.][0-9A-Fa-f:.]+\]?(?::\d+)?(?:,\s*|))+)\""
_SECONDS = r"(?:^|\s)\"?(?:rt=|request_time=|urt=)?\"?(\d+\.\d{1,6})\"?(?:\s|$)"
_MILLISECONDS = r"(?:^|\s)([0-9]+)ms$"
# Reference: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/log-format/
_INGRESS = r"^\d+ \d+\.\d+ \[[^\]]*\] \[[^\]]*\] ((?:[^\s,]+, )*[^\s,]+) .*?([0-9a-f]{32})$"
#: The same where one upstream answered: nine words, none of which any other of these patterns could mean.
_PLAIN_INGRESS = (
    r"^[0-9]+ [0-9]+\.[0-9]{1,6} \[[^\]\s\"]*\] \[[^\]\s\"]*\] [^\s,\"]+ [^\s\"]+ [^\s\"]+ [^\s\"]+ [0-9a-f]{32}$"
)
#: An answer's WWW-Authenticate. Reference: RFC 6750 section 3, RFC 9449 section 7.1
_CHALLENGE = r"(?:^|\s)\"((?:Bearer|DPoP) [a-z_]+=(?:[^\"\\]|\\.)*)\""
_SCHEMES = "Bearer |DPoP "

_TEXT = r"\"(?:[^\"\\]|\\.)*\""
_AHEAD = r"(?:^|[\s\"\[(,;|])"
_PAIR = re.compile(rf"{_AHEAD}([A-Za-z_][A-Za-z0-9_.-]*)(?:=|: )({_TEXT}|[^\s\",;|\])]+)")
#: Of several upstreams tried, each is told: those behind the first are no pairs.
_VALUE = rf"({_TEXT}|[^\s\",;|\])]+(?:, ?[^\s\",;|\])=]+)*)"
_REST = re.compile(r'" (?:\d{1,3}|-)(?: (?:\d+|-))?(?: (?:"(?:[^"\\]|\\.)*"|-) (?:"(?:[^"\\]|\\.)*"|-))?\s+(\S.*)$')
_ADDRESS = r"(?:(?:\d{1,3}\.){3}\d{1,3}|\[[0-9A-Fa-f:]+\]):\d{2,5}"
_ID = r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: What a bare word is, however it is quoted.
_BARE = r"(?:^|\s)\"?({})\"?(?:\s|$)"
#: So many lines tell what bare words are: one of a few upstreams, which many share, or an id, which is new every time.
_ENOUGH, _FEW, _SHARED, _NEW = 10, 16, 4, 0.9
#: The columns of what keys may say, and keys that mean another thing elsewhere or nothing.
_COLUMNS = {
    "upstream": "upstream",
    "request_id": "request_id",
    "reason": "reason_text",
    "forwarded": "forwarded",
    **{name: name for name in ("user_id", "device_id", "session_id", "platform", "app_version")},
}
#: nginx's userid module calls a cookie so.
_UNSURE = {"uid"}
#: What configurations call the upstream, if its values are addresses. `ua` is a user agent elsewhere.
# Reference: https://docs.nginx.com/nginx-amplify/metrics-metadata/nginx-metrics/ (main_ext)
_SHORT = re.compile(r"(?:ua|us?_?addr|up_?a?(?:ddr)?|upstream_?\w*|backend_?\w*)", re.IGNORECASE)
_ANY_ADDRESS = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\]):\d{1,5}|unix:\S+")
#: Durations of nginx's requests by names that `units` doesn't know, in seconds.
_SHORT_TIMES = ("rt", "req_time")

_ALWAYS: dict[str, pl.DataType] = {
    "duration_ms": pl.Float64(),
    "upstream": pl.String(),
    "request_id": pl.String(),
    "forwarded": pl.String(),
    "reason_text": pl.String(),
}


@dataclass(frozen=True, slots=True)
class Behind:
    """What is looked for behind the lines of a file, beside what always is.

    `keys` has the patterns of each column, best first; `duration` that of the duration and its unit in milliseconds;
    `bare` the columns that bare words are.
    """

    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    duration: tuple[str, float] | None = None
    bare: frozenset[str] = frozenset()

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The columns of what is told."""
        return {**_ALWAYS, **{name: pl.String() for name in self.keys}}


def behind(sample: Sequence[str]) -> Behind:
    """What lines like these have behind them."""
    rests = [match[1] for line in sample if (match := _REST.search(line))]
    values: dict[str, list[str]] = {}
    for rest in rests:
        for key, value in _PAIR.findall(rest):
            values.setdefault(key, []).append(value.strip('"'))
    told = {key: [value for value in own if value not in fields.NULLS] for key, own in values.items()}
    keys: dict[str, tuple[str, ...]] = {}
    for column, names in synonyms.matching(told, _upstreams(told)).items():
        own = [name for name in names if name not in _UNSURE]
        if column in _COLUMNS and own:
            keys[_COLUMNS[column]] = tuple(map(_of_key, own))
    return Behind(keys, _duration(told), frozenset(_bare(rests, keys)))


def _upstreams(told: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The keys that are the upstream by the looks of their values."""
    return {
        key: "upstream"
        for key, values in told.items()
        if values and _SHORT.fullmatch(key) and all(_ANY_ADDRESS.match(value) for value in values)
    }


def _duration(told: Mapping[str, Sequence[str]]) -> tuple[str, float] | None:
    """The pattern of the duration, and its unit in milliseconds."""
    short = next((key for key in told if key in _SHORT_TIMES), None)
    found = (short, unit_of(told[short], 1e3)) if short is not None else duration_in(told, told)
    return None if found is None else (_of_key(found[0]), found[1])


def _bare(rests: Sequence[str], keys: Mapping[str, tuple[str, ...]]) -> set[str]:
    """The columns that bare words are, by how often each of them occurs."""
    found = set()
    for column, pattern in (("upstream", _ADDRESS), ("request_id", _ID)):
        said = [match[1] for rest in rests if (match := re.search(_BARE.format(pattern), rest))]
        distinct = len(set(said))
        few = distinct <= min(_FEW, len(said) / _SHARED)
        if (
            column not in keys
            and len(said) >= _ENOUGH
            and (few if column == "upstream" else distinct > _NEW * len(said))
        ):
            found.add(column)
    return found


def _of_key(key: str) -> str:
    return rf"{_AHEAD}{re.escape(key)}(?:=|: ){_VALUE}"


def told(rest: pl.Series, sought: Behind) -> pl.Series:
    """What stands in texts behind a line."""
    plain = rest.str.contains(_PLAIN_INGRESS).fill_null(value=False)
    look = partial(_sought, sought=sought)
    if not plain.any():
        return each_of(rest, look, sought.columns)
    words = rest.str.splitn(" ", 9).struct
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(rest))
    cut = pl.DataFrame(
        {
            **dict.fromkeys(sought.columns, nothing),
            "duration_ms": words.field("field_1").cast(pl.Float64, strict=False) * 1000,
            "upstream": words.field("field_4"),
            "request_id": words.field("field_8"),
        }
    )
    if not plain.all():
        odd = each_of(rest.set(plain, None), look, sought.columns).struct.unnest()
        cut = pl.DataFrame([cut[name].zip_with(plain, odd[name]) for name in sought.columns])
    return cut.to_struct(rest.name)


def _sought(values: pl.DataFrame, sought: Behind) -> pl.DataFrame:
    """The same by patterns, which find it wherever it stands."""
    behind = pl.col("value")
    millis = behind.str.extract(_MILLISECONDS).cast(pl.Float64)
    seconds = behind.str.extract(_SECONDS).cast(pl.Float64, strict=False) * 1000
    durations = [millis, seconds]
    if sought.duration is not None:
        pattern, unit = sought.duration
        durations.insert(0, _unquoted(behind.str.extract(pattern)).cast(pl.Float64, strict=False) * unit)
    challenged = values["value"].str.contains(_SCHEMES).any()
    found = {
        "upstream": [behind.str.extract(_INGRESS, 1)],
        "request_id": [behind.str.extract(_INGRESS, 2)],
        "forwarded": [behind.str.extract(_FORWARDED)],
        "reason_text": [behind.str.extract(_CHALLENGE)] if challenged else [pl.lit(None, pl.String)],
    }
    for name, patterns in sought.keys.items():
        found.setdefault(name, []).extend(fields.text(_unquoted(behind.str.extract(pattern))) for pattern in patterns)
    for name, pattern in (("upstream", _ADDRESS), ("request_id", _ID)):
        if name in sought.bare:
            found[name].append(behind.str.extract(_BARE.format(rf"(?:{pattern})(?:, ?(?:{pattern}))*")))
    if "upstream" in sought.bare:
        # The same words are no clients.
        found["forwarded"] = [pl.when(~found["forwarded"][0].str.contains(f"^{_ADDRESS}$")).then(found["forwarded"][0])]
    made = values.select(duration_ms=pl.coalesce(durations), **{name: pl.coalesce(own) for name, own in found.items()})
    return made.with_columns(reason_text=mapped("reason_text", fields.unescaped, pl.String()))


def _unquoted(value: pl.Expr) -> pl.Expr:
    return value.str.strip_prefix('"').str.strip_suffix('"')
