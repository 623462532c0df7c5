"""What can be said of a line on its own: events of COLLECTED become narrow rows of REQUESTS and MESSAGES."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

import polars as pl

from authforensics.correlate import clients, reasons, starts
from authforensics.correlate.endpoints import COUNTS, seen
from authforensics.correlate.identity import LADDER
from authforensics.once import once
from authforensics.schema import CARRIED, MESSAGES, REQUESTS, TEXT, Kind

#: The columns of COLLECTED that are looked at.
COLUMNS = (
    *("system", "source", "line_number", "timestamp", "started_at", "duration_ms", "clock", "kind", "method", "route"),
    *("status", "client_ip", "user_agent", "user_id", "device_id", "session_id", "request_id", "upstream", "platform"),
    *("app_version", "reason_text", "message", "origin"),
    *CARRIED,
)
_IDS = ("request_id", "device_id", "session_id", "user_id")


def requests(events: pl.DataFrame) -> pl.DataFrame:
    """The REQUESTS among some events of COLLECTED."""
    mine = _of_kind(events, Kind.REQUEST)
    narrow = mine.with_columns(
        *reasons.own(mine),
        reasons.claimed(mine),
        _session(mine["session_id"]),
        timed=pl.col("duration_ms").is_not_null(),
        request_id=_hashed(pl.col("request_id")),
    )
    return clients.add_clients(narrow).select(REQUESTS.keys())


def messages(events: pl.DataFrame) -> pl.DataFrame:
    """The MESSAGES among some events of COLLECTED: of those that say why a token was refused, or whose request it was.

    And of those that say that a server was started.
    """
    mine = _of_kind(events, Kind.MESSAGE)
    if mine.is_empty():
        return pl.DataFrame(schema=MESSAGES)
    told = reasons.read_messages(mine).with_columns(
        _session(mine["session_id"]), request_id=_hashed(pl.col("request_id"))
    )
    known = (pl.col(name).is_not_null() for name in ("reason", *_IDS))
    useful = pl.any_horizontal(*known, starts.tell(pl.col("hint")))
    return told.filter(useful).select(pl.col(name).cast(dtype) for name, dtype in MESSAGES.items())


def all_seen(parts: Sequence[pl.DataFrame], folders: Mapping[str, str]) -> pl.DataFrame:
    """What `endpoints.seen` says of everything, per system in place of folder, from what it says of each part."""
    key = ["system", "method", "route"]
    whole = pl.concat([seen(pl.DataFrame(schema=REQUESTS)), *parts]).with_columns(
        pl.col("system").cast(pl.String).replace(dict(folders)).cast(TEXT)
    )
    return whole.group_by(key).agg(pl.col(COUNTS).sum())


def coverage(narrow: pl.DataFrame) -> dict[str, int]:
    """How many of some REQUESTS have each rung of the identity ladder; `len`: how many there are."""
    return {"len": narrow.height, **{name: narrow[name].count() for name in LADDER}}


def _of_kind(events: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    mine = (events["kind"] == kind.value).fill_null(value=False)
    return events if mine.all() else events.filter(mine)


def _hashed(value: pl.Expr) -> pl.Expr:
    # Equal ids have equal hashes in every process of one run; that two of a billion are taken for one is unlikely.
    return pl.when(value.is_not_null()).then(value.hash())


def _session(ids: pl.Series) -> pl.Series:
    """Session ids are secrets: from here on only a digest of them is known."""
    if ids.null_count() == len(ids):
        return ids.cast(TEXT)
    return once(ids, lambda value: sha256(value.encode()).hexdigest()[:32]).cast(TEXT)
