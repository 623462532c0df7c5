"""`client_keeps_old_token`: the client refreshes, and goes on sending the token it had before.

Deciding: right after a refresh calls are refused as expired, which the new token can't be, and tokens of a login are
accepted. Without reasons it shows only by who is affected: one version of the client, while the others' refreshed
tokens are accepted; an audience that only this version asks for looks the same.
Sequence:
    10:00:00  6 old  login_ok    20 s apart version=3.5.0
    10:00:01  6 old  api_ok      20 s apart, 29x every 30 s version=3.5.0
    10:15:01  6 old  api_denied  20 s apart token_expired version=3.5.0
    10:15:02  6 old  refresh_ok  20 s apart version=3.5.0
    10:15:03  6 old  api_denied  20 s apart token_expired version=3.5.0
    10:15:04  6 old  refresh_ok  20 s apart version=3.5.0
    10:15:05  6 old  api_denied  20 s apart token_expired version=3.5.0
    10:15:15  6 old  login_ok    20 s apart version=3.5.0
    10:15:16  6 old  api_ok      20 s apart, 20x every 30 s version=3.5.0
    10:00:00  9 new  login_ok    20 s apart version=3.4.1
    10:00:01  9 new  api_ok      20 s apart, 29x every 30 s version=3.4.1
    10:15:01  9 new  api_denied  20 s apart token_expired version=3.4.1
    10:15:02  9 new  refresh_ok  20 s apart version=3.4.1
    10:15:03  9 new  api_ok      20 s apart, 20x every 30 s version=3.4.1
Look-alikes: `signing_key_mismatch` and `audience_mismatch`, which refuse every client; `rotation_race`, whose devices
refresh twice; `clock_skew` by a whole lifetime, which refuses tokens of a login as well.
References: RFC 6750 section 3.1; axios#2321; jeffvli/feishin#403; next-auth#7558.
Pathologies: A2; 1.2, question 1; 1.4, A1 or A2.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, LOG_REASON, one_part
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason
from authforensics.states import AuthEvent

#: By how much the issuer's clock may differ from that of the log: clocks that are set by NTP differ by less than a
#: second, and lines are written to whole seconds.
_CLOCKS = timedelta(seconds=5)
_WEIGHTS = {
    "older": Weight(4.0, "the token sent after a refresh was issued before it: it is an older one", decides=True),
    "too_old": Weight(3.0, "right after a refresh the server says expired: an older token was sent", decides=True),
    "every_time": Weight(1.5, "nearly every refresh of these devices is followed by a refusal"),
    "others_fine": Weight(2.0, "refreshed tokens of the others are accepted: issuer and verifier agree"),
    "part": Weight(2.0, "one version or platform: one client"),
    "login_helps": Weight(1.0, "their tokens of a login are accepted"),
    "others_refused": Weight(-4.0, "refreshed tokens of others are refused, too"),
    "login_refused": Weight(-4.0, "their tokens of a login are refused, too: those are sent"),
    "new_sent": Weight(-4.0, "the token sent after a refresh was issued by it"),
    "raced": Weight(-4.0, "a sibling of the refresh was refused: rotation ended the session"),
    "browsers": Weight(-3.0, "browsers of every version: a second cookie of one name looks the same"),
    "instance": Weight(-3.0, "it is confined to an instance"),
    "other_reason": Weight(-4.0, "the server says something other than expired"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    refreshed, logins = (case.first_uses(event) for event in (AuthEvent.REFRESH_OK, AuthEvent.LOGIN_OK))
    mine = refreshed.affected
    if mine.refused < FEW or mine.refused < 0.5 * mine.total:
        return found
    found.speaks_for(
        "every_time", mine.refused / mine.total, f"{mine.refused:,} of {mine.total:,} of their refreshes did not help"
    )
    others = refreshed.others
    if others.refused > 0.2 * others.total:
        found.speaks_against(
            "others_refused",
            min(2 * others.refused / others.total, 1.0),
            f"{others.refused:,} of {others.total:,} refreshed tokens of others were refused at their first use, too",
        )
    elif others.total >= FEW and (case.part or case.scope.app_version or case.scope.platform):
        # Without a version that tells them apart, the others may have refreshed at another time only.
        found.speaks_for(
            "others_fine",
            1 - others.refused / others.total,
            f"{others.total - others.refused:,} of {others.total:,} refreshed tokens of others were accepted",
        )
    by_login = logins.affected
    if by_login.refused > 0.2 * by_login.total:
        found.speaks_against(
            "login_refused",
            min(2 * by_login.refused / by_login.total, 1.0),
            f"{by_login.refused:,} of {plural(by_login.total, 'login')} gave a token that was refused at once",
        )
    elif by_login.total >= FEW:
        found.speaks_for("login_helps", 1.0, f"{plural(by_login.total, 'login')} of theirs gave a token that works")
    one_part(case, found, "part")
    if case.scope.platform == ("web",) and not case.scope.app_version:
        found.speaks_against("browsers", 1.0, "only browsers, of every version")
    _reasons(case, found)
    _issued(case, found)
    raced = case.siblings.filter("beside")["device_id"].n_unique()
    if raced > 0.2 * len(case.devices):
        found.speaks_against("raced", min(2 * raced / len(case.devices), 1.0), f"{plural(raced, 'device')} raced")
    if case.scope.upstream:
        found.speaks_against("instance", 1.0, f"only {', '.join(case.scope.upstream)} refuses")
    return found


def _issued(case: Case, found: Judgement) -> None:
    """What tokens that the log shows say of themselves: whether they are those that the refresh gave."""
    shown = case.denials.filter(
        "rejection",
        pl.col("granted_by") == AuthEvent.REFRESH_OK.value,
        pl.col("issued_at").is_not_null(),
        pl.col("granted_at").is_not_null(),
    )
    if shown.is_empty():
        return
    old = shown.filter(pl.col("issued_at") < pl.col("granted_at") - _CLOCKS).height
    told = f"{old:,} of {shown.height:,} calls refused right after a refresh carried a token that was issued before it"
    if old >= 0.5 * shown.height:
        found.speaks_for("older", old / shown.height, told)
    else:
        found.speaks_against("new_sent", 1 - old / shown.height, told)


def _reasons(case: Case, found: Judgement) -> None:
    """What is said of calls refused right after a refresh."""
    # A token that was accepted since is sent: what was refused beside it was under way.
    never = case.tokens.filter(pl.col("again_at").is_null(), pl.col("elsewhere") == 0)
    said = case.denials.filter(
        "rejection", pl.col("granted_by") == AuthEvent.REFRESH_OK.value, pl.col("reason").is_not_null()
    ).join(never.select("device_id", "granted_at"), on=["device_id", "granted_at"], how="semi")
    if said.is_empty():
        found.missing.append(LOG_REASON)
        found.missing.append("a fingerprint of the token that a refused call carried, and its iat (never the token)")
        return
    old = said.filter(pl.col("reason") == Reason.TOKEN_EXPIRED.value).height
    if old:
        found.speaks_for(
            "too_old", old / said.height, f"{old:,} of {said.height:,} calls refused right after a refresh say expired"
        )
    if old < 0.9 * said.height:
        found.speaks_against("other_reason", 1 - old / said.height, f"{said.height - old:,} of them say something else")


CAUSE = Cause(
    name="client_keeps_old_token",
    title="The client refreshes and goes on sending its old token",
    check=(
        "Compare the iat or a hash of the token in a call refused after a refresh with the time of that refresh: older"
        " means that the client did not adopt the new one. Read its interceptor: does the repeated request keep its old"
        " header? Is the new token stored where the next call reads it?"
    ),
    remediation=(
        "Read the token when a request is sent, from one store; repeat a refused call once, with the new header. Ship"
        " it for the affected version; until then its users are helped by a login."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
