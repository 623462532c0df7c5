"""Reads `path`, `status` and `device`: which events are wanted, by what their lines say of themselves.

`path` is a regular expression searched in the path and in the route. Like `status` it asks requests: a message passes
unless it names a path or a status of its own. `device` is an id as it stands in the log, or as the report shows it:
wanted is what carries it as its device, session, user or client address, or has `<client_ip>|<user agent>`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import polars as pl

from authforensics.collect import fields, requests, secrecy
from authforensics.collect.read import Digest, Taken
from authforensics.config import pattern_fault
from authforensics.errors import BadValue
from authforensics.schema import Kind

_CODES = re.compile(r"\s*(?:(\d{3})(?:\s*-\s*(\d{3}))?|(\d)xx)\s*", re.IGNORECASE | re.ASCII)
_EXPECTED = "expected codes such as 401, 4xx or 200-299, separated by commas"
#: The columns that may hold what a device is called.
_IDS = ("device_id", "session_id", "user_id")


def filtering(path: str | None, status: str | None, devices: Sequence[str]) -> pl.Expr:
    """Whether an event of COLLECTED is wanted; what isn't asked for doesn't matter.

    Raises:
        BadValue: a value that can't be understood.
    """
    wanted = [pl.lit(value=True)]
    if path is not None:
        wanted.append(_on_path(path))
    if status is not None:
        wanted.append(_with_status(status))
    if devices:
        wanted.append(pl.any_horizontal(*(_of_device(device) for device in devices)).fill_null(value=False))
    return reduce(operator.and_, wanted)


def narrowed(digest: Digest[Taken], wanted: pl.Expr) -> Digest[Taken]:
    """A digest of the wanted events alone, which are read with the columns that tell."""
    own = list(digest.columns)
    columns = dict.fromkeys([*own, *wanted.meta.root_names()])
    return replace(digest, columns=tuple(columns), make=lambda events: digest.make(events.select(own)), wanted=wanted)


def _on_path(pattern: str) -> pl.Expr:
    if not pattern:
        raise BadValue("--path: expected a regular expression, found nothing")
    if (fault := pattern_fault(pattern)) is not None:
        raise BadValue(f"--path: expected a regular expression, found '{pattern}' ({fault})")
    path, route = pl.col("path"), pl.col("route").cast(pl.String)
    # With the query fields that select an operation, a route tells more than a path.
    found = path.str.contains(pattern).fill_null(value=False) | route.str.contains(pattern).fill_null(value=False)
    return found | (_is_message() & path.is_null())


def _with_status(codes: str) -> pl.Expr:
    status = pl.col("status")
    found = reduce(operator.or_, (status.is_between(*_range(part, codes)) for part in codes.split(",")))
    return found.fill_null(value=False) | (_is_message() & status.is_null())


def _range(part: str, codes: str) -> tuple[int, int]:
    """The first and the last status that a part of `401,4xx,200-299` means."""
    match = _CODES.fullmatch(part)
    if match is None:
        raise BadValue(f"--status: {_EXPECTED}; found '{codes}'")
    if match[3] is not None:
        return int(match[3]) * 100, int(match[3]) * 100 + 99
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last:
        raise BadValue(f"--status: {_EXPECTED}; {first} is greater than {last}")
    return first, last


def _is_message() -> pl.Expr:
    return pl.col("kind") == Kind.MESSAGE.value


def _of_device(device: str) -> pl.Expr:
    """Whether an event says that it is of a device, in the way that its columns are written."""
    value = pl.Series([device.strip()], dtype=pl.String)
    if not value[0]:
        raise BadValue("--device: expected an id, found nothing")
    same = [pl.col(name).cast(pl.String) == secrecy.identifying(value, name)[0] for name in _IDS]
    same.append(_at(value))
    address, bar, agent = value[0].partition("|")
    if bar:
        told = pl.col("user_agent").cast(pl.String)
        is_agent = told.is_null() if agent == "-" else told.is_in(_agents(agent))
        same.append(_at(pl.Series([address], dtype=pl.String)) & is_agent)
    return pl.any_horizontal(*(one.fill_null(value=False) for one in same))


def _at(address: pl.Series) -> pl.Expr:
    known = secrecy.identifying(requests.addresses(address), "client_ip")[0]
    return pl.col("client_ip").cast(pl.String) == pl.lit(known, pl.String)


def _agents(agent: str) -> list[str]:
    """A user agent as events have it: as results show it, or escaped as a log has it."""
    said = pl.DataFrame({"value": [agent]})
    told = [said.select(clean(pl.col("value"))).to_series() for clean in (fields.text, fields.agent)]
    return secrecy.readable(pl.concat(told)).drop_nulls().to_list()
