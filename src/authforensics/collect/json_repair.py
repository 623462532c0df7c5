"""Repairs lines that were meant as JSON: what servers write whose log format quotes each variable by hand."""

from __future__ import annotations

import polars as pl

#: What is wrong and what was meant, in this order.
# Reference: https://nginx.org/en/docs/http/ngx_http_log_module.html (escape=default: `\xXX`, and `-` for no value)
_REPAIRS = (
    # A byte that nginx or Apache escaped stays as it is written elsewhere.
    (r"(^|[^\\])\\x", r"${1}\\x"),
    # Of several upstreams the last one answered.
    (r"(:\s*)(?:(?:\d+(?:\.\d+)?|-)\s*[,:]\s*)+((?:\d+(?:\.\d+)?|-)\s*[,}])", "${1}${2}"),
    # No value, without the quotes.
    (r"(:\s*)-?(\s*[,}])", "${1}null${2}"),
    (r",\s*([}\]])", "${1}"),
)


def repaired(lines: pl.Series) -> pl.Series:
    """The same lines, as they were meant: for those that are no JSON as they stand."""
    line = pl.col("line")
    for wrong, meant in _REPAIRS:
        line = line.str.replace_all(wrong, meant)
    return lines.to_frame("line").select(line.str.replace(r"\}\s*,\s*$", "}")).to_series()
