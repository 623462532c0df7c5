"""The text lines of Envoy: the layout that Envoy's default and Istio's share, and what is made of its fields."""

from __future__ import annotations

import polars as pl

from authforensics.collect.cutting import client, cutting, iso
from authforensics.collect.distinct import each_of
from authforensics.collect.format import Cutting

# Reference: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#default-format-string
_AMOUNTS = r"(?:\d+|-) (?P<bytes>\d+|-) (?P<duration>\d+|-) \S+"
# A line may be cut off within the last field; unknown ones may follow.
_CALLED = (
    r"\"(?P<forwarded>[^\"]*)\" \"(?P<user_agent>.*?)\" \"(?P<request_id>[^\"]*)\" \"(?P<host>[^\"]*)\""
    r" \"(?P<upstream>[^\"]*)(?:\"(?:(?P<rest> [^\"]*).*)?)?$"
)
_BEFORE = r"^\[(?P<at>[^\]\"]*)\] \"(?P<request>.*?)\" "
_RESULT = r"(?P<status>\d{1,3}|-) (?P<flags>[^\s\"]+)"
# Reference: https://istio.io/latest/docs/tasks/observability/logs/access-log/#default-access-log-format
_DETAILS = r"(?: (?P<details>[^\"]+) [^\s\"]+)?"

_DEFAULT = rf"{_BEFORE}{_RESULT}(?P<details>) {_AMOUNTS} {_CALLED}"
# Up to Istio 1.8 the mixer's status stood, in quotes, where the details of the response are now.
_ISTIO = rf"{_BEFORE}{_RESULT}{_DETAILS}(?: \"[^\"]*\"){{1,2}} {_AMOUNTS} {_CALLED}"


def default_parser() -> Cutting:
    """A parser of lines of Envoy's default format, whatever follows on the line."""
    return cutting(_DEFAULT, 13, _take_default, _made, _moment)


def istio_parser() -> Cutting:
    """A parser of lines of Istio's default format."""
    return cutting(_ISTIO, 15, _take_istio, _made, _moment, without=[3])


def _take_default(cut: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    result = cut["2"]
    words = result.str.splitn(" ", 8).struct
    parts, plain = _apart(cut, 3)
    plain &= result.str.contains(rf"^ {_RESULT} {_AMOUNTS} $")
    status, flags, sent, duration = (words.field(f"field_{number}") for number in (1, 2, 4, 5))
    return parts.with_columns(status=status, flags=flags, bytes=sent, duration=duration, details=pl.lit("")), plain


def _take_istio(cut: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    amounts = cut["4"]
    result = each_of(cut["2"], _result, dict.fromkeys(("status", "flags", "details"), pl.String())).struct.unnest()
    words = amounts.str.splitn(" ", 6).struct
    parts, plain = _apart(cut, 5)
    plain &= result["details"].is_not_null() & amounts.str.contains(rf"^ {_AMOUNTS} $")
    sent, duration = (words.field(f"field_{number}") for number in (2, 3))
    return parts.with_columns(*result, bytes=sent, duration=duration), plain


def _result(values: pl.DataFrame) -> pl.DataFrame:
    return values.select(parts=pl.col("value").str.extract_groups(rf"^ {_RESULT}{_DETAILS} $")).unnest("parts")


def _apart(cut: pl.DataFrame, first: int) -> tuple[pl.DataFrame, pl.Series]:
    """What both have in common: time and request, and five quoted fields from this piece on."""
    names = ("forwarded", "user_agent", "request_id", "host", "upstream")
    quoted = {name: cut[str(first + 2 * number)] for number, name in enumerate(names)}
    before, rest = cut["0"], cut[str(first + 9)]
    moment = _moment(before.str.head(-2).str.slice(1))
    plain = moment.struct.field("time").is_not_null() & before.str.starts_with("[") & before.str.ends_with("] ")
    plain &= ((rest == "") | rest.str.starts_with(" ")) & (quoted["upstream"] != "")
    for number in range(first + 1, first + 8, 2):
        plain &= cut[str(number)] == " "
    return pl.DataFrame({"moment": moment, "request": cut["1"], **quoted, "rest": rest}), plain


def _moment(values: pl.Series) -> pl.Series:
    return iso(values, None)


def _made(parts: pl.LazyFrame) -> pl.LazyFrame:
    """`PARSED` of the parts of lines."""
    details, flags = pl.col("details"), pl.col("flags")
    # External authorization refused: Envoy's default tells no more.
    refused = pl.when(flags.str.contains("UAEX", literal=True)).then(flags)
    peer = pl.col("rest").str.splitn(" ", 6).struct.field("field_4").str.strip_chars_end("0123456789")
    parts = parts.with_columns(
        peer=pl.when(peer.str.ends_with(":")).then(peer),
        duration_ms=pl.col("duration").cast(pl.Float64, strict=False),
        reason_text=pl.coalesce(pl.when(~details.is_in(["-", ""])).then(details), refused),
    )
    parts = parts.with_columns(client_ip=client("peer", "forwarded"))
    return parts.drop("peer", "forwarded", "flags", "duration", "details", "rest")
