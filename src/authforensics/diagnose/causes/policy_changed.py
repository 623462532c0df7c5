"""`policy_changed`: a new sign-in policy asks for a fresh login: a second factor, a sign-in frequency, new terms.

Deciding: refreshes of sessions begun before an instant are refused with a reason that is about no token, and a login
heals each for good. A client's secret or a firewall's rule is refused so, too, but there a login changes nothing for
the next refresh; what was changed no log of requests tells, so the confidence stays at medium.
Sequence:
    10:00:00  12 phones  login_ok        30 s apart
    10:00:01  12 phones  api_ok          30 s apart, 2x every 889 s
    10:15:05  12 phones  api_denied      30 s apart token_expired
    10:15:06  12 phones  refresh_ok      30 s apart
    10:15:07  12 phones  api_ok          30 s apart, 2x every 883 s
    10:30:05  12 phones  api_denied      30 s apart token_expired
    10:30:09  12 phones  refresh_denied  30 s apart, 3x every 15 s other
    10:31:00  12 phones  login_ok        30 s apart  # with the second factor
    10:31:01  12 phones  api_ok          30 s apart
    10:33:05  12 phones  refresh_ok      30 s apart
    10:33:07  12 phones  api_ok          30 s apart
Look-alikes: `client_secret_expired`, which no login heals; `token_store_lost`, where the reason names the session.
References: Microsoft Entra error codes AADSTS50076, 50078 and 70043.
Pathologies: I5.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, FEW, deployed
from authforensics.diagnose.wording import clock, plural
from authforensics.schema import Reason

_WEIGHTS = {
    "reason": Weight(2.5, "the server names neither expiry nor revocation nor the key"),
    "login_heals": Weight(2.0, "a login heals it"),
    "older": Weight(1.5, "sessions begun since refresh: the rule is met by a new login"),
    "many": Weight(0.5, "it meets many"),
    "token_reason": Weight(-4.0, "the server names a fault of the token"),
    "login_refused": Weight(-4.0, "their logins are refused, too: no new login meets the rule"),
    "not_healed": Weight(-3.0, "new tokens are refused as well"),
    "deploy": DEPLOY,
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    stated = case.refresh_share_of(Reason.OTHER)
    if not stated:
        return found
    found.speaks_for(
        "reason", stated, f"{stated:.0%} of the refused refreshes with a reason name no fault of the token"
    )
    if stated < 0.9:
        found.speaks_against("token_reason", 1 - stated, f"{1 - stated:.0%} name one")
    new = case.replaced
    given = new.accepted + new.refused
    if new.accepted >= FEW and new.accepted > new.refused:
        found.speaks_for(
            "login_heals",
            new.accepted / given,
            f"the next token of {new.accepted:,} of {plural(given, 'affected device')} was accepted",
        )
    elif new.refused:
        found.speaks_against(
            "not_healed", new.refused / given, f"that of {new.refused:,} of {given:,} was refused, too"
        )
    devices = case.meanwhile.devices.join(case.hit.select("device_id"), on="device_id", how="semi")
    barred = devices.filter(pl.col("login_denied") & ~pl.col("login")).height
    if barred > 0.2 * len(case.devices):
        found.speaks_against(
            "login_refused", barred / len(case.devices), f"logins of {barred:,} of them were refused meanwhile"
        )
    older, younger = case.refreshing(case.onset)
    if younger >= FEW and younger > older:
        found.speaks_for(
            "older",
            younger / (older + younger),
            f"{younger:,} devices with a session begun since {clock(case.onset)} UTC refresh; of older ones {older:,}",
        )
    if len(case.devices) >= 0.1 * case.active:
        found.speaks_for("many", 1.0, f"{len(case.devices):,} of {plural(case.active, 'active device')} are affected")
    found.missing.append("the error code that the refresh endpoint answers (interaction or second factor required)")
    deployed(case, found)
    return found


CAUSE = Cause(
    name="policy_changed",
    title="A new sign-in policy asks for a fresh login",
    check="Look in the identity provider's audit log for a policy that changed just before the onset (MFA, frequency).",
    remediation=(
        "If it was meant, nothing: a login heals it. Announce such changes, and let clients show the login screen at"
        " interaction_required instead of trying again."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    spares=True,
)
