"""`logout_not_enforced`: after a logout its session is still accepted.

Deciding: calls, or a refresh, of a device are accepted after its logout and before its next login. Tokens that are
verified without asking anybody live on until they expire; refusals after the logout are as they should be, and then it
is the client that goes on. A login that the log does not show looks the same.
Sequence:
    10:00:00  4 kiosks  login_ok  30 s apart
    10:00:05  4 kiosks  api_ok    30 s apart, 9x every 60 s
    10:10:00  4 kiosks  logout    30 s apart
    10:10:20  4 kiosks  api_ok    30 s apart, 8x every 20 s
    10:20:00  4 kiosks  login_ok  30 s apart
    10:20:05  4 kiosks  api_ok    30 s apart, 9x every 60 s
Look-alikes: `client_uses_logged_out_session`, refused as it should be.
References: RFC 7009 section 2; RFC 9700 section 4.14; jazzband/djangorestframework-simplejwt#744.
Pathologies: D6, I1.
"""

from __future__ import annotations

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, measured
from authforensics.diagnose.wording import plural

_WEIGHTS = {
    "accepted": Weight(4.0, "calls or refreshes are accepted after the logout", decides=True),
    "devices": Weight(1.0, "on several devices"),
    "until_expiry": Weight(1.0, "until the token expires: it is verified without asking who logged out"),
    "refused": Weight(-4.0, "calls after the logout are refused, as they should be"),
    "two_places": Weight(-4.0, "their sessions are used from two places: the other one never logged out"),
    "login_hidden": Weight(-3.0, "they go on longer than a token lives: a login that the log does not show"),
}
#: Acceptances after a logout begin at once where background work goes on; a person who logs in elsewhere takes longer.
_SOON = 300.0


def _judge(case: Case) -> Judgement:
    found = Judgement()
    reuse = [one for one in case.cluster.findings if one.detector == "logged_out_reuse"]
    if not reuse:
        return found
    granted = [one for one in reuse if measured(one, "accepted") + measured(one, "refreshed") > 0]
    devices, all_devices = ({one.device_id for one in some} for some in (granted, reuse))
    count, others = len(all_devices), len(all_devices) - len(devices)
    if 2 * others > count:
        words = f"{others:,} of {plural(count, 'device')} were refused after the logout"
        found.speaks_against("refused", others / count, words)
        return found
    calls = int(sum(measured(one, "accepted") + measured(one, "refreshed") for one in granted))
    found.speaks_for(
        "accepted",
        len(devices) / count,
        f"{plural(calls, 'call')} of {plural(len(devices), 'device')} were accepted after a logout, before a login",
    )
    if len(devices) >= FEW:
        found.speaks_for("devices", 1.0, f"{plural(len(granted), 'logout')} in all")
    shared = len(case.found_on("session_shared", ever=True))
    if shared:
        found.speaks_against(
            "two_places",
            min(2 * shared / count, 1.0),
            f"{shared:,} of {plural(count, 'device')} are used from two places",
        )
    access = case.lifetimes.access
    if access is None:
        found.missing.append("the access lifetime: it tells a token that lives on from a login that the log lacks")
        return found
    spans = [measured(one, "after_seconds") + measured(one, "seconds") for one in granted]
    within = sum(span <= access.high for span in spans)
    late = sum(measured(one, "after_seconds") > _SOON for one in granted)
    if within >= 0.8 * len(spans):
        found.speaks_for("until_expiry", within / len(spans), f"{within:,} times for less than a token lives")
    elif late:
        found.speaks_against(
            "login_hidden", late / len(spans), f"{late:,} times from minutes after the logout on, for longer than that"
        )
    return found


CAUSE = Cause(
    name="logout_not_enforced",
    title="Tokens are still accepted after the logout",
    check=(
        "Log out with a client and call the API with its old token, then refresh with its old refresh token: both must"
        " be refused. See whether the logout revokes on the server or only clears what the client stored."
    ),
    remediation=(
        "Revoke the refresh token and the session at logout (RFC 7009), and let the API ask, or keep access tokens"
        " short. Drop the answer of a refresh that a logout has overtaken."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
