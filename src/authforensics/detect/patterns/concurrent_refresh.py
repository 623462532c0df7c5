"""`concurrent_refresh`: two refreshes of one session at once, and what rotation makes of it.

What it sees: two refreshes of one device, the second begun before the first was answered, or, where one was granted, a
refusal of its sibling within the race window although no newer token was refused meanwhile. Once where the sibling was
refused; where both were granted, again. Refusals as expired, or for a fault of the token, are none of this.
Evidence: `refresh_ok|refresh_denied`, those that ran beside one another, of the first two times and the last.
Sequence:
    10:00:00    browser  api_ok
    10:15:00    browser  api_denied      token_expired
    10:15:00.3  browser  refresh_ok      took=0.2  # one tab
    10:15:00.4  browser  refresh_denied  took=0.2 refresh_reused  # another
Why it matters: with rotation the loser's token counts as stolen, and a strict server ends the whole session; without
rotation it is wasted load.
False positives: two sessions behind one address (where only address and user agent tell devices apart, a refused
sibling is asked for, and none where somebody logged in while a session went on); retries one after the other.
At the log's edges: a sibling outside the log is not seen.
Check: how many refreshes a session makes within ten seconds, and which tabs, processes or servers make them; what reuse
interval the server is set to.
Remediation: one refresh at a time per process, a lock across tabs and between server and browser; a short reuse
interval on the server.
References: RFC 9700 section 4.14.2; the reuse intervals of GoTrue (10 s), Okta and OpenIddict (30 s);
opendefender/OpenRisk#700.
Pathologies: D1.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import Detector, Limits, Threshold, as_observed
from authforensics.detect.runs import (
    NAMES,
    changed,
    drafts,
    ends,
    is_event,
    numbered,
    occurrences,
    one_of,
    seconds,
    tick,
)
from authforensics.detect.several import apart
from authforensics.findings import duration
from authforensics.schema import Reason, Sessions
from authforensics.states import AuthEvent

_GRANTED, _DENIED = AuthEvent.REFRESH_OK.value, AuthEvent.REFRESH_DENIED.value
#: Refusals that say why, and speak of something else than a token used before.
_OTHER = [
    *(Reason.REFRESH_EXPIRED.value, Reason.TOKEN_EXPIRED.value, Reason.SIGNATURE_INVALID.value),
    *(Reason.KEY_NOT_FOUND.value, Reason.ALGORITHM_REJECTED.value, Reason.MALFORMED.value, Reason.MISSING_TOKEN.value),
    *(Reason.AUDIENCE_MISMATCH.value, Reason.ISSUER_MISMATCH.value),
]


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    refused = pl.col("refused").sum()
    runs = occurrences(
        # No two people can use one token up: where that is stated it was one session.
        apart(_races(sessions.events, limits), sessions, sure=one_of("reason", [Reason.REFRESH_REUSED.value])),
        limits["max_pause"],
        siblings_refused=refused,
        weak=pl.col("weak").first(),
    )
    granted = ~pl.col("weak") & (pl.col("count") >= limits["min_granted"])
    found = runs.filter((pl.col("siblings_refused") > 0) | granted).with_columns(ongoing=pl.lit(value=False))
    return drafts(found, races=pl.col("count"), siblings_refused=pl.col("siblings_refused"), seconds=seconds())


def _races(events: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Refreshes beside one another, one of them granted: one row a race, as `occurrences` wants them."""
    many = numbered(_chained(events, limits), "chain")
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


def _chained(events: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Refreshes with a verdict; those of one `chain` ran beside one another."""
    granted, denied = one_of("auth_event", [_GRANTED]), one_of("auth_event", [_DENIED])
    # Where durations are known, a straggler is one; else, and in one tick of a clock that tells seconds only, it may be
    # the refusal of the new token.
    coarse = tick() >= 1
    straggler = pl.col("timed") & ~coarse & pl.col("straggler")
    refusal = one_of("auth_event", [AuthEvent.API_DENIED.value]) & ~straggler
    border = is_event(AuthEvent.LOGIN_OK, AuthEvent.LOGOUT) | changed("device")
    steps = events.select(
        *("device", *NAMES, "timestamp", "started_at", "timed", "clock", "row", "auth_event", "straggler", "reason")
    ).filter(granted | denied | refusal | border)
    refreshes = steps.with_columns(
        granted=granted,
        denied=denied,
        sessions=border.cum_sum(),
        refusals=refusal.cum_sum(),
    ).filter(granted | denied)
    pause = (pl.col("timestamp") - pl.col("timestamp").shift()).dt.total_microseconds() / 1e6
    # Seconds for which both were under way; of a clock that tells seconds it may be one more, or one less.
    both = (pl.col("timestamp").shift() - pl.col("started_at")).dt.total_microseconds() / 1e6
    used = pl.col("refusals") > pl.col("refusals").shift()
    # Two that were granted within a second may have followed one another; a refusal beside a grant hardly does.
    unlike = pl.col("granted").shift() != pl.col("granted")
    perhaps = coarse & (both > -tick()) & unlike
    outrun = pl.col("granted").shift() & pl.col("denied") & (pause <= limits["race_window"])
    at_once = ~pl.col("timed") & (pause <= limits["grace"]) & (~coarse | unlike)
    beside = (both >= tick()) | perhaps | (~used & (outrun | at_once))
    linked = (pl.col("sessions") == pl.col("sessions").shift()) & beside & ~one_of("reason", _OTHER)
    return refreshes.with_columns(chain=(~linked.fill_null(value=False)).cum_sum())


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
        Threshold("grace", 2, "s", "derived: stands for the duration of a call where the log has none"),
        Threshold(
            "max_pause", 7200, "s", "the longest of the usual access lifetimes (Doorkeeper): races come with expiries"
        ),
    ),
    observe=_observe,
    conclude=as_observed,
    describe=_describe,
)
