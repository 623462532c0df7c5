"""Puts together the canonical fields of a line from named values: what JSON, LTSV and compiled formats share."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import partial, reduce

import polars as pl

from authforensics.collect import calls, continuations, fields, synonyms, times, units
from authforensics.collect.cutting import by_pair
from authforensics.collect.distinct import mapped
from authforensics.collect.format import Settings
from authforensics.collect.moments import TOLD, Times
from authforensics.collect.requests import REQUEST_LINE, address, client_of
from authforensics.document import Unit
from authforensics.schema import KIND, Kind

_PLAIN = (
    *("request", "method", "target", "query", "bytes", "host", "user_agent", "user_id", "device_id", "session_id"),
    *("request_id", "upstream", "platform", "app_version", "client_ip"),
)
_IDS = {"user_id", "device_id", "session_id", "request_id"}
_TEXTS = ("reason", "code", "response_type", "error", "forwarded", "message", "grant", "route_key")
_STATUS = r"^\s*(0|000|[1-9][0-9][0-9])(?:\.0)?\s*$"
#: A host in front of a path, as in tables of Vercel's.
_HOSTED = re.compile(r"^((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?::[0-9]+)?)(/.*)$")
#: What is called in `GET /pets/{id}`, and how. Reference: API Gateway's $context.routeKey
_ROUTE_KEY = r"^[A-Z]+ ((?:/|https?://)\S*)$"
_ROUTE_METHOD = r"^(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) "
_LONG_ID = re.compile(r"(?=.*[0-9])[A-Za-z0-9_:.-]{16,}")
#: What API Gateway says of requests that AWS's keys signed: no token is at fault.
# Reference: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
_REQUEST_SIGNATURE = "INVALID_SIGNATURE"
#: What tells nothing that the status doesn't.
_NUMBER = r"^\d{1,3}$"
#: What says that there was an error, but not which.
_FLAGS = ["true", "false"]
#: A time of the day, and what only the names of the extended log format begin with.
_CLOCK, _EXTENDED = re.compile(r"\d{2}:\d{2}:\d{2}"), ("sc-", "sc_", "cs-", "cs_", "x-edge", "x_edge")
_MESSAGE_IN_OBJECT = r'"(?:message|msg)":\s*"((?:[^"\\]|\\.)*)"'


def assemble(
    lines: pl.LazyFrame,
    keys: Collection[str],
    examples: Mapping[str, str],
    settings: Settings,
    *,
    preferred: Mapping[str, str] | None = None,
    messages: bool = False,
    values: Mapping[str, Sequence[str]] | None = None,
) -> pl.LazyFrame:
    """Adds columns of `format.PARSED` to lines that have a column of texts for the keys, and drops those.

    Args:
        lines: has `column(key)`, a text, for each key that any of them has.
        keys: what the product calls its fields.
        examples: a value of each key that the sample has, from which the kind of its times is told.
        settings: the zone of naive times, and the key that holds the device id.
        preferred: keys that mean another field here than elsewhere.
        messages: a line without a status is a message, not a request.
        values: some values of the keys, which tell the units of durations.
    """
    found = synonyms.matching(keys, preferred)
    _tell_requests(found, values or {})
    if settings.device_field is not None:
        found["device_id"] = [key for key in keys if key == settings.device_field]
    duration = units.duration_in(keys, values)
    # What a key means depends on the others that its product has, even if these lines have none of them.
    schema = lines.collect_schema()
    there = [key for key in keys if column(key) in schema]
    found = {name: own for name, named in found.items() if (own := [key for key in named if key in there])}
    lines = _with_time(_in_one(lines, there, examples), there, examples, settings.tz, lasted=duration is None)
    columns = {name: _first(found[name], name) for name in _PLAIN if name in found}
    if _have_hosts(found.get("target", []), values or {}):
        whole = columns["target"]
        columns["target"] = whole.str.replace(_HOSTED.pattern, "$2")
        columns.setdefault("host", whole.str.extract(_HOSTED.pattern))
    columns["status"] = _status(found.get("status", []))
    if duration is not None and duration[0] in there:
        columns["duration_ms"] = mapped(column(duration[0]), partial(_durations, unit=duration[1]), pl.Float64())
    if written := [_cleaned(found[name], name) for name in ("thrown", "logger") if name in found]:
        named = pl.concat_str(written, separator=" ", ignore_nulls=True)
        columns["origin"] = pl.when(named != "").then(named)
    texts = {f"_{name}": _cleaned(found[name], name) for name in _TEXTS if name in found}
    if "forwarded" in found:
        texts["_forwarded"] = _first(found["forwarded"], "forwarded")
    lines = lines.with_columns(**columns, **texts)
    if "response_type" in found:
        told = pl.when(pl.col("_response_type") != _REQUEST_SIGNATURE).then("_response_type")
        lines = lines.with_columns(_code=pl.coalesce("_code", told) if "code" in found else told)
        texts["_code"] = told
    if "forwarded" in found:
        called = by_pair("client_ip" if "client_ip" in found else None, "_forwarded", _client)
        lines = lines.with_columns(client_ip=called)
    if "route_key" in found:
        known = [fields.text(pl.col("target"))] if "target" in found else []
        lines = lines.with_columns(target=pl.coalesce(*known, pl.col("_route_key").str.extract(_ROUTE_KEY)))
        if "method" not in found:
            lines = lines.with_columns(method=pl.col("_route_key").str.extract(_ROUTE_METHOD))
    elif "target" not in found and {"method", "message"} <= {*found}:
        called = fields.given(pl.col("method")) & pl.col("_message").str.starts_with("/")
        lines = lines.with_columns(target=pl.when(called).then("_message"))
    if "grant" in found:
        known = [fields.text(pl.col("query"))] if "query" in found else []
        lines = lines.with_columns(query=pl.coalesce(*known, pl.lit("grant_type=") + pl.col("_grant")))
    said = (value for key in found.get("message", ()) for value in (values or {}).get(key, ()))
    lines = _with_texts(lines, messages, {*columns, *texts}, calls.reader(said) if messages else None)
    return lines.drop(*(column(key) for key in there), *texts)


def _tell_requests(found: dict[str, list[str]], values: Mapping[str, Sequence[str]]) -> None:
    """Put right, by their values, which keys hold request lines, targets, a method with a path, or ids of requests."""
    if "request" not in found and _are_lines(found.get("target", []), values):
        found["request"] = found.pop("target")
    if "request" in found and _are_ids(found["request"], values):
        found.setdefault("request_id", []).extend(found.pop("request"))
    if "request" in found and _lack_protocol(found["request"], values):
        found.setdefault("route_key", []).extend(found.pop("request"))


def _are_lines(keys: Sequence[str], values: Mapping[str, Sequence[str]]) -> bool:
    """Whether what these keys hold are whole request lines, as in tables of S3's log."""
    told = [value for key in keys[:1] for value in values.get(key, ()) if value not in fields.NULLS]
    return bool(told) and all(re.fullmatch(REQUEST_LINE, value) for value in told)


