"""`client_uses_logged_out_session`: part of an app goes on with the session after its logout.

Deciding: the refused calls come after a logout of the same device and before its next login, and are refused, as they
should be. Where they are accepted, the logout is not enforced, which is the server's fault.
Sequence:
    10:00:00  6 phones  login_ok    20 s apart
    10:00:01  6 phones  api_ok      20 s apart, 10x every 30 s
    10:06:00  6 phones  logout      20 s apart
    10:06:20  6 phones  api_denied  20 s apart, 25x every 20 s revoked
    10:20:00  6 phones  login_ok    20 s apart
    10:20:01  6 phones  api_ok      20 s apart, 10x every 30 s
Look-alikes: `logout_not_enforced`, `token_revoked`, `client_ignores_denial`.
References: RFC 7009; RFC 9700 section 4.14.2; artifact-keeper#1811.
Pathologies: I1.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import one_part
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason
from authforensics.states import AuthEvent

_WEIGHTS = {
    "after_logout": Weight(4.0, "devices are refused after their logout, before the next login", decides=True),
    "refused": Weight(1.0, "nothing is accepted after the logout: the server enforces it"),
    "reason": Weight(0.5, "the server says revoked, expired or that nothing was sent"),
    "part": Weight(0.5, "one version or platform: one client"),
    "in_session": Weight(-4.0, "refusals are of sessions that nobody logged out of"),
    "accepted": Weight(-4.0, "calls after the logout are accepted: the server does not enforce it"),
    "gave_up": Weight(-4.0, "the logout itself was the answer to a failure"),
    "other_reason": Weight(-3.0, "the server names the key, the audience or something else"),
}
#: Until when calls are beside one another: as long as a call takes where the log doesn't tell.
_BESIDE_SECONDS = 2.0
_ENDED = (
    *(Reason.REVOKED, Reason.REFRESH_REVOKED, Reason.TOKEN_EXPIRED, Reason.REFRESH_EXPIRED, Reason.MISSING_TOKEN),
    Reason.OTHER,
)


def _judge(case: Case) -> Judgement:
    found = Judgement()
    after = case.after_logout
    reused = {
        one.device_id: one
        for one in case.findings
        if one.detector == "logged_out_reuse" and one.device_id in case.found_on("logged_out_reuse", ever=True)
    }
    if after.is_empty():
        return found
    devices = len(case.devices)
    late = _going_on(after)
    if late > 0.5 * devices:
        found.speaks_for(
            "after_logout",
            late / devices,
            f"{late:,} of {plural(devices, 'affected device')} were refused after their logout, before the next login",
        )
    refused = case.denials.filter(pl.col("auth_event") != AuthEvent.API_OK.value).height
    before = max(refused - after.height, 0)
    if before > 0.3 * refused:
        found.speaks_against(
            "in_session", before / refused, f"{before:,} of {plural(refused, 'refusal')} had no logout before them"
        )
    accepted = sum(bool(one.measures.get("accepted")) for one in reused.values())
    if accepted > 0.2 * max(len(reused), 1):
        found.speaks_against(
            "accepted", accepted / len(reused), f"{plural(accepted, 'device')} had calls accepted after the logout"
        )
    elif reused:
        found.speaks_for("refused", 1 - accepted / len(reused), "calls after the logout are refused")
    told = case.share_of(*_ENDED)
    if told:
        found.speaks_for("reason", told, f"{told:.0%} of the stated reasons are those of a session that has ended")
    if case.reason_counts and told < 0.9:
        found.speaks_against("other_reason", 1 - told, f"{1 - told:.0%} of the stated reasons are others")
    one_part(case, found, "part")
    left = len(case.found_on("premature_logout"))
    if left:
        found.speaks_against(
            "gave_up", min(2 * left / len(case.devices), 1.0), f"{plural(left, 'device')} logged out for a failure"
        )
    return found


def _going_on(after: pl.DataFrame) -> int:
    """Devices that were refused after their logout more than once: calls beside one another are one challenge."""
    late = after.filter(~pl.col("again")).group_by("device_id", "logged_out_at").agg(pl.col("timestamp"))
    lasted = pl.col("timestamp").list.max() - pl.col("timestamp").list.min()
    return late.filter(lasted.dt.total_seconds() > _BESIDE_SECONDS)["device_id"].n_unique()


CAUSE = Cause(
    name="client_uses_logged_out_session",
    title="Part of the app goes on with a session after its logout",
    check=(
        "Take one affected device and look which paths are called after the logout: they belong to background work,"
        " push, a widget or a worker that keeps a token of its own."
    ),
    remediation=(
        "Stop background work at logout, and let every part of the app read the token from one store at the time of"
        " sending. The server does right: nothing to change there but, if the load hurts, 429 with Retry-After."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
