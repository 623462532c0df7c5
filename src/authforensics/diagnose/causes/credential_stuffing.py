"""`credential_stuffing`: somebody tries out stolen names and passwords.

Deciding: the logins that fail come from devices that never had a session, and known ones get in meanwhile. In an outage
of the login it is the other way round.
Sequence:
    09:00:00  20 known  login_ok      4 s apart, 20x every 900 s
    09:00:05  20 known  api_ok        4 s apart, 300x every 60 s
    13:01:00  40 bots   login_denied  5 s apart, 20x every 60 s
Look-alikes: `login_endpoint_broken`, which known users meet; a forgotten password, which is one device.
References: OWASP Credential Stuffing Prevention Cheat Sheet; RFC 9700 section 4.
Pathologies: H5; 1.4, stuffing or outage.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW
from authforensics.diagnose.wording import plural
from authforensics.states import AuthEvent

_WEIGHTS = {
    "strangers": Weight(3.0, "devices that fail never had a session: nobody knows them", decides=True),
    "known_get_in": Weight(2.0, "others log in meanwhile: the login works"),
    "verdicts": Weight(1.0, "passwords are refused: the endpoint itself answers"),
    "many_each": Weight(1.0, "more attempts from one place than a person makes"),
    "known": Weight(-4.0, "devices that had a session fail: their users know their passwords"),
    "nobody": Weight(-2.0, "hardly any login of known devices succeeds"),
    "no_verdict": Weight(-3.0, "logins fail without a verdict: the endpoint is down"),
}
#: Attempts of one device: people give up, or ask for a new password, long before.
_MANY = 10


def _judge(case: Case) -> Judgement:
    found = Judgement()
    surges = [one for one in case.cluster.findings if one.detector == "login_failure_surge"]
    known = sum(int(one.measures.get("known", 0)) for one in surges)
    strangers = sum(int(one.measures.get("strangers", 0)) for one in surges)
    if not known + strangers:
        return found
    share = strangers / (known + strangers)
    words = f"{strangers:,} of {plural(known + strangers, 'device')} that failed never had a session before"
    if share > 0.5:
        found.speaks_for("strangers", share, words)
    else:
        found.speaks_against("known", 1 - share, words)
    failed = case.denials.height
    refused = case.denials.filter(pl.col("auth_event") == AuthEvent.LOGIN_DENIED.value)
    if refused.height > 0.5 * failed:
        found.speaks_for("verdicts", refused.height / failed, f"{refused.height:,} of {failed:,} got a verdict")
    else:
        found.speaks_against("no_verdict", 1.0, f"{failed - refused.height:,} of {failed:,} got no verdict (5xx, 429)")
    granted = case.logins()["ok"]
    if granted >= FEW:
        found.speaks_for("known_get_in", 1.0, f"{plural(granted, 'login')} succeeded meanwhile")
    else:
        found.speaks_against("nobody", 1.0, f"{plural(granted, 'login')} succeeded meanwhile")
    each = refused.group_by("device_id").len()["len"]
    many = each.filter(each >= _MANY)
    if many.sum() > 0.5 * refused.height:
        found.speaks_for(
            "many_each",
            int(many.sum()) / refused.height,
            f"{plural(len(many), 'device')} made {many.sum():,} of the attempts",
        )
    return found


CAUSE = Cause(
    name="credential_stuffing",
    title="Somebody tries out stolen names and passwords",
    check=(
        "Look at the addresses, networks and user agents of the refused logins, and how many names each tries. List the"
        " logins that succeeded from them: those accounts are taken."
    ),
    remediation=(
        "End the sessions of accounts that were entered and have their passwords changed. Throttle by network and"
        " client fingerprint, not by account alone; ask strangers for a second factor."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