def _are_ids(keys: Sequence[str], values: Mapping[str, Sequence[str]]) -> bool:
    """Whether what these keys hold are ids that no other request has, not even behind a restart."""
    told = [value for key in keys for value in values.get(key, ()) if value not in fields.NULLS]
    return bool(told) and all(map(_LONG_ID.fullmatch, told))


def _have_hosts(keys: Sequence[str], values: Mapping[str, Sequence[str]]) -> bool:
    """Whether what these keys hold are paths with their host in front."""
    told = [value for key in keys[:1] for value in values.get(key, ()) if value not in fields.NULLS]
    return bool(told) and all(map(_HOSTED.match, told))


def _lack_protocol(keys: Sequence[str], values: Mapping[str, Sequence[str]]) -> bool:
    """Whether what these keys hold are request lines that nobody wrote a protocol into."""
    told = [value for key in keys for value in values.get(key, ()) if value not in fields.NULLS]
    return bool(told) and all(re.match(_ROUTE_KEY, value) for value in told)


def units_in(
    keys: Collection[str], values: Mapping[str, Sequence[str]] | None, names: Mapping[str, str] | None = None
) -> tuple[Unit, ...]:
    """The units in which `assemble` takes durations and times since 1970.

    Args:
        keys: what the product calls its fields.
        values: some values of each; None if the keys are those of nginx and Apache, which have their units.
        names: what to call a key, where the log calls it otherwise.
    """
    lasted = units.duration_unit(keys, values)
    times_of = ((key, list((values or {}).get(key, ()))) for key in synonyms.times_in(keys))
    found = [lasted, *(units.time_unit(key, own) for key, own in times_of)]
    called = names or {}
    return tuple(one.model_copy(update={"field": called.get(one.field, one.field)}) for one in found if one is not None)


