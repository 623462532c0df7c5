"""`refresh_lifetime_elapsed`: sessions end at a fixed age, however often they were refreshed.

Deciding: refreshes had succeeded before the refused one, and no session older than the refused ones is refreshed, while
some rested as long and were. Where all sessions began together, they end together, and a revocation looks the same:
then only a reason makes it certain. By design, as a rule.
Sequence:
    10:00:00  10 phones  login_ok        400 s apart
    10:00:01  10 phones  api_ok          400 s apart, 2x every 889 s
    10:15:05  10 phones  api_denied      400 s apart token_expired
    10:15:06  10 phones  refresh_ok      400 s apart
    10:15:07  10 phones  api_ok          400 s apart, 2x every 883 s
    10:30:05  10 phones  api_denied      400 s apart token_expired
    10:30:06  10 phones  refresh_ok      400 s apart
    10:30:07  10 phones  api_ok          400 s apart, 2x every 883 s
    10:45:10  10 phones  api_denied      400 s apart token_expired
    10:45:11  10 phones  refresh_denied  400 s apart refresh_expired
    10:46:00  10 phones  write_denied    400 s apart, 3x every 60 s
Look-alikes: `idle_expiry`, which spares busy sessions; `equal_lifetimes`, where no refresh ever succeeds;
`token_revoked`.
References: RFC 9700 section 4.14.2; project-ncl/bacon#428.
Pathologies: 1.4, C1 or C2, C2 or C3.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.endings import Clock
from authforensics.diagnose.ill import KEY_FAULTS
from authforensics.diagnose.pieces import FEW, logins_help, logins_refused, others_obey
from authforensics.diagnose.wording import plural
from authforensics.findings import duration
from authforensics.schema import Reason

_WEIGHTS = {
    "reason": Weight(1.5, "the server says the refresh token has expired"),
    "refreshed_before": Weight(2.0, "refreshes had succeeded: the refresh token outlives the access token"),
    "one_age": Weight(2.5, "sessions end at one age, and none gets older", decides=True),
    "rested_longer": Weight(1.0, "others rested as long and were refreshed: it is no idle limit"),
    "login_helps": Weight(0.5, "a login begins a new session"),
    "first_refresh": Weight(-4.0, "the very first refresh is refused: the refresh token lives too short"),
    "older_live": Weight(-3.0, "sessions that are older are refreshed"),
    "others_obey": Weight(-4.0, "others whose sessions end log in: what is left is clients that don't"),
    "other_reason": Weight(-4.0, "the server says something other than expired"),
    "new_refused": Weight(-4.0, "new tokens of theirs are refused as well: no lifetime does that"),
    "no_verdict": Weight(-2.0, "the refresh endpoint fails without a verdict"),
    "one_version": Weight(-3.0, "one app version only: lifetimes are the server's, and the same for all versions"),
}
#: A session ends when its client notices: an access lifetime later at most, or this part of its age.
_SPREAD = 0.1
#: What one age decides where all sessions began together, and no reason is logged.
_ALONE = 0.45


def _judge(case: Case) -> Judgement:
    found = Judgement()
    ends = case.refused_refreshes.filter(pl.col("refreshes").is_not_null())
    if ends.height < FEW:
        found.missing.append("logins of the affected sessions: the log begins too late to tell how old they were")
        return found
    again = ends.filter(pl.col("refreshes") > 0)
    if again.height > 0.5 * ends.height:
        found.speaks_for(
            "refreshed_before",
            again.height / ends.height,
            f"{again.height:,} of {plural(ends.height, 'session')} had been refreshed before",
        )
    else:
        found.speaks_against(
            "first_refresh", 1 - again.height / ends.height, f"{ends.height - again.height:,} had never been refreshed"
        )
    stated = case.refresh_share_of(Reason.REFRESH_EXPIRED)
    if stated:
        found.speaks_for("reason", stated, f"{stated:.0%} of the refused refreshes with a reason say refresh_expired")
    # Servers that forget what has expired say that they don't know it, and `invalid_grant` means any of these.
    # Reference: RFC 6749 section 5.2
    unclear = case.refresh_share_of(Reason.REFRESH_REVOKED)
    if case.refresh_reasons and stated + unclear < 0.9:
        found.speaks_against("other_reason", 1 - stated - unclear, "refused refreshes name another reason than expiry")
    key = case.share_of(*KEY_FAULTS)
    if key >= 0.5:
        found.speaks_against("other_reason", key, f"{key:.0%} of all refusals with a reason name the key")
    if case.session_clock is not None:
        _age(case, case.session_clock, ends, found, stated=stated >= 0.5)
    rest = case.rest_clock
    if rest is not None and rest.beyond >= FEW:
        found.speaks_for("rested_longer", 1.0, f"{rest.beyond:,} refreshes after as long a rest succeeded")
    logins_refused(case, found, "new_refused")
    logins_help(case, found, "login_helps")
    others_obey(case, found, "others_obey")
    if case.scope.app_version:
        found.speaks_against("one_version", 1.0, f"only version {', '.join(case.scope.app_version)} is refused")
    tries = case.refreshes()
    if tries["failed"] > tries["denied"]:
        found.speaks_against("no_verdict", 1.0, f"{tries['failed']:,} refreshes got no verdict (5xx, 429, timeout)")
    return found


def _age(case: Case, session: Clock, ends: pl.DataFrame, found: Judgement, *, stated: bool) -> None:
    """Whether the age since login is what ends sessions."""
    if session.survivors and session.beyond > 0.05 * session.survivors:
        found.speaks_against(
            "older_live",
            min(4 * session.beyond / session.survivors, 1.0),
            f"{session.beyond:,} of {session.survivors:,} refreshes that succeeded were of older sessions",
        )
        return
    access = case.lifetimes.access
    allowed = max(access.high if access else 0.0, _SPREAD * session.limit)
    if session.spread > allowed or session.survivors < FEW:
        return
    begun = ends["login_at"]
    apart = (begun.max() - begun.min()).total_seconds()  # type: ignore[operator, union-attr]
    found.speaks_for(
        "one_age",
        1.0 if session.count > FEW and (stated or apart > 2 * session.spread + 60) else _ALONE,
        f"{plural(session.count, 'session')} ended {duration(session.limit)} after their login, within"
        f" {duration(session.spread)}; of {session.survivors:,} refreshes that succeeded"
        f" {session.beyond:,} came later",
    )


CAUSE = Cause(
    name="refresh_lifetime_elapsed",
    title="Sessions have reached their absolute end",
    check=(
        "Look up the absolute lifetime of refresh tokens or sessions (session max, refresh token expiry without"
        " sliding) and ask whether it is meant: it is policy in most products."
    ),
    remediation=(
        "If it is meant, tell users, and let clients show the login screen at once. Else extend the lifetime, or let"
        " each refresh begin it anew. Spread logins that come together."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    spares=True,
    by_design=True,
)
