"""`stampede_after_outage`: after a silence all clients refresh at once, and most are turned away.

Deciding: very many devices refresh within a minute, right after a stretch in which hardly any call was accepted, and a
part of the refreshes gets no verdict (429, 5xx, timeouts) while others are granted: the endpoint works, and is
overrun. One that is broken grants none.
Sequence:
    10:00:00  30 phones  login_ok        20 s apart
    10:00:05  30 phones  api_ok          20 s apart, 100x every 60 s
    12:00:05  24 phones  api_denied      1 s apart
    12:00:06  24 phones  refresh_failed  1 s apart, 3x every 20 s 429
    12:00:30  30 phones  refresh_ok      1 s apart
    12:02:00  30 phones  api_ok          1 s apart, 60x every 60 s
Look-alikes: `refresh_endpoint_broken`, which grants none.
References: RFC 6585 section 4; RFC 9110 section 10.2.3; mozilla/fxa-oauth-server#370.
Pathologies: D4.
"""

from __future__ import annotations

from authforensics.diagnose.calls import silence
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import measured
from authforensics.diagnose.wording import clock, plural
from authforensics.findings import duration

_WEIGHTS = {
    "rush": Weight(2.5, "very many devices refreshed within a minute, and a part of them in vain", decides=True),
    "silence": Weight(2.0, "hardly anything was accepted just before: an outage, or everything was restarted"),
    "overrun": Weight(1.5, "some refreshes are granted, others get no verdict"),
    "worked_before": Weight(0.5, "refreshes worked until then"),
    "none": Weight(-4.0, "no refresh is granted: the endpoint is broken, not overrun"),
    "refused": Weight(-3.0, "refreshes are refused by a verdict"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    rushes = [one for one in case.cluster.findings if one.detector == "refresh_stampede"]
    tries = case.refreshes()
    began = min((one.first_seen for one in rushes), default=case.onset)
    silent = silence(case.events, began) if tries["failed"] else 0.0
    if not tries["failed"] or not (rushes or silent):
        return found
    if rushes:
        tried, failed = sum(one.count for one in rushes), int(sum(measured(one, "failed") for one in rushes))
        lasted, usual = duration(measured(rushes[0], "seconds")), measured(rushes[0], "usual")
        found.speaks_for(
            "rush",
            1.0,
            f"{plural(rushes[0].devices, 'device')} refreshed within {lasted} from {clock(began)} UTC on, {failed:,}"
            f" times in vain; usual are {usual:.0f} a minute",
        )
    else:
        tried, failed = sum(tries.values()), tries["failed"]
    if silent:
        found.speaks_for("silence", 1.0, f"for {duration(silent)} before, hardly any call was accepted")
    words = f"{tried - failed:,} of {tried:,} refreshes were granted then"
    if tried - failed > 0.05 * tried:
        found.speaks_for("overrun", 1.0, words)
    else:
        found.speaks_against("none", 1.0, words)
    before = case.refreshes(before=True)
    if before["ok"] >= 3 and before["ok"] >= 0.9 * sum(before.values()):
        found.speaks_for("worked_before", 1.0, f"{before['ok']:,} of {sum(before.values()):,} before were granted")
    if tries["denied"] > tries["failed"]:
        share = tries["denied"] / sum(tries.values())
        found.speaks_against("refused", share, f"{tries['denied']:,} refreshes were refused by a verdict")
    return found


CAUSE = Cause(
    name="stampede_after_outage",
    title="After a silence all clients refresh at once, and most are turned away",
    check=(
        "Compare refreshes per minute with what the refresh endpoint can take and with its rate limit. See what ended"
        " just before: an outage, a restart, a maintenance."
    ),
    remediation=(
        "Let the wave pass with 429 and Retry-After, or raise the limit for some minutes. Clients: retry with growing"
        " pauses and jitter, take no failure for a logout, and refresh at 80 to 90 % of the lifetime by chance."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
