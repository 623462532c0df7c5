"""Tokens with another claim than the verifier expects: how it is judged, whichever claim it is."""

from __future__ import annotations

from collections.abc import Mapping

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, FEW, deployed, fresh_refused, logins_help, says
from authforensics.schema import Reason


def weights(claim: str) -> Mapping[str, Weight]:
    """What counts for and against a `claim`, as a person calls it, that the verifier does not expect."""
    return {
        "reason": Weight(4.0, "the verifier itself says so", decides=True),
        "fresh_refresh": Weight(1.5, "tokens are refused from their first use on: they are made so"),
        "fresh_login": Weight(0.5, "those of a login, too: the verifier expects something else"),
        "login_accepted": Weight(0.5, f"those of a login are accepted: only the refresh asks for another {claim}"),
        "part": Weight(0.5, "one service, version or platform: one configuration"),
        "other_reason": Weight(-4.0, "the verifier names something else"),
        "deploy": DEPLOY,
    }


def judge(case: Case, reason: Reason) -> Judgement:
    """Judge a case by the `reason` that verifiers give for the claim, and by which tokens are refused."""
    found = Judgement()
    says(case, found, [reason])
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
