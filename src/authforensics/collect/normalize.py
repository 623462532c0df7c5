"""Turns what a parser yields into the columns of `schema.COLLECTED`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import polars as pl

from authforensics.collect import fields, messages, requests, secrecy
from authforensics.collect.distinct import each, each_of, mapped
from authforensics.collect.format import PARSED, Format
from authforensics.schema import CARRIED, COLLECTED, KIND, TEXT, TIMESTAMP, Kind

_PLAIN: tuple[str, ...] = ("host", "upstream", "platform", "app_version", "reason_text")
#: How many characters are kept of what a line says of itself.
_ORIGIN = 120
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
#: A year: what takes longer is no duration of a request.
_LONGEST_MS = 366 * 86_400_000.0
_IDS: tuple[str, ...] = ("user_id", "device_id", "session_id")
#: What is in an id that isn't just short and hexadecimal: it may be a credential, or stand for none.
_ODD_ID = r"[^0-9a-fA-F.:-]|^-?$|^.{40}"


def normalize(parsed: pl.LazyFrame, form: Format, system: str, source: str) -> pl.LazyFrame:
    """The columns of `COLLECTED`, and `matched`, `problem`, `zone` and, if it is there, `line` beside them."""
    schema = parsed.collect_schema()
    present = set(schema.names())
    lines = parsed.with_columns(**_defaults(present, form))
    if schema.get("client_ip") == pl.String():
        bare = pl.col("client_ip").map_batches(requests.without_port, return_dtype=pl.String(), is_elementwise=True)
        lines = lines.with_columns(client_ip=bare)
    ids = present & {*_IDS, "request_id"}
    if "target" in present or "request" in present:
        lines = _with_request(lines, present)
        ids |= {"device_id", "user_id"}
    else:
        lines = lines.with_columns(_uncalled(present))
    if Kind.MESSAGE in form.kinds and "message" in present:
        lines = _with_message_ids(lines)
        ids |= {"device_id", "user_id", "request_id"}
    if "duration_ms" in present:
        lines = lines.with_columns(pl.when(pl.col("duration_ms").is_between(0, _LONGEST_MS)).then("duration_ms"))
    lines = lines.with_columns(
        _origin(form.name, present),
        **_times(present),
        **_values(schema, ids),
        system=pl.lit(system).cast(TEXT),
        source=pl.lit(source).cast(TEXT),
    )
    told = [pl.col(name).cast(dtype) for name, dtype in COLLECTED.items() if name not in CARRIED]
    ordered = [*told, *(pl.lit(None, dtype).alias(name) for name, dtype in CARRIED.items())]
    beside = ("line",) if "line" in present else ()
    return lines.select(*ordered, *beside, "matched", "problem", "zone")


def outlined(parsed: pl.LazyFrame, form: Format) -> pl.LazyFrame:
    """Of what `normalize` gives only what tells a line's disposition, and its `kind`: for a tenth of the work.

    And whether it is `timed`: by itself, not by a wrapper.
    """
    present = set(parsed.collect_schema().names())
    lines = parsed.with_columns(**_defaults(present, form))
    timed = pl.col("timed") if "timed" in present else pl.lit(value=True)
    time = _times(present)["timestamp"]
    return lines.select("line", "matched", "problem", pl.col("kind").cast(KIND), timestamp=time, timed=timed)


def _defaults(present: set[str], form: Format) -> dict[str, pl.Expr]:
    """The columns of `PARSED` that a parser didn't yield."""
    defaults: dict[str, pl.Expr] = {name: pl.lit(None, dtype) for name, dtype in PARSED.items() if name not in present}
    defaults["matched"] = pl.col("matched").fill_null(False)
    if "kind" not in present:
        defaults["kind"] = pl.lit(form.kinds[0].value)
    if "at_start" not in present:
        defaults["at_start"] = pl.lit(form.time == "start")
    return defaults


def _origin(name: str, present: set[str]) -> pl.Expr:
    """What wrote a line, as far as it names it, and the format's name."""
    if "origin" not in present:
        return pl.lit(name).cast(TEXT).alias("origin")
    said = mapped("origin", _readable(lambda value: fields.text(value).str.slice(0, _ORIGIN)), pl.String())
    return pl.concat_str([said, pl.lit(name)], separator=" ", ignore_nulls=True).cast(TEXT).alias("origin")


def _uncalled(present: set[str]) -> list[pl.Expr]:
    method = mapped("method", partial(_of, requests.method_of), TEXT) if "method" in present else pl.lit(None, TEXT)
    nothing = {"path": pl.String(), "action": TEXT, "route": TEXT}
    return [method.alias("method"), *(pl.lit(None, dtype).alias(name) for name, dtype in nothing.items())]


