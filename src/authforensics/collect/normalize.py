"""Turns what a parser yields into the columns of `schema.COLLECTED`."""

from __future__ import annotations

import polars as pl

from authforensics.collect import fields, messages, requests, secrecy
from authforensics.collect.format import PARSED, Format
from authforensics.schema import COLLECTED, KIND, TIMESTAMP, Kind

_PLAIN = ("host", "device_id", "session_id", "request_id", "upstream", "platform", "app_version", "reason_text")

#: Columns that come from the request or the message where the format has none of their own.
_DERIVED = {"path", "action", "user_id", "device_id", "request_id"}


def normalize(parsed: pl.LazyFrame, form: Format, system: str, source: str) -> pl.LazyFrame:
    """The columns of `COLLECTED`, and `line`, `matched`, `problem`, `zone` beside them."""
    present = set(parsed.collect_schema().names())
    defaults = {name: pl.lit(None, dtype) for name, dtype in PARSED.items() if name not in present}
    defaults["matched"] = pl.col("matched").fill_null(False)
    if "kind" not in present:
        defaults["kind"] = pl.lit(form.kinds[0].value)
    if "at_start" not in present:
        defaults["at_start"] = pl.lit(form.time == "start")
    lines = parsed.with_columns(**defaults)
    if "request" in present:
        lines = _with_request(lines)
    if "target" in present or "request" in present:
        lines = _with_target(lines)
    else:
        lines = lines.with_columns(path=pl.lit(None, pl.String), action=pl.lit(None, pl.String))
    if Kind.MESSAGE in form.kinds:
        lines = _with_message_ids(lines)
    lines = lines.with_columns(**_times(), **_values(present), system=pl.lit(system), source=pl.lit(source))
    lines = lines.with_columns(**secrecy.concealed(present | _DERIVED))
    ordered = [pl.col(name).cast(dtype) for name, dtype in COLLECTED.items()]
    return lines.select(*ordered, "line", "matched", "problem", "zone")


def _with_request(lines: pl.LazyFrame) -> pl.LazyFrame:
    method, target = requests.split_request(pl.col("request"))
    return lines.with_columns(
        method=pl.coalesce(pl.col("method"), method), target=pl.coalesce(pl.col("target"), target)
    )


def _with_target(lines: pl.LazyFrame) -> pl.LazyFrame:
    target = fields.text(pl.col("target"))
    query = pl.coalesce(target.str.extract(r"(\?[^#]*)"), "?" + fields.text(pl.col("query")).str.strip_chars_start("?"))
    lines = lines.with_columns(target=requests.without_origin(target), query=query)
    return lines.with_columns(
        path=requests.path_of(pl.col("target")),
        action=requests.action_of(pl.col("query")),
        device_id=pl.coalesce(fields.text(pl.col("device_id")), requests.device_of(pl.col("query"))),
        user_id=pl.coalesce(fields.text(pl.col("user_id")), requests.user_of(pl.col("query"))),
    )


def _with_message_ids(lines: pl.LazyFrame) -> pl.LazyFrame:
    message = pl.when(pl.col("kind") == Kind.MESSAGE.value).then(pl.col("message"))
    return lines.with_columns(
        user_id=pl.coalesce(fields.text(pl.col("user_id")), messages.user_in(message)),
        request_id=pl.coalesce(fields.text(pl.col("request_id")), messages.request_in(message)),
        device_id=pl.coalesce(fields.text(pl.col("device_id")), messages.device_in(message)),
    )


def _times() -> dict[str, pl.Expr]:
    time, duration = pl.col("time"), pl.col("duration_ms")
    lasted = pl.duration(microseconds=(duration * 1000).round().cast(pl.Int64))
    known = duration.is_not_null()
    end = pl.when(pl.col("at_start") & known).then(time + lasted).otherwise(time)
    start = pl.when(pl.col("at_start")).then(time).when(known).then(time - lasted)
    return {"timestamp": end.cast(TIMESTAMP), "started_at": start.cast(TIMESTAMP)}


def _values(present: set[str]) -> dict[str, pl.Expr]:
    values = {name: fields.text(pl.col(name)) for name in _PLAIN if name in present or name.endswith("_id")}
    values["user_id"] = fields.text(pl.col("user_id"))
    if "upstream" in present:
        # Of several upstreams tried the last one answered.
        values["upstream"] = fields.text(pl.col("upstream").str.extract(r"([^,\s]+)\s*$"))
    values["client_ip"] = requests.address(fields.text(pl.col("client_ip")))
    values["user_agent"] = fields.agent(pl.col("user_agent"))
    values["method"] = pl.col("method").str.to_uppercase().str.extract(r"^([A-Z][A-Z_-]{1,19})$")
    values["status"] = fields.status(pl.col("status"))
    values["bytes"] = fields.count(pl.col("bytes"))
    values["kind"] = pl.col("kind").cast(KIND)
    values["message"] = pl.col("message").str.strip_chars()
    return values
