"""`unknown_key_id`: tokens are signed with a key that the verifier has not fetched (a stale JWKS cache).

Deciding: the verifier says that it doesn't find the key. It is the mirror image of a rotation without overlap: new
tokens are refused, those given before are accepted until they expire, and a login doesn't help. That pattern alone is
also a new signer with a wrong key or audience, so it only supports.
Sequence:
    10:00:00  12 phones  login_ok    1 s apart
    10:00:05  12 phones  api_ok      1 s apart
    10:01:00  3 old      login_ok
    10:01:01  3 old      api_ok
    10:14:00  3 old      api_ok      20 s apart  # old tokens still pass
    10:12:00  12 phones  refresh_ok  1 s apart
    10:12:01  12 phones  api_denied  1 s apart key_not_found
    10:13:00  12 phones  refresh_ok  1 s apart
    10:13:01  12 phones  api_denied  1 s apart key_not_found
    10:14:00  12 phones  login_ok    1 s apart
    10:14:01  12 phones  api_denied  1 s apart key_not_found
Look-alikes: `key_rotated_without_overlap`, its mirror image; `signing_key_mismatch`; `stale_key_on_instance`.
References: RFC 7517 section 4.5; OpenID Connect Core section 10.1.1; mckinsey/agents-at-scale-ark#2457.
Pathologies: 1.4, B1 or B3; 1.2, question 6.
"""

from __future__ import annotations

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, FEW, deployed, fresh_refused, new_tokens, says
from authforensics.diagnose.wording import clock
from authforensics.schema import Reason

_WEIGHTS = {
    "reason": Weight(4.0, "the verifier itself says that it doesn't know the key", decides=True),
    "old_accepted": Weight(1.5, "tokens from before are accepted: their key is in the cache"),
    "fresh_refresh": Weight(1.0, "new tokens are refused: their key is not"),
    "fresh_login": Weight(1.0, "a login does not help"),
    "old_refused": Weight(-2.0, "tokens from before are refused, too: their key is gone"),
    "new_accepted": Weight(-2.0, "new tokens are accepted"),
    "confined": Weight(-1.0, "one instance only refuses: its cache is older than the others'"),
    "other_reason": Weight(-4.0, "the verifier names something else"),
    "deploy": DEPLOY,
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    says(case, found, [Reason.KEY_NOT_FOUND])
    held, before = case.held, f"tokens given before {clock(case.onset)} UTC"
    if held.accepted >= FEW and held.accepted > held.refused:
        found.speaks_for(
            "old_accepted",
            held.accepted / held.total,
            f"{held.accepted:,} of {held.total:,} {before} were still accepted",
        )
    elif held.refused >= FEW:
        found.speaks_against(
            "old_refused", held.refused / held.total, f"{held.refused:,} of {held.total:,} {before} were refused"
        )
    fresh_refused(case, found, refresh="fresh_refresh", login="fresh_login")
    refused, accepted = new_tokens(case)
    if accepted > refused:
        found.speaks_against(
            "new_accepted",
            accepted / (accepted + refused),
            f"{accepted:,} of {accepted + refused:,} tokens given since were accepted",
        )
    if case.scope.upstream:
        found.speaks_against("confined", 1.0, f"only {', '.join(case.scope.upstream)} refuses")
    deployed(case, found)
    return found


CAUSE = Cause(
    name="unknown_key_id",
    title="The verifier doesn't know the key that signs new tokens",
    check=(
        "Compare the kid in the header of a refused token with those in the JWKS document, and see in the verifier's"
        " log when it fetched that last: after the rotation?"
    ),
    remediation=(
        "Restart the verifier, or make it fetch the keys. Then let it fetch them at an unknown kid, with a pause in"
        " between, and publish a key before signing with it."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    needs=("reason",),
    for_all=True,
)
