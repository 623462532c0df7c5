"""`cookie_expires_first`: the cookie ends with, or before, the token it carries, so that nothing is left to refresh.

Deciding: sessions end at one age, their calls then carry no credential at all, and nobody refreshes. A server that
finds the token and calls it expired speaks against: then the client could have refreshed and didn't. Where no reason is
logged, that can't be told apart, so the age alone carries nothing.
Sequence:
    10:00:00  6 browsers  login_ok       40 s apart
    10:00:05  6 browsers  api_ok         40 s apart, 30x every 30 s
    10:15:05  6 browsers  api_anonymous  40 s apart, 2x every 30 s
    10:17:00  6 browsers  login_ok       40 s apart
    10:17:05  6 browsers  api_ok         40 s apart, 30x every 30 s
    10:32:05  6 browsers  api_anonymous  40 s apart  # at the same age again
    10:40:00  6 browsers  login_ok       40 s apart
    10:40:05  6 browsers  api_ok         40 s apart
Look-alikes: visitors who are not logged in; a header that a proxy strips, from the first call on; clients that never
refresh.
References: RFC 6265 section 5.3; opendefender/OpenRisk#691.
Pathologies: C6; 1.4, C6 or J2 or G2.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.pieces import LOG_REASON, logins_help, logins_refused
from authforensics.diagnose.wording import plural
from authforensics.findings import duration
from authforensics.schema import Reason

_WEIGHTS = {
    "one_age": Weight(2.0, "sessions end at one age after the login"),
    "no_credential": Weight(3.0, "the calls carry no credential any more: the browser dropped it", decides=True),
    "no_refresh": Weight(1.0, "nobody tries to refresh"),
    "login_helps": Weight(0.5, "a login begins a new session"),
    "credential": Weight(-4.0, "the server was sent a token and refused it"),
    "new_refused": Weight(-4.0, "new tokens of theirs are refused as well: no lifetime does that"),
    "others_refresh": Weight(-1.5, "others of the fleet refresh: part of the clients have a trouble of their own"),
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    silent = [one for one in case.cluster.findings if one.detector == "silent_expiry"]
    if not silent:
        return found
    ages = [float(one.measures["age"]) for one in silent if "age" in one.measures]
    age = f", {duration(ages[len(ages) // 2])} after the login" if ages else ""
    found.speaks_for("one_age", 1.0, f"the sessions of {plural(len(silent), 'device')} ended at one age{age}")
    missing = case.share_of(Reason.MISSING_TOKEN)
    if missing:
        found.speaks_for("no_credential", missing, f"{missing:.0%} of the stated reasons say that no token was sent")
    if case.reason_counts and missing < 0.9:
        found.speaks_against("credential", 1 - missing, f"{1 - missing:.0%} of the stated reasons are about a token")
    elif not case.reason_counts:
        found.missing.append(LOG_REASON)
    tried = case.meanwhile.attempts.filter(pl.col("auth_event").cast(pl.String).str.starts_with("refresh"))
    count = int(tried["count"].sum())
    if not count:
        found.speaks_for("no_refresh", 1.0, "the refresh endpoint was not called once")
    elif count >= len(silent):
        found.speaks_against("others_refresh", 1.0, f"other devices refreshed {count:,} times")
    logins_help(case, found, "login_helps")
    logins_refused(case, found, "new_refused")
    return found


CAUSE = Cause(
    name="cookie_expires_first",
    title="The cookie ends before the session that it carries",
    check=(
        "Compare Max-Age (or Expires) of each Set-Cookie with the lifetime of the token in it, also in the answer to a"
        " refresh. Is the refresh endpoint ever called?"
    ),
    remediation=(
        "Let the access cookie outlive its token, and the refresh cookie the refresh token, so that the server can say"
        " expired. Clients: where there was a session, refresh at a missing credential, too."
    ),
    weights=_WEIGHTS,
    judge=_judge,
    needs=("no_credential",),
)
