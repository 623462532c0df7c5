"""`expired_refresh_storm`: the refresh tokens of many devices turn out expired, and a login doesn't follow.

What it sees: refreshes refused as expired (or for no stated reason) on many devices, a share of all that try to
refresh, with no login soon after.
Why it matters: the refresh token can't do what it is for (pathologies C1, C3); users are locked out one by one.
False positives: absolute expiry by design, which ends in logins (`mass_logout`); refusals for a key fault.
At the log's edges: what was refused before the log began is not known; a storm close to the log's end is ongoing.
Remediation: see the root cause; compare both lifetimes.
References: RFC 6749 section 6; RFC 9700 section 4.14.2; founding incident 2.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.bursts import bursts, hits, ongoing
from authforensics.detect.detector import DRAFTS, Detector, Fleet, Limits, Threshold
from authforensics.detect.runs import DEVICE, is_event, seconds
from authforensics.findings import duration
from authforensics.schema import Reason, Sessions
from authforensics.states import AuthEvent


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    """HITS of refusals that no login follows (`stuck`), and of granted refreshes, to compare with (`count` 0)."""
    events = sessions.events.with_columns(
        next_login=pl.when(is_event(AuthEvent.LOGIN_OK)).then("timestamp").backward_fill().over(DEVICE)
    )
    patience = (pl.col("next_login") - pl.col("timestamp")).dt.total_seconds() <= limits["patience"]
    reason = pl.col("reason").cast(pl.String)
    expired = reason.is_null() | (reason == Reason.REFRESH_EXPIRED.value)
    refused = events.filter(is_event(AuthEvent.REFRESH_DENIED), expired, ~patience.fill_null(value=False))
    granted = events.filter(is_event(AuthEvent.REFRESH_OK))
    return pl.concat([hits(refused), hits(granted).with_columns(count=pl.lit(0, pl.UInt32))])


def _conclude(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    refused = observed.filter(pl.col("count") > 0)
    found = ongoing(bursts(refused, limits["max_pause"]), fleet.spans, limits["max_pause"])
    refreshing = (
        found.select("system", "burst", "first_seen", "last_seen")
        .join(observed.select("system", "device_id", "minute", "count"), on="system")
        .filter(pl.col("minute").is_between(pl.col("first_seen").dt.truncate("1m"), "last_seen"))
        .group_by("system", "burst")
        .agg(refreshing=pl.col("device_id").n_unique())
    )
    found = found.join(refreshing, on=["system", "burst"], how="left", maintain_order="left").with_columns(
        share=pl.col("devices") / pl.col("refreshing")
    )
    return found.filter(pl.col("devices") >= limits["min_devices"], pl.col("share") >= limits["min_share"]).select(
        *DRAFTS.keys(),
        measures=pl.struct("share", "half_seconds", "top_share", refused=pl.col("count"), seconds=seconds()),
    )


def _describe(measures: Mapping[str, float]) -> str:
    return (
        f"{measures['devices']:.0f} devices ({measures['share']:.0%} of those that tried to refresh) were refused"
        f" as expired, {measures['refused']:.0f} times over {duration(measures['seconds'])}, and no login followed"
    )


DETECTOR = Detector(
    name="expired_refresh_storm",
    title="Refresh tokens of many devices have expired",
    severity=1,
    thresholds=(
        Threshold(
            "min_devices",
            3,
            "devices",
            "severity scale of the pathologies: from three devices it is more than one user's trouble",
        ),
        Threshold("min_share", 0.1, "of refreshing devices", "severity scale of the pathologies: a tenth of the fleet"),
        Threshold("patience", 60, "s", "pathologies 1.1: a client that obeys shows its login screen within a minute"),
        Threshold(
            "max_pause", 3600, "s", "the most common access lifetime, 1 h: devices run into the expiry at that pace"
        ),
    ),
    observe=_observe,
    conclude=_conclude,
    describe=_describe,
)
