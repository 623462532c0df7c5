"""`login_endpoint_broken`: the login fails for users who could log in until then.

Deciding: devices that had a session fail to log in again, from one instant, hardly anybody succeeds, and calls with
tokens that are still good are accepted. Stolen passwords that somebody tries out fail for devices never seen before,
while known users get in.
Sequence:
    09:00:00  20 early   login_ok      4 s apart, 16x every 900 s
    09:00:05  20 early   api_ok        4 s apart, 300x every 60 s
    13:01:00  20 phones  login_ok      20 s apart
    13:01:05  20 phones  api_ok        20 s apart
    13:10:00  20 phones  logout        20 s apart
    13:30:00  20 phones  login_failed  20 s apart, 3x every 60 s  # 503
Look-alikes: `credential_stuffing`, whose devices nobody knows.
References: RFC 6749 section 5.2; RFC 9110 section 15.6.
Pathologies: H5.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, deployed, measured
from authforensics.diagnose.wording import plural
from authforensics.states import AuthEvent

_WEIGHTS = {
    "known": Weight(2.5, "devices that had a session fail: their users know their passwords", decides=True),
    "none_succeeds": Weight(2.0, "hardly any login succeeds"),
    "no_verdict": Weight(1.5, "5xx, 429 and timeouts are failures of the endpoint, not verdicts on a password"),
    "worked_before": Weight(1.0, "it worked until the onset"),
    "api_works": Weight(0.5, "calls with good tokens are accepted: only the login is broken"),
    "deploy": DEPLOY,
    "strangers": Weight(-4.0, "nobody had seen the devices before: somebody tries out passwords"),
    "refresh_too": Weight(-3.0, "their refreshes are refused as well: it is the client or the accounts"),
    "others": Weight(-3.0, "others log in meanwhile"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    surges = [one for one in case.cluster.findings if one.detector == "login_failure_surge"]
    if not surges:
        return found
    known = sum(int(measured(one, "known")) for one in surges)
    strangers = sum(int(measured(one, "strangers")) for one in surges)
    devices = max(known + strangers, 1)
    words = f"{known:,} of {plural(devices, 'device')} that failed had a session before"
    refused = case.siblings["device_id"].n_unique()
    # Of those that never had a session there is no refresh to be refused.
    if refused > 0.5 * known > 0:
        found.speaks_against(
            "refresh_too", min(refused / known, 1.0), f"refreshes of {refused:,} of them were refused as well"
        )
    elif 2 * known >= devices:
        found.speaks_for("known", known / devices, words)
    else:
        found.speaks_against("strangers", 1 - known / devices, words)
    failed, during = case.denials.height, case.logins()
    others = case.meanwhile.devices.filter("login").join(case.hit, on="device_id", how="anti").height
    # By devices: one that fails tries again and again.
    tries = len(case.devices) + others
    words = f"{during['ok']:,} of {failed + during['ok']:,} logins succeeded meanwhile, on {others:,} other devices"
    if others <= 0.2 * tries:
        found.speaks_for("none_succeeds", 1 - others / tries, words)
    else:
        found.speaks_against("others", min(2 * others / tries, 1.0), words)
    silent = case.denials.filter(pl.col("auth_event") == AuthEvent.IGNORED.value).height
    if silent:
        found.speaks_for("no_verdict", silent / failed, f"{silent:,} of {failed:,} failed without a verdict (5xx, 429)")
    before = case.logins(before=True)
    if before["ok"] >= 3 and before["ok"] >= 0.5 * sum(before.values()):
        found.speaks_for(
            "worked_before", 1.0, f"{before['ok']:,} of {plural(sum(before.values()), 'login')} before succeeded"
        )
    if case.accepted > failed:
        found.speaks_for("api_works", 1.0, f"{case.accepted:,} API calls were accepted meanwhile")
    deployed(case, found)
    return found


CAUSE = Cause(
    name="login_endpoint_broken",
    title="The login fails for users who could log in until then",
    check=(
        "Log in yourself and read the answer and the endpoint's error log. Look at what it depends on: the user"
        " database, the identity provider, the mail or SMS service, its own rate limit."
    ),
    remediation=(
        "Repair or roll back what the login depends on. Until then keep live sessions alive: do not restart what holds"
        " them, and raise the refresh lifetime if it runs out soon."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    for_all=True,
)
