"""`refresh_blocked_by_policy`: a rule in front of the refresh endpoint answers it, not what knows the refresh token.

Deciding: the refused refreshes came from no upstream while others do, or have a status that no token gets (403 of a
firewall, 405, 419 of a form check). Reasons that name the token speak against: then something looked at it.
Sequence:
    10:00:00  10 phones  api_ok          45 s apart upstream=a
    10:05:00  10 phones  api_denied      45 s apart upstream=a token_expired
    10:05:01  10 phones  refresh_ok      45 s apart upstream=a
    10:05:02  10 phones  api_ok          45 s apart upstream=a
    10:20:03  10 phones  api_denied      45 s apart upstream=a token_expired
    10:20:10  10 phones  refresh_denied  45 s apart, 4x every 60 s 403
    10:18:01  2 others   login_ok        1 s apart upstream=a
    10:18:06  2 others   api_ok          1 s apart, 60x every 10 s upstream=a
Look-alikes: `client_secret_expired` and `refresh_endpoint_broken`, which the service itself answers.
References: RFC 9110 section 15.5.4.
Pathologies: none: 1.3, K; 8.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, FEW, LOG_UPSTREAM, deployed
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "gateway": Weight(3.0, "the refused refreshes reached no upstream, other calls do", decides=True),
    "status": Weight(2.0, "the status is a rule's, not a token's"),
    "part": Weight(1.0, "one version or platform only: what they send meets the rule"),
    "api_works": Weight(0.5, "access tokens are accepted"),
    "upstream": Weight(-2.0, "the upstream itself answered"),
    "token_reason": Weight(-4.0, "the answer names a fault of the refresh token"),
    "token_status": Weight(-2.0, "the status is a refused token's: 400 or 401"),
    "deploy": DEPLOY,
}
#: What rules answer: RFC 6749 section 5.2 gives 400 and 401 to tokens and clients.
_RULES = (403, 405, 406, 409, 419, 422, 429, 451)


def _judge(case: Case) -> Judgement:
    found = Judgement()
    refused = case.denials.filter(pl.col("auth_event") == AuthEvent.REFRESH_DENIED.value)
    if refused.height < FEW:
        return found
    by_rule = refused.filter(pl.col("status").is_in(_RULES))
    statuses = ", ".join(map(str, by_rule["status"].unique().sort().to_list()))
    if by_rule.height > 0.5 * refused.height:
        words = f"{by_rule.height:,} of {refused.height:,} refused refreshes have status {statuses}"
        found.speaks_for("status", by_rule.height / refused.height, words)
    else:
        found.speaks_against("token_status", 1.0, "the refused refreshes have a status that tokens get")
    known = int(case.meanwhile.upstreams.filter(pl.col("upstream").is_not_null())["total"].sum())
    direct = refused["upstream"].null_count()
    if not known:
        found.missing.append(LOG_UPSTREAM)
    elif direct > 0.5 * refused.height:
        found.speaks_for(
            "gateway", direct / refused.height, f"{direct:,} of them reached no upstream; {known:,} other calls did"
        )
    else:
        found.speaks_against("upstream", 1.0, f"{refused.height - direct:,} of them were answered by an upstream")
    token = 1 - case.refresh_share_of(Reason.OTHER) if case.refresh_reasons else 0.0
    if token > 0.1:
        found.speaks_against("token_reason", token, f"{token:.0%} of the stated reasons name a fault of the token")
    part = (*case.scope.app_version, *case.scope.platform)
    if part:
        found.speaks_for("part", 1.0, f"only {', '.join(part)}")
    if case.accepted >= len(case.devices):
        found.speaks_for("api_works", 1.0, f"{case.accepted:,} API calls were accepted meanwhile")
    deployed(case, found)
    return found


CAUSE = Cause(
    name="refresh_blocked_by_policy",
    title="A rule in front of the refresh endpoint blocks it",
    check=(
        "Look for the refused refreshes in the log of the firewall, gateway or bot filter: which rule matched? Send one"
        " refresh past it."
    ),
    remediation=(
        "Take the refresh endpoint out of the rule, or let it answer 429 or 503 so that clients try again rather than"
        " log users out."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
