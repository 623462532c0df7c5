"""Owns `zeek`: the http.log of Zeek, tab-separated; its time is when the request was seen."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.collect.declared import Declared, Names, declared_in, field
from authforensics.collect.epochs import epoch
from authforensics.collect.format import Format, Parser, Settings
from authforensics.schema import Kind

# Reference: https://docs.zeek.org/en/master/log-formats.html, …/scripts/base/protocols/http/main.zeek.html
_BEGINS = "#fields\t"
_USUAL = (
    "ts uid id.orig_h id.orig_p id.resp_h id.resp_p trans_depth method host uri referrer version user_agent origin"
    " request_body_len response_body_len status_code status_msg info_code info_msg tags username password proxied"
    " orig_fuids orig_filenames orig_mime_types resp_fuids resp_filenames resp_mime_types"
)
_NUMBER = r"^(?:\d+|-)$"
_SHAPES = {
    "ts": r"^\d{10}\.\d{6}$",
    "id.orig_h": r"^[0-9A-Fa-f.:]+$",
    "id.orig_p": _NUMBER,
    "id.resp_p": _NUMBER,
    "trans_depth": _NUMBER,
    "response_body_len": _NUMBER,
    "status_code": _NUMBER,
}
_FIELDS = {
    "id.orig_h": "client_ip",
    "method": "method",
    "host": "host",
    "uri": "target",
    "user_agent": "user_agent",
    "response_body_len": "bytes",
    "status_code": "status",
    "username": "user_id",
}
#: That of any log of Zeek's, so that another than http.log isn't taken for one.
_NEEDED = {"ts", "id.orig_h", "method", "uri", "status_code"}


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    declared = declared_in(sample, _BEGINS)
    if any(_NEEDED - {*names} for names in declared) or not any("\t" in line for line in sample):
        return None
    own = {settings.device_field: "device_id"} if settings.device_field else {}
    fields = _FIELDS | own
    wanted = {*fields, "ts", "id.resp_h", "id.resp_p"}

    def say(values: pl.LazyFrame, names: Names) -> pl.LazyFrame:
        said = {meaning: pl.col(field(name)) for name, meaning in fields.items() if name in names}
        if {"id.resp_h", "id.resp_p"} <= {*names}:
            said["upstream"] = pl.concat_str(field("id.resp_h"), pl.lit(":"), field("id.resp_p"))
        if "ts" in names:
            said |= epoch(pl.col(field("ts")))
        return values.with_columns(**said, at_start=pl.lit(value=True))

    known = (*declared, tuple(_USUAL.split()))
    return Declared(_BEGINS, "\t", known, _SHAPES, wanted.__contains__, say).parser()


FORMAT = Format(
    name="zeek",
    title="http.log of Zeek, tab-separated",
    samples=(
        "#separator \\x09",
        "#fields\t" + _USUAL.replace(" ", "\t"),
        (
            "1758805209.250000\tCeiiLO1yCRSPcWlCx9\t203.0.113.7\t43378\t10.0.0.5\t80\t1\tGET\tapi.shop.example\t/api/me"
            "\t-\t1.1\tShop/3.4.1\t-\t0\t54\t401\tUnauthorized\t-\t-\t(empty)\talice\t-\t-\t-\t-\t-\tFEEsZS1w0Z0VJIb5x4\t-"
            "\ttext/plain"
        ),
    ),
    time="start",
    kinds=(Kind.REQUEST,),
    specificity=0.99,
    prepare=_prepare,
    header=r"^#",
    declares=_BEGINS,
)
