"""`login_loop`: a login succeeds, the token it gave is refused, and the user is sent to log in again.

What it sees: login_ok, then the next auth-bearing call of the same device (stragglers skipped) refused; two or more
times with nothing accepted in between, or within a short time.
Evidence: `login_ok, api_denied`: the login and the refusal of its token, of the first three.
Sequence:
    10:00:00  phone  login_ok
    10:00:01  phone  api_denied  # with the token of this login
    10:01:00  phone  login_ok
    10:01:01  phone  api_denied
Why it matters: users are locked out with the right password; and a fresh login not helping says that the verifier is
wrong for every token, not the client.
False positives: wrong passwords (no login succeeds), one login. A person who gives up after one attempt is not seen.
At the log's edges: a loop that the log cuts off is ongoing.
Check: verify a token from a fresh login with the verifier's key, issuer and audience; see whether all instances refuse
it.
Remediation: make issuer and verifier agree; see the root cause.
References: RFC 6749 section 4.3; RFC 6750 section 3.1.
Pathologies: 1.2, question 7.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.detect.detector import Detector, Limits, Threshold, as_observed
from authforensics.detect.runs import NAMES, drafts, number, seconds, with_ending, with_reason
from authforensics.findings import duration
from authforensics.schema import Sessions
from authforensics.states import AuthEvent


def _observe(sessions: Sessions, limits: Limits) -> pl.DataFrame:
    rejections = sessions.events.filter(
        pl.col("rejection"),
        pl.col("granted_by") == AuthEvent.LOGIN_OK.value,
        pl.col("age") <= limits["max_token_age"],
    )
    rows = number(rejections, limits["max_pause"])
    runs = (
        rows.group_by("run", maintain_order=True)
        .agg(
            pl.col(NAMES).first(),
            episode=pl.col("episode").last(),
            first_seen=pl.col("timestamp").first(),
            last_seen=pl.col("timestamp").last(),
            count=pl.len().cast(pl.UInt32),
            rows=pl.concat_list(pl.col("grant_row"), pl.col("row")).head(3).explode(),
        )
        .filter(pl.col("count") >= limits["min_logins"])
    )
    return drafts(with_ending(with_reason(runs, rows, "run"), sessions), logins=pl.col("count"), seconds=seconds())


def _describe(measures: Mapping[str, float]) -> str:
    lasted = duration(measures["seconds"])
    return f"logged in {measures['logins']:.0f} times in {lasted} and was refused with each new token"


DETECTOR = Detector(
    name="login_loop",
    title="Login succeeds, its token is refused, login again",
    severity=1,
    thresholds=(
        Threshold("min_logins", 2, "logins", "derived: once is an accident, twice a loop"),
        Threshold(
            "max_token_age",
            300,
            "s",
            "the shortest access lifetime that products ship: 5 min (simplejwt, Keycloak, Spring)",
        ),
        Threshold("max_pause", 900, "s", "a person who is sent to the login screen tries again within minutes"),
    ),
    observe=_observe,
    conclude=as_observed,
    describe=_describe,
)
