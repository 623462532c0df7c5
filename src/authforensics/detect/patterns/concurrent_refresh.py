"""`concurrent_refresh`: two refreshes of one session at once, and what rotation makes of it.

What it sees: two refreshes of one device, the second begun before the first was answered, or, where one was granted, a
refusal of its sibling within the race window although no newer token was refused meanwhile. Once where the sibling was
refused; where both were granted, again. Refusals as expired are none of this.
Why it matters: with rotation the loser's token counts as stolen, and a strict server ends the whole session (pathology
D1); without rotation it is wasted load.
False positives: two sessions behind one address (where only address and user agent tell devices apart, a refused
sibling is asked for, and none where somebody logged in while a session went on); retries one after the other.
At the log's edges: a sibling outside the log is not seen.
Remediation: one refresh at a time per process, a lock across tabs and between server and browser; a short reuse
interval on the server.
References: RFC 9700 section 4.14.2; the reuse intervals of GoTrue (10 s), Okta and OpenIddict (30 s); OpenRisk#700.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import Detector, Limits, Threshold, as_observed
from authforensics.detect.runs import NAMES, changed, drafts, ends, is_event, numbered, occurrences, one_of, seconds
from authforensics.detect.several import apart
from authforensics.findings import duration
from authforensics.schema import Reason, Sessions
from authforensics.states import AuthEvent


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    refused = pl.col("refused").sum()
    runs = occurrences(
        apart(_races(sessions.events, limits), sessions),
        limits["max_pause"],
        siblings_refused=refused,
        weak=pl.col("weak").first(),
    )
    granted = ~pl.col("weak") & (pl.col("count") >= limits["min_granted"])
    found = runs.filter((pl.col("siblings_refused") > 0) | granted).with_columns(ongoing=pl.lit(value=False))
    return drafts(found, races=pl.col("count"), siblings_refused=pl.col("siblings_refused"), seconds=seconds())


def _races(events: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Refreshes beside one another, one of them granted: one row a race, as `occurrences` wants them."""
    granted, denied = (
        pl.col("auth_event") == event.value for event in (AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED)
    )
    # Where durations are known, a straggler is one; else it may be the refusal of the new token.
    refusal = (pl.col("auth_event") == AuthEvent.API_DENIED.value) & ~(pl.col("timed") & pl.col("straggler"))
    steps = events.select(
        *("device", *NAMES, "timestamp", "started_at", "timed", "row", "auth_event", "straggler", "reason")
    ).filter(granted | denied | refusal | is_event(AuthEvent.LOGIN_OK, AuthEvent.LOGOUT))
    refresh = granted | denied
    pause = (pl.col("timestamp") - pl.col("timestamp").shift()).dt.total_microseconds() / 1e6
    beside = (
        pl.when("timed").then(pl.col("started_at") < pl.col("timestamp").shift()).otherwise(pause <= limits["grace"])
    )
    outrun = granted.shift() & denied & (pause <= limits["race_window"])
    expired = one_of("reason", [Reason.REFRESH_EXPIRED.value])
    linked = ~changed("device") & refresh & refresh.shift() & (beside | outrun) & ~expired
    chains = steps.with_columns(chain=(~linked).cum_sum(), granted=granted, denied=denied).filter(refresh)
    many = numbered(chains, "chain")
    first, last = ends(many)
    return (
        many.filter(pl.col("run").is_in(many["run"].gather(first.filter(last > first)).implode()))
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("device", *NAMES).first(),
            began=pl.col("timestamp").first(),
            timestamp=pl.col("timestamp").last(),
            reason=pl.col("reason").filter("denied").first(),
            granted=pl.col("granted").any(),
            refused=pl.col("denied").sum(),
            lines=pl.col("row").head(3),
        )
        .filter("granted")
    )


def _describe(measures: Mapping[str, float]) -> str:
    refused = measures["siblings_refused"]
    told = f", {refused:.0f} of them refused beside a granted one" if refused else "; all were granted"
    times = f"{measures['races']:.0f} times over {duration(measures['seconds'])}" if measures["races"] > 1 else "once"
    return f"sent refreshes at the same time {times}{told}"


DETECTOR = Detector(
    name="concurrent_refresh",
    title="Refreshes of one session run beside one another",
    severity=2,
    thresholds=(
        Threshold("race_window", 10, "s", "reuse intervals: GoTrue about 10 s, the shortest of those that ship"),
        Threshold("min_granted", 2, "races", "derived: one may be a network stack that sends a request twice"),
        Threshold("grace", 2, "s", "semantics: stands for the duration of a call where the log has none"),
        Threshold(
            "max_pause", 7200, "s", "the longest of the usual access lifetimes (Doorkeeper): races come with expiries"
        ),
    ),
    observe=_observe,
    conclude=as_observed,
    describe=_describe,
)
