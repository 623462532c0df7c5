"""`client_secret_expired`: the client's own credentials are refused at the token endpoint, whatever the refresh token.

Deciding: all refreshes of a client fail from one instant with a reason that is about no token, while access tokens live
on until they expire. Which reason that is (invalid_client), the categories do not tell from other rules of the
endpoint, so the confidence stays at medium.
Sequence:
    10:00:00  10 phones  api_ok          45 s apart
    10:05:00  10 phones  api_denied      45 s apart token_expired
    10:05:01  10 phones  refresh_ok      45 s apart
    10:05:02  10 phones  api_ok          45 s apart
    10:20:03  10 phones  api_denied      45 s apart token_expired
    10:20:10  10 phones  refresh_denied  45 s apart, 4x every 60 s other
    10:18:01  2 others   login_ok        1 s apart
    10:18:06  2 others   api_ok          1 s apart, 60x every 10 s
Look-alikes: `policy_changed`, which a login heals for good; `refresh_blocked_by_policy`, which answers from no
upstream; `refresh_endpoint_broken`.
References: RFC 6749 section 5.2.
Pathologies: K4.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import few
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "none_succeeds": Weight(2.0, "no refresh of these devices succeeds"),
    "reason": Weight(3.0, "the endpoint names something other than the refresh token"),
    "login_too": Weight(1.0, "their logins are refused as well: the client itself is not known any more"),
    "worked_before": Weight(1.0, "it worked until the onset"),
    "api_works": Weight(1.0, "access tokens are accepted until they expire"),
    "some_refresh": Weight(-4.0, "some refreshes of theirs succeed at the same time"),
    "login_helps": Weight(-2.0, "their logins succeed: the same client is known there"),
    "few": Weight(-3.0, "a few devices only: it may be their accounts"),
    "token_reason": Weight(-4.0, "the endpoint names a fault of the refresh token"),
    "no_verdict": Weight(-3.0, "the refresh endpoint fails without a verdict"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    refused = case.siblings
    reasons = refused["reason"].cast(pl.String).drop_nulls()
    stated = int((reasons == Reason.OTHER.value).sum()) / max(len(reasons), 1)
    if not stated:
        return found
    found.speaks_for(
        "reason", stated, f"{stated:.0%} of the refused refreshes with a reason name no fault of the token"
    )
    if stated < 0.9:
        found.speaks_against("token_reason", 1 - stated, f"{1 - stated:.0%} name one")
    meanwhile = case.steps.filter(pl.col("timestamp").is_between(case.onset, case.last))
    counts = dict(meanwhile.group_by(pl.col("auth_event").cast(pl.String)).len().rows())
    good, bad = counts.get(AuthEvent.REFRESH_OK.value, 0), refused.height
    if good <= 0.05 * (good + bad):
        found.speaks_for("none_succeeds", 1.0, f"{bad:,} of {good + bad:,} refreshes of these devices were refused")
    else:
        found.speaks_against(
            "some_refresh", min(2 * good / (good + bad), 1.0), f"{good:,} refreshes of theirs succeeded meanwhile"
        )
    entered, barred = (counts.get(event.value, 0) for event in (AuthEvent.LOGIN_OK, AuthEvent.LOGIN_DENIED))
    if barred > 9 * entered:
        found.speaks_for("login_too", 1.0, f"{barred:,} logins of theirs were refused as well, {entered:,} succeeded")
    elif entered > barred:
        found.speaks_against("login_helps", entered / (entered + barred), f"{entered:,} logins of theirs succeeded")
    _around(case, found)
    return found


def _around(case: Case, found: Judgement) -> None:
    """Before, and everywhere else."""
    during, before = case.refreshes(), case.refreshes(before=True)
    if before["ok"] >= 3 and before["ok"] >= 0.9 * sum(before.values()):
        found.speaks_for("worked_before", 1.0, f"{before['ok']:,} of {sum(before.values()):,} succeeded before")
    if case.accepted >= len(case.devices):
        found.speaks_for("api_works", 1.0, f"{case.accepted:,} API calls were accepted meanwhile")
    if few(case):
        found.speaks_against("few", 1.0, f"{len(case.devices):,} of {case.active:,} active devices are affected")
    if during["failed"] > during["denied"]:
        found.speaks_against("no_verdict", 1.0, f"{during['failed']:,} refreshes got no verdict (5xx, 429, timeout)")
    found.missing.append(
        "the error that the token endpoint answers (invalid_client or invalid_grant), and the client id"
    )


CAUSE = Cause(
    name="client_secret_expired",
    title="The client's own secret is refused at the token endpoint",
    check=(
        "Read the error of a refused refresh: invalid_client is about the client, invalid_grant about the token."
        " Look up when the client's secret or certificate expired, or was changed."
    ),
    remediation=(
        "Renew the secret where refreshes are made, before the access tokens run out. Keep two valid at a time, and an"
        " alert a month before one ends."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    for_all=True,
)
