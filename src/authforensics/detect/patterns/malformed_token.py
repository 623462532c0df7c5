"""`malformed_token`: a client sends what is no token: undefined, null, nothing, a doubled scheme, a part of one.

What it sees: refusals of one device that the log explains with a malformed token, several of them, of a device that is
known to be a client: it was accepted, logged in or refreshed at some time.
Evidence: `api_denied|refresh_denied`, the first two and the last.
Sequence:
    10:00:00  phone  api_ok
    10:15:00  phone  api_denied  3x every 10 s malformed  # undefined
    10:16:00  phone  login_ok
    10:16:01  phone  api_ok
Why it matters: the client lost or never stored its token and does not notice; a login heals it until the next time.
False positives: scanners that try their luck with made-up tokens: they never had a session; one call cut short.
At the log's edges: a client that had its session before the log began and is never accepted in it is not seen.
Check: what stands in the header: its length, its dots, the words null and undefined (never log the token).
Remediation: check the token before it is sent; where it is missing, go to login.
References: RFC 6750 section 2.1; RFC 7515 section 7.1; bcgov/issuer-kit#326.
Pathologies: G1.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import Detector, Limits, Threshold, as_observed
from authforensics.detect.runs import NAMES, drafts, number, one_of, seconds, with_ending, with_reason
from authforensics.detect.several import proven
from authforensics.findings import duration, lost
from authforensics.schema import Reason, Sessions
from authforensics.states import AuthEvent

_REFUSALS = [AuthEvent.API_DENIED.value, AuthEvent.API_ANONYMOUS.value, AuthEvent.REFRESH_DENIED.value]


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    malformed = one_of("auth_event", _REFUSALS) & one_of("reason", [Reason.MALFORMED.value])
    rows = number(sessions.events.filter(malformed), limits["max_pause"])
    runs = (
        rows.group_by("run", maintain_order=True)
        .agg(
            pl.col(NAMES).first(),
            pl.col("episode").last(),
            first_seen=pl.col("timestamp").first(),
            last_seen=pl.col("timestamp").last(),
            count=pl.len().cast(pl.UInt32),
            writes=pl.col("write").sum(),
            rows=pl.concat([pl.col("row").head(2), pl.col("row").tail(1)]),
        )
        .filter(pl.col("count") >= limits["min_calls"])
    )
    known = runs if runs.is_empty() else runs.join(proven(sessions), on=NAMES, how="semi", maintain_order="left")
    found = with_ending(with_reason(known, rows, "run"), sessions)
    return drafts(found, calls=pl.col("count"), writes_denied=pl.col("writes"), seconds=seconds())


def _describe(measures: Mapping[str, float]) -> str:
    lasted = duration(measures["seconds"])
    return f"sent what is no token {measures['calls']:.0f} times over {lasted}{lost(measures['writes_denied'])}"


DETECTOR = Detector(
    name="malformed_token",
    title="A client sends what is no token",
    severity=2,
    thresholds=(
        Threshold("min_calls", 2, "refusals", "derived: one may be a header cut off on its way"),
        Threshold("max_pause", 3600, "s", "the most common access lifetime, 1 h: tokens are stored at that pace"),
    ),
    observe=_observe,
    conclude=as_observed,
    describe=_describe,
)