def _with_request(lines: pl.LazyFrame, present: set[str]) -> pl.LazyFrame:
    """Takes the request apart: each distinct request line, target and query once."""
    own_method = [mapped("method", partial(_of, requests.method_of), TEXT)] if "method" in present else []
    if "request" in present and present.isdisjoint({"target", "query"}):
        lines = lines.with_columns(
            _call=each("request", _call, {"_method": TEXT, **_CALLED}),
            path=mapped("request", lambda values: _readable_path(requests.target_of(values)), COLLECTED["path"]),
        ).unnest("_call")
        lines = lines.with_columns(method=pl.coalesce(*own_method, "_method"))
    else:
        if "request" in present:
            lines = lines.with_columns(_call=each("request", _split, _SPLIT)).unnest("_call")
            own = [fields.text(pl.col("target"))] if "target" in present else []
            lines = lines.with_columns(method=pl.coalesce(*own_method, "_method"), target=pl.coalesce(*own, "_target"))
        else:
            lines = lines.with_columns(method=pl.coalesce(*own_method, pl.lit(None, TEXT)))
        path = mapped("target", lambda values: _readable_path(_of(fields.text, values)), COLLECTED["path"])
        lines = lines.with_columns(path=path)
        lines = _with_query(lines) if "query" in present else lines.with_columns(_call=_target_call).unnest("_call")
    return lines.with_columns(device_id=_own("device_id", "_device"), user_id=_own("user_id", "_user"))


def _readable_path(target: pl.Series) -> pl.Series:
    return secrecy.readable(requests.path_of(requests.without_origin(target)))


_QUERY: dict[str, pl.DataType] = {"action": TEXT, "_device": pl.String(), "_user": pl.String()}
_CALLED: dict[str, pl.DataType] = {"route": TEXT, **_QUERY}
_NOT_ASKED = pl.DataFrame(schema=_QUERY)
_SPLIT: dict[str, pl.DataType] = {"_method": TEXT, "_target": pl.String()}
_PATHS: dict[str, pl.DataType] = {"_route": pl.String(), "_query": pl.String()}


def _with_query(lines: pl.LazyFrame) -> pl.LazyFrame:
    """For formats that have the query in a field of its own, as nginx's `$args`."""
    given = "?" + fields.text(pl.col("query")).str.strip_chars_start("?")
    lines = lines.with_columns(_call=each("target", _target_paths, _PATHS)).unnest("_call")
    lines = lines.with_columns(_query=pl.coalesce("_query", given))
    lines = lines.with_columns(_told=each("_query", _query, _QUERY)).unnest("_told")
    return lines.with_columns(
        route=requests.with_action(mapped("_route", _readable_route, TEXT), pl.col("action")).cast(TEXT)
    )


def _call(values: pl.DataFrame) -> pl.DataFrame:
    """What request lines call: `_method` and `_CALLED`."""
    cut = values["value"].str.splitn(" ", 3).struct.unnest()
    cut = cut.with_columns(requests.without_plain_origin(cut["field_1"]))
    plain = requests.plain(cut["field_1"]) & requests.usual(cut["field_0"], cut["field_2"])
    quick, split = cut.filter(plain), _split(values.filter(~plain))
    called = _called_of(quick["field_1"], split["_target"])
    method = pl.concat([quick["field_0"].cast(TEXT), split["_method"]]).alias("_method")
    return _in_place(plain, called.with_columns(method))


def _split(values: pl.DataFrame) -> pl.DataFrame:
    method, target = requests.split_request(pl.col("value"))
    return values.select(method.cast(TEXT).alias("_method"), target.alias("_target"))


def _target_paths(values: pl.DataFrame) -> pl.DataFrame:
    return _paths(_of(fields.text, values["value"]))


_target_call = each("target", lambda values: _called(_of(fields.text, values["value"])), _CALLED)


def _called(target: pl.Series) -> pl.DataFrame:
    """What the targets of requests call: `_CALLED`."""
    plain = requests.plain(target)
    return _in_place(plain, _called_of(target.filter(plain), target.filter(~plain)))


def _in_place(plain: pl.Series, rows: pl.DataFrame) -> pl.DataFrame:
    """One row for each value, of `rows` that tell of the plain ones first."""
    if plain.head(int(plain.sum())).all():
        return rows
    return rows[pl.concat([plain.arg_true(), (~plain).arg_true()]).arg_sort()]


def _called_of(plain: pl.Series, odd: pl.Series) -> pl.DataFrame:
    """The same of plain targets, and behind them of others."""
    # As a rule all but the null among distinct values is plain.
    paths = _paths(odd) if odd.count() else pl.DataFrame({"_route": odd, "_query": odd})
    route = _route(pl.concat([requests.without_numbers(plain), paths["_route"]], rechunk=True))
    asked = paths["_query"].null_count() < len(odd)
    told = each_of(paths["_query"], _query, _QUERY).struct.unnest() if asked else _NOT_ASKED.clear(len(odd))
    if told["action"].null_count() < len(odd):
        own = told.select(requests.with_action(pl.lit(route.tail(len(odd))), pl.col("action")).cast(TEXT)).to_series()
        route = pl.concat([route.head(len(plain)), own])
    return pl.concat([told.clear(len(plain)), told]).with_columns(route)


