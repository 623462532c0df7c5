"""`user_disabled`: the account was disabled or deleted: refresh and login are both refused.

Deciding: few devices, their refreshes refused, and their logins, too, while the logins of others succeed. A forgotten
password looks alike after a session has ended, so the confidence stays at medium.
Sequence:
    10:00:00  30 phones  login_ok        1 s apart
    10:00:05  30 phones  api_ok          1 s apart, 15x every 60 s
    10:05:30  2 new      login_ok        180 s apart
    10:05:32  2 new      api_ok          180 s apart
    10:00:11  2 gone     login_ok        1 s apart
    10:00:21  2 gone     api_ok          1 s apart
    10:05:11  2 gone     refresh_denied  1 s apart other
    10:06:11  2 gone     login_denied    1 s apart, 2x every 30 s
    10:07:31  2 gone     refresh_denied  1 s apart, 3x every 60 s other
Look-alikes: a forgotten password; `token_revoked`, after which a login helps.
References: RFC 6749 section 5.2.
Pathologies: I3.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import few
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason

_WEIGHTS = {
    "login_refused": Weight(2.5, "their logins are refused, too"),
    "others_log_in": Weight(1.0, "logins of others succeed"),
    "few": Weight(1.0, "others refresh and call meanwhile"),
    "reason": Weight(1.5, "the server names the session or the account, not expiry or the key"),
    "login_helps": Weight(-4.0, "they log in again"),
    "many": Weight(-2.0, "a tenth of the fleet or more"),
    "other_reason": Weight(-3.0, "the server names expiry, the key or the audience"),
}
_ACCOUNT = (Reason.OTHER, Reason.REVOKED, Reason.REFRESH_REVOKED)


def _judge(case: Case) -> Judgement:
    found = Judgement()
    devices = case.meanwhile.devices.join(case.hit.select("device_id"), on="device_id", how="semi")
    refused = devices.filter(pl.col("login_denied") & ~pl.col("login")).height
    if not refused:
        return found
    found.speaks_for(
        "login_refused",
        refused / len(case.devices),
        f"logins of {refused:,} of {plural(len(case.devices), 'affected device')} were refused, too",
    )
    helped = devices.filter("login").height
    if helped:
        found.speaks_against("login_helps", helped / len(case.devices), f"{helped:,} of them logged in again")
    if case.logins()["ok"] > helped:
        found.speaks_for("others_log_in", 1.0, f"{case.logins()['ok']:,} logins succeeded meanwhile")
    if few(case):
        found.speaks_for("few", 1.0, f"{len(case.devices):,} of {plural(case.active, 'active device')} are affected")
    else:
        found.speaks_against("many", 1.0, f"{len(case.devices):,} of {plural(case.active, 'active device')}")
    if case.refresh_reasons:
        share = case.refresh_share_of(*_ACCOUNT)
        if share:
            found.speaks_for("reason", share, f"{share:.0%} of the refused refreshes name the session or account")
        if share < 0.9:
            found.speaks_against("other_reason", 1 - share, f"{1 - share:.0%} name something else")
    return found


CAUSE = Cause(
    name="user_disabled",
    title="The accounts were disabled or deleted",
    check="Look up the affected users in the directory or identity provider: disabled, locked, deleted, unlicensed?",
    remediation=(
        "If it was meant, show the user why at login. Clients: stop calling at the refused refresh. Else enable the"
        " accounts again and see which job disabled them."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    spares=True,
)
