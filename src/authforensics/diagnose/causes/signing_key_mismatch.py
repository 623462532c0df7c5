"""`signing_key_mismatch`: what signs the tokens and what verifies them use different keys.

Deciding: the log names the signature as the reason; tokens are refused seconds after they were given; a fresh login
doesn't help; everybody is hit at one instant whatever the age of the token. After a key rotation new tokens would work;
a stale key on one instance would show in one upstream only. Without a reason nothing tells it from another algorithm,
audience or issuer, or from a key that the verifier has not fetched: they leave the same lines.
Sequence:
    10:00:00  12 phones  login_ok        3 s apart
    10:00:03  12 phones  api_ok          3 s apart
    10:07:00  12 phones  api_denied      3 s apart signature_invalid
    10:07:30  12 phones  login_ok        3 s apart
    10:07:32  12 phones  write_denied    3 s apart signature_invalid
    10:20:00  12 phones  refresh_ok      3 s apart
    10:20:01  12 phones  write_denied    3 s apart signature_invalid
    10:21:00  12 phones  refresh_ok      3 s apart
    10:21:01  12 phones  write_denied    3 s apart signature_invalid
Look-alikes: `key_rotated_without_overlap`, where new tokens work; `unknown_key_id`, where old ones do;
`stale_key_on_instance`; `algorithm_mismatch`, `audience_mismatch` and `issuer_mismatch`, where the log gives no reason.
References: RFC 7515 section 5.2; RFC 8725 section 3.5; sample_logs/incident-1-secret-mismatch.
Pathologies: 1.2 and 1.4, A1; B1, F1.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose import proven
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.ill import KEY_FAULTS
from authforensics.diagnose.pieces import DEPLOY, FEW, deployed, returned
from authforensics.diagnose.proven import DIFFERS, SIGNER
from authforensics.diagnose.wording import clock, plural
from authforensics.findings import duration
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "reason": Weight(4.0, "the verifier itself says so", decides=True),
    "fresh_refresh": Weight(1.5, "a token refused within seconds of its minting didn't expire"),
    "fresh_login": Weight(
        1.5, "a new login not helping puts the fault on the verifier's side, not on the refresh path"
    ),
    "instant": Weight(1.0, "tokens of every age die at one instant: a change on the server, not the tokens' age"),
    "everywhere": Weight(0.5, "all instances, versions and platforms: not one stale instance, not one release"),
    "other_reason": Weight(-4.0, "the verifier names something else"),
    "heals": Weight(-2.5, "new tokens work: then the key was rotated without overlap"),
    "confined": Weight(-3.0, "only one upstream refuses, or each the tokens of others: then its key is stale"),
    "returns": Weight(-4.0, "refused tokens are accepted again, unchanged: a wrong key never accepts them"),
    "expiry": Weight(-2.0, "tokens die at one age: then it is expiry"),
    "signer": SIGNER,
    "differs": DIFFERS,
    "known_to_all": Weight(-1.5, "a default that everybody knows signed what is refused: `default_secret` says more"),
    "deploy": DEPLOY,
}
#: Half of the devices within this time is an instant: background posts of mobile apps come every few minutes at most.
_INSTANT = 300.0
#: Or: this share of new tokens accepted before the onset and refused after it, of at least so many each.
_SHARP = 0.9
_TOKENS = 5


def _judge(case: Case) -> Judgement:
    found = Judgement()
    _reasons(case, found)
    _fresh_tokens(case, found)
    _onset(case, found)
    _returns(case, found)
    _signer(case, found)
    if case.scope.upstream:
        found.speaks_against("confined", 1.0, f"only {', '.join(case.scope.upstream)} refuses")
    elif (apart := case.apart) is not None:
        found.speaks_against("confined", apart.strength, "instances accept the tokens that they issued themselves")
    elif not (case.scope.app_version or case.scope.platform) and len(case.devices) > 2:
        found.speaks_for("everywhere", 1.0, "not confined to an upstream, app version or platform")
    deployed(case, found)
    return found


def _signer(case: Case, found: Judgement) -> None:
    if not any(weight == "heals" for weight, *_ in found.against):
        proven.key_differs(case, found, proven="signer", differs="differs")
    known, tried = proven.signed_by_default(case)
    if known:
        share = sum(known.values()) / tried
        found.speaks_against("known_to_all", share, f"what is refused is signed by {' and '.join(known)}")


def _returns(case: Case, found: Judgement) -> None:
    """A wrong key is wrong for good, and for new tokens."""
    new = case.replaced
    if new.accepted > 3 * new.refused and new.accepted >= FEW and not _refreshed_refused(case):
        found.speaks_against(
            "heals",
            new.accepted / (new.accepted + new.refused),
            f"the next token of {new.accepted:,} of {new.accepted + new.refused:,} affected devices was accepted",
        )
    back, total = returned(case)
    # A token that is used until the fault is repaired comes back as well, but then all do, and at the end.
    early = back.filter(pl.col("again_at") < case.last).height
    if early >= FEW and early > 0.1 * total:
        found.speaks_against(
            "returns",
            min(2 * early / total, 1.0),
            f"{early:,} of {total:,} refused tokens were accepted again, unchanged",
        )


def _refreshed_refused(case: Case) -> bool:
    """Refreshed tokens are refused: where those of logins work, the two are signed with different keys."""
    refused, accepted = case.outcomes(AuthEvent.REFRESH_OK)
    return refused >= FEW and refused > 9 * accepted


def _onset(case: Case, found: Judgement) -> None:
    """An instant: all devices at once, or all new tokens from then on."""
    if case.cluster.kind not in {"key", "rejected"}:
        return
    if len(case.devices) > 2 and case.half_seconds <= _INSTANT:
        found.speaks_for(
            "instant",
            1.0,
            f"half of the {plural(len(case.devices), 'device')} were hit within {duration(case.half_seconds)}"
            f" of {clock(case.onset)} UTC",
        )
        return
    events = (AuthEvent.REFRESH_OK, AuthEvent.LOGIN_OK)
    before = [case.outcomes(event, before=True) for event in events]
    after = [case.outcomes(event) for event in events]
    good, bad = sum(accepted for _, accepted in before), sum(refused for refused, _ in after)
    given_before, given_after = sum(map(sum, before)), sum(map(sum, after))
    if min(given_before, given_after) >= _TOKENS and good / given_before >= _SHARP and bad / given_after >= _SHARP:
        found.speaks_for(
            "instant",
            1.0,
            f"until {clock(case.onset)} UTC {good:,} of {given_before:,} new tokens were accepted, since then"
            f" {bad:,} of {given_after:,} refused",
        )


def _reasons(case: Case, found: Judgement) -> None:
    counts = case.reason_counts
    total = sum(counts.values())
    signature = counts.get(Reason.SIGNATURE_INVALID.value, 0)
    if not total:
        found.missing.append(
            "no refusal says why: log the reason (nginx: $sent_http_www_authenticate; in the application: the"
            " verifier's error with the request id). Without it an audience or issuer mismatch looks the same"
        )
        return
    if signature:
        found.speaks_for(
            "reason",
            signature / total,
            f"{signature:,} of {plural(total, 'refusal')} with a stated reason say signature_invalid",
        )
    others = {reason: count for reason, count in counts.items() if reason != Reason.SIGNATURE_INVALID.value}
    if others and sum(others.values()) / total > 0.1:
        top = next(iter(others))
        found.speaks_against("other_reason", sum(others.values()) / total, f"{others[top]:,} refusals say {top}")


def _fresh_tokens(case: Case, found: Judgement) -> None:
    explained = case.share_of(*KEY_FAULTS) > 0
    for event, weight, words in (
        (AuthEvent.REFRESH_OK, "fresh_refresh", "refreshes"),
        (AuthEvent.LOGIN_OK, "fresh_login", "fresh logins"),
    ):
        refused, accepted = case.outcomes(event)
        judged = refused + accepted
        if judged < 2:
            continue
        if refused / judged >= 0.5:
            found.speaks_for(
                weight,
                refused / judged,
                f"{refused:,} of {judged:,} tokens from {words} were refused at their first use",
            )
        elif (explained or event is AuthEvent.REFRESH_OK) and not _refreshed_refused(case):
            found.speaks_against(
                "heals", accepted / judged, f"{accepted:,} of {judged:,} tokens from {words} were accepted"
            )


CAUSE = Cause(
    name="signing_key_mismatch",
    title="Issuer and verifier use different keys",
    check=(
        "Take one refused token and verify it with each secret or key that is configured (and with the names of the"
        " variables themselves: a missing variable may fall back to a literal). Compare the environment of what issues"
        " tokens with that of what verifies them, and what was deployed or restarted just before the onset."
    ),
    remediation=(
        "Give both sides one explicit key and restart; fail at start-up when it is missing. Accept the old key beside"
        " the new one for as long as refresh tokens live. If a literal or default was ever the key, rotate it: anybody"
        " can forge tokens."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    needs=("reason", "signer", "differs"),
    for_all=True,
)
