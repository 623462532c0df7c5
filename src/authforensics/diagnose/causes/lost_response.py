"""`lost_response`: the server rotated the refresh token, and the client never got the new one.

Deciding: the refresh before the refused one was cut off, or gave a token that nobody ever used, and the old token came
back later than a race would, from the same device. Where the new token was used, the answer arrived, and the client did
not keep it, or somebody else has it.
Sequence:
    10:00:00  5 phones  login_ok        60 s apart
    10:00:01  5 phones  api_ok          60 s apart, 29x every 30 s
    10:15:00  5 phones  api_denied      60 s apart token_expired
    10:15:03  5 phones  refresh_failed  60 s apart took=3 499
    10:15:25  5 phones  refresh_denied  60 s apart refresh_reused
    10:15:40  5 phones  login_ok        60 s apart
    10:15:41  5 phones  api_ok          60 s apart
    10:00:00  9 others  login_ok        60 s apart
    10:15:00  9 others  refresh_ok      60 s apart
    10:15:01  9 others  api_ok          60 s apart
Look-alikes: `rotation_race`, `rotated_token_not_stored`, `token_replayed`; a session that idled out meanwhile.
References: RFC 9700 section 4.14.2; TomBursch/kitchenowl#400; zitadel/zitadel#9631; doorkeeper-gem/doorkeeper#449.
Pathologies: D2; 1.4, D1 or D2 or H4.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, LOG_REASON, logins_help
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "lost": Weight(3.0, "the refresh before was cut off or its token never used, then the old one refused"),
    "late": Weight(1.5, "the old token came back later than a race, sooner than an expiry", decides=True),
    "reason": Weight(1.5, "the server says that the refresh token was used before", decides=True),
    "one_by_one": Weight(1.0, "devices are hit one by one while others refresh: no outage"),
    "login_helps": Weight(0.5, "a login begins a new session"),
    "beside": Weight(-3.0, "refused beside a granted refresh of the same device: that is a race"),
    "not_lost": Weight(-4.0, "most affected devices lost no answer"),
    "used": Weight(-4.0, "the new tokens were used: the answers arrived"),
    "two_places": Weight(-5.0, "the session is used from two places: somebody else may have the new token"),
    "outage": Weight(-2.0, "refreshes of many fail at the same time"),
    "other_reason": Weight(-4.0, "the server names expiry, the key or something else"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    # Of what was used in between the answer arrived.
    found_lost = [one for one in case.cluster.findings if one.detector == "lost_refresh_response"]
    lost = {one.device_id for one in found_lost if one.measures["used"] != one.measures["losses"]}.intersection(
        case.devices
    )
    devices = len(case.devices)
    if not lost:
        return found
    if len(lost) >= 0.5 * devices:
        found.speaks_for(
            "lost",
            len(lost) / devices,
            f"on {len(lost):,} of {plural(devices, 'affected device')} the refresh before the refused one was cut off,"
            " or its token was never used",
        )
    else:
        found.speaks_against(
            "not_lost", 1 - len(lost) / devices, f"{devices - len(lost):,} of {devices:,} devices lost no answer"
        )
    _second(case, found)
    _reason(case, found)
    _others(case, found)
    logins_help(case, found, "login_helps")
    shared = len(case.found_on("session_shared", ever=True))
    if shared:
        found.speaks_against(
            "two_places", min(2 * shared / devices, 1.0), f"{plural(shared, 'session')} were used from two places"
        )
    return found


def _second(case: Case, found: Judgement) -> None:
    """When the old token came back, and whether the new one had been used by then."""
    refused = case.siblings
    alone = refused.filter(~pl.col("beside")).height
    if alone < 0.8 * refused.height:
        found.speaks_against(
            "beside",
            1 - alone / refused.height,
            f"{refused.height - alone:,} of {refused.height:,} refused refreshes came beside a granted one",
        )
    elif refused.height >= FEW:
        found.speaks_for("late", 1.0, f"{alone:,} of {refused.height:,} refused refreshes had no granted one beside")
    # Where the answer was cut off in the log, the last token known is the one before it.
    cut_off = [one.device_id for one in case.cluster.findings if one.measures.get("cut_off")]
    renewed = case.refused_refreshes.filter(
        pl.col("granted_by") == AuthEvent.REFRESH_OK.value, ~pl.col("device_id").cast(pl.String).is_in(cut_off)
    )
    used = renewed.filter("used").height
    if used > 0.5 * case.refused_refreshes.height:
        found.speaks_against(
            "used", used / renewed.height, f"{used:,} of {renewed.height:,} sessions had used the last token they got"
        )


def _reason(case: Case, found: Judgement) -> None:
    told = (Reason.REFRESH_REUSED, Reason.REFRESH_REVOKED, Reason.REVOKED)
    reused = case.refresh_share_of(*told)
    if reused:
        found.speaks_for("reason", reused, f"{reused:.0%} of the refused refreshes with a reason say reused or revoked")
    if case.refresh_reasons and reused < 0.9:
        found.speaks_against("other_reason", 1 - reused, f"{1 - reused:.0%} of them name something else")
    if not case.refresh_reasons:
        found.missing.append(LOG_REASON)


def _others(case: Case, found: Judgement) -> None:
    """How refreshes of others fared: in an outage theirs fail as well."""
    tries, own = case.refreshes(), case.siblings.height
    failed = case.denials.filter(pl.col("auth_event") == AuthEvent.REFRESH_FAILED.value).height
    bad = max(tries["denied"] - own, 0) + max(tries["failed"] - failed, 0)
    total = bad + tries["ok"]
    if total < FEW:
        return
    if bad <= 0.2 * total:
        found.speaks_for(
            "one_by_one", 1.0, f"{tries['ok']:,} of {total:,} other refreshes of all devices succeeded meanwhile"
        )
    else:
        found.speaks_against("outage", min(2 * bad / total, 1.0), f"{bad:,} of {total:,} other refreshes failed, too")


CAUSE = Cause(
    name="lost_response",
    title="Answers to refreshes get lost: the server has rotated, the client has the old token",
    check=(
        "Compare, for one refused refresh, the iat of its token with the session's last rotation: older means that the"
        " answer never arrived. Look for 499 and time-outs on the refresh endpoint, and which platforms they are of."
    ),
    remediation=(
        "Accept the previous refresh token until the new one is first used, or for some minutes for mobile clients."
        " Clients: store the new token before anything else, and don't refresh while the app is being suspended."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
