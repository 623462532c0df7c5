"""`client_secret_expired`: the client's own credentials are refused at the token endpoint, whatever the refresh token.

Pathologies K4: all refreshes of a client fail from one instant with a reason that is about no token, while access
tokens live on until they expire. Which reason that is (invalid_client), the categories do not tell from other rules
of the endpoint, so the confidence stays at medium.
"""

from __future__ import annotations

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.schema import Reason

_WEIGHTS = {
    "none_succeeds": Weight(2.0, "no refresh of anybody succeeds"),
    "reason": Weight(3.0, "the endpoint names something other than the refresh token"),
    "worked_before": Weight(1.0, "it worked until the onset"),
    "api_works": Weight(1.0, "access tokens are accepted until they expire"),
    "others_refresh": Weight(-4.0, "others refresh at the same time"),
    "token_reason": Weight(-4.0, "the endpoint names a fault of the refresh token"),
    "no_verdict": Weight(-3.0, "the refresh endpoint fails without a verdict"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    during, before = case.refreshes(), case.refreshes(before=True)
    stated = case.refresh_share_of(Reason.OTHER)
    if not stated or not during["denied"]:
        return found
    found.speaks_for(
        "reason", stated, f"{stated:.0%} of the refused refreshes with a reason name no fault of the token"
    )
    if stated < 0.9:
        found.speaks_against("token_reason", 1 - stated, f"{1 - stated:.0%} name one")
    tries = sum(during.values())
    if during["ok"] <= 0.05 * tries:
        found.speaks_for("none_succeeds", 1.0, f"{tries - during['ok']:,} of {tries:,} refreshes of all devices failed")
    else:
        found.speaks_against(
            "others_refresh", min(2 * during["ok"] / tries, 1.0), f"{during['ok']:,} refreshes succeeded meanwhile"
        )
    if before["ok"] >= 3 and before["ok"] >= 0.9 * sum(before.values()):
        found.speaks_for("worked_before", 1.0, f"{before['ok']:,} of {sum(before.values()):,} succeeded before")
    if case.accepted >= len(case.devices):
        found.speaks_for("api_works", 1.0, f"{case.accepted:,} API calls were accepted meanwhile")
    if during["failed"] > during["denied"]:
        found.speaks_against("no_verdict", 1.0, f"{during['failed']:,} refreshes got no verdict (5xx, 429, timeout)")
    found.missing.append(
        "the error that the token endpoint answers (invalid_client or invalid_grant), and the client id"
    )
    return found


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
)
