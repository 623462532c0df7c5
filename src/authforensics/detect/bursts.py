"""What fleet patterns share: stretches of time in which many devices are hit."""

from __future__ import annotations

import polars as pl

from authforensics.detect.runs import dominant_reason
from authforensics.schema import REASON, TIMESTAMP

#: What a fleet pattern observes: one row a device and minute.
HITS: dict[str, pl.DataType] = {
    "system": pl.String(),
    "device_id": pl.String(),
    "minute": TIMESTAMP,
    "first_seen": TIMESTAMP,
    "last_seen": TIMESTAMP,
    "count": pl.UInt32(),
    "reason": REASON,
    "row": pl.UInt32(),
}


def hits(events: pl.DataFrame) -> pl.DataFrame:
    """Reduce some events to HITS."""
    return (
        events.group_by(
            "system", "device_id", pl.col("timestamp").dt.truncate("1m").alias("minute"), maintain_order=True
        )
        .agg(
            first_seen=pl.col("timestamp").min(),
            last_seen=pl.col("timestamp").max(),
            count=pl.len().cast(pl.UInt32),
            reason=dominant_reason(),
            row=pl.col("row").first(),
        )
        .select(HITS.keys())
    )


def bursts(observed: pl.DataFrame, gap_seconds: float) -> pl.DataFrame:
    """Join HITS that are at most `gap_seconds` apart: one row a burst and system.

    Returns:
        DRAFTS without `ongoing`, and: `half_seconds`, from the first device to half of them; `top_share`, of the device
        hit most.
    """
    pause = (pl.col("first_seen") - pl.col("last_seen").shift()).dt.total_seconds() > gap_seconds
    ordered = observed.sort("system", "first_seen", "device_id").with_columns(
        burst=pause.fill_null(value=False).cum_sum().over("system")
    )
    per_device = ordered.group_by("system", "burst", "device_id", maintain_order=True).agg(
        first_seen=pl.col("first_seen").min(),
        last_seen=pl.col("last_seen").max(),
        count=pl.col("count").sum(),
        reason=dominant_reason(),
        row=pl.col("row").first(),
    )
    return (
        per_device.sort("system", "burst", "first_seen", "device_id")
        .group_by("system", "burst", maintain_order=True)
        .agg(
            device_id=pl.lit(None, pl.String),
            devices=pl.len().cast(pl.UInt32),
            first_seen=pl.col("first_seen").first(),
            last_seen=pl.col("last_seen").max(),
            count=pl.col("count").sum().cast(pl.UInt32),
            reason=dominant_reason(),
            rows=pl.col("row").head(5),
            half_seconds=(
                pl.col("first_seen").sort().get((pl.len() - 1) // 2) - pl.col("first_seen").min()
            ).dt.total_microseconds()
            / 1e6,
            top_share=pl.col("count").max() / pl.col("count").sum(),
        )
    )


def ongoing(frame: pl.DataFrame, spans: pl.DataFrame, quiet_seconds: float) -> pl.DataFrame:
    """Add `ongoing`: the log ends less than `quiet_seconds` after the last hit."""
    return frame.join(spans.select("system", "end"), on="system", how="left", maintain_order="left").with_columns(
        ongoing=(pl.col("end") - pl.col("last_seen")).dt.total_seconds() < quiet_seconds
    )
