"""`cloned_device_state`: a backup or a device transfer copied tokens and installation id to a second device.

Deciding: nothing in a log. One session used by turns from two addresses with two user agents, both the same version of
the app, is a copied device; a stolen token can look the same, so the confidence stays at medium.
Sequence:
    10:00:00  3 ids  login_ok  9 s apart from=192.0.2.7 ua=A
    10:00:20  3 ids  api_ok  9 s apart, 30x every 40 s from=192.0.2.7 ua=A
    10:05:00  3 ids  api_ok  9 s apart, 20x every 40 s from=192.0.2.99 ua=B
Look-alikes: `token_replayed`; a network hand-over, one proxy for many, server-side rendering.
References: RFC 9700 section 4.14.2; home-assistant/android#4975; supabase-flutter#1791; authgear-server#2674.
Pathologies: D5; 1.4, D5 or H4.
"""

from __future__ import annotations

from authforensics.diagnose import copies
from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.wording import plural

_WEIGHTS = {
    "two_places": Weight(3.0, "sessions are used by turns from two addresses with two user agents"),
    "same_client": Weight(2.0, "both are the same version of the app, on the same platform"),
    "several": Weight(0.5, "it happens to several users: a backup function does that"),
    "other_client": Weight(-3.0, "the second one is no copy of the app: it has another platform or version, or none"),
    "not_shared": Weight(-5.0, "most affected sessions are used from one place"),
}


def _several(_: Case, shared: set[str], found: Judgement) -> None:
    if len(shared) >= 3:
        found.speaks_for("several", 1.0, f"it happens on {plural(len(shared), 'device')}")


def _judge(case: Case) -> Judgement:
    return copies.judge(case, copied=True, more=_several)


CAUSE = Cause(
    name="cloned_device_state",
    title="Sessions are used from a second place: a copied device, or a copied token",
    check=(
        "Ask two of the users whether they have a new phone, restored a backup or use two devices. Compare the models"
        " in the user agents of one device id, and the day of its first use."
    ),
    remediation=(
        "Exclude tokens and the installation id from backups and device transfers; on the first start on other hardware"
        " ask for a login. If no user knows the second device, treat it as stolen: end the sessions."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
