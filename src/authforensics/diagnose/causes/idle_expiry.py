"""`idle_expiry`: sessions end when they rest for too long.

Deciding: no refresh succeeds after so long a rest, while sessions of any age do: the rest since the last token is what
ends them. A rest as short as an access token's life is none: then the refresh token lives no longer. Where others
rest longer, the same devices must show it again and again: their client has a limit of its own. By design, as a rule.
Sequence:
    08:00:00  8 phones  login_ok        120 s apart
    08:00:01  8 phones  api_ok          120 s apart, 2x every 889 s
    08:15:10  8 phones  api_denied      120 s apart token_expired
    08:15:11  8 phones  refresh_ok      120 s apart
    08:15:12  8 phones  api_ok          120 s apart
    11:40:10  8 phones  api_denied      120 s apart token_expired
    11:40:11  8 phones  refresh_denied  120 s apart refresh_expired
    11:41:00  8 phones  write_denied    120 s apart, 3x every 60 s
    08:00:07  3 busy    login_ok        5 s apart
    08:15:20  3 busy    refresh_ok      5 s apart, 15x every 915 s
    08:15:21  3 busy    api_ok          5 s apart, 15x every 915 s
Look-alikes: `refresh_lifetime_elapsed`, which ends busy sessions as well; `equal_lifetimes`, where no refresh ever
succeeds.
References: RFC 9700 section 4.14.2; matrix-org/synapse#11425; keycloak/keycloak#30452.
Pathologies: 1.4, C2 or C3.
"""

from __future__ import annotations

from authforensics.diagnose import endings
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.endings import Clock
from authforensics.diagnose.pieces import FEW, logins_help, logins_refused, others_obey
from authforensics.diagnose.wording import plural
from authforensics.findings import duration
from authforensics.schema import Reason

_WEIGHTS = {
    "reason": Weight(1.5, "the server says the refresh token has expired"),
    "long_rest": Weight(2.5, "no refresh succeeds after so long a rest, sooner ones do", decides=True),
    "older_live": Weight(1.5, "sessions that are older are refreshed: it is no absolute end"),
    "login_helps": Weight(0.5, "a login begins a new session"),
    "no_rest": Weight(-4.0, "they did not rest longer than an access token lives"),
    "rested_longer": Weight(-3.0, "others rested longer and were refreshed"),
    "others_obey": Weight(-4.0, "others whose sessions end log in: what is left is clients that don't"),
    "new_refused": Weight(-4.0, "new tokens of theirs are refused as well: no lifetime does that"),
    "other_reason": Weight(-4.0, "the server says something other than expired"),
}
#: Of refreshes that succeeded so many may have come after as long a rest: devices that the log can't tell apart.
_STRAY = 0.02
#: What the rest decides where it ends sessions of some devices only: a client that loses its tokens looks the same.
_ALONE = 0.45
#: A rest is longer than an access token lives by this much: clients that refresh on demand come that late anyway.
_LONGER = 1.5


def _judge(case: Case) -> Judgement:
    found = Judgement()
    rest, access = case.rest_clock, case.lifetimes.access
    if rest is None:
        found.missing.append("when the refused tokens were given: the log begins too late to tell how long they rested")
        return found
    stated = case.refresh_share_of(Reason.REFRESH_EXPIRED)
    if stated:
        found.speaks_for("reason", stated, f"{stated:.0%} of the refused refreshes with a reason say refresh_expired")
    # Servers that forget what has expired say that they don't know it, and `invalid_grant` means any of these.
    # Reference: RFC 6749 section 5.2
    unclear = case.refresh_share_of(Reason.REFRESH_REVOKED)
    if case.refresh_reasons and stated + unclear < 0.9:
        found.speaks_against("other_reason", 1 - stated - unclear, "refused refreshes name another reason than expiry")
    if access is None:
        found.missing.append("the access lifetime: too few tokens were seen to expire")
    elif rest.limit <= _LONGER * access.high:
        found.speaks_against(
            "no_rest",
            1.0,
            f"the shortest rest was {duration(rest.limit)}; access tokens live {duration(access.seconds)}",
        )
    else:
        _rest(case, rest, found)
    logins_help(case, found, "login_helps")
    logins_refused(case, found, "new_refused")
    others_obey(case, found, "others_obey")
    return found


def _rest(case: Case, rest: Clock, found: Judgement) -> None:
    # Clients may have limits of their own.
    mine = endings.survived(case.grants.join(case.hit.lazy(), on="device_id", how="semi"))
    own = endings.clock(case.refused_refreshes["refresh_denied_age"], mine, "rest")
    if rest.survivors >= FEW and rest.beyond <= _STRAY * rest.survivors:
        found.speaks_for(
            "long_rest",
            1.0,
            f"{plural(rest.count, 'token')} had rested {duration(rest.limit)} or longer; of {rest.survivors:,}"
            f" refreshes that succeeded {rest.beyond:,} came as late",
        )
    elif own is not None and _again(case) and own.survivors >= FEW and own.beyond <= _STRAY * own.survivors:
        found.speaks_for(
            "long_rest",
            _ALONE,
            f"{plural(own.count, 'token')} had rested {duration(own.limit)} or longer; of {own.survivors:,} refreshes"
            f" of the same devices that succeeded {own.beyond:,} came as late, but {rest.beyond - own.beyond:,} of"
            " others did: they have another limit",
        )
    elif rest.beyond:
        found.speaks_against(
            "rested_longer",
            min(4 * rest.beyond / rest.survivors, 1.0),
            f"{rest.beyond:,} of {rest.survivors:,} refreshes that succeeded came after a longer rest",
        )
    session = case.session_clock
    if session is not None and session.beyond >= FEW:
        found.speaks_for(
            "older_live", 1.0, f"{session.beyond:,} refreshes of sessions older than those that ended succeeded"
        )


def _again(case: Case) -> bool:
    """Whether devices were refused more than once, as a rule: one whose only long rest was refused tells nothing."""
    times = case.refused_refreshes.group_by("device_id").len()["len"]
    return 2 * int((times >= 2).sum()) >= len(times)


CAUSE = Cause(
    name="idle_expiry",
    title="Sessions that rested for too long have ended",
    check=(
        "Look up the idle (sliding) lifetime of refresh tokens or sessions and ask whether it is meant. See whether"
        " background work of the app is stopped by the system (Doze, background tabs)."
    ),
    remediation=(
        "If it is meant, let clients show the login screen at once. Else raise the idle lifetime above the longest rest"
        " that users take (a weekend, a holiday), or refresh in the background."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    spares=True,
    by_design=True,
)
