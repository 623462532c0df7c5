"""`rotated_token_not_stored`: each refresh gives a new refresh token, and the client keeps sending the first.

Deciding: the first refresh of a session succeeds, its access token is used, and the second is refused as used before:
the answer arrived, and the refresh token in it was not kept, or never sent. A lost answer gives no token that anybody
uses; a race refuses beside a granted refresh; an absolute limit says expired.
Sequence:
    10:00:00  6 old  login_ok        20 s apart version=3.7.0
    10:00:01  6 old  api_ok          20 s apart, 29x every 30 s version=3.7.0
    10:15:00  6 old  refresh_ok      20 s apart version=3.7.0
    10:15:01  6 old  api_ok          20 s apart, 29x every 30 s version=3.7.0
    10:30:00  6 old  refresh_denied  20 s apart refresh_reused version=3.7.0
    10:30:20  6 old  login_ok        20 s apart version=3.7.0
    10:30:21  6 old  api_ok          20 s apart, 20x every 30 s version=3.7.0
    10:00:00  9 new  login_ok        20 s apart version=3.4.1
    10:15:00  9 new  refresh_ok      20 s apart version=3.4.1
    10:15:01  9 new  api_ok          20 s apart, 29x every 30 s version=3.4.1
    10:30:00  9 new  refresh_ok      20 s apart version=3.4.1
    10:30:01  9 new  api_ok          20 s apart, 20x every 30 s version=3.4.1
Look-alikes: `lost_response`, `rotation_race`; `refresh_lifetime_elapsed` at two access lifetimes; `token_replayed`.
References: RFC 6749 section 6; iMerica/dj-rest-auth#213.
Pathologies: D3; 1.4, D1 or D2 or H4.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, LOG_REASON, logins_help, one_part
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "second": Weight(3.0, "sessions die at their second refresh, the first one had succeeded"),
    "reason": Weight(3.0, "the server says that the refresh token was used before", decides=True),
    "used": Weight(1.5, "the access token of the first refresh was used: its answer arrived"),
    "others_refresh": Weight(1.0, "others refresh again and again: the server keeps its side"),
    "part": Weight(1.0, "one version or platform: one client"),
    "login_helps": Weight(0.5, "a login begins a new session, for as long"),
    "first": Weight(-3.0, "sessions die at their first refresh: no rotation came before it"),
    "later": Weight(-3.0, "sessions were refreshed twice or more before: then rotated tokens are stored"),
    "unused": Weight(-4.0, "the new access tokens were never used: the answers were lost"),
    "beside": Weight(-4.0, "refused beside a granted refresh of the same device: that is a race"),
    "two_places": Weight(-5.0, "the session is used from two places: somebody else may have the new token"),
    "other_reason": Weight(-4.0, "the server names expiry, the key or something else"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    refused = case.refused_refreshes
    known = refused.filter(pl.col("refreshes").is_not_null())
    second = known.filter(pl.col("refreshes") == 1).height
    if second < FEW or second < 0.3 * known.height:
        return found
    found.speaks_for(
        "second",
        # Such a client stores none: where as many sessions lived on, chance or somebody else ended these.
        (second - known.filter(pl.col("refreshes") > 1).height) / known.height,
        f"{second:,} of {known.height:,} sessions were refused at their second refresh, after one that succeeded",
    )
    for weight, count, what in (
        ("first", known.filter(pl.col("refreshes") == 0).height, "at their first refresh"),
        ("later", known.filter(pl.col("refreshes") > 1).height, "after two refreshes or more"),
    ):
        if count > 0.1 * known.height:
            found.speaks_against(weight, count / known.height, f"{count:,} of {known.height:,} were refused {what}")
    _answers(case, refused, found)
    _reason(case, found)
    one_part(case, found, "part")
    logins_help(case, found, "login_helps")
    shared = len(case.found_on("session_shared", ever=True))
    if shared:
        found.speaks_against(
            "two_places", min(2 * shared / len(case.devices), 1.0), f"{shared:,} sessions are used from two places"
        )
    return found


def _answers(case: Case, refused: pl.DataFrame, found: Judgement) -> None:
    """Whether the answers of the refreshes before arrived, and whether anything ran beside the refused ones."""
    renewed = refused.filter(pl.col("granted_by") == AuthEvent.REFRESH_OK.value)
    used = renewed.filter("used").height
    words = f"{used:,} of {renewed.height:,} access tokens that came with the last refresh were used"
    if used > 0.5 * renewed.height:
        found.speaks_for("used", used / renewed.height, words)
    elif renewed.height:
        found.speaks_against("unused", 1 - used / renewed.height, words)
    beside = case.siblings["beside"].mean()
    if isinstance(beside, float) and beside > 0.2:
        found.speaks_against("beside", beside, f"{beside:.0%} of the refused refreshes came beside a granted one")
    again = case.refreshed_again
    if again >= FEW:
        found.speaks_for("others_refresh", 1.0, f"{again:,} sessions of others were refreshed twice or more meanwhile")


def _reason(case: Case, found: Judgement) -> None:
    reused = case.refresh_share_of(Reason.REFRESH_REUSED)
    if reused:
        found.speaks_for("reason", reused, f"{reused:.0%} of the refused refreshes with a reason say refresh_reused")
    if case.refresh_reasons and reused < 0.9:
        found.speaks_against("other_reason", 1 - reused, f"{1 - reused:.0%} of them name something else")
    if not case.refresh_reasons:
        found.missing.append(LOG_REASON)


CAUSE = Cause(
    name="rotated_token_not_stored",
    title="The client keeps its first refresh token, though each refresh gives a new one",
    check=(
        "Look at the age of sessions when they end: two access lifetimes, every time. Read what the client stores after"
        " a refresh, and whether the answer of the refresh carries the new refresh token (or its cookie) at all."
    ),
    remediation=(
        "Store the refresh token of every answer, before the access token is used; let the server return it. Until the"
        " release is out, switch rotation off for this client, or accept used tokens from it."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    needs=("second",),
)
