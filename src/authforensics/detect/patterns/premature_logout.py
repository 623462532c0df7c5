"""`premature_logout`: a failure that is no verdict on the session is answered with a logout.

What it sees: a refresh without a verdict (5xx, 429, time-out), then, before any other refresh is answered, the logout
of the same device, soon after the first such failure, or its way back through the login screen; or one call refused,
others accepted after it with the same token, and then at once the logout or the login, with no refresh tried.
Stragglers are skipped.
Evidence: `refresh_failed|api_denied, logout|login_ok`: the failure and what answers it, of the first two times and the
last.
Sequence:
    10:15:00  phone  api_denied      token_expired
    10:15:01  phone  refresh_failed  502  # a deploy
    10:15:02  phone  logout          # though the session is as good as before
    10:16:00  phone  login_ok
Why it matters: a deploy or a busy minute logs users out, and their logins are the next wave; where the logout revokes
all tokens, their other devices follow.
False positives: a person who happens to log out within that time; one whose client lived with such failures before.
At the log's edges: a logout after the log's end is not seen.
Check: what the refresh endpoint answered just before the logouts; which statuses the client's interceptor takes for the
end of the session.
Remediation: only a refused refresh (`invalid_grant`) ends a session; keep it through failures and try again later.
References: RFC 6749 section 5.2; metadist/synaplan#1355; geolens-io/geolens#2038; antiwork/gumroad-mobile#252.
Pathologies: E6, E8.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import Detector, Limits, Threshold, as_observed
from authforensics.detect.runs import NAMES, changed, drafts, follows, is_event, occurrences, one_of, pair, seconds
from authforensics.detect.several import apart
from authforensics.findings import duration
from authforensics.schema import Sessions
from authforensics.states import AuthEvent

_LOGOUT = AuthEvent.LOGOUT.value
_LOGINS = [AuthEvent.LOGIN_OK.value, AuthEvent.LOGIN_DENIED.value]
_REFUSALS = [AuthEvent.API_DENIED.value, AuthEvent.API_ANONYMOUS.value]


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    steps = sessions.events.select(
        "device", *NAMES, "timestamp", "row", "auth_event", "reason", "episode", "straggler", "age"
    ).filter(
        is_event(
            *(AuthEvent.LOGIN_OK, AuthEvent.LOGIN_DENIED, AuthEvent.LOGOUT, *map(AuthEvent, _REFUSALS)),
            *(AuthEvent.REFRESH_OK, AuthEvent.REFRESH_DENIED, AuthEvent.REFRESH_FAILED),
        )
    )
    verdicts = steps.filter(~one_of("auth_event", _REFUSALS))
    failed = _left(verdicts.with_columns(failing_since=_failing_since()), _after_failure(limits), failed=True)
    refused = _left(steps, _after_refusal(limits), failed=False)
    found = pl.concat([failed, refused]).sort("device", "row").unique("row", keep="first", maintain_order=True)
    runs = occurrences(apart(found, sessions), limits["max_pause"], failed=pl.col("failed").sum())
    return drafts(
        runs.with_columns(ongoing=pl.lit(value=False)),
        logouts=pl.col("count"),
        after_failed_refresh=pl.col("failed"),
        seconds=seconds(),
    )


def _left(steps: pl.DataFrame, premature: pl.Expr, *, failed: bool) -> pl.DataFrame:
    """Logouts and logins right after what is no reason for them, as `occurrences` wants them."""
    before = ("timestamp", "row", "auth_event", "episode", "age", *(("failing_since",) if failed else ()))
    left = follows(steps, one_of("auth_event", [_LOGOUT, *_LOGINS]), *before)
    return left.filter(premature).select(
        *("device", *NAMES, "timestamp", "row", "reason"), pair(), began="timestamp_before", failed=pl.lit(failed)
    )


def _failing_since() -> pl.Expr:
    """When the first of the failed refreshes in a row was, of which a step is one."""
    failed = pl.col("auth_event") == AuthEvent.REFRESH_FAILED.value
    first = failed & (changed("device") | ~failed.shift(fill_value=False))
    return pl.when(failed).then(pl.when(first).then("timestamp").forward_fill())


def _pause() -> pl.Expr:
    return (pl.col("timestamp") - pl.col("timestamp_before")).dt.total_microseconds() / 1e6


def _after_failure(limits: Limits) -> pl.Expr:
    failed = one_of("auth_event_before", [AuthEvent.REFRESH_FAILED.value])
    since = (pl.col("timestamp") - pl.col("failing_since_before")).dt.total_microseconds() / 1e6
    logged_out = one_of("auth_event", [_LOGOUT]) & (since <= limits["logout_within"])
    # Accepted meanwhile: the old token was still good, so that somebody just logs in.
    at_login = one_of("auth_event", _LOGINS) & (pl.col("episode") == pl.col("episode_before"))
    return failed & (logged_out | (at_login & (_pause() <= limits["login_within"])))


def _after_refusal(limits: Limits) -> pl.Expr:
    refused = one_of("auth_event_before", [AuthEvent.API_DENIED.value])
    still_good = pl.col("episode") > pl.col("episode_before")
    # Whose new token is refused has tried what there is to try.
    just_given = (pl.col("age_before") <= limits["reaction"]).fill_null(value=False)
    return refused & still_good & ~just_given & (_pause() <= limits["reaction"])


def _describe(measures: Mapping[str, float]) -> str:
    what = "a refresh failed without a verdict" if measures["after_failed_refresh"] else "a single call was refused"
    often = f", {measures['logouts']:.0f} times over {duration(measures['seconds'])}" if measures["logouts"] > 1 else ""
    return f"gave its session up because {what}{often}"


DETECTOR = Detector(
    name="premature_logout",
    title="A failure without a verdict is treated as a logout",
    severity=1,
    thresholds=(
        Threshold("logout_within", 60, "s", "derived: clients that log out for a failure do so within a minute"),
        Threshold("login_within", 900, "s", "a person who is sent to the login screen tries within minutes"),
        Threshold("reaction", 10, "s", "derived: a program that logs out for a refusal does so at once"),
        Threshold("max_pause", 3600, "s", "the most common access lifetime, 1 h: refreshes come at that pace"),
    ),
    observe=_observe,
    conclude=as_observed,
    describe=_describe,
)
