"""`algorithm_mismatch`: the verifier refuses the algorithm that tokens are signed with.

Deciding: the verifier says so, of devices that had sessions. An attacker who tries `none` has none, and is not part of
an incident. Without the reason it looks like any wrong key, so nothing else carries it.
Sequence:
    10:00:00  12 phones  login_ok        2 s apart
    10:00:05  12 phones  api_ok          2 s apart
    10:10:00  12 phones  api_denied      2 s apart algorithm_rejected
    10:10:01  12 phones  refresh_denied  2 s apart algorithm_rejected
    10:11:00  12 phones  login_ok        2 s apart
    10:11:02  12 phones  api_ok          2 s apart  # signed with the new one
Look-alikes: `signing_key_mismatch` and `key_rotated_without_overlap`, where the log gives no reason; a scanner that
tries `none`.
References: RFC 8725 sections 3.1 and 3.2.
Pathologies: B4.
"""

from __future__ import annotations

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, FEW, deployed, fresh_refused, says
from authforensics.diagnose.wording import clock
from authforensics.schema import Reason

_WEIGHTS = {
    "reason": Weight(4.0, "the verifier itself says so", decides=True),
    "old_refused": Weight(1.0, "tokens from before a change are refused: the verifier took away their algorithm"),
    "fresh_refresh": Weight(0.5, "new tokens are refused: the signer uses another algorithm"),
    "fresh_login": Weight(0.5, "those of a login, too"),
    "other_reason": Weight(-4.0, "the verifier names something else"),
    "deploy": DEPLOY,
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    says(case, found, [Reason.ALGORITHM_REJECTED])
    held = case.held
    if held.refused >= FEW and held.refused > held.accepted:
        found.speaks_for(
            "old_refused",
            held.refused / held.total,
            f"{held.refused:,} of {held.total:,} tokens given before {clock(case.onset)} UTC were refused after it",
        )
    fresh_refused(case, found, refresh="fresh_refresh", login="fresh_login")
    deployed(case, found)
    return found


CAUSE = Cause(
    name="algorithm_mismatch",
    title="The verifier refuses the algorithm that tokens are signed with",
    check=(
        "Compare alg in the header of a refused token with the algorithms that the verifier is configured to accept,"
        " and see which of both was deployed just before the onset."
    ),
    remediation=(
        "Let the verifier accept the old algorithm with its own key beside the new one until the last old token has"
        " expired; never an algorithm that the token itself chooses. Deploy verifiers before signers."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    needs=("reason",),
    for_all=True,
)
