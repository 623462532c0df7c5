"""The tokens that logs carry: in which part of the lines of which files, and which keys signed those that were tried.

A token is known by its number, a hash of its text; nothing else of it is here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from authforensics.schema import TEXT, TIMESTAMP
from authforensics.tokens.proof import Signer

#: What tells one place from another: a part of the lines of a file, and what a token is called there.
PLACE = ["system", "source", "where", "field"]
#: One row a token and a place where it can be read, `token_where` as in CARRIED: on how many lines, and the first of
#: these; `answered`: one of them is a request that was not refused and did not fail.
SIGHTINGS: dict[str, pl.DataType] = {
    "system": TEXT,
    "source": TEXT,
    "token_where": TEXT,
    "token": pl.UInt64(),
    "expires_at": TIMESTAMP,
    "lines": pl.UInt32(),
    "answered": pl.Boolean(),
    "line_number": pl.UInt32(),
    "timestamp": TIMESTAMP,
    "first_seen": TIMESTAMP,
    "last_seen": TIMESTAMP,
}
#: Statuses from here on refuse, or tell of a failure.
_REFUSED = 400
_SIGHTED = ["system", "source", "token_where", "token"]
#: One row a place: a part of the lines of a file (`where`: query, header, cookie, message, or body: any other field),
#: and the name that the token has there (`field`). How many different ones, on how many lines, and the first of these.
PLACES: dict[str, pl.DataType] = {
    **dict.fromkeys(PLACE, pl.String()),
    "tokens": pl.UInt32(),
    "lines": pl.UInt32(),
    "line_number": pl.UInt32(),
    "timestamp": TIMESTAMP,
    "first_seen": TIMESTAMP,
    "last_seen": TIMESTAMP,
}
#: One row a place and a token that candidates were tried on, with the first line where it stands. `candidate`: the
#: label of the one that signed it; empty: none did. `answered` as in SIGHTINGS.
TRIED: dict[str, pl.DataType] = {
    **dict.fromkeys(PLACE, pl.String()),
    "line_number": pl.UInt32(),
    "timestamp": TIMESTAMP,
    "expires_at": TIMESTAMP,
    "token": pl.UInt64(),
    "answered": pl.Boolean(),
    "candidate": pl.String(),
}


@dataclass(frozen=True)
class Carried:
    """What tokens the logs carry.

    Attributes:
        seen: how many different ones can be read.
        places: PLACES, in order.
        tried: TRIED, in order.
        signers: the candidates named in it, by label.
    """

    seen: int = 0
    places: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PLACES))
    tried: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TRIED))
    signers: Mapping[str, Signer] = field(default_factory=dict)

    def within(self, systems: Mapping[str, str]) -> Carried:
        """The same, each system under the name that it has in the end."""
        if not self.seen:
            return self
        named = pl.col("system").replace(dict(systems))
        return replace(self, places=self.places.with_columns(named), tried=self.tried.with_columns(named))

    def known_to_all(self) -> list[str]:
        """The candidates that everybody knows and that signed tokens of these logs."""
        return sorted(name for name, one in self.signers.items() if one.origin == "published_default")


def sighted(events: pl.DataFrame) -> pl.DataFrame:
    """The SIGHTINGS of some lines of one or several files, in order of their numbers.

    Args:
        events: `system`, `source`, `line_number`, `timestamp`, `status`, and of CARRIED `token`, `token_where`,
            `expires_at`, `besides`.
    """
    # A masked one, which nobody could use, stands nowhere.
    readable = events.filter(pl.col("token").is_not_null() & pl.col("token_where").is_not_null())
    told = ["line_number", "timestamp", "status"]
    found = readable.select(*_SIGHTED, "expires_at", *told)
    if events["besides"].null_count() < events.height:
        others = events.select("system", "source", *told, "besides").drop_nulls("besides")
        others = others.explode("besides").unnest("besides").select(found.columns)
        found = pl.concat([found, others]).sort("line_number", maintain_order=True)
    if found.is_empty():
        return pl.DataFrame(schema=SIGHTINGS)
    summed = found.group_by(_SIGHTED, maintain_order=True).agg(
        pl.col("expires_at", "line_number", "timestamp").first(),
        lines=pl.len().cast(pl.UInt32),
        answered=(pl.col("status") < _REFUSED).any(),
        first_seen=pl.col("timestamp").min(),
        last_seen=pl.col("timestamp").max(),
    )
    return summed.select(SIGHTINGS.keys())


def merged(sightings: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The SIGHTINGS of several pieces of the logs together; those of one file in the order of its lines."""
    whole = pl.concat([pl.DataFrame(schema=SIGHTINGS), *sightings])
    summed = whole.group_by(_SIGHTED, maintain_order=True).agg(
        pl.col("expires_at", "line_number", "timestamp").first(),
        pl.col("lines").sum(),
        pl.col("answered").any(),
        pl.col("first_seen").min(),
        pl.col("last_seen").max(),
    )
    return summed.select(SIGHTINGS.keys())


def carried(sightings: pl.DataFrame, signed: Mapping[int, Signer | None]) -> Carried:
    """What tokens the logs carry.

    Args:
        sightings: SIGHTINGS of all lines.
        signed: who signed the tokens that were tried, by their numbers; None: none of the candidates.
    """
    if sightings.is_empty():
        return Carried()
    where = pl.col("token_where").cast(pl.String).str.splitn(" ", 2).struct
    sightings = sightings.with_columns(
        pl.col("system", "source").cast(pl.String),
        where=where.field("field_0").replace({"field": "body"}),
        field=where.field("field_1"),
    )
    places = sightings.group_by(PLACE).agg(
        pl.col("lines").sum(),
        pl.col("first_seen").min(),
        pl.col("last_seen").max(),
        pl.col("line_number").min(),
        pl.col("timestamp").min_by("line_number"),
        tokens=pl.len(),
    )
    names = {token: "" if one is None else one.label for token, one in signed.items()}
    known = pl.DataFrame(list(names.items()), schema={"token": pl.UInt64, "candidate": pl.String}, orient="row")
    tried = sightings.join(known, on="token")
    used = set(tried["candidate"])
    order = [*PLACE, "line_number", "token"]
    return Carried(
        seen=sightings["token"].n_unique(),
        places=places.select(pl.col(name).cast(kind) for name, kind in PLACES.items()).sort(PLACE, nulls_last=True),
        tried=tried.select(pl.col(name).cast(kind) for name, kind in TRIED.items()).sort(order, nulls_last=True),
        signers={one.label: one for one in signed.values() if one is not None and one.label in used},
    )
