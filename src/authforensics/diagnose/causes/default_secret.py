"""`default_secret`: tokens are signed with a secret that everybody knows.

Deciding: recomputing the signature of refused tokens with published defaults, names of variables and what a missing
variable becomes: one of them signed these. The verifier refuses them where it has a real key. Where it has the same
default nothing fails, and it is as critical: anybody can sign a token for any user; that is an incident of its own, of
all devices. Where the environment lacks a variable that code reads, and no token is there to be tried, a default is
possible only.
Sequence:
    10:00:00  12 phones  login_ok      3 s apart
    10:00:03  12 phones  api_ok        3 s apart
    10:07:00  12 phones  login_ok      3 s apart
    10:07:02  12 phones  write_denied  3 s apart signature_invalid default-signed
    10:20:00  12 phones  refresh_ok    3 s apart
    10:20:01  12 phones  write_denied  3 s apart signature_invalid default-signed
    10:21:00  12 phones  refresh_ok    3 s apart
    10:21:01  12 phones  write_denied  3 s apart signature_invalid default-signed
Look-alikes: `signing_key_mismatch`, where a key of one's own signed what the verifier refuses; refusals for another
reason while such tokens are accepted, which the default does not explain.
References: RFC 8725 section 3.5; CWE-1392; OWASP Web Security Testing Guide, Testing JSON Web Tokens.
Pathologies: A1, H3; section 7.
"""

from __future__ import annotations

from authforensics.diagnose import proven
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.ill import KEY_FAULTS
from authforensics.diagnose.pieces import DEPLOY, deployed

_WEIGHTS = {
    "signed": Weight(
        4.0, "recomputing the signature proves that a published secret signed a refused token", decides=True
    ),
    "reason": Weight(1.0, "the verifier says that the signature does not fit: it has another key"),
    "unset": Weight(1.5, "a variable that code reads for the key is not set: it falls back to a default", extra=True),
    "accepted": Weight(-4.0, "tokens that it signed are accepted as well: these are refused for something else"),
    "other_signer": Weight(-0.5, "another key signed what is refused: at most the verifier has the default"),
    "deploy": DEPLOY,
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    mine = proven.default_refused(case, found, "signed")
    share = case.share_of(*KEY_FAULTS)
    if not mine:
        _possible(case, found, share)
        return found
    told = proven.default_accepted(case, mine)
    if told is not None:
        found.speaks_against("accepted", 1.0, told)
    if share:
        found.speaks_for("reason", share, f"{share:.0%} of the refusals with a reason say that the key does not fit")
    deployed(case, found)
    return found


def _possible(case: Case, found: Judgement, share: float) -> None:
    """No token of such a key: what the environment lacks."""
    if not case.signed.unset or not share:
        return
    found.speaks_for("unset", 1.0, proven.unset(case.signed.unset))
    found.speaks_for("reason", share, f"{share:.0%} of the refusals with a reason say that the key does not fit")
    others = [name for name in proven.refused_signers(case) if name]
    if others:
        found.speaks_against("other_signer", 1.0, f"refused tokens are signed by {others[0]}")
    else:
        found.missing.append(
            "a refused token, to prove who signed it: `authforensics token - --env-file FILE` reads one offline"
        )


CAUSE = Cause(
    name="default_secret",
    title="Tokens are signed with a secret that everybody knows",
    check=(
        "Take one token and read it offline: `authforensics token -` tries all published defaults. In the code look for"
        " a literal behind the variable of the key (`?:`, `||`, `getenv` with a default), in the running process"
        " whether the variable is set."
    ),
    remediation=(
        "Give issuers and verifiers one long random key of their own and restart; fail at start-up when it is missing."
        " Then end all sessions: whoever knew the default may have signed tokens for any user. Search the logs for"
        " tokens that your issuer never gave."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
