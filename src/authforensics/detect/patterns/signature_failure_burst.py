"""`signature_failure_burst`: many devices at once have tokens refused because signature or key don't fit.

What it sees: refusals whose reason is a signature, key or algorithm fault, of many devices that had sessions, with no
long pause. Refusals of access and of refresh tokens count alike.
Evidence: `api_denied|refresh_denied`, the first of each of the first five devices.
Sequence:
    10:00:00  12 phones  api_ok          10 s apart
    10:30:00  12 phones  api_denied      10 s apart signature_invalid
    10:30:01  12 phones  refresh_denied  10 s apart signature_invalid
Why it matters: the signer and the verifier disagree: nobody can help themselves.
False positives: one noisy device and scanners with made-up tokens (a number of devices and a share of the fleet are
asked).
At the log's edges: a burst less than the pause before the log's end is ongoing.
Check: what was deployed, restarted or rotated at the onset; verify one refused token with each key that is configured.
Remediation: give both sides the same key; see the root cause.
References: RFC 7515 section 5.2; RFC 8725 section 3.
Pathologies: A1, B1-B4.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.bursts import bursts, hits, ongoing
from authforensics.detect.detector import DRAFTS, Detector, Fleet, Limits, Threshold
from authforensics.detect.runs import NAMES, one_of, seconds
from authforensics.findings import duration
from authforensics.schema import Reason, Sessions

_KEY_FAULTS = [Reason.SIGNATURE_INVALID.value, Reason.KEY_NOT_FOUND.value, Reason.ALGORITHM_REJECTED.value]


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    del limits
    faults = sessions.events.filter(one_of("reason", _KEY_FAULTS))
    known = sessions.episodes.filter("session_seen").select(NAMES)
    return hits(faults.join(known, on=NAMES, how="semi", maintain_order="left"))


def _conclude(observed: pl.DataFrame, fleet: Fleet, limits: Limits) -> pl.DataFrame:
    active = pl.col("system").replace_strict(dict(fleet.active), default=1, return_dtype=pl.Int64)
    found = ongoing(bursts(observed, limits["max_pause"]), fleet.spans, limits["max_pause"]).with_columns(
        share=pl.col("devices") / active
    )
    return found.filter(pl.col("devices") >= limits["min_devices"], pl.col("share") >= limits["min_share"]).select(
        *DRAFTS.keys(),
        measures=pl.struct("share", "half_seconds", "top_share", denied=pl.col("count"), seconds=seconds()),
    )


def _describe(measures: Mapping[str, float]) -> str:
    return (
        f"{measures['devices']:.0f} devices ({measures['share']:.0%} of the active ones) had"
        f" {measures['denied']:.0f} calls refused for signature or key over {duration(measures['seconds'])};"
        f" half of them within {duration(measures['half_seconds'])}"
    )


DETECTOR = Detector(
    name="signature_failure_burst",
    title="Signature failures on many devices",
    severity=1,
    thresholds=(
        Threshold(
            "min_devices",
            3,
            "devices",
            "severity scale: from three devices it is more than one user's trouble",
        ),
        Threshold(
            "min_share", 0.05, "of active devices", "derived: below it, a group of clients rather than the fleet"
        ),
        Threshold(
            "max_pause",
            900,
            "s",
            "JWKS caches refetch after 10 min (panva/jose, jwks-rsa): a longer pause is another burst",
        ),
    ),
    observe=_observe,
    conclude=_conclude,
    describe=_describe,
)
