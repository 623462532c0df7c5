"""`refresh_retry_loop`: a refresh that was refused is tried again and again instead of going to the login screen.

What it sees: refresh_denied of one device, repeated, with no login and no granted refresh in between. Refusals beside a
granted refresh are stragglers and left out.
Evidence: `refresh_denied`, as many as make a loop.
Sequence:
    10:15:00  phone  api_denied      token_expired
    10:15:01  phone  refresh_denied  refresh_expired
    10:15:31  phone  refresh_denied  refresh_expired
    10:16:01  phone  refresh_denied  refresh_expired  # and no login
Why it matters: the verdict will not change; the user is locked out without being told, and the retries are load.
False positives: one refusal and then a login; parallel refreshes, refused together: those are one attempt.
At the log's edges: refusals before the log began are not known; a loop that the log cuts off is ongoing.
Check: does the interceptor treat the refused refresh like any other 401? What does the app show meanwhile?
Remediation: treat `invalid_grant` as final; exclude the refresh request from the interceptor that refreshes.
References: RFC 6749 section 5.2; Flyrell/axios-auth-refresh#12, #56, #120; keycloak/keycloak#14040.
Pathologies: E2.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import Detector, Limits, Threshold, as_observed
from authforensics.detect.runs import (
    NAMES,
    changed,
    drafts,
    is_event,
    numbered,
    seconds,
    tick,
    with_ending,
    with_reason,
)
from authforensics.findings import duration
from authforensics.schema import Sessions
from authforensics.states import WAY_SECONDS, AuthEvent


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    refused = numbered(sessions.events.filter(is_event(AuthEvent.REFRESH_DENIED)), "device", "grant", "episode")
    waited = (pl.col("started_at") - pl.col("timestamp").shift()).dt.total_microseconds() / 1e6
    beside = waited < pl.when(tick() >= 1).then(tick()).otherwise(0.0)
    # Without durations, what is refused within a tick of the clock, or a round trip, may have been sent together.
    since = (pl.col("timestamp") - pl.col("timestamp").first().over("run")).dt.total_microseconds() / 1e6
    rows = refused.with_columns(turn=since // pl.max_horizontal(tick(), WAY_SECONDS))
    again = pl.when("timed").then(~beside.fill_null(value=False)).otherwise(changed("turn"))
    rows = rows.with_columns(again=changed("run") | again)
    runs = (
        rows.group_by("run", maintain_order=True)
        .agg(
            pl.col(*NAMES, "episode").first(),
            first_seen=pl.col("timestamp").first(),
            last_seen=pl.col("timestamp").last(),
            count=pl.len().cast(pl.UInt32),
            tries=pl.col("again").sum(),
            rows=pl.col("row").filter("again").head(int(limits["min_refusals"])),
        )
        .filter(pl.col("tries") >= limits["min_refusals"])
    )
    return drafts(with_ending(with_reason(runs, rows, "run"), sessions), refusals=pl.col("count"), seconds=seconds())


def _describe(measures: Mapping[str, float]) -> str:
    return (
        f"had its refresh refused {measures['refusals']:.0f} times over {duration(measures['seconds'])}"
        " without going to login"
    )


DETECTOR = Detector(
    name="refresh_retry_loop",
    title="A refused refresh is repeated instead of a login",
    severity=2,
    thresholds=(
        Threshold(
            "min_refusals",
            3,
            "refusals",
            "derived: the first is a verdict, a second may be a parallel sibling, a third is a loop",
            least=1,
        ),
    ),
    observe=_observe,
    conclude=as_observed,
    describe=_describe,
)
