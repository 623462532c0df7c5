"""`refresh_stampede`: many devices refresh within one minute.

What it sees: refreshes, whatever came of them, of at least a number and a share of the devices that are there within a
minute, many times what is usual in the half hour before and after.
Evidence: `refresh_ok|refresh_denied|refresh_failed`, those of the first five devices.
Sequence:
    10:00:10  30 phones  login_ok    1 s apart
    10:00:11  30 phones  api_ok      1 s apart, 12x every 300 s
    11:00:15  30 phones  api_denied  1 s apart token_expired
    11:00:16  30 phones  refresh_ok  1 s apart  # all within half a minute
    11:00:17  30 phones  api_ok      1 s apart, 12x every 300 s
Why it matters: the refresh endpoint answers such a rush with 429 and timeouts, and clients take those for a logout; and
what came together once comes together again one lifetime later. Where hardly any refresh fails, it is for information.
False positives: the morning's rise, which takes longer than a minute; one client that refreshes in a loop; devices that
log in; retries while the endpoint is down.
At the log's edges: a log shorter than half an hour has no baseline and no finding; a rush at its begin or end is
compared with one side only; one in the last minute is ongoing.
Check: refreshes per minute, and whether the rush comes back one lifetime later; which clients refresh by the clock.
Remediation: let clients refresh 10 to 20 % of the lifetime early, by chance; answer 429 with Retry-After.
References: RFC 6585 section 4; RFC 9110 section 10.2.3; mozilla/fxa-oauth-server#370.
Pathologies: D4.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.bursts import ongoing
from authforensics.detect.detector import DRAFTS, Detector, Fleet, Limits, Threshold
from authforensics.detect.runs import changed, is_event, seconds
from authforensics.detect.surges import near, spiking, there, together, window
from authforensics.findings import duration
from authforensics.schema import REASON, TEXT, Sessions
from authforensics.states import AuthEvent

#: Evidence lines of a finding.
_SHOWN = 5
_TRIES = (AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED, AuthEvent.REFRESH_FAILED)


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    """Per window of the system how many `devices` refresh, and per hour (`around`) how many there are.

    Devices are in one partition each, so both add up.
    """
    tries = sessions.events.select("system", "device", "timestamp", "row", "auth_event", "straggler").filter(
        is_event(*_TRIES)
    )
    failed = pl.col("auth_event") != AuthEvent.REFRESH_OK.value
    since = (pl.col("timestamp") - pl.col("timestamp").shift()).dt.total_microseconds()
    first = tries.with_columns(
        at=window(limits["window"]),
        fresh=changed("device") | (since >= limits["rest"] * 1e6),
        failed=failed,
        # Who failed just before only tries again.
        retry=failed.shift() & ~changed("device") & (since < limits["rest"] * 1e6),
    )
    first = first.filter(~pl.col("retry").fill_null(value=False)).filter(changed("device", "at"))
    rush = first.group_by("system", "at").agg(
        devices=pl.len(),
        fresh=pl.col("fresh").sum(),
        failed=pl.col("failed").sum(),
        first_seen=pl.col("timestamp").min(),
        last_seen=pl.col("timestamp").max(),
    )
    in_files = first.select("system", "at", "row").sort("row")
    shown = in_files.group_by("system", "at", maintain_order=True).head(_SHOWN)
    parts = [rush, shown, there(tries)]
    return pl.concat(parts, how="diagonal").with_columns(device_id=pl.lit(None, TEXT))


def _conclude(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    named = observed.with_columns(pl.col("system").cast(pl.String))
    parts = named.filter(pl.col("at").is_not_null()).drop("around", "hour")
    windows = (
        parts.filter(pl.col("row").is_null())
        .group_by("system", "at")
        .agg(pl.col("devices", "fresh", "failed").sum(), pl.col("first_seen").min(), pl.col("last_seen").max())
    )
    shown = parts.filter(pl.col("row").is_not_null())
    found = together(spiking(near(named, windows, limits), fleet.spans, limits))
    rushes = (
        windows.join(found, on=["system", "at"])
        .group_by("system", "burst")
        .agg(
            # Who tries again in the next window is no other device.
            devices=pl.max_horizontal(pl.col("devices").max(), pl.col("fresh").sum()).cast(pl.UInt32),
            count=pl.col("devices").sum().cast(pl.UInt32),
            failed=pl.col("failed").sum(),
            first_seen=pl.col("first_seen").min(),
            last_seen=pl.col("last_seen").max(),
            usual=pl.col("usual").max(),
            around=pl.col("around").max(),
        )
        .join(_evidence(shown, found), on=["system", "burst"])
        .sort("system", "burst")
        .with_columns(device_id=pl.lit(None, pl.String), reason=pl.lit(None, REASON))
    )
    return ongoing(rushes, fleet.spans, limits["window"]).select(
        *DRAFTS.keys(),
        measures=pl.struct(
            "usual",
            "failed",
            benign=pl.col("failed") < limits["min_failed"] * pl.col("count"),
            share=(pl.col("devices") / pl.col("around")).clip(upper_bound=1.0),
            seconds=seconds(),
        ),
    )


def _evidence(shown: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """`rows`: of each burst the first refreshes in the log."""
    mine = shown.join(found, on=["system", "at"]).sort("row")
    return mine.group_by("system", "burst", maintain_order=True).agg(rows=pl.col("row").head(_SHOWN))


def _describe(measures: Mapping[str, float]) -> str:
    failed = f"; {measures['failed']:.0f} did not succeed" if measures["failed"] else ""
    return (
        f"{measures['devices']:.0f} devices ({measures['share']:.0%} of those that refresh in that hour) refreshed"
        f" within {duration(measures['seconds'])}; usual are {measures['usual']:.0f} a minute{failed}"
    )


DETECTOR = Detector(
    name="refresh_stampede",
    title="Many devices refresh at once",
    severity=2,
    thresholds=(
        Threshold(
            "window",
            60,
            "s",
            "derived: jitter of 20 % of the shortest access lifetime that products ship, 5 min",
            least=1,
        ),
        Threshold("radius", 1800, "s", "half of the most common access lifetime, 1 h, to either side"),
        Threshold("min_devices", 20, "devices", "severity scale: 20 devices are many in any fleet"),
        Threshold("min_share", 0.1, "of devices", "severity scale: a tenth of the fleet"),
        Threshold("min_ratio", 5, "times the median", "derived: rates five times higher are another thing"),
        Threshold("min_score", 3.5, "modified z-score", "Iglewicz and Hoaglin 1993: outliers are above 3.5"),
        Threshold(
            "min_failed",
            0.1,
            "of refreshes",
            "severity scale: a tenth; a rush that fails for fewer harms nobody",
        ),
        Threshold(
            "rest", 300, "s", "the shortest access lifetime that products ship: a second refresh in it is a retry"
        ),
    ),
    observe=_observe,
    conclude=_conclude,
    describe=_describe,
    explains=False,
)