def _route(path: pl.Series) -> pl.Series:
    """The routes of some paths whose numbers are collapsed, each distinct one looked at once."""

    def named(values: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame({"route": _readable_route(values["value"]).cast(TEXT)})

    return each_of(path, named, {"route": TEXT}).struct.field("route")


def _readable_route(path: pl.Series) -> pl.Series:
    return secrecy.readable(requests.without_ids(path)).str.slice(0, requests.LONGEST_ROUTE)


def _own(field: str, told: str) -> pl.Expr:
    """The field, or where it is empty what the query tells."""

    def of(columns: Sequence[pl.Series]) -> pl.Series:
        own, asked = columns[0].cast(pl.String), columns[1]
        if asked.null_count() == len(asked):
            return own
        return pl.select(pl.coalesce(fields.identity(pl.lit(own)), pl.lit(asked))).to_series()

    return pl.map_batches([field, told], of, return_dtype=pl.String(), is_elementwise=True)


def _paths(target: pl.Series) -> pl.DataFrame:
    target = requests.without_origin(target)
    asked = target.str.contains("?", literal=True).any()
    query = (
        target.str.extract(r"(\?[^#]*)") if asked else pl.Series([None], dtype=pl.String).new_from_index(0, len(target))
    )
    path = requests.path_of(target)
    return pl.DataFrame({"_route": requests.without_numbers(path), "_query": query})


def _query(values: pl.DataFrame) -> pl.DataFrame:
    query = pl.col("value")
    return values.select(
        requests.action_of(query).alias("action"),
        _device=requests.device_of(query),
        _user=requests.user_of(query),
    ).with_columns(pl.col("action").map_batches(secrecy.readable, return_dtype=pl.String()).cast(TEXT))


def _with_message_ids(lines: pl.LazyFrame) -> pl.LazyFrame:
    message = pl.when(pl.col("kind") == Kind.MESSAGE.value).then(pl.col("message"))
    return lines.with_columns(
        user_id=pl.coalesce(fields.identity(pl.col("user_id")), messages.user_in(message)),
        request_id=pl.coalesce(fields.text(pl.col("request_id")), messages.request_in(message)),
        device_id=pl.coalesce(fields.identity(pl.col("device_id")), messages.device_in(message)),
    )


def _times(present: set[str]) -> dict[str, pl.Expr]:
    # What is beyond these can't be shown, and is no time of a log: the line is a reject.
    time = pl.when(pl.col("time").is_between(_EARLIEST, _LATEST)).then(pl.col("time"))
    duration = pl.col("duration_ms")
    if "duration_ms" not in present:
        return {"timestamp": time.cast(TIMESTAMP), "started_at": pl.when("at_start").then(time).cast(TIMESTAMP)}
    lasted = pl.duration(microseconds=(duration * 1000).round().cast(pl.Int64))
    known = duration.is_not_null()
    end = pl.when(pl.col("at_start") & known).then(time + lasted).otherwise(time)
    start = pl.when(pl.col("at_start")).then(time).when(known).then(time - lasted)
    return {"timestamp": end.cast(TIMESTAMP), "started_at": start.cast(TIMESTAMP)}


def _values(present: pl.Schema, ids: set[str]) -> dict[str, pl.Expr]:
    readable: dict[str, Clean] = dict.fromkeys(_PLAIN, fields.text)
    readable["user_agent"] = fields.agent
    # Of several upstreams tried the last one answered.
    readable["upstream"] = lambda value: fields.text(value.str.extract(r"([^,\s]+)\s*$"))
    readable["message"] = lambda value: value.str.strip_chars()
    values = {
        name: mapped(name, _readable(clean), COLLECTED[name]) for name, clean in readable.items() if name in present
    }
    values |= {name: mapped(name, _identifying(name), TEXT) for name in ids & {*_IDS}}
    if "request_id" in ids:  # Each is another: nothing is gained by looking for equal ones.
        values["request_id"] = pl.col("request_id").map_batches(
            _request_ids, return_dtype=pl.String(), is_elementwise=True
        )
    if "client_ip" in present:
        values["client_ip"] = mapped("client_ip", _address, TEXT)
    if present.get("status") != pl.UInt16():
        values["status"] = mapped("status", partial(_of, fields.status), pl.UInt16())
    values["bytes"] = fields.count(pl.col("bytes"))
    values["kind"] = pl.col("kind").cast(KIND)
    return values


Clean = Callable[[pl.Expr], pl.Expr]


def _of(clean: Clean, values: pl.Series) -> pl.Series:
    return values.to_frame("value").select(clean(pl.col("value"))).to_series()


def _readable(clean: Clean) -> Callable[[pl.Series], pl.Series]:
    return lambda values: secrecy.readable(_of(clean, values))


def _identifying(name: str) -> Callable[[pl.Series], pl.Series]:
    def of(values: pl.Series) -> pl.Series:
        return values if values.null_count() == len(values) else secrecy.identifying(_of(fields.identity, values), name)

    return of


def _request_ids(values: pl.Series) -> pl.Series:
    # A plain one has nothing to be cleaned of.
    return requests.where(values, _ODD_ID, _identifying("request_id"))


def _address(values: pl.Series) -> pl.Series:
    return secrecy.identifying(requests.addresses(_of(fields.text, values)), "client_ip")
