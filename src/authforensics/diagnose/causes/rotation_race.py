"""`rotation_race`: two refreshes of one session ran beside one another, and rotation took the second for theft.

Deciding: a refused refresh has a granted sibling of the same device within seconds. Where a server ends the whole
session, the winner's new token is refused as well, which looks like a key that does not fit, but only on devices that
raced. A lost answer comes back later; a thief has a client and an address of his own.
Sequence:
    10:00:00    5 tabs  api_ok          20 s apart
    10:15:00    5 tabs  api_denied      20 s apart
    10:15:00.3  5 tabs  refresh_ok      20 s apart took=0.2
    10:15:00.4  5 tabs  refresh_denied  20 s apart took=0.2 refresh_reused
    10:15:05    5 tabs  login_ok        20 s apart
    10:15:06    5 tabs  api_ok          20 s apart
Look-alikes: `lost_response`, `token_replayed`, `signing_key_mismatch`.
References: RFC 9700 section 4.14.2; OpenRisk#700; supabase/auth#2136; the reuse intervals of GoTrue, Okta, OpenIddict.
Pathologies: D1; 1.2, question 2; 1.4, A1 or D1, D1 or D2 or H4.
"""

from __future__ import annotations

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.ill import KEY_FAULTS
from authforensics.diagnose.pieces import FEW, LOG_REASON, one_part
from authforensics.diagnose.steps import AFTER
from authforensics.diagnose.wording import plural
from authforensics.schema import Reason

_WEIGHTS = {
    "siblings": Weight(3.0, "refused refreshes came beside a granted one of the same device", decides=True),
    "racers": Weight(2.0, "nearly all affected devices raced: with a key that doesn't fit a few would have"),
    "reason": Weight(2.0, "the server says that the refresh token was used before, or revokes the session"),
    "part": Weight(0.5, "one version or platform: one client that refreshes twice"),
    "alone": Weight(-4.0, "refreshes are refused that no other one ran beside"),
    "few_raced": Weight(-4.0, "most affected devices never raced"),
    "two_places": Weight(-5.0, "the session is used from two places: the second refresh may be a stranger's"),
    "other_reason": Weight(-4.0, "the server names expiry, the key or something else"),
}
_REUSED = (Reason.REFRESH_REUSED, Reason.REFRESH_REVOKED, Reason.REVOKED)
#: Not all: after a race the other tabs of a dead session are refused as well, later.
_MOST = 0.5


def _judge(case: Case) -> Judgement:
    found = Judgement()
    refused = case.siblings
    raced = refused.filter("beside")["device_id"].n_unique()
    if raced < FEW and raced < len(case.devices):
        return found
    beside, total = int(refused["beside"].sum()), refused.height
    share = beside / total
    if share >= _MOST:
        found.speaks_for(
            "siblings",
            min(share / 0.8, 1.0),
            f"{beside:,} of {total:,} refused refreshes came within {AFTER:.0f} s of a granted one of the same device",
        )
    else:
        found.speaks_against(
            "alone", 1 - share, f"{total - beside:,} of {total:,} refused refreshes had no granted one beside them"
        )
    devices = len(case.devices)
    if raced >= 0.8 * devices:
        found.speaks_for("racers", raced / devices, f"{raced:,} of {plural(devices, 'affected device')} raced")
    elif raced < _MOST * devices:
        found.speaks_against(
            "few_raced", 1 - raced / devices, f"{devices - raced:,} of {plural(devices, 'affected device')} never raced"
        )
    _reason(case, found)
    one_part(case, found, "part")
    shared = len(case.found_on("session_shared", ever=True))
    if shared:
        found.speaks_against(
            "two_places", min(2 * shared / devices, 1.0), f"{plural(shared, 'session')} were used from two places"
        )
    return found


def _reason(case: Case, found: Judgement) -> None:
    reused, key = case.refresh_share_of(*_REUSED), case.share_of(*KEY_FAULTS)
    if reused:
        found.speaks_for("reason", reused, f"{reused:.0%} of the refused refreshes with a reason say reused or revoked")
    if case.refresh_reasons and reused < 0.9:
        found.speaks_against("other_reason", 1 - reused, f"{1 - reused:.0%} of them name something else")
    elif key > 0.1:
        found.speaks_against("other_reason", key, f"{key:.0%} of all refusals with a reason name the key")
    if not case.reason_counts:
        found.missing.append(LOG_REASON)


CAUSE = Cause(
    name="rotation_race",
    title="Parallel refreshes of one session: rotation takes the second for theft",
    check=(
        "Look at one affected device: which two parts of the app refresh at the same time (parallel calls, tabs, server"
        " side rendering and browser, an extension)? Look up the reuse interval of what issues tokens."
    ),
    remediation=(
        "Now: allow the previous refresh token for some seconds (a reuse interval of 10 to 60 s). Next release: one"
        " refresh at a time per process, a lock across tabs (Web Locks), and refresh in one place only."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
