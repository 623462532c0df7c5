"""Owns `squid`: the native access log of the Squid proxy."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect.distinct import each, mapped
from authforensics.collect.epochs import epoch
from authforensics.collect.format import Cutting, Format, Parser, Settings
from authforensics.collect.splitting import columns
from authforensics.schema import TEXT, Kind

# Reference: https://wiki.squid-cache.org/Features/LogFormat; headers stand behind if log_mime_hdrs is on.
_NAMES = ("at", "elapsed", "client", "result", "size", "called", "url", "user", "peer", "type")
_SHAPES = {
    "at": r"^\d{10}\.\d{3}$",
    "elapsed": r"^-?\d+$",
    "result": r"^[A-Z_]+/\d{3}$",
    "size": r"^\d+$",
    "peer": r"^[A-Z_]+/[^\"]+$",
}
_MEANT = re.compile(r"\d{10}\.\d{3} +-?\d+ \S+ [A-Z_]+/\d{3} \d+ \S+ ")
_ORIGIN = r"^\w+://[^/?#]*"
_HOST = r"^(?:\w+://)?(?:[^/?#@]*@)?(\[[^\]/]*\]|[^/:?#]+)(?::\d+)?(?:[/?#]|$)"
_CALLED: dict[str, pl.DataType] = {"host": TEXT, "target": pl.String()}


def _parse(lines: pl.LazyFrame) -> pl.LazyFrame:
    own = lines.collect_schema().names()
    pieces = pl.col("line").str.replace_all(" +", " ").str.splitn(" ", len(_NAMES) + 1).struct
    values = {name: pieces.field(f"field_{place}").fill_null("") for place, name in enumerate(_NAMES)}
    return lines.with_columns(**values).with_columns(**_STEPS).select(*own, _fits().alias("matched"), **_say())


def _cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series]:
    # The elapsed time is padded to six digits.
    data = data.replace(b"   ", b" ")
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    values = columns(data, " ", _NAMES)
    plain = values.select(_fits()).to_series()
    return values.lazy().with_columns(**_STEPS).select(pl.lit(value=True).alias("matched"), **_say()), plain


def _fits() -> pl.Expr:
    shapes = [pl.col(name).str.contains(shape) for name, shape in _SHAPES.items()]
    return pl.all_horizontal(*shapes, pl.col("type") != "")


def _say() -> dict[str, pl.Expr]:
    elapsed = pl.col("elapsed").cast(pl.Float64, strict=False)
    call = pl.col("call").struct
    return epoch(pl.col("at")) | {
        "duration_ms": pl.when(elapsed >= 0).then(elapsed),
        "client_ip": pl.col("client"),
        "status": pl.col("result").str.tail(3).cast(pl.UInt16, strict=False),
        "bytes": pl.col("size"),
        "method": pl.when(pl.col("called") != "NONE").then(pl.col("called")),
        "target": call.field("target"),
        "host": call.field("host"),
        "user_id": pl.col("user"),
        "upstream": mapped("peer", lambda peers: peers.str.extract("/(.+)$"), TEXT),
    }


def _called(values: pl.DataFrame) -> pl.DataFrame:
    url = pl.col("value")
    named = pl.when(~url.str.starts_with("error:")).then(url)
    return values.select(host=named.str.extract(_HOST).cast(TEXT), target=named.str.replace(_ORIGIN, ""))


_STEPS = {"call": each("url", _called, _CALLED)}


def _prepare(sample: Sequence[str], _settings: Settings) -> Parser | None:
    return Cutting(_parse, _cut) if any(map(_MEANT.match, sample)) else None


FORMAT = Format(
    name="squid",
    title="native access log of the Squid proxy",
    samples=(
        (
            "1286536308.779    180 192.168.0.224 TCP_MISS/200 411 GET http://api.shop.example/me"
            " - HIER_DIRECT/203.0.113.80 application/json"
        ),
        (
            "1286536309.450    921 192.168.0.68 TCP_TUNNEL/200 507 CONNECT api.shop.example:443 alice"
            " HIER_DIRECT/203.0.113.80 -"
        ),
    ),
    time="end",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
)
