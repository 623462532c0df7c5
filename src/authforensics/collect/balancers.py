"""What the logs of AWS's load balancers share: times, addresses with ports, processing times, absolute URLs."""

from __future__ import annotations

import polars as pl

from authforensics.collect.distinct import mapped
from authforensics.collect.requests import PORTED
from authforensics.collect.splitting import words
from authforensics.schema import TEXT, TIMESTAMP

TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z?"
#: A value between quotes.
QUOTED = r'"(?:[^"\\]|\\.)*"'
#: Time, name of the balancer, client and target with their ports, three processing times, two statuses, bytes received
#: and sent: what stands before the request.
CALL = (
    rf"(?P<time>{TIME}) [^ \"]+ (?P<client>[^ \"]+) (?P<target>[^ \"]+)"
    r" (?P<first>[^ \"]+) (?P<second>[^ \"]+) (?P<third>[^ \"]+)"
    r" (?P<status>\d{3}|-) [^ \"]+ [^ \"]+ (?P<bytes>[^ \"]+)"
)
_WORDS = ("time", None, "client", "target", "first", "second", "third", "status", None, None, "bytes", "more")
#: The processing times.
PROCESSING = ("first", "second", "third")
_PORT = r"^\[?([^\s\]]*?)\]?:\d+$"
_HOST = r"^\S+ \w+://(?:[^/?#@\s]*@)?(\[[^\]\s]*\]|[^/:?#\s]*)"


def moment(text: pl.Expr) -> pl.Expr:
    """The moment of `2018-07-02T22:23:00.186641Z`."""
    return text.map_batches(_moments, return_dtype=TIMESTAMP, is_elementwise=True)


def _moments(texts: pl.Series) -> pl.Series:
    usual = texts.str.len_bytes() == len("2018-07-02T22:23:00.186641Z")
    # To look for a time among those read before takes longer than to read it: each is another.
    made = texts.str.to_datetime("%Y-%m-%dT%H:%M:%S.%6fZ", strict=False, time_unit="us", cache=False)
    made = made.set(~usual, None).dt.replace_time_zone("UTC")
    if made.null_count() == texts.null_count():
        return made
    odd = texts.set(made.is_not_null(), None).to_frame("text").select(_any_moment(pl.col("text"))).to_series()
    return made.fill_null(odd)


def _any_moment(text: pl.Expr) -> pl.Expr:
    second = text.str.head(19).str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False, time_unit="us")
    fraction = text.str.slice(20).str.strip_chars_end("Z").str.pad_end(6, "0").cast(pl.Int64, strict=False)
    return (second + pl.duration(microseconds=fraction.fill_null(0))).dt.replace_time_zone("UTC")


def call_of(before: pl.Series, first: str | None = None) -> tuple[list[pl.Series], pl.Series]:
    """The parts of texts that are `CALL` and a space, with perhaps a word like `first` before it, and which are so."""
    parts = words(before, _WORDS if first is None else ("first word", *_WORDS))
    named = {part.name: part for part in parts}
    plain = named["time"].str.contains(f"^{TIME}$") & named["status"].str.contains(r"^(?:\d{3}|-)$")
    plain &= (named["more"] == "") & (named["bytes"] != "") & ~before.str.contains("  ", literal=True)
    if first is not None:
        plain &= named["first word"].str.contains(f"^(?:{first})$")
    return [part for part in parts if part.name not in {"more", "first word"}], plain.fill_null(value=False)


def processed() -> pl.Expr:
    """The sum of the three processing times in milliseconds; null where one isn't known."""
    times = [pl.col(name).cast(pl.Float64, strict=False) for name in PROCESSING]
    return pl.when(pl.all_horizontal(time >= 0 for time in times)).then((times[0] + times[1] + times[2]) * 1000)


def _without_port(peers: pl.Series) -> pl.Series:
    """Addresses without ports."""
    odd = (~peers.str.contains(PORTED)).fill_null(value=False).arg_true()
    bare = peers.str.splitn(":", 2).struct.field("field_0")
    if odd.is_empty():
        return bare.cast(TEXT)
    texts = peers.gather(odd)
    return bare.scatter(odd, pl.select(pl.coalesce(texts.str.extract(_PORT), texts)).to_series()).cast(TEXT)


def _hosts(requests: pl.Series) -> pl.Series:
    """The hosts that requests call."""
    return requests.str.extract(_HOST)


#: What is made of the parts of a `CALL` first.
STEPS: dict[str, pl.Expr] = {"moment": moment(pl.col("time"))}
#: What they say.
SAY: dict[str, pl.Expr] = {
    "time": pl.col("moment"),
    "zone": pl.lit("+0000"),
    "clock": pl.when(pl.col("time").str.len_bytes() > 20).then(1e-6).otherwise(1.0).cast(pl.Float32),
    "client_ip": pl.col("client").map_batches(_without_port, return_dtype=TEXT, is_elementwise=True),
    "upstream": pl.col("target"),
    "status": pl.col("status").cast(pl.UInt16, strict=False),
    "bytes": pl.col("bytes"),
    "request": pl.col("request"),
    "host": mapped("request", _hosts, TEXT),
}
