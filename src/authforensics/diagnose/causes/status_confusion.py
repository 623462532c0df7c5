"""`status_confusion`: tokens that are expired are not answered with 401, so clients don't refresh.

Deciding: the reason names a fault of the token, the status is 400, 403, 419 or 422, and hardly any client refreshes
after it. Without the reason a 403 is a missing permission, so nothing carries.
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
from authforensics.diagnose.pieces import DEPLOY, FEW, deployed
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "status": Weight(2.0, "a fault of the token is answered with something other than 401"),
    "expired": Weight(1.0, "the token has only expired: a refresh would heal it"),
    "no_refresh": Weight(2.0, "clients that wait for a 401 never refresh", decides=True),
    "refreshed": Weight(-3.0, "clients refresh all the same"),
    "fault": Weight(-2.5, "the token is wrong, not expired: a 401 would not heal it"),
    "deploy": DEPLOY,
}
#: The statuses that RFC 6750 section 3.1 and IIS, Esri give a token that is refused.
_RIGHT = (401, 440, 498)


def _judge(case: Case) -> Judgement:
    found = Judgement()
    refused = case.denials.filter(pl.col("auth_event") == AuthEvent.API_DENIED.value)
    other = refused.filter(~pl.col("status").is_in(_RIGHT))
    if other.height < FEW or other.height < 0.5 * refused.height:
        return found
    statuses = ", ".join(map(str, other["status"].unique().sort().to_list()))
    found.speaks_for(
        "status",
        other.height / refused.height,
        f"{other.height:,} of {plural(refused.height, 'refusal')} of tokens have status {statuses}",
    )
    expired = case.api_share_of(Reason.TOKEN_EXPIRED)
    if expired:
        found.speaks_for("expired", expired, f"{expired:.0%} of the stated reasons are expiry")
    if expired < 0.9:
        found.speaks_against("fault", 1 - expired, f"{1 - expired:.0%} of the stated reasons are faults of the token")
    tried = int(case.replaced.refused + case.replaced.accepted)
    share = min(tried / len(case.devices), 1.0)
    if share <= 0.5:
        words = f"{len(case.devices) - tried:,} of {plural(len(case.devices), 'device')} got no new token after it"
        found.speaks_for("no_refresh", 1 - share, words)
    else:
        found.speaks_against("refreshed", share, f"{tried:,} devices got a new token after it")
    deployed(case, found)
    return found


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
)