def column(key: str) -> str:
    """The name of the text column of a key: no canonical column is called so."""
    return f"key {key}"


def _with_texts(
    lines: pl.LazyFrame, messages: bool, columns: Collection[str], read: calls.Reader | None
) -> pl.LazyFrame:
    """Adds `reason_text`; and, with `messages`, `kind`, `message` and the requests that they tell of, if `read`."""
    if "_error" in columns:
        lines = lines.with_columns(_error=pl.col("_error").map_batches(_gist, return_dtype=pl.String))
    if "_code" in columns:
        code = pl.when(~pl.col("_code").str.contains(_NUMBER)).then("_code")
        error = _told(code, pl.col("_error")) if "_error" in columns else code
        columns = {*columns, "_error"}
        lines = lines.with_columns(_error=error)
    told = [pl.col(name) for name in ("_reason", "_error") if name in columns]
    reason = pl.coalesce(told) if told else None
    if not messages:
        return lines if reason is None else lines.with_columns(reason_text=reason)
    if read is not None and "_message" in columns:
        lines = _with_calls(lines, read)
        columns = {*columns, *calls.CALL}
    request = pl.col("status").is_not_null()
    if "_message" in columns:
        known = ("method", "target", "request", "_route_key")
        called = [fields.given(pl.col(name)) for name in known if name in columns]
        # A message can quote a status; without a method or path it is still a message.
        request &= pl.any_horizontal(pl.col("_message").is_null(), *called)
    lines = lines.with_columns(_request=request)
    request = pl.col("_request")
    kind = pl.when(request).then(pl.lit(Kind.REQUEST.value)).otherwise(pl.lit(Kind.MESSAGE.value))
    added = {"kind": kind.cast(KIND)}
    if reason is not None:
        added["reason_text"] = pl.when(request).then(reason)
    said = [pl.col(name) for name in ("_message", "_error", "_reason") if name in columns]
    if said:
        added["message"] = pl.when(~request).then(reduce(_told, said))
    return lines.with_columns(**added).drop("_request")


def _with_calls(lines: pl.LazyFrame, read: calls.Reader) -> pl.LazyFrame:
    """The requests that messages tell of, in lines without a call of their own."""
    there = {*lines.collect_schema().names()}
    own = [fields.given(pl.col(name)) for name in ("method", "target", "request") if name in there]
    message = pl.when(~pl.any_horizontal(own)).then("_message") if own else pl.col("_message")
    call = message.map_batches(read, return_dtype=pl.Struct(calls.CALL), is_elementwise=True)
    lines = lines.with_columns(_call=call)
    said = {name: pl.col("_call").struct.field(name) for name in calls.CALL}
    known = {name: pl.coalesce(_own(name), said[name]) for name in {*said} & there}
    return lines.with_columns(**said | known, _message=pl.when(said["status"].is_null()).then("_message")).drop("_call")


def _own(name: str) -> pl.Expr:
    """What a key of a line says itself, where it says anything."""
    own = pl.col(name).cast(calls.CALL[name])
    return fields.text(own) if calls.CALL[name] == pl.String else own


def _gist(errors: pl.Series) -> pl.Series:
    """What errors say: the message of those that are an object; the exception of stack traces, and what caused it."""
    if errors.null_count() == len(errors):
        return errors
    error = pl.col("error")
    inner = pl.when(error.str.starts_with("{")).then(error).str.extract(_MESSAGE_IN_OBJECT)
    # Python has the exception below its trace, all others above.
    last = error.str.strip_chars_end().str.extract(r"([^\n]*)$")
    first = pl.when(error.str.contains(r"^Traceback")).then(last).otherwise(error.str.extract(r"^([^\r\n]*)"))
    traced = pl.when(error.str.contains("\n", literal=True)).then(
        pl.concat_str(first, continuations.causes(error), separator=": ", ignore_nulls=True)
    )
    return errors.to_frame("error").select(pl.coalesce(inner, traced, error)).to_series()


