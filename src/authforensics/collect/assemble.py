"""Puts together the canonical fields of a line from named values: what JSON, LTSV and compiled formats share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

import polars as pl

from authforensics.collect import fields, synonyms, times
from authforensics.collect.distinct import each, mapped
from authforensics.collect.format import Settings
from authforensics.collect.requests import address, client_of
from authforensics.schema import TIMESTAMP, Kind

_PLAIN = (
    *("request", "method", "target", "query", "bytes", "host", "user_agent", "user_id", "device_id", "session_id"),
    *("request_id", "upstream", "platform", "app_version"),
)
_AMOUNT = r"^\s*(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s)\s*$"
_STATUS = r"^\s*(0|000|[1-9]\d\d)(?:\.0)?\s*$"
_SUFFIXES = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
_MESSAGE_IN_OBJECT = r'"(?:message|msg)":\s*"((?:[^"\\]|\\.)*)"'


def assemble(
    lines: pl.LazyFrame,
    keys: Collection[str],
    examples: Mapping[str, str],
    settings: Settings,
    *,
    preferred: Mapping[str, str] | None = None,
    messages: bool = False,
) -> pl.LazyFrame:
    """Adds the columns of `format.PARSED` to lines that have a text column for each key, and drops those.

    Args:
        lines: has `column(key)` for each key.
        keys: what the product calls its fields.
        examples: a value of each key that the sample has, from which the kind of its times is told.
        settings: the zone of naive times, and the key that holds the device id.
        preferred: keys that mean another field here than elsewhere.
        messages: a line without a status is a message, not a request.
    """
    found = synonyms.matching(keys, preferred)
    if settings.device_field is not None:
        found["device_id"] = [key for key in keys if key == settings.device_field]
    lines = _with_time(lines, keys, examples, settings.tz)
    columns = {name: _first(found[name]) for name in _PLAIN if name in found}
    columns["client_ip"] = _first(found.get("client_ip", []))
    columns["status"] = _status(found.get("status", []))
    duration = synonyms.duration_in(keys)
    if duration is not None:
        columns["duration_ms"] = _duration(pl.col(column(duration[0])), duration[1])
    for name in ("reason", "error", "forwarded", "message"):
        columns[f"_{name}"] = _first(found.get(name, []), cleaned=True)
    lines = lines.with_columns(**columns)
    if "forwarded" in found:
        lines = lines.with_columns(client_ip=client_of(address(pl.col("client_ip")), pl.col("_forwarded")))
    return _with_texts(lines, messages, columns).drop(
        *(column(key) for key in keys), "_reason", "_error", "_forwarded", "_message"
    )


def column(key: str) -> str:
    """The name of the text column of a key: no canonical column is called so."""
    return f"key {key}"


def _with_texts(lines: pl.LazyFrame, messages: bool, columns: Collection[str]) -> pl.LazyFrame:
    error = pl.col("_error")
    inner = pl.when(error.str.starts_with("{")).then(error).str.extract(_MESSAGE_IN_OBJECT)
    lines = lines.with_columns(_error=pl.coalesce(inner, error))
    reason = pl.coalesce("_reason", "_error")
    if not messages:
        return lines.with_columns(reason_text=reason)
    called = [fields.given(pl.col(name)) for name in ("method", "target", "request") if name in columns]
    # A message can quote a status; without a method or path it is still a message.
    request = pl.col("status").is_not_null() & pl.any_horizontal(pl.col("_message").is_null(), *called)
    lines = lines.with_columns(_request=request)
    request = pl.col("_request")
    return lines.with_columns(
        kind=pl.when(request).then(pl.lit(Kind.REQUEST.value)).otherwise(pl.lit(Kind.MESSAGE.value)),
        message=pl.when(~request).then(_told(pl.col("_message"), pl.col("_error"))),
        reason_text=pl.when(request).then(reason),
    ).drop("_request")


def _first(keys: list[str], *, cleaned: bool = False) -> pl.Expr:
    if not keys:
        return pl.lit(None, pl.String)
    if len(keys) == 1 and not cleaned:  # Whoever uses it cleans it, each distinct value once.
        return pl.col(column(keys[0]))
    return pl.coalesce([fields.text(pl.col(column(key))) for key in keys])


def _status(keys: list[str]) -> pl.Expr:
    numbers = [mapped(column(key), lambda values: values.str.extract(_STATUS), pl.String()) for key in keys]
    return pl.coalesce(numbers) if numbers else pl.lit(None, pl.String)


def _told(said: pl.Expr, error: pl.Expr) -> pl.Expr:
    both = said.is_not_null() & error.is_not_null() & ~said.str.contains(error, literal=True)
    return pl.when(both).then(said + ": " + error).otherwise(pl.coalesce(said, error))


def _duration(value: pl.Expr, unit: float) -> pl.Expr:
    amount = value.cast(pl.Float64, strict=False) * unit
    odd = pl.when(amount.is_null()).then(value).str.extract_groups(_AMOUNT)
    known = [pl.when(odd.struct.field("2") == name).then(pl.lit(factor)) for name, factor in _SUFFIXES.items()]
    amount = pl.coalesce(amount, odd.struct.field("1").cast(pl.Float64, strict=False) * pl.coalesce(known))
    return pl.when(amount >= 0).then(amount)


def _with_time(lines: pl.LazyFrame, keys: Collection[str], examples: Mapping[str, str], tz: str | None) -> pl.LazyFrame:
    """The finest time of a line; the next best where it is missing."""
    starts = synonyms.times_in(keys)
    order = sorted(starts, key=lambda key: (key not in examples, times.resolution(examples.get(key, ""))))
    best = {"time": pl.lit(None, TIMESTAMP), "zone": pl.lit(None, pl.String), "clock": pl.lit(None, pl.Float32)}
    lines = lines.with_columns(**{f"_best_{name}": empty for name, empty in best.items()}, at_start=pl.lit(False))
    for key in order:
        missing = pl.col("_best_time").is_null()
        read = each(column(key), partial(_moments, tz=tz, sample=examples.get(key, "")), _MOMENT)
        lines = lines.with_columns(_read=read).unnest("_read")
        lines = lines.with_columns(
            at_start=pl.when(missing & pl.col("time").is_not_null()).then(starts[key]).otherwise(pl.col("at_start")),
            **{
                f"_best_{name}": pl.when(missing).then(pl.col(name)).otherwise(pl.col(f"_best_{name}")) for name in best
            },
        ).drop(*best)
    # An epoch beside a time with an offset: that is the zone people here think in.
    offsets = [mapped(column(key), _offsets, pl.String()) for key in order if not examples.get(key, "0")[:9].isdigit()]
    zone = pl.when(pl.col("_best_time").is_not_null()).then(pl.coalesce(*offsets, "_best_zone"))
    return lines.with_columns(time="_best_time", zone=zone, clock="_best_clock").drop(
        *(f"_best_{name}" for name in best)
    )


_MOMENT: dict[str, pl.DataType] = {"time": TIMESTAMP, "zone": pl.String(), "clock": pl.Float32()}


def _offsets(values: pl.Series) -> pl.Series:
    return values.to_frame("value").select(times.offset_of(pl.col("value"))).to_series()


def _moments(values: pl.DataFrame, tz: str | None, sample: str) -> pl.DataFrame:
    return times.read_any(values.lazy(), pl.col("value"), tz, sample).select(_MOMENT.keys()).collect()
