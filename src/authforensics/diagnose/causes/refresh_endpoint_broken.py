"""`refresh_endpoint_broken`: the refresh endpoint fails, whatever token it is given.

Deciding: from one instant no refresh of any device succeeds, while access tokens that have not expired are still
accepted (and a login helps). Refusals as expired or for the signature have their own causes.
Sequence:
    10:00:00  20 phones  login_ok        60 s apart
    10:00:05  20 phones  api_ok          60 s apart, 115x every 60 s
    12:00:00  20 phones  api_denied      60 s apart
    12:00:01  20 phones  refresh_failed  60 s apart, 20x every 60 s  # 503
    12:21:00  20 phones  refresh_ok      60 s apart
    12:21:01  20 phones  api_ok          60 s apart, 60x every 60 s
Look-alikes: `refresh_blocked_by_policy`, `client_secret_expired` and `token_store_lost`, whose refusals are verdicts;
an outage of everything.
References: RFC 6749 section 5.2; RFC 9110 sections 10.2.3 and 15.6; RFC 6585 section 4.
Pathologies: E6.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.schema import Reason

_WEIGHTS = {
    "none_succeeds": Weight(2.5, "no refresh of anybody succeeds, or most get no verdict"),
    "same_session": Weight(1.5, "sessions whose refresh had succeeded before are refused too"),
    "young": Weight(
        1.5, "refresh tokens younger than any access token gets are refused: they did not expire", decides=True
    ),
    "worked_before": Weight(1.0, "it worked until the onset"),
    "no_verdict": Weight(
        1.5, "5xx, 429 and timeouts are failures of the endpoint, not verdicts on the token", decides=True
    ),
    "api_works": Weight(1.0, "tokens that have not expired are accepted: only the refresh is broken"),
    "others_refresh": Weight(-4.0, "other devices refresh at the same time"),
    "first_refresh": Weight(-2.5, "only the first refresh of sessions is refused: then it is their refresh token"),
    "looks_expired": Weight(-3.5, "no reason is logged, and each refused token could have expired (C1)"),
    "expired": Weight(-2.5, "the endpoint works and says expired"),
    "revoked": Weight(-2.5, "the endpoint works and says that the session was ended"),
    "signature": Weight(-2.5, "the endpoint works and can't verify the signature; the API can't either"),
}

#: Younger than this share of an access token's life is young: nobody refreshes so early because of an expiry.
YOUNG = 0.5
#: How much it counts that others refresh, where those affected get no verdict at all: then it is a part of the service.
_SOME = 0.3
#: At most so many statuses are told, in a title those of this share of the refreshes without a verdict.
_TOLD, _USUAL = 3, 0.1
#: Too many requests; and from where on a service failed. Others are of clients that did not wait.
_LIMIT, _ERROR = 429, 500
_CHECK_LIMIT = (
    "See which limit answers 429 (proxy, gateway or service), what it counts, and what was deployed just before the"
    " onset: where the client's address is no longer taken from X-Forwarded-For, one limit is for all clients."
)
_RAISE_LIMIT = (
    "Raise or lift the limit on the refresh endpoint, and let it count sessions or clients, not addresses that many"
    " share. Send Retry-After; clients: retry with growing pauses and jitter, and take a 429 for no logout."
)


def _judge(case: Case) -> Judgement:
    found = Judgement()
    during = case.refreshes()
    tries = sum(during.values())
    bad = during["denied"] + during["failed"]
    if not bad:
        return found
    if during["ok"] / tries <= 0.05:
        found.speaks_for(
            "none_succeeds", 1.0, f"{bad:,} of {tries:,} refreshes of all devices failed during the incident"
        )
    else:
        _others(during, found)
    before = case.refreshes(before=True)
    if before["ok"] >= 3 and before["ok"] / max(sum(before.values()), 1) >= 0.9:
        found.speaks_for(
            "worked_before", 1.0, f"{before['ok']:,} of {sum(before.values()):,} refreshes before the onset succeeded"
        )
    _sessions(case, found, failed=during["failed"] > 0)
    if during["failed"]:
        _unanswered(case, found, during["failed"], bad)
    if case.accepted > case.denials.height:
        found.speaks_for("api_works", 1.0, f"{case.accepted:,} API calls were accepted meanwhile")
    verdicts = {
        "expired": Reason.REFRESH_EXPIRED,
        "revoked": Reason.REFRESH_REVOKED,
        "signature": Reason.SIGNATURE_INVALID,
    }
    for weight, reason in verdicts.items():
        share = case.refresh_share_of(reason)
        if share > 0.1:
            found.speaks_against(
                weight, share, f"{share:.0%} of the refused refreshes with a reason say {reason.value}"
            )
    if during["denied"] and not case.reason_counts:
        found.missing.append("why refreshes are refused: log the error that the refresh endpoint answers")
    return found


def _unanswered(case: Case, found: Judgement, failed: int, bad: int) -> None:
    """What it was answered instead, and by whom; a limit is another matter than a failure."""
    statuses = case.meanwhile.unanswered()
    named = [f"{count:,} times {status}" for status, count in statuses.items() if status is not None]
    found.speaks_for(
        "no_verdict", failed / bad, f"{failed:,} got no verdict: {', '.join(named[:_TOLD] or ['timeouts'])}"
    )
    if failed <= 0.5 * bad:
        return
    answers = {status: count for status, count in statuses.items() if status and (status == _LIMIT or status >= _ERROR)}
    usual = [status for status, count in answers.items() if count >= _USUAL * failed][:_TOLD]
    where = f" at {' and '.join(case.failing)}" if case.failing else ""
    if usual:
        told = " or ".join(map(str, sorted(usual)))
        found.title = f"The refresh endpoint answers {told}{where}, whatever token it is given"
    if usual[:1] == [_LIMIT]:
        found.check, found.remediation = _CHECK_LIMIT, _RAISE_LIMIT


def _others(during: Mapping[str, int], found: Judgement) -> None:
    """Some refreshes succeed. A failure is the endpoint's fault, whomever it hits; a verdict may be about the token."""
    tries, bad = sum(during.values()), during["denied"] + during["failed"]
    if during["failed"] > 0.5 * tries:
        found.speaks_for(
            "none_succeeds", during["failed"] / tries, f"{during['failed']:,} of {tries:,} refreshes got no verdict"
        )
    found.speaks_against(
        "others_refresh",
        min(2 * during["ok"] / tries, 1.0) * max(during["denied"] / bad, _SOME),
        f"{during['ok']:,} refreshes succeeded during the incident",
    )


