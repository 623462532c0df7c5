"""`retry_without_refresh`: the same refused call is sent again and again, and nobody refreshes.

What it sees: refusals of one call (method and route) of one device, one after the other with the same token, with no
refresh tried and this call never accepted in between; other calls may be. Stragglers are skipped. Several in number, or
as many as a stack sends that follows a refusal without end. Of a token's calls the one that was sent most is told.
Evidence: `api_denied`, the first two refusals of the call and the last.
Sequence:
    10:00:00  phone  api_ok
    10:15:00  phone  api_denied  7x every 10 s token_expired
Why it matters: the answer will not change; it is load, and the feature behind the call is dead for the user without
notice. A connection that is opened anew with the token it had first does so, too.
False positives: parallel calls before a refresh, which do not wait for one another's answers; devices that never had a
session (scanners, monitors, visitors).
At the log's edges: a run that the log begins with counts from its first line; one at the end is ongoing.
Check: the pause between the tries, the path and the client: which retry policy is it? Was the token captured when a
connection was opened?
Remediation: refuse a second try without a new token on the client; answer 429 with Retry-After on the server; close
connections with a code that says to fetch a new ticket.
References: square/okhttp#960, #1395 (MAX_FOLLOW_UPS = 20); siteboon/claudecodeui#754; shridarpatil/whatomate#542.
Pathologies: E1, E4.
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
    ends,
    is_event,
    numbered,
    one_of,
    seconds,
    with_ending,
    with_reason,
)
from authforensics.findings import duration
from authforensics.schema import Sessions
from authforensics.states import AuthEvent

_TOKEN = ("device", "grant", "tries")
_CALL = (*_TOKEN, "route", "method")


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    rows = _refusals(sessions.events, limits)
    runs = (
        rows.group_by("run", maintain_order=True)
        .agg(
            pl.col(*_CALL, *NAMES).first(),
            pl.col("episode").last(),
            first_seen=pl.col("timestamp").first(),
            last_seen=pl.col("timestamp").last(),
            count=pl.len().cast(pl.UInt32),
            retries=pl.col("waited").sum(),
            rows=pl.concat([pl.col("row").head(2), pl.col("row").tail(1)]),
        )
        .filter((pl.col("retries") >= limits["min_retries"]) | (pl.col("count") >= limits["min_identical"]))
    )
    # Given to it or accepted before, or told to have ended: a session. A visitor's calls are refused from the first on.
    known = (pl.col("grant") > 0) | (pl.col("episode") > 0) | one_of("reason", ENDED)
    runs = with_reason(runs, rows, "run").filter(known)
    most = runs.sort("count", descending=True, maintain_order=True).unique(_TOKEN, keep="first", maintain_order=True)
    found = most.sort("device", "first_seen", maintain_order=True)
    return drafts(with_ending(found, sessions), refusals=pl.col("count"), seconds=seconds())


def _refusals(events: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Refusals of tokens that were refused often, call by call: `run`, and whether the client `waited` for the last."""
    tried = pl.col("auth_event").is_in([AuthEvent.REFRESH_DENIED.value, AuthEvent.REFRESH_FAILED.value])
    calls = events.select(
        *("device", *NAMES, "grant", "timestamp", "started_at", "timed", "auth_event", "straggler", "route", "method"),
        *("episode", "row", "reason"),
        tries=tried.cast(pl.UInt32).cum_sum(),
    ).filter(is_event(AuthEvent.API_DENIED, AuthEvent.API_OK))
    denied = numbered(calls.select(*_TOKEN).filter(calls.select(is_event(AuthEvent.API_DENIED)).to_series()), *_TOKEN)
    first, last = ends(denied)
    often = denied.select(_TOKEN)[first.filter(last - first >= limits["min_retries"])]
    mine = calls.filter(pl.col("device").is_in(often["device"].unique().implode()))
    mine = mine.join(often, on=_TOKEN, how="semi", maintain_order="left").sort(_CALL, maintain_order=True)
    accepted = pl.col("auth_event") == AuthEvent.API_OK.value
    rows = mine.with_columns(run=(changed(*_CALL) | accepted.shift()).cum_sum()).filter(~accepted)
    pause = (pl.col("timestamp") - pl.col("timestamp").shift()).dt.total_microseconds() / 1e6
    after = (
        pl.when("timed").then(pl.col("started_at") >= pl.col("timestamp").shift()).otherwise(pause > limits["grace"])
    )
    return rows.with_columns(waited=after & ~changed("run"))


def _describe(measures: Mapping[str, float]) -> str:
    lasted = duration(measures["seconds"])
    return f"sent the same refused call {measures['refusals']:.0f} times over {lasted} without a refresh in between"


DETECTOR = Detector(
    name="retry_without_refresh",
    title="The same refused call is repeated without a refresh",
    severity=3,
    thresholds=(
        Threshold("min_retries", 5, "retries", "derived: retry policies try three times (axios-retry), a person once"),
        Threshold(
            "min_identical", 21, "refusals", "OkHttp follows a refusal 20 times (MAX_FOLLOW_UPS), at network speed"
        ),
        Threshold("grace", 2, "s", "derived: stands for the duration of a call where the log has none"),
    ),
    observe=_observe,
    conclude=as_observed,
    describe=_describe,
)
