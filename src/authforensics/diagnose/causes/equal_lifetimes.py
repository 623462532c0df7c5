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

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import DEPLOY, deployed
from authforensics.diagnose.wording import clock, plural
from authforensics.findings import duration
from authforensics.schema import Reason

_WEIGHTS = {
    "reason": Weight(2.0, "the server says the refresh token has expired"),
    "first_refresh": Weight(2.5, "no refresh of the session ever succeeded: it was dead at the first expiry"),
    "same_age": Weight(2.5, "the youngest refused session is as old as an access token gets", decides=True),
    "deploy": DEPLOY,
    "older_sessions": Weight(1.0, "sessions begun before are refreshed as ever: a lifetime was changed for new ones"),
    "other_reason": Weight(-3.0, "the server says something other than expired"),
    "refreshed_before": Weight(
        -3.0, "refreshes succeeded before the refusal: then the session's end is absolute or idle"
    ),
    "later": Weight(-2.0, "sessions live clearly longer than an access token"),
    "one_version": Weight(-3.0, "one app version only: lifetimes are the server's, and the same for all versions"),
    "beside": Weight(-4.0, "refused beside a granted refresh of the same device: that is a race"),
    "younger_refresh": Weight(-3.0, "sessions begun as late are refreshed: the refresh token lives longer"),
    "no_verdict": Weight(-2.0, "the refresh endpoint fails without a verdict"),
}
#: Ages count as equal within this share of the lifetime and this many seconds: leeway, and a client that calls seldom.
_TOLERANCE = 0.1
_TOLERANCE_SECONDS = 60.0
#: How strongly that age speaks by itself: a refresh that fails for everybody is refused at it, too. It decides only
#: where the server says expired, or older sessions are refreshed meanwhile.
_ALONE = 0.45


def _judge(case: Case) -> Judgement:
    found = Judgement()
    counts = case.reason_counts
    refused = case.refused_refreshes
    if refused.is_empty():
        return found
    expired = counts.get(Reason.REFRESH_EXPIRED.value, 0)
    stated = refused["refresh_denied_reason"].cast(pl.String).drop_nulls()
    if len(stated):
        share = (stated == Reason.REFRESH_EXPIRED.value).mean()
        words = f"{expired:,} refused refreshes say refresh_expired"
        if share:
            found.speaks_for("reason", float(share), words)  # type: ignore[arg-type]
        if share is not None and float(share) < 0.9:  # type: ignore[arg-type]
            found.speaks_against("other_reason", 1 - float(share), "refused refreshes name another reason than expiry")  # type: ignore[arg-type]
    else:
        found.missing.append(
            "why refreshes are refused: log the reason that the refresh endpoint gives (error_description)"
        )
    _older_sessions(case, refused, found)
    supported = any(weight in {"reason", "older_sessions"} and strength >= 0.9 for weight, strength, _ in found.for_)
    _sessions(case, refused, found, supported=supported)
    beside = case.siblings.filter("beside").height
    if beside > 0.2 * case.siblings.height:
        found.speaks_against(
            "beside", beside / case.siblings.height, f"{beside:,} refused refreshes came beside a granted one"
        )
    if case.scope.app_version:
        found.speaks_against("one_version", 1.0, f"only version {', '.join(case.scope.app_version)} is refused")
    tries = case.refreshes()
    if tries["failed"] > tries["denied"]:
        found.speaks_against("no_verdict", 1.0, f"{tries['failed']:,} refreshes got no verdict (5xx, 429, timeout)")
    return found


def _sessions(case: Case, refused: pl.DataFrame, found: Judgement, *, supported: bool) -> None:
    """Whether sessions died at their first refresh, and at which age."""
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
    before = known.height - never.height
    tries = case.refreshes()
    # Where no refresh of anybody succeeds any more, those before may have been of tokens issued before a change.
    if before / known.height > 0.1 and tries["ok"] > 0.05 * sum(tries.values()):
        found.speaks_against(
            "refreshed_before", before / known.height, f"{plural(before, 'session')} had refreshed successfully before"
        )
    access = case.lifetimes.access
    youngest = never["session_age"].min() if never.height else None
    if access is None or youngest is None:
        found.missing.append("the access lifetime: too few tokens were seen to expire")
        return
    age = float(youngest)  # type: ignore[arg-type]
    near = access.seconds * (1 + _TOLERANCE) + _TOLERANCE_SECONDS
    if access.low * (1 - _TOLERANCE) <= age <= near:
        found.speaks_for(
            "same_age",
            1.0 if supported else _ALONE,
            f"the youngest session refused was {duration(age)} old; access tokens live {duration(access.seconds)}:"
            " the refresh token lives no longer",
        )
    elif age > near:
        found.speaks_against(
            "later",
            1.0,
            f"the youngest session refused was {duration(age)} old, access tokens live {duration(access.seconds)}",
        )


def _older_sessions(case: Case, refused: pl.DataFrame, found: Judgement) -> None:
    first_login = refused["login_at"].min()
    if first_login is None:
        return
    deployed(case, found, first_login, what="the first affected session began")  # type: ignore[arg-type]
    older, younger = case.refreshing(first_login)  # type: ignore[arg-type]
    dead = refused["device_id"].n_unique()
    if younger > 0.5 * dead:
        found.speaks_against(
            "younger_refresh",
            min(younger / dead, 1.0),
            f"{plural(younger, 'device')} with a session begun since {clock(first_login)} UTC refresh as ever",  # type: ignore[arg-type]
        )
    elif older > younger:
        found.speaks_for(
            "older_sessions",
            older / (older + younger),
            f"{plural(older, 'device')} with a session begun before {clock(first_login)} UTC still refresh;"  # type: ignore[arg-type]
            f" of those begun since, {younger:,} do",
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
)