def _sessions(case: Case, found: Judgement, *, failed: bool) -> None:
    """Whose refresh tokens were refused, and how old: expired ones, or all."""
    refused = case.refused_refreshes
    before = refused.filter(pl.col("refreshes").fill_null(0) > 0)["device_id"].n_unique()
    known = refused.filter(pl.col("refreshes").is_not_null())["device_id"].n_unique()
    if before >= 2:
        found.speaks_for(
            "same_session",
            _weight_of(before, known, case),
            f"{before:,} devices were refused whose refresh had succeeded before",
        )
    elif known >= 2:
        found.speaks_against(
            "first_refresh", 1.0, f"{known:,} devices were refused at the first refresh of their session"
        )
    access = case.lifetimes.access
    if access is None:
        return
    ages = refused["refresh_denied_age"].drop_nulls()
    young = int((ages < YOUNG * access.low).sum())
    if young >= 2:
        found.speaks_for(
            "young",
            _weight_of(young, len(ages), case),
            f"{young:,} refresh tokens were refused long before an access token would expire",
        )
    elif len(ages) >= 2 and not case.reason_counts and not failed:
        found.speaks_against(
            "looks_expired",
            1.0,
            "every refresh token refused was as old as an access token gets: without a reason it looks the same as one"
            " that lives no longer",
        )


def _weight_of(some: int, total: int, case: Case) -> float:
    """Some are enough; but a few of many may be others' where several devices are taken for one."""
    return some / total if case.mistakable else 1.0


CAUSE = Cause(
    name="refresh_endpoint_broken",
    title="The refresh endpoint fails, whatever token it is given",
    check=(
        "Call the refresh endpoint with a token that was just issued and read its answer and its error log. Look for a"
        " deploy, an expired client secret, a lost token store or a full rate limit just before the onset."
    ),
    remediation=(
        "Roll back or repair the refresh endpoint before access tokens run out: until then users still work. Answer"
        " 5xx, not 401, for its own failures, so that clients retry later instead of logging users out."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    for_all=True,
)
