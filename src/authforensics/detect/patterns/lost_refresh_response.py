"""`lost_refresh_response`: the server rotated, its answer never arrived, and the old token is refused when it comes.

What it sees: a refresh of one device that was cut off (client gone, no answer in time) or whose token was never used,
then, as its next refresh, a refusal; nothing accepted in between. Where the answer was logged as sent, later than a
race (`concurrent_refresh`) and, unless the log says that the token was used before, sooner than any token expires.
Where the log says so, also one whose access token was used: then the refresh token beside it was not kept.
Evidence: `refresh_failed|refresh_ok, refresh_denied`: the refresh whose answer was lost and the refused one after it,
of the first two losses and the last.
Sequence:
    10:15:00  phone  api_denied      token_expired
    10:15:03  phone  refresh_failed  took=3 499  # nobody waited for it
    10:15:05  phone  refresh_denied  # the old token; the new one never arrived
Why it matters: a slow bleed that error rates don't show: users on bad networks are logged out for good.
False positives: refusals as expired; a race whose refused refresh is answered before the granted one; an idle session
that expires between the two, where the log gives no reason; a token that a copy of the session used before, where only
address and user agent tell devices apart.
At the log's edges: a cut-off refresh before the log began is not known; of a device that does so again, a refusal that
says that the token was used before counts from the first line on.
Check: refreshes that ended with 499 or a timeout; whether the token that was given was ever used; when the refused one
was made.
Remediation: accept the previous refresh token until the new one is first used, or for some minutes.
References: TomBursch/kitchenowl#400; zitadel/zitadel#9631; doorkeeper-gem/doorkeeper#449; RFC 9700 section 4.14.2.
Pathologies: D2.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import Detector, Limits, Threshold, as_observed
from authforensics.detect.runs import NAMES, acting, drafts, follows, is_event, occurrences, one_of, pair, seconds, tick
from authforensics.detect.several import apart
from authforensics.findings import duration
from authforensics.schema import Reason, Sessions
from authforensics.states import AuthEvent

#: Nobody waited for the answer, or none came: no response, time-outs on either side, the client closed the connection
#: (460: an AWS load balancer, 499: nginx).
_CUT_OFF = [0, 408, 460, 499, 504]
_CALLS = [AuthEvent.API_DENIED.value, AuthEvent.API_ANONYMOUS.value]
#: Refusals that say why, and speak of something else than a token used before.
_OTHER = [
    *(Reason.REFRESH_EXPIRED.value, Reason.TOKEN_EXPIRED.value, Reason.SIGNATURE_INVALID.value),
    *(Reason.KEY_NOT_FOUND.value, Reason.ALGORITHM_REJECTED.value, Reason.MALFORMED.value, Reason.MISSING_TOKEN.value),
    *(Reason.AUDIENCE_MISMATCH.value, Reason.ISSUER_MISMATCH.value),
]
#: What gives a token, or tries to.
_VERDICTS = [
    *(AuthEvent.REFRESH_OK.value, AuthEvent.REFRESH_DENIED.value, AuthEvent.REFRESH_FAILED.value),
    AuthEvent.LOGIN_OK.value,
]
#: What is kept of a refusal.
_LOSS = ("device", *NAMES, "timestamp", "row", "auth_event", "reason")


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    found = pl.concat([_losses(sessions.events, limits), _not_kept(sessions.events, limits)])
    # What both see is a lost answer: nothing shows that its token was used.
    losses = found.sort("device", "timestamp", "row", "used").unique("row", keep="first", maintain_order=True)
    losses = _unless_raced(losses, sessions.events, limits)
    runs = occurrences(
        # Whose refresh was refused may be in doubt, but not that its token had been used.
        apart(losses, sessions, sure=one_of("reason", [Reason.REFRESH_REUSED.value])),
        limits["max_pause"],
        cut_off=pl.col("cut_off").sum(),
        used=pl.col("used").sum(),
        waited=pl.col("waited").first(),
    )
    return drafts(
        _since_the_begin(runs, sessions.events).with_columns(ongoing=pl.lit(value=False)),
        losses=pl.col("count"),
        cut_off=pl.col("cut_off"),
        used=pl.col("used"),
        waited=pl.col("waited"),
        seconds=seconds(),
    )


def _losses(events: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Refused refreshes whose last one got no answer or an unused token, as `occurrences` wants them."""
    steps = acting(events, "device", *NAMES, "timestamp", "row", "auth_event", "reason", "status", "episode")
    following = (pl.col("timestamp").shift(-1) - pl.col("timestamp")).dt.total_microseconds() / 1e6
    # Calls refused in between are the reason to refresh again.
    tries = steps.with_columns(following=following).filter(~one_of("auth_event", _CALLS))
    denied = one_of("auth_event", [AuthEvent.REFRESH_DENIED.value]) & ~one_of("reason", _OTHER)
    again = follows(tries, denied, "timestamp", "row", "auth_event", "status", "episode", "following")
    cut_off = one_of("auth_event_before", [AuthEvent.REFRESH_FAILED.value])
    cut_off &= pl.col("status_before").fill_null(0).is_in(_CUT_OFF)
    unused = one_of("auth_event_before", [AuthEvent.REFRESH_OK.value])
    unused &= pl.col("following_before") > limits["race_window"]
    waited = (pl.col("timestamp") - pl.col("timestamp_before")).dt.total_microseconds() / 1e6
    sooner = pl.when(cut_off).then(limits["max_cut_off"]).otherwise(limits["max_unused"])
    lost = (cut_off | unused) & (pl.col("episode") == pl.col("episode_before"))
    return again.filter(lost, one_of("reason", [Reason.REFRESH_REUSED.value]) | (waited <= sooner)).select(
        *_LOSS, pair(), cut_off=cut_off, used=False, waited=waited, began="timestamp_before"
    )


