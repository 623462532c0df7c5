"""Owns `tornado`: the log of Tornado and what is built on it, Jupyter's servers: requests, messages, traces."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from authforensics.collect.cutting import iso
from authforensics.collect.format import Format, Parser, Settings
from authforensics.collect.in_words import parser
from authforensics.schema import Kind

# Reference: https://www.tornadoweb.org/en/stable/log.html (LogFormatter), tornado/web.py (log_request);
# jupyterhub/log.py, whose user stands in front of the address, and where a redirection goes behind the path.
_DAY = r"(?:[0-9]{6}|[0-9]{4}-[0-9]{2}-[0-9]{2})"
_AHEAD = rf"\[[DIWEC] (?P<at>{_DAY} [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:[.,][0-9]{{1,6}})?)(?: [^\]]*)?\] "
_CALL = (
    r"^(?P<status>[1-5][0-9]{2}) (?P<method>[A-Z]+) (?P<target>\S+)(?: (?:->|→) \S+)?"
    r" \((?:(?P<user_id>[^()\s]*)@)?(?P<client_ip>[^()@\s]*)\) (?P<lasted>[0-9]+\.[0-9]+)ms(?:\s.*)?$"
)


def _prepare(sample: Sequence[str], settings: Settings) -> Parser | None:
    def moment(values: pl.Series) -> pl.Series:
        return iso(values.str.replace(r"^([0-9]{2})([0-9]{2})([0-9]{2}) ", "20$1-$2-$3 "), settings.tz)

    return parser(sample, settings, _AHEAD, _CALL, moment, messages=True)


FORMAT = Format(
    name="tornado",
    title="log of Tornado, JupyterHub and Jupyter Server",
    samples=(
        "[I 251002 12:00:08 web:2348] 200 GET /api/me (203.0.113.7) 1.23ms",
        "[W 2025-10-02 12:00:09.123 JupyterHub log:192] 403 GET /hub/api/users/ann (ann@203.0.113.7) 5.12ms",
    ),
    time="end",
    kinds=(Kind.REQUEST, Kind.MESSAGE),
    specificity=0.98,
    prepare=_prepare,
    multiline=True,
    record_start=r"^\[[DIWEC] [0-9]",
)
