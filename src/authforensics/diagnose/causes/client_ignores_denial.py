"""`client_ignores_denial`: the client goes on after a refusal instead of showing its login screen.

Deciding: devices go on after the verdict while a login would help: it explains why an incident lasts and what it costs,
not why tokens are refused. As a first cause it stands only where the refusals themselves are ordinary.
Sequence:
    10:00:00  30 phones  api_ok          5 s apart
    10:15:00  30 phones  api_denied      5 s apart token_expired
    10:15:01  30 phones  refresh_ok      5 s apart
    10:15:02  30 phones  api_ok          5 s apart
    10:16:00  2 obey     refresh_denied  60 s apart refresh_expired
    10:16:20  2 obey     login_ok        60 s apart
    10:16:23  2 obey     api_ok          60 s apart
    10:10:00  2 stuck    refresh_denied  120 s apart refresh_expired
    10:10:30  2 stuck    write_denied    120 s apart, 20x every 60 s
Look-alikes: every fault of the server that no client can cure: then new tokens are refused, or a login does not help.
References: RFC 6749 section 5.2; wilbowes/EchoMuse#359; sample_logs/incident-1-secret-mismatch.
Pathologies: E2, E3; founding incident 1.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import young
from authforensics.diagnose.steps import REFRESHES
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "keeps_calling": Weight(2.0, "they call on after the verdict"),
    "no_login": Weight(1.5, "none of them goes to login"),
    "login_helps": Weight(1.5, "tokens from a login are accepted: the user could help himself", decides=True),
    "single_version": Weight(1.0, "one app version only"),
    "server_fault": Weight(-2.5, "a fault of the server refuses them: the client only makes it worse"),
    "together": Weight(-2.0, "many devices fall ill together: that has a common cause elsewhere"),
    "new_refused": Weight(-3.0, "their new tokens are refused: a refusal that no client can cure is not its fault"),
    "login_fails": Weight(-2.0, "a login doesn't help either"),
    "never_refreshes": Weight(-3.0, "they never try to refresh, and others do: no refusal of a refresh to ignore"),
    "logged_out": Weight(-4.0, "the session was logged out before: it was no refusal that ended it"),
    "not_ordinary": Weight(-3.0, "the session was raced for, lost or used from two places: that ended it"),
    "young": Weight(-3.0, "tokens are refused long before they expire: something ended the sessions"),
}
#: Detectors of what ends a session before its time.
_ENDED_BY = ("concurrent_refresh", "lost_refresh_response", "session_shared")
_KEEPS = {"zombie_client", "refresh_retry_loop", "refresh_loop"}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    devices = len(case.devices)
    stuck = case.found_on(*_KEEPS)
    # Where most obey, what a few of them do doesn't explain the incident.
    if len(stuck) < 0.5 * devices:
        return found
    found.speaks_for(
        "keeps_calling",
        len(stuck) / devices,
        f"{len(stuck):,} of {plural(devices, 'device')} went on calling after the verdict",
    )
    logins = case.logged_in(stuck)
    if logins < len(stuck):
        found.speaks_for(
            "no_login", 1 - logins / len(stuck), f"{len(stuck) - logins:,} of them never logged in meanwhile"
        )
    refused, accepted = case.outcomes(AuthEvent.LOGIN_OK)
    if accepted > refused:
        found.speaks_for(
            "login_helps",
            accepted / (accepted + refused),
            f"{accepted:,} of {accepted + refused:,} logins gave a token that works",
        )
    elif refused:
        found.speaks_against(
            "login_fails", 1.0, f"{refused:,} of {accepted + refused:,} logins gave a token that was refused"
        )
    if case.scope.app_version:
        found.speaks_for("single_version", 1.0, f"only version {', '.join(case.scope.app_version)} does so")
    server = case.share_of(
        Reason.SIGNATURE_INVALID,
        Reason.KEY_NOT_FOUND,
        Reason.ALGORITHM_REJECTED,
        Reason.AUDIENCE_MISMATCH,
        Reason.ISSUER_MISMATCH,
    )
    if server:
        found.speaks_against("server_fault", server, f"{server:.0%} of the stated reasons are faults of the server")
    looping = case.found_on("refresh_loop")
    if looping:
        found.speaks_against(
            "new_refused", len(looping) / len(stuck), f"{len(looping):,} of them were refused with new tokens"
        )
    _ended(case, found, stuck)
    # Those that obeyed are not its doing: a fault of the server shows in the number that can't get out.
    if len(stuck) >= 3 and len(stuck) / case.active >= 0.1:
        found.speaks_against("together", 1.0, f"{len(stuck):,} of {case.active:,} active devices are stuck together")
    return found


def _ended(case: Case, found: Judgement, stuck: set[str]) -> None:
    """Whether their sessions ended by what is no ordinary refusal."""
    refreshing = case.steps.filter(pl.col("auth_event").is_in(REFRESHES))["device_id"].n_unique()
    never = 1 - refreshing / len(case.devices)
    if never > 0.5 and case.refreshes()["ok"]:
        found.speaks_against("never_refreshes", never, f"{never:.0%} of them never tried to refresh, others did")
    out = case.logged_out
    if out > 0.2:
        found.speaks_against("logged_out", min(2 * out, 1.0), f"{out:.0%} of the refusals came after a logout")
    raced = stuck & case.found_on(*_ENDED_BY, ever=True)
    if raced:
        found.speaks_against(
            "not_ordinary",
            len(raced) / len(stuck),
            f"on {len(raced):,} of them refreshes raced or were lost, or a session was used from two places",
        )
    early, known = young(case)
    if early > 0.5 * known:
        found.speaks_against(
            "young", early / known, f"{early:,} of {plural(known, 'refused token')} were not near expiry"
        )


CAUSE = Cause(
    name="client_ignores_denial",
    title="The client ignores the refusal and goes on",
    check=(
        "Take one affected device and watch the app: does it show its login screen after the refused refresh? Read the"
        " interceptor that handles 401, and background workers that have one of their own."
    ),
    remediation=(
        "On 401 refresh once; still 401, or the refresh refused: stop, queue or drop writes, show the login screen at"
        " once. Until the release is out, answer the refresh with 400 invalid_grant and slow the callers with 429 and"
        " Retry-After."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    spares=True,
)
