"""`client_treats_failure_as_logout`: a failure that says nothing about the session makes the client drop it.

Deciding: refreshes got no verdict (5xx, 429, timeout), or one call was refused, and the client logged out, while other
clients that met the same failure kept their session and went on. Where nobody could go on, the failure itself is the
cause.
Sequence:
    10:00:00  6 beta   login_ok        20 s apart version=4.0.0
    10:00:01  6 beta   api_ok          20 s apart, 29x every 30 s version=4.0.0
    10:15:00  6 beta   refresh_failed  20 s apart 502 version=4.0.0
    10:15:01  6 beta   logout          20 s apart version=4.0.0
    10:16:30  6 beta   login_ok        20 s apart version=4.0.0
    10:16:31  6 beta   api_ok          20 s apart, 20x every 30 s version=4.0.0
    10:00:00  9 store  login_ok        20 s apart version=3.4.1
    10:15:00  9 store  refresh_failed  20 s apart 502 version=3.4.1
    10:15:20  9 store  refresh_ok      20 s apart version=3.4.1
    10:15:21  9 store  api_ok          20 s apart, 20x every 30 s version=3.4.1
Look-alikes: `refresh_endpoint_broken`, after which people log in by themselves; users who happen to log out.
References: RFC 6749 section 5.2; synaplan#1355; geolens#2038; gumroad-mobile#252.
Pathologies: E6, E8.
"""

from __future__ import annotations

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import FEW, one_part
from authforensics.diagnose.wording import plural

_WEIGHTS = {
    "gave_up": Weight(3.0, "they left their session right after a failure"),
    "others_keep": Weight(2.0, "others met the same failure and went on with their session", decides=True),
    "part": Weight(1.5, "one version or platform: one client"),
    "most_work": Weight(1.0, "most refreshes succeed meanwhile: trying again would have helped"),
    "others_leave": Weight(-2.0, "hardly anybody kept a session through the failure"),
    "down": Weight(-3.0, "no refresh of anybody succeeds meanwhile"),
    "not_most": Weight(-4.0, "most affected devices did not give up"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    devices = len(case.devices)
    gave_up = len(case.found_on("premature_logout"))
    if not gave_up:
        return found
    if gave_up < 0.5 * devices:
        found.speaks_against("not_most", 1 - gave_up / devices, f"{devices - gave_up:,} of {devices:,} did not give up")
    else:
        found.speaks_for(
            "gave_up",
            gave_up / devices,
            f"{gave_up:,} of {plural(devices, 'affected device')} logged out, or went to the login, right after it",
        )
    after = case.after_failure
    if after.kept >= FEW and after.kept >= 0.2 * (after.kept + after.left):
        found.speaks_for(
            "others_keep", 1.0, f"{plural(after.kept, 'device')} kept their session through a failed refresh"
        )
    elif after.left > FEW:
        found.speaks_against(
            "others_leave",
            after.left / (after.kept + after.left),
            f"of {plural(after.kept + after.left, 'device')} whose refresh failed {after.kept:,} kept the session",
        )
    one_part(case, found, "part")
    tries = case.refreshes()
    total = sum(tries.values())
    if total and tries["ok"] > 0.5 * total:
        found.speaks_for("most_work", tries["ok"] / total, f"{tries['ok']:,} of {total:,} refreshes succeed meanwhile")
    elif total and tries["ok"] <= 0.05 * total:
        found.speaks_against("down", 1.0, f"{tries['ok']:,} of {total:,} refreshes of all devices succeeded")
    return found


CAUSE = Cause(
    name="client_treats_failure_as_logout",
    title="The client drops its session for a failure that is no verdict",
    check=(
        "Look at refreshes with 5xx, 429 or time-outs in the minute before logouts and logins, by app version. Read"
        " what the client does when the refresh request fails, and on a 401 of a minor path."
    ),
    remediation=(
        "Treat only a refused refresh (400 invalid_grant, 401) as the end of a session; keep it through everything else"
        " and try again with growing pauses. Never revoke tokens because a refresh failed."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
