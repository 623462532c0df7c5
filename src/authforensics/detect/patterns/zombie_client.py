"""`zombie_client`: goes on calling the API after it should have gone to its login screen.

What it sees: calls refused after the refresh was refused, with the very token that it gave and no other asked for, or
before any refresh or login was tried, for a time and a count. Says what was lost: refused writes are data that a user
believes saved.
Evidence: `api_denied`, the first two and the last.
Sequence:
    10:15:00  phone  api_denied      token_expired
    10:15:01  phone  refresh_denied  refresh_expired
    10:15:10  phone  write_denied    4x every 30 s  # it should log in
Why it matters: the app looks as if it works; the longer it lasts, the more is lost.
False positives: bots and monitors that never had a session (the device must have been accepted before, or have tried a
refresh, or have had a token refused for a reason the log names).
At the log's edges: a zombie that was one before the log began counts from its first line; one at the end is ongoing.
Check: how long it lasted and how many of the refused calls were writes; what the app shows while its refresh is
refused.
Remediation: on a refused refresh, stop, drop or queue writes, and show the login screen.
References: wilbowes/EchoMuse#359; dani-garcia/vaultwarden#7060; sample_logs/incident-1-secret-mismatch.
Pathologies: E3; founding incident 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import Detector, Limits, Threshold, as_observed
from authforensics.detect.runs import (
    ENDED,
    NAMES,
    changed,
    drafts,
    is_event,
    lasting,
    numbered,
    one_of,
    seconds,
    with_ending,
    with_reason,
)
from authforensics.findings import duration, lost
from authforensics.schema import Sessions
from authforensics.states import AuthEvent, AuthState

_TRIES = (AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED, AuthEvent.REFRESH_FAILED, AuthEvent.LOGIN_OK)


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    rows = numbered(_refusals(sessions, limits), "device", "grant", "episode", "tried_later")
    pause = pl.col("timestamp").diff().dt.total_microseconds() / 1e6
    # Calls of one screen, refused before its refresh, are one.
    apart = ~pl.col("tried_later") | changed("run") | (pause > limits["burst"])
    rows = lasting(rows.with_columns(apart=apart), limits["min_calls"], limits["min_seconds"])
    runs = (
        rows.group_by("run", maintain_order=True)
        .agg(
            pl.col(*NAMES, "episode").first(),
            first_seen=pl.col("timestamp").first(),
            last_seen=pl.col("timestamp").last(),
            count=pl.len().cast(pl.UInt32),
            times=pl.col("apart").sum(),
            writes=pl.col("write").sum(),
            rows=pl.concat([pl.col("row").head(2), pl.col("row").tail(1)]),
        )
        .filter(pl.col("times") >= limits["min_calls"], seconds() >= limits["min_seconds"])
    )
    found = with_ending(with_reason(runs, rows, "run"), sessions)
    return drafts(found, calls=pl.col("count"), writes_denied=pl.col("writes"), seconds=seconds())


def _refusals(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    """The refused calls of who should have gone to the login screen."""
    # Refused with the token just given, and no other is asked for: as dead as after a verdict.
    after_verdict = pl.col("state").is_in([AuthState.ZOMBIE.value, AuthState.REJECTED.value])
    lasting = (pl.col("denied") >= limits["min_calls"]) & (seconds() >= limits["min_seconds"])
    tries = pl.sum_horizontal("refresh_ok", "refresh_denied", "refresh_failed", "login_ok")
    idle = sessions.episodes.filter("session_seen", lasting).select(*NAMES, "episode", idle=tries == 0)
    # First by one name, which most devices don't have.
    perhaps = pl.col("device_id").is_in(idle["device_id"].unique().implode())
    tried = is_event(*_TRIES) & perhaps
    mine = sessions.events.filter(tried | (is_event(AuthEvent.API_DENIED) & (after_verdict | perhaps)))
    told = mine.join(idle, on=[*NAMES, "episode"], how="left", maintain_order="left")
    # Who tried at last did not do so before, and is known to have had a session: a visitor's first login is none.
    untried = is_event(*_TRIES).cum_sum().over("device", "episode") == 0
    known = (pl.col("grant") > 0) | (pl.col("episode") > 0) | one_of("reason", ENDED)
    later = ~pl.col("idle") & ~after_verdict
    dead = after_verdict | pl.col("idle") | (untried & known)
    return told.with_columns(tried_later=later.fill_null(value=False)).filter(
        is_event(AuthEvent.API_DENIED), dead.fill_null(value=False)
    )


def _describe(measures: Mapping[str, float]) -> str:
    refused = f"{measures['calls']:.0f} calls refused{lost(measures['writes_denied'])}"
    return f"kept calling for {duration(measures['seconds'])} with a dead session: {refused}"


DETECTOR = Detector(
    name="zombie_client",
    title="Keeps calling with a dead session",
    severity=1,
    thresholds=(
        Threshold("min_calls", 3, "refusals", "derived: at least 3 refused calls …"),
        Threshold(
            "min_seconds", 60, "s", "… over at least 60 s after the refresh was refused, without login or logout"
        ),
        Threshold("burst", 5, "s", "bursts of refusals, up to 5 s, are one challenge: calls of one screen"),
    ),
    observe=_observe,
    conclude=as_observed,
    describe=_describe,
)
