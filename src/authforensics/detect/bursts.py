"""What fleet patterns share: stretches of time in which many devices are hit."""

from __future__ import annotations

import polars as pl

from authforensics.detect.runs import NAMES, ends, numbered, with_reason
from authforensics.schema import REASON, ROW, TEXT, TIMESTAMP

#: What a fleet pattern observes: one row a device and minute. `row` is an event of it that may become evidence.
HITS: dict[str, pl.DataType] = {
    "system": TEXT,
    "device_id": TEXT,
    "minute": TIMESTAMP,
    "first_seen": TIMESTAMP,
    "last_seen": TIMESTAMP,
    "count": pl.UInt32(),
    "reason": REASON,
    "row": ROW,
}

#: Microseconds of a minute.
MINUTE = 60_000_000


def hits(events: pl.DataFrame) -> pl.DataFrame:
    """Reduce some events, in order of device and time, to HITS."""
    minute = pl.col("timestamp").to_physical() // MINUTE
    rows = numbered(
        events.select("device", *NAMES, "timestamp", "reason", "row").with_columns(minute=minute), "device", "minute"
    )
    first, last = ends(rows)
    found = rows.select("run", *NAMES, "row", first_seen="timestamp")[first].with_columns(
        minute=pl.col("first_seen").dt.truncate("1m"),
        last_seen=rows["timestamp"].gather(last),
        count=(last - first + 1).cast(pl.UInt32),
    )
    return with_reason(found, rows, "run").select(HITS.keys())


def bursts(observed: pl.DataFrame, gap_seconds: float) -> pl.DataFrame:
    """Join HITS that are at most `gap_seconds` apart: one row a burst and system.

    Returns:
        DRAFTS without `ongoing`, and: `half_seconds`, from the first device to half of them; `top_share`, of the device
        hit most.
    """
    pause = (pl.col("first_seen") - pl.col("last_seen").shift()).dt.total_seconds() > gap_seconds
    ordered = (
        observed.with_columns(pl.col(NAMES).cast(pl.String))
        .sort("system", "first_seen", "device_id")
        .with_columns(burst=pause.fill_null(value=False).cum_sum().over("system"))
    )
    by_device = ("system", "burst", "device_id")
    per_device = ordered.group_by(by_device, maintain_order=True).agg(
        first_seen=pl.col("first_seen").min(),
        last_seen=pl.col("last_seen").max(),
        count=pl.col("count").sum(),
        row=pl.col("row").first(),
    )
    per_device = with_reason(per_device, ordered, *by_device).sort("system", "burst", "first_seen", "device_id")
    found = per_device.group_by("system", "burst", maintain_order=True).agg(
        device_id=pl.lit(None, pl.String),
        devices=pl.len().cast(pl.UInt32),
        first_seen=pl.col("first_seen").first(),
        last_seen=pl.col("last_seen").max(),
        count=pl.col("count").sum().cast(pl.UInt32),
        rows=pl.col("row").head(5),
        half_seconds=(
            pl.col("first_seen").sort().get((pl.len() - 1) // 2) - pl.col("first_seen").min()
        ).dt.total_microseconds()
        / 1e6,
        top_share=pl.col("count").max() / pl.col("count").sum(),
    )
    return with_reason(found, per_device, "system", "burst")


def ongoing(frame: pl.DataFrame, spans: pl.DataFrame, quiet_seconds: float) -> pl.DataFrame:
    """Add `ongoing`: the log ends less than `quiet_seconds` after the last hit."""
    return frame.join(
        spans.select(pl.col("system").cast(pl.String), "end"), on="system", how="left", maintain_order="left"
    ).with_columns(ongoing=(pl.col("end") - pl.col("last_seen")).dt.total_seconds() < quiet_seconds)
