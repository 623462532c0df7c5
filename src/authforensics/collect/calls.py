"""Finds requests that messages of application loggers tell of, as access loggers and middleware write them there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import polars as pl

from authforensics.collect.in_words import told
from authforensics.collect.units import SUFFIXES

#: What a message tells of a request.
CALL: dict[str, pl.DataType] = {
    "client_ip": pl.String(),
    "request": pl.String(),
    "method": pl.String(),
    "target": pl.String(),
    "status": pl.UInt16(),
    "bytes": pl.String(),
    "duration_ms": pl.Float64(),
    "user_agent": pl.String(),
    "user_id": pl.String(),
}
#: Messages in; for each of them a struct of `CALL` out, null where it tells of no request.
Reader = Callable[[pl.Series], pl.Series]

_METHOD = r"(?P<method>GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)"
_PROTOCOL = r"HTTP/[0-9](?:\.[0-9])?"
_STATUS = r"(?P<status>[1-5][0-9]{2})"
_REST = r"(?P<rest>(?: .*)?)$"
_ADDRESS = r"[0-9A-Fa-f]{0,4}[.:][0-9A-Fa-f.]{0,15}[.:][0-9A-Fa-f.:]{1,43}"
# Reference: https://github.com/expressjs/morgan#predefined-formats (dev, tiny, short); what middleware for NestJS
# writes alike, `${method} ${url} ${status} ${length} - ${userAgent} ${ip}`; Hono's logger, koa-logger, Next.js.
_IN_WORDS = (
    rf"^\s*(?:\[[^\]]*\] |--> +|xxx +|-x- +)?(?:(?P<client_ip>{_ADDRESS}) \S+ )?{_METHOD}:? (?P<target>/[^ ]*)"
    rf" (?:{_PROTOCOL} )?(?:- )?{_STATUS}{_REST}"
)
# The CLF family, also without a time or a client: the access loggers of aiohttp, gunicorn, hypercorn, Paste, werkzeug,
# Django's runserver, uvicorn, Actix Web and log4js (connectLogger). What begins with more than an address is no call of
# a client: urllib3 writes those that the application itself makes behind their origin.
_COLOUR = r"(?:\x1b\[[0-9;]*m)*"
_CLF = (
    rf"^(?:(?:(?P<client_ip>\[?{_ADDRESS}\]?(?::[0-9]+)?)|localhost|None(?::[0-9]+)?|-)"
    r"(?: [^\s\[]+ (?P<user_id>[^\[\"]*?)| -)?"
    rf" (?:\[[^\]\"]*\] )?(?:- )?)?\"{_COLOUR}(?P<request>[A-Z]{{3,20}} [^\s\"\x1b]+(?: (?:HTTP/)?[0-9.]+)?){_COLOUR}\""
    rf" {_COLOUR}{_STATUS}{_COLOUR}(?: (?P<bytes>[0-9]+|-))?{_REST}"
)
# Reference: `log_request` in tornado/web.py
_TORNADO = rf"^{_STATUS} {_METHOD} (?P<target>/\S*) \((?P<client_ip>[^()\s]*)\)(?P<rest> [0-9.]+ms)$"
# Reference: https://ktor.io/docs/server-call-logging.html
_KTOR = rf"^{_STATUS} [^:/]*: {_METHOD} - (?P<target>/\S*){_REST}"
# Reference: https://docs.rs/tower-http/latest/tower_http/trace: the fields of the span stand in front or behind.
_TRACED = rf"(?:^|\s)finished processing request latency=(?P<rest>[0-9.]+ \S+) status={_STATUS}(?:\s|$)"
_SPAN = rf"(?:^|[\s{{])method={_METHOD} uri=(?P<target>\S+?)(?:\}}?:)?(?:\s|$)"
#: Each form of telling one, as patterns that all have to be found.
_FORMS = ((_IN_WORDS,), (_CLF,), (_KTOR,), (_TORNADO,), (_TRACED, _SPAN))

_LENGTH = r"^ ([0-9]+)(?: -|$)"
_LASTED = rf"(?:^|[^0-9.+])([0-9]+(?:\.[0-9]+)?) ?({'|'.join(SUFFIXES)})(?:\W|$)"
_SECONDS = r" ([0-9]+\.[0-9]{1,6})$"
_AGENT = r"^ \"[^\"]*\" \"(.*)\"( [^\"]*)?$"
#: The time since the line before, which NestJS puts at the end.
_SINCE = r" \+[0-9]+ms$"
_CALLER = rf"^(?: [0-9]+| undefined| -)? - (?P<user_agent>.*) (?P<client_ip>{_ADDRESS})$"


def reader(messages: Iterable[str]) -> Reader | None:
    """What reads the requests that messages like these tell of; None if none of them does."""
    texts = [*messages]
    forms = [form for form in _FORMS if any(all(re.search(part, text) for part in form) for text in texts)]
    if not forms:
        return None
    words = [re.sub(_SINCE, "", match["rest"]) for match in map(re.compile(_IN_WORDS).match, texts) if match]
    # Where none is logged a user agent must not pass for one.
    callers = 2 * sum(bool(re.match(_CALLER, rest)) for rest in words) > len(words)

    def read(said: pl.Series) -> pl.Series:
        known = [_call(form, callers=callers and form == (_IN_WORDS,)) for form in forms]
        return said.to_frame("text").select(pl.coalesce(known)).to_series()

    return read


def _call(form: tuple[str, ...], *, callers: bool) -> pl.Expr:
    """The `CALL` of the column `text`, if that has the form; with `callers` it ends with user agent and address."""
    parts = [pl.col("text").str.extract_groups(part).struct for part in form]
    groups = {
        name: part.field(name) for part, text in zip(parts, form, strict=True) for name in re.compile(text).groupindex
    }
    rest = groups.pop("rest").str.replace(_SINCE, "")
    agent = rest.str.extract_groups(_AGENT).struct
    behind = pl.when(agent.field("1").is_null()).then(rest).otherwise(agent.field("2"))
    lasted = behind.str.extract_groups(_LASTED).struct
    unit = lasted.field("2").replace_strict(SUFFIXES, default=None, return_dtype=pl.Float64)
    duration = lasted.field("1").cast(pl.Float64) * unit
    if "request" in groups:
        duration = pl.coalesce(duration, behind.str.extract(_SECONDS).cast(pl.Float64) * 1000)
    known = {
        "bytes": rest.str.extract(_LENGTH),
        "duration_ms": duration,
        "user_agent": agent.field("1"),
        **groups,
    }
    if callers:
        caller = rest.str.extract_groups(_CALLER).struct
        client = pl.coalesce(caller.field("client_ip"), groups["client_ip"])
        known |= {"client_ip": client, "user_agent": caller.field("user_agent"), "duration_ms": pl.lit(None)}
    fields = [known.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in CALL.items()]
    found = [group.is_not_null() for name, group in groups.items() if name in {"status", "method", "request"}]
    return pl.when(pl.all_horizontal(found)).then(pl.struct(fields)).alias("call")


def with_calls(lines: pl.LazyFrame, read: Reader) -> pl.LazyFrame:
    """Lines that have a `message`, those that tell of a request as one; `kind` says which."""
    call = pl.col("message").map_batches(read, return_dtype=pl.Struct(CALL), is_elementwise=True)
    lines = lines.with_columns(_call=call)
    said = {name: pl.col("_call").struct.field(name) for name in CALL}
    return told(lines.with_columns(**said).drop("_call"))
