"""`refresh_loop`: the refresh succeeds and the very token it gave is refused; again and again, or once and for good.

What it sees: refresh_ok, then the next auth-bearing call of the same device (stragglers skipped) refused, on a route
that this token is never granted. Cycles that pause for long count together while nothing is accepted in between.
Evidence: `refresh_ok, api_denied`: the refresh and the first refusal of the token it gave, of the first two cycles and
the last.
Sequence:
    10:15:00  phone  api_denied  token_expired
    10:15:01  phone  refresh_ok
    10:15:02  phone  api_denied  signature_invalid  # with the new token
    10:15:20  phone  refresh_ok
    10:15:21  phone  api_denied  signature_invalid  # again
Why it matters: the app looks alive while the server discards everything it sends; "refresh succeeded" is mistaken for
"recovered".
False positives: none known of expiry cycles (refused, refreshed, granted), of stragglers, of proactive refresh, or of
one lag between minting and use (`early_rejection`): those tokens are granted later, or refused late.
At the log's edges: a token given before the log began is not judged; a loop that the log cuts off is ongoing.
Check: verify the token that a refresh gives: key, audience, issuer, times. Does a token from a login work? Do all
instances, paths and app versions refuse it?
Remediation: make issuer and verifier agree (see the root cause); the client should refresh once and then show its login
screen.
References: RFC 6750 section 3.1; the excessive refresh guard of Alamofire's AuthenticationInterceptor;
sample_logs/incident-1-secret-mismatch.
Pathologies: A1-A6, E2.
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
    number,
    numbered,
    seconds,
    with_ending,
    with_reason,
)
from authforensics.findings import duration
from authforensics.schema import Sessions
from authforensics.states import AuthEvent

#: What is looked at of the refusal of a token.
_REJECTION = ("device", *NAMES, "grant", "route", "timestamp", "episode", "grant_row", "row", "reason")


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    rows = _rejections(sessions.events, limits)
    first, last = ends(rows)
    runs = rows.select("run", "device", *NAMES, first_episode="episode", first_seen="timestamp")[first].hstack(
        rows.select("episode")[last]
    )
    runs = runs.with_columns(first.alias("first"), last.alias("last"), count=(last - first + 1).cast(pl.UInt32))
    runs = with_ending(runs, sessions)
    runs = runs.join(_refused(sessions.events, runs), on="run", maintain_order="left")
    for_good = pl.col("ongoing") & (pl.col("denied") >= limits["min_denied"]) & (seconds() >= limits["min_seconds"])
    loop = (pl.col("count") >= limits["min_cycles"]) | for_good.fill_null(value=False)
    found = pl.concat([runs.filter(loop), _scattered(runs.filter(~loop), limits)], how="diagonal").sort("first")
    return drafts(
        with_reason(found.with_columns(_evidence(rows, found["first"], found["last"])), rows, "run"),
        cycles=pl.col("count"),
        denied=pl.col("denied"),
        writes_denied=pl.col("writes"),
        seconds=seconds(),
    )


def _rejections(events: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Refusals of tokens just refreshed that the route never accepted, numbered by `run`."""
    token = ["device", "grant", "route"]
    rejected = (
        pl.col("rejection")
        & (pl.col("granted_by") == AuthEvent.REFRESH_OK.value)
        & (pl.col("age") <= limits["max_token_age"])
    )
    rejections = events.select(_REJECTION).filter(events.select(rejected).to_series())
    suspects = pl.col("device").is_in(rejections["device"].unique().implode())
    granted = events.select(token).filter(events.select(is_event(AuthEvent.API_OK) & suspects).to_series())
    return number(rejections.join(granted, on=token, how="anti", maintain_order="left"), limits["max_pause"])


def _scattered(runs: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Runs that are no loop by themselves, but come back at every expiry: those of a device as one."""
    pause = (pl.col("first_seen") - pl.col("last_seen").shift()).dt.total_microseconds() > limits["max_spread"] * 1e6
    return (
        runs.with_columns(wave=(changed("device") | pause).cum_sum())
        .group_by("wave", maintain_order=True)
        .agg(
            pl.col("run", "device", *NAMES, "first", "first_seen").first(),
            pl.col("last", "last_seen", "episode", "ongoing").last(),
            pl.col("count", "denied", "writes").sum(),
        )
        .filter(pl.col("count") >= limits["min_scattered"])
        .drop("wave")
    )


def _evidence(rows: pl.DataFrame, first: pl.Series, last: pl.Series) -> pl.Series:
    """`rows`: of each run its first two grants and refusals, and its last."""
    second = pl.select(pl.min_horizontal(first + 1, last)).to_series()
    named = [
        rows[name].gather(at).alias(f"{name} {n}")
        for n, at in enumerate((first, second, last))
        for name in ("grant_row", "row")
    ]
    return pl.select(pl.concat_list(named).list.unique(maintain_order=True).alias("rows")).to_series()


def _refused(events: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """The calls refused in the episodes of each of `runs`: how many, the last of them, and how many writes."""
    denied = is_event(AuthEvent.API_DENIED) & pl.col("device").is_in(runs["device"].unique().implode())
    denials = numbered(
        events.select("device", "episode", "timestamp", "write").filter(events.select(denied).to_series()),
        "device",
        "episode",
    )
    episodes = denials.group_by("run").agg(
        pl.col("device", "episode").first(),
        last_seen=pl.col("timestamp").max(),
        denied=pl.len(),
        writes=pl.col("write").sum(),
    )
    return (
        runs.select("device", "run", "first_episode", last_episode="episode")
        .join(episodes.drop("run"), on="device")
        .filter(pl.col("episode").is_between("first_episode", "last_episode"))
        .group_by("run")
        .agg(pl.col("last_seen").max(), pl.col("denied").sum(), pl.col("writes").sum())
    )


def _describe(measures: Mapping[str, float]) -> str:
    times = f"{measures['cycles']:.0f} times" if measures["cycles"] > 1 else "once and for good"
    return f"refreshed successfully and was refused with the new token {times} over {duration(measures['seconds'])}"


DETECTOR = Detector(
    name="refresh_loop",
    title="Refresh succeeds, the new token is refused",
    severity=1,
    thresholds=(
        Threshold(
            "min_cycles", 2, "cycles", "derived: one cycle can be a lag between minting and use (`early_rejection`)"
        ),
        Threshold(
            "max_token_age",
            300,
            "s",
            "the shortest access lifetime that products ship: 5 min (simplejwt, Keycloak, Spring)",
        ),
        Threshold("max_pause", 300, "s", "as above: a refresh sooner than that is not the expiry of the last token"),
        Threshold("min_scattered", 3, "cycles", "derived: one at each expiry, then a login, is no accident"),
        Threshold(
            "max_spread", 7200, "s", "the longest of the usual access lifetimes (Doorkeeper): expiries come as often"
        ),
        Threshold("min_denied", 3, "refusals", "as for a zombie client: fewer may be one screen's parallel calls"),
        Threshold(
            "min_seconds", 60, "s", "patience: interceptors retry within one round trip, pollers within a minute"
        ),
    ),
    observe=_observe,
    conclude=as_observed,
    describe=_describe,
)