def _not_kept(events: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Refreshes refused as used before although the last one was granted, not beside it, to the same client."""
    steps = events.select(*_LOSS, "user_agent").filter(one_of("auth_event", _VERDICTS))
    reused = one_of("auth_event", [AuthEvent.REFRESH_DENIED.value]) & one_of("reason", [Reason.REFRESH_REUSED.value])
    again = follows(steps, reused, "timestamp", "row", "auth_event", "user_agent")
    waited = (pl.col("timestamp") - pl.col("timestamp_before")).dt.total_microseconds() / 1e6
    return again.filter(
        one_of("auth_event_before", [AuthEvent.REFRESH_OK.value]),
        waited > limits["race_window"],
        pl.col("user_agent").eq_missing(pl.col("user_agent_before")),
    ).select(*_LOSS, pair(), cut_off=False, used=True, waited=waited, began="timestamp_before")


def _unless_raced(losses: pl.DataFrame, events: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Without what was refused beside a refresh that was granted and ended later: a race, and nothing was lost."""
    mine = events.filter(is_event(AuthEvent.REFRESH_OK) & pl.col("device").is_in(losses["device"].unique().implode()))
    began = pl.col("timestamp") - pl.duration(microseconds=int(limits["race_window"] * 1e6))
    sent = pl.when("timed").then("started_at").otherwise(began)
    granted = mine.select("device", "timestamp", sent=sent, exact=tick()).sort("timestamp")
    beside = (pl.col("sent") - pl.col("timestamp")).dt.total_microseconds() / 1e6 <= pl.col("exact")
    return (
        losses.sort("timestamp")
        .join_asof(granted, on="timestamp", by="device", strategy="forward", check_sortedness=False)
        .filter(~beside.fill_null(value=False))
        .select(losses.columns)
        .sort("device", "timestamp", "row")
    )


def _since_the_begin(runs: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The same, from the refusal on of a token that was given, and used, before the log began, where it goes on so."""
    reused = one_of("auth_event", [AuthEvent.REFRESH_DENIED.value]) & one_of("reason", [Reason.REFRESH_REUSED.value])
    mine = pl.col("device").is_in(runs.filter(pl.col("used") > 0)["device"].implode())
    early = (
        events.filter(mine & reused & (pl.col("grant") == 0)).group_by("device").agg(early=pl.col("timestamp").min())
    )
    first = ~pl.col("device").shift().eq_missing(pl.col("device"))
    joined = runs.join(early, on="device", how="left", maintain_order="left")
    return joined.with_columns(first_seen=pl.min_horizontal("first_seen", pl.when(first).then("early")))


def _describe(measures: Mapping[str, float]) -> str:
    times = f", {measures['losses']:.0f} times over {duration(measures['seconds'])}" if measures["losses"] > 1 else ""
    how = "was cut off" if measures["cut_off"] else "gave a token that was never used"
    if measures["used"] == measures["losses"]:
        how = "gave tokens of which the refresh token never came back"
    return f"a refresh {how}, and the next one, {duration(measures['waited'])} later, was refused{times}"


DETECTOR = Detector(
    name="lost_refresh_response",
    title="The answer to a refresh got lost",
    severity=1,
    thresholds=(
        Threshold("race_window", 10, "s", "GoTrue's reuse interval, 10 s: a sibling comes sooner, a lost answer later"),
        Threshold("max_unused", 300, "s", "the shortest access lifetime that products ship: nothing expires sooner"),
        Threshold(
            "max_cut_off", 3600, "s", "the most common access lifetime, 1 h: later, a session may have idled out"
        ),
        Threshold("max_pause", 86400, "s", "zitadel#9631: some devices a day, again and again"),
    ),
    observe=_observe,
    conclude=as_observed,
    describe=_describe,
)
