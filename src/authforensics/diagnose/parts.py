"""Which version or platform most of the affected devices have, where an incident also holds a few of the others.

`scope` says to what an incident is confined; this says on what it weighs.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from authforensics.diagnose.scope import P_VALUE, RATIO, fisher

#: The value must be that of this share of the affected devices.
_MOST = 0.75
_DIMENSIONS = ("app_version", "platform")


@dataclass(frozen=True)
class Part:
    """`hit` of a `total` of devices of one version or platform, `value`; `others` of the `rest`."""

    value: str
    hit: int
    total: int
    others: int
    rest: int


def heaviest(fleet: pl.DataFrame, hit: pl.DataFrame) -> Part | None:
    """The first version, or platform, on which an incident weighs; None: on none.

    Args:
        fleet: DEVICES of the system.
        hit: the `device_id` of each affected device.
    """
    alive = fleet.filter("alive").join(
        hit.select("device_id", hit=pl.lit(value=True)), on="device_id", how="left", maintain_order="left"
    )
    for dimension in _DIMENSIONS:
        counts = (
            alive.filter(pl.col(dimension).is_not_null())
            .group_by(value=pl.col(dimension).cast(pl.String))
            .agg(hit=pl.col("hit").sum(), total=pl.len())
            .sort("hit", "value", descending=[True, False])
        )
        if counts.height < 2:
            continue
        value, most, total = counts.row(0)
        others, rest = int(counts["hit"].sum()) - most, int(counts["total"].sum()) - total
        likelier = most * rest >= RATIO * others * total
        if (
            likelier
            and most >= _MOST * hit.height
            and fisher(most, total - most, others, rest - others) < P_VALUE / counts.height
        ):
            return Part(value, most, total, others, rest)
    return None
