"""Cuts the lines of a block at a separator, several times faster than a pattern takes them apart.

A layout says how its parts are cut and which lines are proved to consist of just these; what is made of the parts is
the same for lines that went through the pattern, so both ways can't differ in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import polars as pl

from authforensics.collect.distinct import each, each_of, each_run_of
from authforensics.collect.format import Cutting, Parser
from authforensics.collect.requests import client_of, without_port
from authforensics.collect.splitting import columns, unescaped
from authforensics.collect.times import MOMENT, read_iso
from authforensics.schema import TEXT

#: The parts of lines of which the pieces are given, among them the `moment`, and which lines have the layout for sure.
Take = Callable[[pl.DataFrame], tuple[pl.DataFrame, pl.Series]]
#: What is made of the parts of lines, in whichever way they were taken apart.
Make = Callable[[pl.LazyFrame], pl.LazyFrame]
#: The moments (`MOMENT`) of times as the lines have them.
Moment = Callable[[pl.Series], pl.Series]

_CLIENT: dict[str, pl.DataType] = {"client_ip": TEXT}
#: What reads a frame of times, `value`: the columns that are asked for, row by row.
Read = Callable[[pl.DataFrame], pl.DataFrame]

#: ISO 8601 with a fraction and an offset.
_WRITTEN = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ])[0-9]{2}:[0-9]{2}:[0-9]{2}([.,])([0-9]{3}|[0-9]{6}|[0-9]{9})"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})"
)

#: A time that a configuration puts in front of lines that have none of their own, and how it stands there.
TIME_IN_FRONT = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})?"
IN_FRONT = rf"(?:\[?(?P<at>{TIME_IN_FRONT})\]?:?(?: [|-])? +)?"


def by_pattern(pattern: str, make: Make, moment: Moment) -> Parser:
    """A parser of lines whose parts are the named groups of a pattern; `at` is the time."""

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        parts = lines.with_columns(parts=pl.col("line").str.extract_groups(pattern)).unnest("parts")
        known = pl.col("at").map_batches(moment, return_dtype=pl.Struct(MOMENT), is_elementwise=True)
        matched = parts.with_columns(matched=pl.col("at").is_not_null(), moment=known).drop("at")
        return make(matched).unnest("moment")

    return parse


def with_message(lines: pl.LazyFrame, front: str) -> pl.LazyFrame:
    """The lines with the named groups of what stands in front of each, and `message`, all that is behind that.

    To match all of a line takes several times as long. One with a line break within has neither.
    """
    whole = pl.when(~pl.col("line").str.contains("\n", literal=True)).then("line")
    parts = lines.with_columns(parts=whole.str.extract_groups(f"^(?P<front>{front})")).unnest("parts")
    message = pl.when(pl.col("front").is_not_null()).then(pl.col("line").str.slice(pl.col("front").str.len_chars()))
    return parts.with_columns(message=message).drop("front")


def cutting(
    pattern: str,
    count: int,
    take: Take,
    make: Make,
    moment: Moment,
    *,
    without: Collection[int] = (),
    separator: str = '"',
) -> Cutting:
    """The same, that cuts lines at their quotes or another separator where it can.

    `take` gets so many pieces of each, `without` some.
    """
    pieces = [None if place in without else str(place) for place in range(count)]

    def cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series]:
        parts, plain = take(columns(data, separator, pieces))
        plain = unescaped(data, plain)
        return make(parts.lazy().with_columns(matched=pl.lit(value=True))).unnest("moment"), plain

    return Cutting(by_pattern(pattern, make, moment), cut)


def moments(
    values: pl.Series,
    head: int,
    read: Read,
    dtypes: dict[str, pl.DataType] = MOMENT,
) -> pl.Series:
    """The moments (`MOMENT`) of some times, of which the same seconds stand side by side.

    Args:
        values: the texts: `head` characters to the second, perhaps a fraction, perhaps a zone.
        head: how many characters tell the second.
        read: what reads a frame of such texts, `value`.
        dtypes: what it tells of them, if more.
    """
    # What is first may be no time, but the name of the column.
    ends = (values.first(ignore_nulls=True), values.last(ignore_nulls=True))
    pattern = re.compile(rf".{{{head}}}([.,])(\d{{1,9}})([^\d].*)?")
    form = next(filter(None, (pattern.fullmatch(known) for known in ends if isinstance(known, str))), None)
    if form is None:
        return each_run_of(values, read, dtypes)
    made, alike = _written(values, form[0], read, dtypes) or _by_second(values, head, form, read, dtypes)
    if not alike.all():
        odd = each_of(values.set(alike, None), read, dtypes).struct.unnest()
        made = pl.DataFrame([made[name].zip_with(alike, odd[name]) for name in dtypes])
    return made.to_struct(values.name)


def _by_second(
    values: pl.Series, head: int, form: re.Match[str], read: Read, dtypes: Mapping[str, pl.DataType]
) -> tuple[pl.DataFrame, pl.Series]:
    """The moments of times with a fraction, each second read once; and which are written as this one is."""
    mark, places, zone = form[1], len(form[2]), form[3] or ""
    fraction = values.str.slice(head + 1, places)
    alike = values.str.len_bytes() == len(form[0].encode())
    alike &= (values.str.slice(head, 1) == mark) & fraction.str.contains(rf"^[0-9]{{{places}}}$")
    alike = (alike & values.str.ends_with(zone)).fill_null(value=False)
    micros = fraction.str.head(6).cast(pl.Int64, strict=False) * 10 ** max(6 - places, 0)
    whole = each_run_of(values.str.head(head), lambda heads: read(heads.select(pl.col("value") + zone)), dict(dtypes))
    clock = 1e-3 if places <= 3 else 1e-6
    made = whole.struct.unnest().with_columns(
        pl.col("time") + pl.duration(microseconds=micros), clock=pl.lit(clock, pl.Float32)
    )
    return made, alike


def _written(
    values: pl.Series, example: str, read: Read, dtypes: Mapping[str, pl.DataType]
) -> tuple[pl.DataFrame, pl.Series] | None:
    """The same of ISO 8601 with an offset, which is read as it stands: what one says but its time, all do."""
    if (form := _WRITTEN.fullmatch(example)) is None:
        return None
    said = read(pl.DataFrame({"value": [example]})).select(list(dtypes))
    if said["time"].item() is None:
        return None
    layout = f"%Y-%m-%d{form[1]}%H:%M:%S{form[2]}%{len(form[3])}f{form[4]}"
    known = pl.Series([example]).str.to_datetime(layout, time_unit="us").dt.replace_time_zone("UTC")
    # To look for a time among those read before takes longer than to read it: each is another.
    naive = values.str.to_datetime(layout, strict=False, time_unit="us", cache=False).dt.replace_time_zone("UTC")
    # Polars reads signs and spaces, too, where digits should be.
    digits = re.sub("[0-9]", "[0-9]", re.escape(example))
    alike = (naive.is_not_null() & values.str.contains(f"^{digits}$")).fill_null(value=False)
    others = [said[name].new_from_index(0, len(values)) for name in dtypes if name != "time"]
    return pl.DataFrame([(naive - (known - said["time"]).item()).alias("time"), *others]).select(list(dtypes)), alike


def iso(values: pl.Series, tz: str | None) -> pl.Series:
    """The moments of ISO 8601 times; naive ones are of zone `tz`."""
    return moments(values, 19, partial(_iso, tz=tz))


def restated(values: pl.Series, restate: Callable[[pl.Series], pl.Series], tz: str | None) -> pl.Series:
    """The moments of times in a notation that `restate` turns into ISO 8601, the same side by side turned once."""

    def read(some: pl.DataFrame) -> pl.DataFrame:
        return iso(restate(some["value"]), tz).struct.unnest()

    return each_run_of(values, read, MOMENT)


def iso_of(text: pl.Expr, tz: str | None) -> pl.Expr:
    """The same of a column."""
    return text.map_batches(partial(iso, tz=tz), return_dtype=pl.Struct(MOMENT), is_elementwise=True)


def _iso(values: pl.DataFrame, tz: str | None) -> pl.DataFrame:
    return read_iso(values.lazy(), pl.col("value"), tz).select(MOMENT.keys()).collect(engine="in-memory")


def client(peer: str | None, forwarded: str) -> pl.Expr:
    """As `requests.client_of`, of two columns, each pair of values looked at once; no peer: hops alone."""
    return by_pair(peer, forwarded, _clients)


def by_pair(peer: str | None, forwarded: str, read: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> pl.Expr:
    """What `read` says of peers and the hops in front of them, two columns, each pair of values looked at once."""

    def of(columns: Sequence[pl.Series]) -> pl.Series:
        hops, peers = columns
        # A tab in hops, which whoever calls us may write, is behind the one between them.
        pairs = pl.select(pl.concat_str(peers.fill_null(""), hops.fill_null(""), separator="\t")).to_series()
        return each_of(pairs, said, _CLIENT).struct.field("client_ip")

    def said(values: pl.DataFrame) -> pl.DataFrame:
        pair = pl.col("value").str.splitn("\t", 2).struct
        return bare(values.select(client_ip=read(pair.field("field_0"), pair.field("field_1"))))

    def alone(values: pl.DataFrame) -> pl.DataFrame:
        return bare(values.select(client_ip=read(pl.lit(""), pl.col("value"))))

    def bare(clients: pl.DataFrame) -> pl.DataFrame:
        return clients.select(without_port(clients["client_ip"]).cast(TEXT))

    if peer is None:
        return each(forwarded, alone, _CLIENT).struct.field("client_ip")
    return pl.map_batches([forwarded, peer], of, return_dtype=TEXT, is_elementwise=True)


def _clients(peer: pl.Expr, hops: pl.Expr) -> pl.Expr:
    peer = peer.str.strip_suffix(":").str.strip_chars("[]")
    # Who calls from inside, through nothing but our own proxies, is the first hop.
    inside = pl.when(peer == "").then(hops.str.extract(r"^\s*([0-9A-Fa-f:.]+)\s*(?:,|$)"))
    return pl.coalesce(client_of(pl.when(peer != "").then(peer), hops), inside)
