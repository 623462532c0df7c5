"""Owns `logfmt`: lines of `key=value` pairs, as Heroku's router, lograge, Authelia and Go's loggers write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial

import polars as pl

from authforensics.collect import key_values, synonyms, times
from authforensics.collect.assemble import assemble, column, units_in
from authforensics.collect.cutting import moments
from authforensics.collect.format import Cutting, Format, Parser, Settings
from authforensics.collect.key_values import TIME_AHEAD
from authforensics.collect.times import MOMENT
from authforensics.schema import Kind

# Reference: https://devcenter.heroku.com/articles/http-routing#heroku-router-log-format
_ROUTER = {"fwd": "forwarded", "dyno": "upstream", "desc": "error"}
_ROUTER_DURATION = "service"
#: Keys that tell why something failed come late and seldom: read even if the sample lacks them.
_ALWAYS = ("msg", "err", "error", "status")


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    told: dict[str, list[str]] = {}
    for line in sample:
        for key, value in key_values.pairs(line).items():
            if value not in {"", "-"}:
                told.setdefault(key, []).append(value)
    examples = {key: found[0] for key, found in told.items()}
    preferred = _ROUTER if "dyno" in examples else {}
    kept = {*preferred, TIME_AHEAD, settings.device_field, *((_ROUTER_DURATION,) if preferred else ())}
    keys = [key for key in examples if key in kept or synonyms.wanted(key)]
    if not any(synonyms.wanted(key) for key in keys):
        return None
    keys += [key for key in _ALWAYS if key not in keys]
    make = partial(_made, keys=keys, told=told, preferred=preferred, settings=settings)

    @cache
    def layout() -> key_values.Layout | None:
        return key_values.layout_of(sample)

    def parse(lines: pl.LazyFrame) -> pl.LazyFrame:
        dtypes = {"matched": pl.Boolean(), **{column(key): pl.String() for key in keys}}
        parts = pl.col("line").map_batches(
            lambda values: key_values.values(values, keys).select(list(dtypes)).to_struct(),
            return_dtype=pl.Struct(dtypes),
            is_elementwise=True,
        )
        return make(lines.with_columns(parts=parts).unnest("parts"))

    def cut(data: bytes) -> tuple[pl.LazyFrame, pl.Series] | None:
        laid = layout()
        if laid is None:
            return None
        parts, plain = key_values.cut(data, laid, keys)
        return make(parts.lazy().with_columns(matched=pl.lit(value=True))), plain

    asked = {_ROUTER_DURATION: "duration_ms"} if preferred else {}
    values = {asked.get(key, key): told.get(key, []) for key in keys}
    return Cutting(parse, cut, units=units_in(values, {**told, **values}, {name: key for key, name in asked.items()}))


def _made(
    parts: pl.LazyFrame,
    keys: Sequence[str],
    told: Mapping[str, Sequence[str]],
    preferred: Mapping[str, str],
    settings: Settings,
) -> pl.LazyFrame:
    """`PARSED` of the texts of keys; `told` are values that the sample has of each."""
    examples = {key: found[0] for key, found in told.items()}
    there = parts.collect_schema().names()
    starts = {**synonyms.times_in(keys), **({TIME_AHEAD: False} if TIME_AHEAD in keys else {})}
    order = sorted(starts, key=lambda key: (key not in examples, times.resolution(examples.get(key, ""))))
    texts = [pl.col(column(key)) for key in order if column(key) in there]
    moment = pl.struct(pl.lit(None, dtype).alias(name) for name, dtype in MOMENT.items())
    if texts:
        read = partial(_read, tz=settings.tz, sample=examples.get(order[0], ""))
        moment = pl.coalesce(texts).map_batches(
            lambda values: moments(values, 19, read), return_dtype=pl.Struct(MOMENT), is_elementwise=True
        )
    parts = parts.with_columns(_moment=moment).drop(column(key) for key in starts if column(key) in there)
    known = [key for key in keys if key not in starts]
    if preferred and column(_ROUTER_DURATION) in there:
        lasted = [column(key) for key in ("duration_ms", _ROUTER_DURATION) if column(key) in there]
        service = pl.coalesce(lasted).alias(column("duration_ms"))
        parts = parts.with_columns(service).drop(column(_ROUTER_DURATION))
        known = ["duration_ms", *(key for key in known if key not in {_ROUTER_DURATION, "duration_ms"})]
    made = assemble(parts, known, examples, settings, preferred=preferred, messages=True, values=told)
    return made.drop(MOMENT).unnest("_moment").with_columns(at_start=pl.lit(bool(order) and starts[order[0]]))


def _read(values: pl.DataFrame, tz: str | None, sample: str) -> pl.DataFrame:
    return times.read_any(values.lazy(), pl.col("value"), tz, sample).select(MOMENT.keys()).collect(engine="in-memory")


FORMAT = Format(
    name="logfmt",
    title="key=value pairs: Heroku's router, lograge, Authelia, logrus, slog",
    samples=(
        (
            '2020-02-21T16:07:34.515030+00:00 heroku[router]: at=info method=GET path="/" host=x.herokuapp.com'
            ' request_id=8601b555-6a83-4c12-8269-97c8e32cdb22 fwd="204.204.204.204" dyno=web.1 connect=1ms service=18ms'
            " status=401 bytes=13 protocol=https"
        ),
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.97,
    prepare=_prepare,
)
