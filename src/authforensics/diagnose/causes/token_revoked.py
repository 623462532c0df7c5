"""`token_revoked`: sessions were ended on purpose: a sign-out everywhere, a changed password, an administrator.

Deciding: the server says of calls that their token is revoked. Of a refused refresh servers say the same where they do
not know the token, or no more than invalid_grant: that speaks for it and does not decide. Ages say nothing, users are
hit one by one, others refresh meanwhile, and a login helps. Where every session of before is gone, the store was lost
or everything was revoked at once, which is `token_store_lost`; where refreshes of one session overlapped, rotation did
it.
Sequence:
    10:00:00  30 phones  login_ok        4 s apart
    10:00:01  30 phones  api_ok          4 s apart, 15x every 60 s
    10:15:05  30 phones  api_denied      4 s apart token_expired
    10:15:06  30 phones  refresh_ok      4 s apart
    10:15:07  30 phones  api_ok          4 s apart
    10:00:30  2 gone     login_ok
    10:00:31  2 gone     api_ok
    10:08:30  2 gone     api_denied      revoked
    10:08:31  2 gone     refresh_denied  refresh_revoked
    10:09:00  2 gone     write_denied    3x every 60 s revoked
    10:12:00  2 gone     login_ok        60 s apart
    10:12:02  2 gone     api_ok          60 s apart
Look-alikes: `token_store_lost`, `rotation_race`, `user_disabled`; expiry, where the log gives no reason.
References: RFC 7009; RFC 9700 section 4.14.2.
Pathologies: I2; 1.4, C2 and C3 or I2.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import few, logins_help, others_obey, returned, says, young
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason

_WEIGHTS = {
    # Without a word of the server nothing else carries: many things end a session early.
    "reason": Weight(5.0, "the server says that the token was revoked, or that it does not know it"),
    "calls": Weight(0.5, "it says so of calls, not of refreshes only", decides=True),
    "young": Weight(1.0, "the tokens had long to live: it is no expiry"),
    "few": Weight(1.0, "others refresh and call meanwhile"),
    "login_helps": Weight(1.0, "a login begins a new session"),
    "everybody": Weight(-2.0, "all sessions of before are gone: nobody revokes them one by one"),
    "rotation": Weight(-2.5, "refreshes of one session overlapped, or an answer was lost: rotation revokes then"),
    "reused": Weight(-5.0, "refresh tokens were used twice: that revoked what the others had"),
    "new_refused": Weight(-2.0, "new tokens are refused as well"),
    "login_refused": Weight(-4.5, "their logins are refused as well: it is the account"),
    "one_version": Weight(-2.5, "one app version only: whoever revokes looks at users, not at versions"),
    "newborn": Weight(-3.0, "they are refused in their first seconds: nobody revokes so fast"),
    "returns": Weight(-4.0, "refused tokens are accepted again, unchanged: nobody takes a revocation back"),
    "logged_out": Weight(-4.0, "the session was logged out by its own client before"),
    "others_obey": Weight(-4.0, "others whose sessions end log in: what is left is clients that don't"),
    "other_reason": Weight(-4.0, "the server says something else"),
}
#: Younger than this, in seconds, nobody has had the time to revoke a token.
_NEWBORN = 5
_ROTATION = {"concurrent_refresh", "lost_refresh_response", "session_shared"}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    says(case, found, [Reason.REVOKED, Reason.REFRESH_REVOKED])
    calls, unclear = (case.reason_counts.get(one.value, 0) for one in (Reason.REVOKED, Reason.REFRESH_REVOKED))
    if calls > 0.1 * unclear:
        found.speaks_for("calls", 1.0, f"{plural(calls, 'refused call')} had a revoked token, the server says")
    early, known = young(case)
    if early > 0.5 * known:
        found.speaks_for("young", early / known, f"{early:,} of {plural(known, 'refused token')} were not near expiry")
    if few(case):
        found.speaks_for("few", 1.0, f"{len(case.devices):,} of {plural(case.active, 'active device')} are affected")
    logins_help(case, found, "login_helps")
    others_obey(case, found, "others_obey")
    if case.scope.app_version:
        found.speaks_against("one_version", 1.0, f"only version {', '.join(case.scope.app_version)} is refused")
    tries = case.refreshes()
    if tries["denied"] >= 5 and not few(case) and tries["ok"] <= 0.1 * tries["denied"]:
        found.speaks_against("everybody", 1.0, f"{tries['denied']:,} refreshes were refused, {tries['ok']:,} granted")
    racing = case.found_on(*_ROTATION, ever=True)
    if racing:
        found.speaks_against(
            "rotation",
            min(2 * len(racing) / len(case.devices), 1.0),
            f"{plural(len(racing), 'device')} refreshed twice",
        )
    _reused(case, found)
    back, total = returned(case)
    if back.height > 0.1 * total:
        found.speaks_against(
            "returns",
            min(2 * back.height / total, 1.0),
            f"{back.height:,} of {plural(total, 'refused token')} were accepted again, unchanged",
        )
    _who(case, found)
    new = case.replaced
    if new.refused > new.accepted:
        found.speaks_against("new_refused", 1.0, f"the next token of {new.refused:,} devices was refused, too")
    return found


def _who(case: Case, found: Judgement) -> None:
    """What nobody does who revokes: tokens that were just made, users who can't log in, sessions that are over."""
    age = (pl.col("first_refused") - pl.col("granted_at")).dt.total_seconds()
    newborn = case.tokens.filter(age <= _NEWBORN, ~pl.col("used_before")).height
    if newborn > 0.3 * max(case.tokens.height, 1):
        found.speaks_against(
            "newborn", 1.0, f"{plural(newborn, 'token')} were refused within {_NEWBORN} s of their making"
        )
    devices = case.meanwhile.devices.join(case.hit.select("device_id"), on="device_id", how="semi")
    barred = devices.filter(pl.col("login_denied") & ~pl.col("login")).height
    if barred > 0.2 * len(case.devices):
        found.speaks_against(
            "login_refused", min(2 * barred / len(case.devices), 1.0), f"logins of {barred:,} of them were refused, too"
        )
    out = case.logged_out
    if out > 0.2:
        found.speaks_against("logged_out", min(2 * out, 1.0), f"{out:.0%} of the refusals came after a logout")


def _reused(case: Case, found: Judgement) -> None:
    """Devices whose refresh is refused as revoked, and those where it is as used twice: one may do that to another."""
    reason = pl.col("reason").cast(pl.String)
    told = case.siblings.filter(reason.is_in([Reason.REVOKED.value, Reason.REFRESH_REVOKED.value]))
    twice = case.siblings.filter(reason == Reason.REFRESH_REUSED.value)["device_id"].n_unique()
    devices = told["device_id"].n_unique() + twice
    if twice > 0.1 * devices:
        found.speaks_against(
            "reused",
            min(2 * twice / devices, 1.0),
            f"on {twice:,} of {plural(devices, 'device')} a refresh token was used twice",
        )


CAUSE = Cause(
    name="token_revoked",
    title="Sessions were revoked",
    check=(
        "Look in the audit log of what issues tokens for sign-outs, password changes, administrators' actions and"
        " clean-up jobs of the users affected, just before their first refusal."
    ),
    remediation=(
        "If it was meant, nothing but a clear login screen. Else stop the job or rule that revokes, and let users log"
        " in once. Clients: a revoked token is a reason to show the login, not to retry."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    spares=True,
)
