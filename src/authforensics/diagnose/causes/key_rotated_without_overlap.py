"""`key_rotated_without_overlap`: the key was changed, and tokens signed with the one before are refused at once.

Deciding: tokens given before the onset are refused whatever their age, those given since are accepted. Where new ones
fail too, signer and verifier differ; where only new ones fail, the verifier has not seen the new key; where it happens
again and again, the key is made anew at each start. Without a reason in the log the same is seen when sessions were
revoked, so then it does not decide.
Sequence:
    10:00:00  12 phones  login_ok        2 s apart
    10:00:05  12 phones  api_ok          2 s apart, 2x every 355 s
    10:10:00  12 phones  api_denied      2 s apart signature_invalid
    10:10:01  12 phones  refresh_denied  2 s apart signature_invalid
    10:11:00  12 phones  login_ok        2 s apart
    10:11:02  12 phones  api_ok          2 s apart, 2x every 538 s
    10:26:02  12 phones  api_denied      2 s apart token_expired
    10:26:03  12 phones  refresh_ok      2 s apart
    10:26:04  12 phones  api_ok          2 s apart  # new tokens are good
Look-alikes: `signing_key_mismatch`, `unknown_key_id`, `ephemeral_key`; `token_store_lost`, where the log gives no
reason.
References: OpenID Connect Core section 10.1.1; laravel/passport#1317.
Pathologies: 1.4, A1 or B1, B1 or B3; B2.
"""

from __future__ import annotations

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, FEW, KEYS, deployed, says, young
from authforensics.diagnose.wording import clock, plural
from authforensics.states import AuthEvent

_WEIGHTS = {
    "reason": Weight(2.0, "the verifier names the key or the signature"),
    "old_refused": Weight(2.5, "tokens from before the change are refused"),
    "new_accepted": Weight(2.5, "new tokens work: signer and verifier agree again", decides=True),
    "young": Weight(1.0, "they had long to live: it is no expiry"),
    "new_refused": Weight(-4.0, "new tokens are refused as well: signer and verifier differ"),
    "old_accepted": Weight(-3.0, "tokens from before are still accepted"),
    "again": Weight(-2.5, "it happens again and again: the key is made anew each time"),
    "confined": Weight(-4.0, "one instance only refuses, or each the tokens of others"),
    "other_reason": Weight(-3.0, "the verifier names something that is no key"),
    "deploy": DEPLOY,
}
#: What new tokens that work decide without a reason: sessions that were revoked look the same.
_ALONE = 0.4


def _judge(case: Case) -> Judgement:
    found = Judgement()
    keyed = says(case, found, KEYS)
    held = case.held
    if held.refused >= FEW and held.refused > held.accepted:
        found.speaks_for(
            "old_refused",
            held.refused / held.total if keyed >= 0.5 else min(held.refused / held.total, _ALONE),
            f"{held.refused:,} of {held.total:,} tokens given before {clock(case.onset)} UTC were refused after it",
        )
    elif held.accepted >= FEW:
        found.speaks_against(
            "old_accepted",
            held.accepted / held.total,
            f"{held.accepted:,} of {held.total:,} tokens given before {clock(case.onset)} UTC were still accepted",
        )
    _new(case, found, decides=keyed >= 0.5)
    early, known = young(case)
    if early >= FEW:
        found.speaks_for("young", early / known, f"{early:,} of {plural(known, 'refused token')} were not near expiry")
    if len(case.waves) >= 2:
        found.speaks_against("again", 1.0, f"tokens died all at once {len(case.waves)} times")
    if case.scope.upstream:
        found.speaks_against("confined", 1.0, f"only {', '.join(case.scope.upstream)} refuses")
    elif (apart := case.apart) is not None:
        found.speaks_against("confined", apart.strength, "instances refuse each other's new tokens")
    deployed(case, found)
    return found


def _new(case: Case, found: Judgement, *, decides: bool) -> None:
    refused, accepted = case.replaced.refused, case.replaced.accepted
    given = refused + accepted
    if accepted >= FEW and accepted > refused:
        found.speaks_for(
            "new_accepted",
            accepted / given if decides else min(accepted / given, _ALONE),
            f"the next token of {accepted:,} of {plural(given, 'affected device')} was accepted",
        )
    if refused > 0.2 * given:
        found.speaks_against(
            "new_refused", refused / given, f"the next token of {refused:,} of {given:,} devices was refused, too"
        )
    fresh = case.first_uses(AuthEvent.REFRESH_OK).affected
    if fresh.refused >= FEW and fresh.refused > 0.2 * fresh.total:
        found.speaks_against(
            "new_refused",
            fresh.refused / fresh.total,
            f"{fresh.refused:,} of {fresh.total:,} refreshes since gave a token that was refused at once",
        )
    if not given:
        found.missing.append("a token given since: nobody refreshed or logged in, so new ones are not proven")


CAUSE = Cause(
    name="key_rotated_without_overlap",
    title="The key was changed, and tokens signed with the one before are refused",
    check=(
        "Compare the time of the rotation, deploy or restart with the onset. Verify one refused token with the key that"
        " was in use before."
    ),
    remediation=(
        "Accept the old key beside the new one for as long as refresh tokens live (APP_PREVIOUS_KEYS; both keys in the"
        " JWKS). Publish a new key before signing with it."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    needs=("reason",),
)
