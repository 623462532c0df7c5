"""The refusals of all incidents, read from the history once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from authforensics.diagnose.clusters import DEVICE, Cluster
from authforensics.parallel import by_part
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_REFUSALS = [AuthEvent.API_DENIED.value, AuthEvent.REFRESH_DENIED.value]
#: Beside `loop`, the refusal of a token that a refresh gave, at its first use, and `obeyed` of its episode.
_COLUMNS = (
    "device_id",
    "timestamp",
    "row",
    "auth_event",
    "reason",
    "upstream",
    "route",
    "straggler",
    "rejection",
    "write",
    "traced",
    "timed",
    "obeyed",
)


def denials(events: Sequence[pl.LazyFrame], clusters: Sequence[Cluster]) -> Iterator[pl.DataFrame]:
    """Every refusal that belongs to each incident, stragglers included: those in its ill episodes; in no order.

    Of a key fault, only those that say so or say nothing: the expiry that began the episode is not part of it.
    """
    if not clusters:
        return
    ill = pl.concat(
        one.episodes.select(
            *DEVICE,
            "episode",
            "obeyed",
            incident=pl.lit(index, pl.UInt32),
            key=pl.lit(one.kind == "key"),
        )
        for index, one in enumerate(clusters)
    )
    loop = pl.col("rejection") & (pl.col("granted_by") == AuthEvent.REFRESH_OK.value).fill_null(value=False)
    found = by_part(
        events,
        lambda part: (
            part.filter(pl.col("auth_event").is_in(_REFUSALS))
            .join(ill.lazy(), on=[*DEVICE, "episode"])
            .filter(~pl.col("key") | pl.col("reason").ne_missing(Reason.TOKEN_EXPIRED.value))
            .select("incident", *_COLUMNS, "granted_at", loop=loop)
        ),
    )
    if len(clusters) == 1:  # the usual case, and there may be millions
        yield found.drop("incident")
        return
    for index in range(len(clusters)):
        yield found.filter(pl.col("incident") == index).drop("incident")
