"""`status_confusion`: tokens that are expired are not answered with 401, so clients don't refresh.

Deciding: the reason names a fault of the token, the status is 400, 403, 419 or 422, and hardly any client refreshes
after it. Without the reason one 403 is a missing permission; where every call of many devices gets one, and only with
tokens past the age at which others expired, it is the expiry, but confidence stays at medium.
Sequence:
    10:00:00  8 phones  login_ok    5 s apart
    10:00:05  8 phones  api_ok      5 s apart, 15x every 60 s
    10:15:05  8 phones  api_denied  5 s apart, 6x every 40 s 403 token_expired
    10:00:00  other     login_ok
    10:00:05  other     api_ok      14x every 60 s
Look-alikes: a missing permission, which is a 403 as well; clients that never refresh, where the status is 401.
References: RFC 6750 section 3.1; RFC 9110 section 15.5.2.
Pathologies: K1, K2.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, FEW, LOG_REASON, deployed
from authforensics.diagnose.wording import plural
from authforensics.findings import duration
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "status": Weight(2.0, "a fault of the token is answered with something other than 401"),
    "expired": Weight(1.0, "the tokens have only expired: a refresh would heal it"),
    "no_refresh": Weight(2.0, "clients that wait for a 401 never refresh", decides=True),
    "refreshed": Weight(-3.0, "clients refresh all the same"),
    "fault": Weight(-2.5, "the token is wrong, or may not do it, but has not expired: a 401 would not heal it"),
    "deploy": DEPLOY,
}
#: What clients do decides, where nothing says that the tokens have expired: a user who is barred from all gets no new
#: token, either.
_ALONE = 0.45
#: Tokens so near the end of their life may have expired: clocks that differ by a little.
_PAST = 0.95
#: The statuses that RFC 6750 section 3.1 and IIS, Esri give a token that is refused.
_RIGHT = (401, 440, 498)


def _judge(case: Case) -> Judgement:
    found = Judgement()
    verdict = AuthEvent.FORBIDDEN if case.cluster.kind == "forbidden" else AuthEvent.API_DENIED
    refused = case.denials.filter(pl.col("auth_event") == verdict.value)
    other = refused.filter(~pl.col("status").is_in(_RIGHT))
    if other.height < FEW or other.height < 0.5 * refused.height:
        return found
    statuses = ", ".join(map(str, other["status"].unique().sort().to_list()))
    found.speaks_for(
        "status",
        other.height / refused.height,
        f"{other.height:,} of {plural(refused.height, 'refusal')} have status {statuses}",
    )
    told = bool(refused["reason"].count())
    if told:
        _reasons(case, found)
    else:
        _ages(case, other, found)
    # While it lasts: then 401 is answered again.
    given = case.first_uses(AuthEvent.REFRESH_OK).affected.total
    devices = len(case.devices)
    words = f"refreshes gave {plural(devices, 'device')} {plural(given, 'token')} while it lasted"
    if given <= 0.5 * devices:
        found.speaks_for("no_refresh", (1 - given / devices) * (1.0 if told else _ALONE), words)
    else:
        found.speaks_against("refreshed", min(given / devices, 1.0), words)
    deployed(case, found)
    return found


def _reasons(case: Case, found: Judgement) -> None:
    expired = case.api_share_of(Reason.TOKEN_EXPIRED)
    if expired:
        found.speaks_for("expired", expired, f"{expired:.0%} of the stated reasons are expiry")
    if expired < 0.9:
        found.speaks_against("fault", 1 - expired, f"{1 - expired:.0%} of the stated reasons are faults of the token")


def _ages(case: Case, refused: pl.DataFrame, found: Judgement) -> None:
    """Without a reason: whether it meets tokens past their life, and no others."""
    found.missing.append(LOG_REASON)
    access = case.lifetimes.access
    first = refused.group_by("device_id", "granted_at").agg(at=pl.col("timestamp").min())
    known = first.filter(pl.col("granted_at").is_not_null())
    if access is None or known.height < FEW:
        return
    past = known.filter((pl.col("at") - pl.col("granted_at")).dt.total_seconds() >= _PAST * access.low).height
    words = f"{past:,} of {plural(known.height, 'token')} were past {duration(access.seconds)}, an access token's life"
    if past >= 0.9 * known.height:
        found.speaks_for("expired", past / known.height, words)
    else:
        found.speaks_against("fault", 1 - past / known.height, words)


CAUSE = Cause(
    name="status_confusion",
    title="Expired tokens are not answered with 401, so clients don't refresh",
    check=(
        "Send an expired token to the API and read the status and WWW-Authenticate. See at which status the clients'"
        " interceptor refreshes."
    ),
    remediation=(
        "Answer 401 with WWW-Authenticate: Bearer error=invalid_token where the token is at fault, 403 only where it is"
        " good and a permission is missing. Until then let clients refresh at that status and reason, too."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    needs=("expired",),
)
