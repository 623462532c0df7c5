"""Owns `s3`: the server access log of Amazon S3, whose time is when the request came in."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from authforensics.collect import times
from authforensics.collect.distinct import each_run, each_run_of, fits
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.splitting import Quoted, words
from authforensics.schema import Kind

# Reference: https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
_TIME = r"\d{2}/[A-Za-z]{3}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4}"
_WORD = r'[^ "]+'
_OPERATION = r"[A-Z0-9]+\.[A-Z0-9_.]+"
# Owner, bucket, time, address, requester, request id, operation, key.
_BEFORE = (
    rf"^{_WORD} {_WORD} \[(?P<time>{_TIME})\] (?P<client>{_WORD}) (?P<requester>{_WORD}) (?P<id>{_WORD})"
    rf" {_OPERATION} {_WORD}"
)
# Status, error code, bytes sent, size of the object, total time, turn-around time.
_RESULT = rf" (?P<status>\d{{3}}|-) (?P<error>{_WORD}) (?P<bytes>{_WORD}) {_WORD} (?P<lasted>{_WORD}) {_WORD}"
_QUOTED = r'(?:"{}"|-)'
_REQUEST, _REFERRER, _AGENT = (
    _QUOTED.format(value)
    for value in (r'(?P<request>(?:[^"\\]|\\.)*)', r'(?:[^"\\]|\\.)*', r'(?P<agent>(?:[^"\\]|\\.)*)')
)
# Version id, host id, signature version, cipher suite, kind of authentication, host header, TLS version and more.
_BEHIND = r"(?: (?:[^ ]* ){5}(?P<host>[^ ]*)(?: .*)?| .*)?"
_LINE = f"{_BEFORE} {_REQUEST}{_RESULT} {_REFERRER} {_AGENT}{_BEHIND}$"
_MEANT = re.compile(_BEFORE)
#: Before how many words behind the user agent, with the nothing in front of the first, the host stands.
_HOST = 6


def _part(pieces: pl.DataFrame) -> tuple[pl.LazyFrame, pl.Series]:
    before, result, behind = pieces["before"], pieces["result"], pieces["behind"]
    parts = pieces.select("request", "agent", "behind").with_columns(
        *words(before, ("owner", None, "day", "offset", "client", "requester", "id", "operation", "key", "more")),
        *words(result, (None, "status", "error", "bytes", None, "lasted", None)),
    )
    time = parts["day"] + " " + parts["offset"]
    plain = result.str.contains(f"^{_RESULT} $") & (pieces["gap"] == " ") & behind.str.starts_with(" ")
    plain &= (parts["owner"] != "") & (parts["key"] != "") & (parts["more"] == "")
    plain &= fits(time, rf"^\[{_TIME}\]$", each_run_of)
    # One quote at the very end leaves no trace here: it may be the host's.
    plain &= (pieces["beyond"] == "") & (behind.str.count_matches(" ", literal=True) != _HOST)
    plain &= fits(parts["operation"], f"^{_OPERATION}$")
    host = pl.col("behind").str.splitn(" ", _HOST + 2).struct.field(f"field_{_HOST}")
    lazy = parts.lazy().with_columns(time.str.slice(1, 26).alias("time"), host=host)
    return lazy, plain & ~before.str.contains("  ", literal=True)


def _moment(values: pl.DataFrame) -> pl.DataFrame:
    return times.clf_moments(values, pl.col("value"))


_LASTED = pl.col("lasted").cast(pl.Float64, strict=False)
_SAY = {
    "time": pl.col("moment").struct.field("time"),
    "zone": pl.col("moment").struct.field("zone"),
    "clock": pl.lit(1.0, pl.Float32),
    "at_start": pl.lit(value=True),
    "duration_ms": pl.when(_LASTED >= 0).then(_LASTED),
    "client_ip": pl.col("client"),
    "user_id": pl.col("requester"),
    "request_id": pl.col("id"),
    "request": pl.col("request"),
    "status": pl.col("status").cast(pl.UInt16, strict=False),
    "bytes": pl.col("bytes"),
    "user_agent": pl.col("agent"),
    "host": pl.col("host"),
    "reason_text": pl.col("error"),
}
_PIECES = ("before", "request", "result", None, "gap", "agent", "behind", "beyond")
_LAYOUT = Quoted(_LINE, _PIECES, _part, {"moment": each_run("time", _moment, times.CLF_MOMENT)}, _SAY, {})


def _prepare(sample: Sequence[str], _settings: Settings) -> Parser | None:
    return _LAYOUT.parser() if any(map(_MEANT.match, sample)) else None


FORMAT = Format(
    name="s3",
    title="server access log of Amazon S3",
    samples=(
        (
            "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be amzn-s3-demo-bucket1"
            " [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
            ' 3E57427F3EXAMPLE REST.GET.VERSIONING - "GET /amzn-s3-demo-bucket1?versioning HTTP/1.1" 200 - 113 - 7 -'
            ' "-" "S3Console/0.4" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4'
            " ECDHE-RSA-AES128-GCM-SHA256 AuthHeader amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com TLSV1.2"
            " arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP Yes"
        ),
        (
            "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be awsexamplebucket1"
            " [06/Feb/2014:00:01:00 +0000] 192.0.2.3 - 7B4A0FABBEXAMPLE REST.GET.OBJECT a.pdf"
            ' "GET /a.pdf HTTP/1.1" 403 AccessDenied 243 - 11 - "-" "curl/8.5.0" -'
        ),
    ),
    time="start",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
)
