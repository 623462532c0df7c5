"""`token_store_lost`: sessions begun before an instant are gone: the store was lost, or all were revoked.

Deciding: from one instant no session begun before it is refreshed, whatever its age, while new ones are. Whether
somebody revoked all or the store was lost, no log of requests tells; and where no reason is given, a change of the key
looks the same: so nothing here decides, and the confidence stays at medium.
Sequence:
    10:00:00  12 phones  login_ok        30 s apart
    10:00:01  12 phones  api_ok          30 s apart, 2x every 889 s
    10:15:05  12 phones  api_denied      30 s apart token_expired
    10:15:06  12 phones  refresh_ok      30 s apart
    10:15:07  12 phones  api_ok          30 s apart, 2x every 883 s
    10:30:08  12 phones  api_denied      30 s apart token_expired
    10:30:09  12 phones  refresh_denied  30 s apart, 3x every 15 s refresh_revoked
    10:35:00  12 phones  login_ok        30 s apart
    10:35:01  12 phones  api_ok          30 s apart, 2x every 840 s
    10:50:05  12 phones  api_denied      30 s apart token_expired
    10:50:06  12 phones  refresh_ok      30 s apart
    10:50:07  12 phones  api_ok          30 s apart
Look-alikes: `key_rotated_without_overlap`, where the log gives no reason; `token_revoked`, which hits a few;
`refresh_lifetime_elapsed` of sessions that began together.
References: RFC 7009; RFC 9700 section 4.14.2.
Pathologies: I4; I2 for everybody.
"""

from __future__ import annotations

import polars as pl

from authforensics.diagnose.case import Case
from authforensics.diagnose.cause import Cause, Judgement, Weight
from authforensics.diagnose.ill import KEY_FAULTS
from authforensics.diagnose.pieces import DEPLOY, FEW, deployed, young
from authforensics.diagnose.refusals import share
from authforensics.diagnose.wording import clock, plural
from authforensics.schema import Reason

_WEIGHTS = {
    "everybody": Weight(2.5, "no session of before is refreshed"),
    "new_live": Weight(2.0, "sessions begun since are good"),
    "reason": Weight(2.5, "the server doesn't know the token any more"),
    "any_age": Weight(1.0, "sessions of any age are gone: no lifetime does so"),
    "old_live": Weight(-4.0, "sessions of before are still refreshed"),
    "new_refused": Weight(-3.0, "new tokens are refused as well"),
    "other_reason": Weight(-4.0, "the server names expiry or the key"),
    "born_since": Weight(-4.0, "sessions begun since are refused as well: nothing was lost, they end too soon"),
    "few": Weight(-2.0, "few devices only"),
    "no_verdict": Weight(-2.0, "the refresh endpoint fails without a verdict"),
    "deploy": DEPLOY,
}


def _judge(case: Case) -> Judgement:
    found = Judgement()
    tries = case.refreshes()
    if not tries["denied"] or len(case.devices) < 3:
        return found
    older, _ = case.refreshing(case.onset)
    if older <= 0.05 * len(case.devices):
        found.speaks_for(
            "everybody",
            1.0,
            f"of sessions begun before {clock(case.onset)} UTC {tries['denied']:,} refreshes were refused, and"
            f" {older:,} devices refreshed one",
        )
    else:
        found.speaks_against(
            "old_live", min(4 * older / len(case.devices), 1.0), f"{older:,} devices still refresh one"
        )
    _reasons(case, found)
    _ages_and_new(case, found)
    if tries["failed"] > tries["denied"]:
        found.speaks_against("no_verdict", 1.0, f"{tries['failed']:,} refreshes got no verdict (5xx, 429, timeout)")
    if len(case.devices) < 0.1 * case.active:
        found.speaks_against("few", 1.0, f"{len(case.devices):,} of {plural(case.active, 'active device')}")
    found.missing.append("what happened to the token store: its restarts, flushes, restores and clean-up jobs")
    deployed(case, found)
    return found


def _reasons(case: Case, found: Judgement) -> None:
    """What is said of refused refreshes; of all that is refused where of these nothing is said."""
    said, whose = case.refresh_reasons, "refused refreshes with a reason"
    if not said:
        said, whose = case.reason_counts, "refusals with a reason"
    gone = share(said, (Reason.REVOKED, Reason.REFRESH_REVOKED))
    if gone:
        found.speaks_for("reason", gone, f"{gone:.0%} of the {whose} say revoked or not found")
    other = max(share(said, (*KEY_FAULTS, Reason.REFRESH_EXPIRED)), case.share_of(*KEY_FAULTS))
    if other > 0.1:
        found.speaks_against("other_reason", other, f"{other:.0%} of the stated reasons are expiry or the key")


def _ages_and_new(case: Case, found: Judgement) -> None:
    since = case.refused_refreshes.filter(pl.col("login_at") > case.onset)["device_id"].n_unique()
    if since >= FEW:
        found.speaks_against(
            "born_since",
            min(2 * since / len(case.devices), 1.0),
            f"refreshes of {plural(since, 'session')} begun since were refused, too",
        )
    session, access = case.session_clock, case.lifetimes.access
    early, known = young(case)
    if early > 0.5 * known:
        found.speaks_for(
            "any_age", early / known, f"{early:,} of {plural(known, 'refused token')} were not near expiry"
        )
    elif session is not None and access is not None and session.spread > 2 * access.high:
        found.speaks_for("any_age", 1.0, "sessions were of very different ages when they ended")
    new = case.replaced
    if new.accepted >= FEW and new.accepted > new.refused:
        given = new.accepted + new.refused
        found.speaks_for(
            "new_live",
            new.accepted / given,
            f"the next token of {new.accepted:,} of {plural(given, 'affected device')} was accepted",
        )
    elif new.refused:
        found.speaks_against("new_refused", 1.0, f"the next token of {new.refused:,} devices was refused, too")


CAUSE = Cause(
    name="token_store_lost",
    title="Sessions begun before an instant are gone: the store was lost, or all were revoked",
    check=(
        "Compare the oldest session in the token store with the onset. Look for a flush, an eviction, a restore, a"
        " migration or a clean-up job, and for a sign-out of everybody."
    ),
    remediation=(
        "Restore the store from before the onset if that is safe; else tell users to log in once, and slow the wave"
        " down (429 with Retry-After). Give the store persistence and an alert on its size."
    ),
    weights=_WEIGHTS,
    judge=_judge,
)
