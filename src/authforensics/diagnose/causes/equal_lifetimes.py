"""`equal_lifetimes`: the refresh token lives no longer than the access token, so it is dead whenever it is needed.

Deciding: the refusal comes at the first refresh of a session, none succeeded before it, and at the age at which the
access token expires. With an absolute limit refreshes succeed before the last one.
Sequence:
    10:00:00  2 old     login_ok        120 s apart
    10:00:01  2 old     api_ok          120 s apart, 2x every 1195 s
    10:20:01  2 old     api_denied      120 s apart token_expired
    10:20:02  2 old     refresh_ok      120 s apart  # begun before the release
    10:20:03  2 old     api_ok          120 s apart
    10:40:00  6 phones  login_ok        40 s apart
    10:40:01  6 phones  api_ok          40 s apart, 2x every 1194 s
    11:00:01  6 phones  api_denied      40 s apart token_expired
    11:00:02  6 phones  refresh_denied  40 s apart, 3x every 60 s refresh_expired
    11:05:00  2 old     refresh_ok      120 s apart
    11:05:01  2 old     api_ok          120 s apart
Look-alikes: `refresh_lifetime_elapsed` and `idle_expiry`, where refreshes of the session had succeeded before.
References: RFC 6749 section 1.5; sample_logs/incident-2-equal-lifetimes.
Pathologies: 1.3, C1; 1.4; founding incident 2.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose import tokens
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, FEW, deployed, logins_refused
from authforensics.diagnose.wording import clock, plural
from authforensics.document import Lifetime
from authforensics.findings import duration
from authforensics.schema import Reason

_WEIGHTS = {
    "reason": Weight(2.0, "the server says the refresh token has expired"),
    "first_refresh": Weight(2.5, "no refresh of the session ever succeeded: it was dead at the first expiry"),
    "same_age": Weight(2.5, "the youngest session refused is as old as an access token gets", decides=True),
    "deploy": DEPLOY,
    "older_tokens": Weight(1.0, "sessions begun before are refreshed as ever: a lifetime was changed for new ones"),
    "younger_tokens": Weight(
        1.0,
        "those given meanwhile are refreshed while they are young: they only live too short",
        decides=True,
        extra=True,
    ),
    "other_reason": Weight(-3.0, "the server says something other than expired"),
    "refreshed_late": Weight(
        -3.0, "tokens given meanwhile are refreshed after an access token's life: refresh tokens live longer"
    ),
    "later": Weight(-2.0, "sessions live clearly longer than an access token"),
    "one_version": Weight(-3.0, "one app version only: lifetimes are the server's, and the same for all versions"),
    "new_refused": Weight(-4.0, "new tokens of theirs are refused as well: no lifetime does that"),
    "beside": Weight(-4.0, "refused beside a granted refresh of the same device: that is a race"),
    "no_verdict": Weight(-2.0, "the refresh endpoint fails without a verdict"),
}
#: Ages count as equal within this share of the lifetime and this many seconds: leeway, and a client that calls seldom.
_TOLERANCE = 0.1
_TOLERANCE_SECONDS = 60.0
#: How strongly that age speaks by itself: clients refresh no sooner, so a refresh that fails for everybody, or for all
#: new tokens, is refused at it, too. It decides only where the server says expired.
_ALONE = 0.45
#: So many of the refused may have been given before the change, or after its end: others' troubles.
_STRAY = 0.05


def _judge(case: Case) -> Judgement:
    found = Judgement()
    refused = case.refused_refreshes
    if refused.is_empty():
        return found
    _reason(refused, found)
    _sessions(case, refused, found)
    beside = case.siblings.filter("beside").height
    if beside > 0.2 * case.siblings.height:
        found.speaks_against(
            "beside", beside / case.siblings.height, f"{beside:,} refused refreshes came beside a granted one"
        )
    if case.scope.app_version:
        found.speaks_against("one_version", 1.0, f"only version {', '.join(case.scope.app_version)} is refused")
    logins_refused(case, found, "new_refused")
    tries = case.refreshes()
    if tries["failed"] > tries["denied"]:
        found.speaks_against("no_verdict", 1.0, f"{tries['failed']:,} refreshes got no verdict (5xx, 429, timeout)")
    return found


def _reason(refused: pl.DataFrame, found: Judgement) -> None:
    stated = refused["refresh_denied_reason"].cast(pl.String).drop_nulls()
    if stated.is_empty():
        found.missing.append(
            "why refreshes are refused: log the reason that the refresh endpoint gives (error_description)"
        )
        return
    expired = int((stated == Reason.REFRESH_EXPIRED.value).sum())
    share = expired / len(stated)
    if share:
        found.speaks_for("reason", share, f"{expired:,} refused refresh tokens are said to be refresh_expired")
    # Servers that forget what has expired say that they don't know it, and `invalid_grant` means any of these.
    # Reference: RFC 6749 section 5.2
    unclear = int((stated == Reason.REFRESH_REVOKED.value).sum()) / len(stated)
    if share + unclear < 0.9:
        found.speaks_against("other_reason", 1 - share - unclear, "refused refreshes name another reason than expiry")


def _sessions(case: Case, refused: pl.DataFrame, found: Judgement) -> None:
    """Whether sessions died at their first refresh, at which age, and since when."""
    known = (
        refused.filter(pl.col("refreshes").is_not_null())
        .sort("refresh_denied_at", "grant")
        .unique(["device_id", "login_at"], keep="first", maintain_order=True)
    )
    if known.height < 2:
        found.missing.append("logins of the affected sessions: the log begins too late to tell how old they were")
        return
    never = known.filter(pl.col("refreshes") == 0)
    if never.height / known.height >= 0.5:
        found.speaks_for(
            "first_refresh",
            never.height / known.height,
            f"in {never.height:,} of {plural(known.height, 'session')} the very first refresh was refused",
        )
    access = case.lifetimes.access
    if access is None or never.is_empty():
        found.missing.append("the access lifetime: too few tokens were seen to expire")
        return
    _given(case, refused, never["login_at"], access, found)
    _youngest(access, float(never["session_age"].quantile(_STRAY, "nearest")), found)  # type: ignore[arg-type]


def _given(case: Case, refused: pl.DataFrame, begun: pl.Series, access: Lifetime, found: Judgement) -> None:
    """What became of the other tokens, by when they were given."""
    first, last = (begun.quantile(share, "nearest") for share in (_STRAY, 1 - _STRAY))
    deployed(case, found, first, what="the first affected session began")  # type: ignore[arg-type]
    stretch = (first, last)
    due = tokens.due(case.grants, stretch, (case.onset, case.last), (access.low, access.high))  # type: ignore[arg-type]
    dead = refused.filter(pl.col("granted_at").is_between(*stretch)).height
    if due.late > 0.1 * (due.late + dead):
        found.speaks_against(
            "refreshed_late",
            min(2 * due.late / (due.late + dead), 1.0),
            f"of tokens given since {clock(first)} UTC {due.late:,} were refreshed after {duration(access.high)},"  # type: ignore[arg-type]
            f" {dead:,} refused",
        )
    elif due.older >= FEW:
        found.speaks_for(
            "older_tokens",
            due.older / (due.older + due.late),
            f"{plural(due.older, 'token')} of sessions begun before {clock(first)} UTC were still refreshed; of those"  # type: ignore[arg-type]
            f" begun since {dead:,} were refused and {due.late:,} refreshed when due",
        )
    if due.young >= max(FEW, 0.1 * dead):
        found.speaks_for("younger_tokens", 1.0, f"{plural(due.young, 'token')} given since then were refreshed sooner")


def _youngest(access: Lifetime, age: float, found: Judgement) -> None:
    told = any(weight == "reason" and strength >= 0.9 for weight, strength, _ in found.for_)
    near = access.seconds * (1 + _TOLERANCE) + _TOLERANCE_SECONDS
    if access.low * (1 - _TOLERANCE) <= age <= near:
        found.speaks_for(
            "same_age",
            1.0 if told else _ALONE,
            f"sessions were refused from {duration(age)} on; access tokens live {duration(access.seconds)}:"
            " the refresh token lives no longer",
        )
    elif age > near:
        found.speaks_against(
            "later",
            1.0,
            f"sessions were refused from {duration(age)} on only; access tokens live {duration(access.seconds)}",
        )


CAUSE = Cause(
    name="equal_lifetimes",
    title="The refresh token lives no longer than the access token",
    check=(
        "Put both lifetimes side by side in the configuration of what issues tokens (and the Max-Age of the cookie that"
        " carries the refresh token). Look for a release or a configuration change just before the first affected"
        " login."
    ),
    remediation=(
        "Give refresh tokens a much longer life than access tokens (days against minutes) and deploy; users whose"
        " refresh token is already dead must log in once. Keep a test with shortened lifetimes, in which a refresh must"
        " succeed."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    needs=("reason", "older_tokens", "younger_tokens"),
)