def _client(peer: pl.Expr, hops: pl.Expr) -> pl.Expr:
    return client_of(address(pl.when(peer != "").then(peer)), fields.text(hops))


def _in_one(lines: pl.LazyFrame, keys: Collection[str], examples: Mapping[str, str]) -> pl.LazyFrame:
    """Times in two columns in one of them: a day and its time, seconds and nanoseconds."""
    day, clock = (next((key for key in keys if key.lower() == name), "") for name in ("date", "time"))
    if day and clock and len(examples.get(day, "")) == len("2025-12-25") and _CLOCK.match(examples.get(clock, "")):
        # Reference: https://www.w3.org/TR/WD-logfile.html: its times are UTC.
        zone = "Z" if any(key.lower().startswith(_EXTENDED) for key in keys) else ""
        whole = pl.concat_str(column(day), pl.lit(" "), column(clock), pl.lit(zone))
        lines = lines.with_columns(whole.alias(column(clock)))
    for seconds, nanos in synonyms.NANOS.items():
        if seconds in keys and nanos in keys:
            fraction = pl.col(column(nanos)).str.zfill(9)
            whole = pl.concat_str(column(seconds), pl.lit("."), fraction)
            lines = lines.with_columns(pl.coalesce(whole, column(seconds)).alias(column(seconds)))
    return lines


def _span(keys: Collection[str]) -> tuple[str, str] | None:
    return next(((start, end) for start, end in synonyms.SPANS.items() if start in keys and end in keys), None)


def _first(keys: list[str], name: str) -> pl.Expr:
    if len(keys) == 1:  # Whoever uses it cleans it, each distinct value once.
        return pl.col(column(keys[0]))
    return _cleaned(keys, name)


def _cleaned(keys: list[str], name: str) -> pl.Expr:
    clean = fields.identity if name in _IDS else fields.text
    return pl.coalesce([clean(pl.col(column(key))).replace(_FLAGS, None) for key in keys])


def _status(keys: list[str]) -> pl.Expr:
    numbers = [mapped(column(key), _statuses, pl.UInt16()) for key in keys]
    return pl.coalesce(numbers) if numbers else pl.lit(None, pl.UInt16)


def _statuses(values: pl.Series) -> pl.Series:
    return values.str.extract(_STATUS).cast(pl.UInt16)


def _told(said: pl.Expr, error: pl.Expr) -> pl.Expr:
    both = said.is_not_null() & error.is_not_null() & ~said.str.contains(error, literal=True)
    return pl.when(both).then(said + ": " + error).otherwise(pl.coalesce(said, error))


def _durations(values: pl.Series, unit: float) -> pl.Series:
    value = pl.col("value")
    amount = value.cast(pl.Float64, strict=False) * unit
    odd = pl.when(amount.is_null()).then(value).str.extract_groups(units.AMOUNT)
    known = [pl.when(odd.struct.field("2") == name).then(pl.lit(factor)) for name, factor in units.SUFFIXES.items()]
    amount = pl.coalesce(amount, odd.struct.field("1").cast(pl.Float64, strict=False) * pl.coalesce(known))
    return values.to_frame("value").select(pl.when(amount >= 0).then(amount)).to_series()


def _with_time(
    lines: pl.LazyFrame, keys: Collection[str], examples: Mapping[str, str], tz: str | None, lasted: bool
) -> pl.LazyFrame:
    """Adds the finest time of a line, the next best where it is missing; how long it `lasted` if that is asked for."""
    starts = synonyms.times_in(keys)
    order = sorted(starts, key=lambda key: (key not in examples, times.resolution(examples.get(key, ""))))
    if not order:
        return lines.with_columns(
            **{name: pl.lit(None, TOLD[name]) for name in ("time", "zone", "clock")}, at_start=pl.lit(value=False)
        )
    span = _span(keys) if lasted else None
    told = Times(order, starts, examples, span, tz)
    read = pl.map_batches([column(key) for key in order], told.told, return_dtype=pl.Struct(TOLD), is_elementwise=True)
    lines = lines.with_columns(_told=read).unnest("_told")
    return lines.rename({"lasted": "duration_ms"}) if span else lines.drop("lasted")
