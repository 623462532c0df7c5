"""`issuer_mismatch`: tokens carry another issuer than the verifier expects.

Deciding: the verifier says so. Without its word the pattern is that of a wrong key, refused when new, so it does not
carry. Whether tokens of a login are accepted tells the refresh request from the verifier's configuration; a single app
version is a build of another environment.
Sequence:
    10:00:00  12 phones  login_ok    2 s apart
    10:00:05  12 phones  api_ok      2 s apart
    10:10:00  12 phones  refresh_ok  2 s apart
    10:10:01  12 phones  api_denied  2 s apart issuer_mismatch
    10:11:00  12 phones  refresh_ok  2 s apart
    10:11:01  12 phones  api_denied  2 s apart issuer_mismatch
    10:12:00  12 phones  login_ok    2 s apart
    10:12:01  12 phones  api_ok      2 s apart
Look-alikes: `signing_key_mismatch`, where the log gives no reason; `audience_mismatch`.
References: RFC 7519 section 4.1.1; RFC 8725 section 3.8; auth0/docs#5199.
Pathologies: 1.2, questions 6 and 7; A3, A7.
"""

from __future__ import annotations

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, FEW, deployed, fresh_refused, logins_help, says
from authforensics.schema import Reason

_WEIGHTS = {
    "reason": Weight(4.0, "the verifier itself says so", decides=True),
    "fresh_refresh": Weight(1.5, "tokens are refused from their first use on: they are made so"),
    "fresh_login": Weight(0.5, "those of a login, too: the verifier expects something else"),
    "login_accepted": Weight(0.5, "those of a login are accepted: only the refresh asks for another issuer"),
    "part": Weight(0.5, "one service, version or platform: one configuration"),
    "other_reason": Weight(-4.0, "the verifier names something else"),
    "deploy": DEPLOY,
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    says(case, found, [Reason.ISSUER_MISMATCH])
    fresh_refused(case, found, refresh="fresh_refresh", login="fresh_login")
    if not any(weight == "fresh_login" for weight, *_ in found.for_):
        logins_help(case, found, "login_accepted")
    scope = case.scope
    part = (*scope.endpoint, *scope.upstream, *scope.app_version, *scope.platform)
    if part and len(case.devices) >= FEW:
        found.speaks_for("part", 1.0, f"only {', '.join(part)}")
    found.missing.append("the claims aud, iss and scope of a refused token, and of one from a login (never the token)")
    deployed(case, found)
    return found


CAUSE = Cause(
    name="issuer_mismatch",
    title="Tokens are from another issuer than the verifier expects",
    check=(
        "Decode one refused token and compare iss with what the verifier is configured to expect, letter by letter:"
        " scheme, port, trailing slash, realm, the name inside and outside of the cluster; staging or production."
    ),
    remediation=(
        "Give issuer and verifier one public URL. While it changes, accept both. If one app version only is refused, it"
        " was built for another environment."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
